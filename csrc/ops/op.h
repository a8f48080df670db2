// What an op is: a plain struct with a signature, fields, and a shape rule. Nothing here touches
// data.
//
//   struct Softmax {
//     static constexpr Signature signature{"softmax", {"x"}};
//     int64_t axis;
//     static constexpr auto fields = std::tuple{field("axis", &Softmax::axis, -1)};
//     Specs infer(Inputs in) const;   // shape and dtype rule; throws; the only place that checks
//   };
//
// Declarations that say more where it matters:
//   static constexpr bool strided = true;       reads any strides
//   static bool reads(const Layout& x);         reads these; dispatch makes other inputs dense
//   static constexpr bool promotes = true;      inputs meet in their common dtype, so a Python
//                                               number takes the dtype of the others
//   static constexpr int inplace = 0;           this output may reuse the memory of a dense input
//                                               of the same spec: each element of it is read
//                                               before, and for, that element alone
//   bool mutates(int input, int inputs) const;  inputs that it writes (optimizer steps, assign)
//   bool alias(int output, const Layout& in, Layout& out) const;
//                                               the outputs are views of input 0: no kernel runs.
//                                               False where strides cannot say it.
#pragma once

#include <array>
#include <concepts>
#include <span>
#include <string_view>
#include <tuple>
#include <vector>

#include "core/reflect.h"
#include "core/view.h"

namespace pyneuro {

/// The name of an op and of its inputs. "bias?" is optional, "xs*" stands for any number of inputs
/// and comes last.
struct Signature {
  std::string_view name;
  std::array<std::string_view, 8> inputs{};

  constexpr int size() const {
    int n = 0;
    while (n < 8 && !inputs[n].empty()) ++n;
    return n;
  }
  constexpr bool variadic() const { return size() > 0 && inputs[size() - 1].back() == '*'; }
  /// Inputs that must be given (a variadic tail may be empty).
  constexpr int required() const {
    int n = 0;
    while (n < size() && inputs[n].back() != '?' && inputs[n].back() != '*') ++n;
    return n;
  }
  constexpr std::string_view input(int i) const {
    const int last = size() - 1;
    std::string_view text = inputs[i < last ? i : last];
    if (text.back() == '?' || text.back() == '*') text.remove_suffix(1);
    return text;
  }
};

/// What a shape rule sees of the inputs. An absent optional input is a null pointer.
class Inputs {
 public:
  Inputs(const Spec* const* specs, int size) : specs_(specs), size_(size) {}
  int size() const { return size_; }
  bool has(int i) const { return i < size_ && specs_[i] != nullptr; }
  const Spec& operator[](int i) const { return *specs_[i]; }

 private:
  const Spec* const* specs_;
  int size_;
};

/// What a shape rule gives: one spec for each output. The first lies inline.
class Specs {
 public:
  Specs() = default;
  Specs(Spec spec) : first_(spec), size_(1) {}
  explicit Specs(std::vector<Spec> specs) : rest_(std::move(specs)), size_(int(rest_.size())) {
    if (size_ > 0) first_ = rest_[0];
  }
  int size() const { return size_; }
  const Spec& operator[](int i) const { return i == 0 ? first_ : rest_[i]; }

 private:
  Spec first_;
  std::vector<Spec> rest_;  // all of them where there are several
  int size_ = 0;
};

/// A list of any length as a field (split sizes), and a list of specs (the outputs of a host call).
using Ints = std::vector<int64_t>;
using SpecList = std::vector<Spec>;

template <class T>
concept Op = std::copyable<T> && requires(const T op, Inputs in) {
  { T::signature } -> std::convertible_to<Signature>;
  T::fields;
  { op.infer(in) } -> std::same_as<Specs>;
};

/// For ops without fields.
inline constexpr std::tuple<> kNoFields{};

/// Whether a kernel reads the input as it lies; null: any.
using Reads = bool (*)(const Layout& x);
template <class T> constexpr Reads reads_of() {
  if constexpr (requires { T::reads(Layout{}); }) return &T::reads;
  if constexpr (requires { T::strided; }) return nullptr;
  return [](const Layout& x) { return is_dense(x.shape, x.strides); };
}
template <class T> constexpr bool is_promoting() {
  if constexpr (requires { T::promotes; }) return T::promotes;
  return false;
}
/// The output that may reuse an input's memory, -1 for none.
template <class T> constexpr int inplace_of() {
  if constexpr (requires { T::inplace; }) return T::inplace;
  return -1;
}
template <class T>
concept Aliasing = requires(const T op, const Layout& in, Layout& out) {
  { op.alias(0, in, out) } -> std::same_as<bool>;
};
template <class T>
concept Mutating = requires(const T op) {
  { op.mutates(0, 0) } -> std::same_as<bool>;
};

}  // namespace pyneuro
