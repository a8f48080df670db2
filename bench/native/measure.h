// How every native benchmark measures: the work and a yardstick by turns, medians of both. The
// yardstick is what this machine can do at that moment, so a share of it means something on a
// machine that others use too.
#pragma once

#include <algorithm>
#include <chrono>
#include <fstream>
#include <functional>
#include <string>
#include <tuple>
#include <vector>

#include "runtime/dispatch.h"

namespace pyneuro::bench {

struct Options {
  std::string filter;     // rows with this in their name
  int rounds = 10;        // samples of each row
  double sample = 10e-3;  // seconds that a sample takes at least
  bool reduced = false;   // small sizes, one round: does it run at all?
  std::string json;       // file for all samples
};

/// What is timed, and what it is compared with.
struct Work {
  std::function<void()> call;
  double amount = 0;                    // what a call does, in units of `unit`
  const char* unit = "";                // "FLOP" or "B"
  std::function<double()> yardstick{};  // units a second that this machine can do
  int64_t parts = 1;                    // equal pieces in a call: times are given for one
};

/// Measures rows, prints each as it is done, and writes all of them as JSON.
class Bench {
 public:
  /// Raises where its file cannot be written.
  explicit Bench(Options options);

  /// `make` gives the row's work; it is called only where the row is wanted.
  void row(const std::string& name, const std::function<Work()>& make);
  /// A row whose times the caller takes himself: `sample` gives one, in seconds.
  void timed(const std::string& name, const std::function<double()>& sample);

  /// A size as it is, or for a glance.
  int64_t sized(int64_t n) const;
  /// Writes JSON where that was asked for; `about` are names and values.
  void finish(const std::vector<std::pair<std::string, std::string>>& about);
  int rows() const { return int(found_.size()); }

 private:
  struct Found {
    std::string name;
    double amount;
    const char* unit;
    std::vector<double> samples, shares;
  };
  bool wanted(const std::string& name) const;
  void add(Found found);

  Options options_;
  std::vector<Found> found_;
  std::ofstream json_;
};

// ---- the rows of each file ----------------------------------------------------------------------

void gemm_rows(Bench& bench);         // gemm.cpp
void conv_rows(Bench& bench);         // conv.cpp
void elementwise_rows(Bench& bench);  // elementwise.cpp
void reduce_rows(Bench& bench);       // reduce.cpp
void line_rows(Bench& bench);         // lines.cpp
void image_rows(Bench& bench);        // images.cpp
void sequence_rows(Bench& bench);     // sequences.cpp
void placement_rows(Bench& bench);    // placements.cpp
void update_rows(Bench& bench);       // updates.cpp
void plan_rows(Bench& bench);         // plan.cpp
void thread_rows(Bench& bench);       // threads.cpp

// ---- work ---------------------------------------------------------------------------------------

/// An op that is bound by memory. Counted are the bytes of inputs and of outputs, and those of
/// inputs that it writes once more; `bytes` says it where that would be wrong. The yardstick is a
/// copy within as much memory, or where next to nothing is written, reading it. An empty array
/// stands for an absent input.
Work moving(OpRef op, std::vector<Array> inputs, double bytes = 0);

/// An op that is bound by arithmetic; the yardstick is the multiply-adds in registers, half as many
/// for float64.
Work computing(OpRef op, std::vector<Array> inputs, double operations);

/// "softmax, 4096 x 1000": the op's name, and what makes the row another than the next.
template <class Op, class... Parts> std::string title(const Parts&... parts) {
  return join(Op::signature.name, ", ", parts...);
}
/// "4 x 56 x 56 x 256".
std::string by(const Shape& shape);

/// An op with the defaults of its fields; 0 where there is none.
template <class Op> Op with_defaults() {
  Op op{};
  const auto set = [&](const auto& field) {
    if constexpr (!std::is_same_v<std::decay_t<decltype(field.fallback)>, Required>)
      op.*field.member = field.fallback;
  };
  std::apply([&](const auto&... field) { (set(field), ...); }, Op::fields);
  return op;
}

/// What an optimizer's step takes before its tensors, 1 each, but a rate of zero: the work is the
/// same, and no number ever becomes small enough to be slow.
std::vector<Array> numbers_of_step(const Signature& signature);

/// An array of small numbers, the same at each call.
Array filled(const Shape& shape, DType dtype = DType::Float32);
/// Whole numbers from 0 to below `end`, in no order.
Array numbers(const Shape& shape, int64_t end, DType dtype = DType::Int32);
/// The same as the memory of a Variable.
Array state(const Shape& shape);

// ---- yardsticks ---------------------------------------------------------------------------------

/// Fused multiply-adds of float32 in registers on all threads of the team: floating-point
/// operations per second, over about a quarter of a millisecond. Two a multiply-add.
double fma_rate();

/// Copies between two buffers of its own, `bytes` read and written together, by whatever is
/// quickest at that size, the C library's memcpy, vectors or non-temporal stores: bytes read and
/// written per second.
std::function<double()> copy_rate(double bytes);

/// Reads a buffer of its own of `bytes`: bytes per second.
std::function<double()> read_rate(double bytes);

// ---- time ---------------------------------------------------------------------------------------

template <class F> double seconds(F&& f) {
  const auto start = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// The value below which a share `at` of them lies.
inline double quantile(std::vector<double> values, double at) {
  const auto place = values.begin() + std::ptrdiff_t(at * double(values.size() - 1) + 0.5);
  std::nth_element(values.begin(), place, values.end());
  return *place;
}
inline double median(std::vector<double> values) { return quantile(std::move(values), 0.5); }

/// Keeps the compiler from leaving out what gave x.
template <class T> void keep(T& x) { asm volatile("" : "+m"(x) : : "memory"); }

}  // namespace pyneuro::bench
