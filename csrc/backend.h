// The contract between the runtime and a kernel library. A library is loaded, never linked: one per
// CPU instruction set, one per other device. Nothing above this page knows which one runs.
//
// run() is noexcept, checks nothing (infer did), allocates nothing, threads only through
// ctx.parallel_for, and tells bad data (a label outside its range) through ctx.fail.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ops/table.h"

namespace pyneuro {

inline constexpr uint32_t kContractVersion = 2;

using TaskFn = void (*)(void* closure, int64_t index);

/// What the runtime does for a kernel.
struct HostServices {
  /// Runs fn(closure, i) for i in [0, tasks); which thread runs which i is not defined.
  void (*parallel_for)(int64_t tasks, TaskFn fn, void* closure) noexcept;
  /// Runs the host function registered under `callback` (HostCall). False after a fail.
  bool (*host_call)(int64_t callback, const View* in, int inputs, const View* out, int outputs,
                    void* fail) noexcept;
  /// Notes bad data. Of several, the one at the smallest position is told, whoever came first.
  void (*fail)(void* fail, ErrorKind kind, int64_t position, const char* text) noexcept;
};

/// Inputs and outputs as a kernel sees them. An absent optional input has `present == false`.
struct In {
  const View* views;
  int count;
  const View& operator[](int i) const { return views[i]; }
  bool has(int i) const { return i < count && views[i].present; }
};
struct Out {
  const View* views;
  int count;
  const View& operator[](int i) const { return views[i]; }
};

/// A chain to be run on an op's result, part by part while it is in a cache. The result is one of
/// its inputs. Only ops that `leads` knows are given one, and their kernels always run it.
struct Chained {
  const Fused* op;
  In in;
  Out out;
};

/// Memory of one step of a plan, for another form of its second input: a kernel transformed, a
/// matrix packed. It lasts from replay to replay.
struct Kept {
  void* data;
  bool stale;  // the input was written since, or this is the first run: the kernel fills the memory
};

/// A kernel's surroundings: services, and the scratch memory that it asked for (64-byte aligned).
class Context {
 public:
  Context(const HostServices& host, void* scratch, void* fail, const Chained* chained = nullptr,
          const Kept* kept = nullptr)
      : host_(&host), scratch_(scratch), fail_(fail), chained_(chained), kept_(kept) {}

  /// Runs f(i) for i in [0, tasks). Cut work by shape, never by threads: f(i) may depend on i
  /// alone.
  template <class F> void parallel_for(int64_t tasks, F&& f) {
    using Fn = std::remove_reference_t<F>;
    if (tasks == 1) {
      f(int64_t{0});
      return;
    }
    host_->parallel_for(
        tasks, [](void* closure, int64_t i) { (*static_cast<Fn*>(closure))(i); },
        const_cast<void*>(static_cast<const void*>(&f)));
  }
  void* scratch() const { return scratch_; }
  void fail(ErrorKind kind, int64_t position, const char* text) {
    host_->fail(fail_, kind, position, text);
  }
  bool host_call(int64_t callback, const View* in, int inputs, const View* out, int outputs) {
    return host_->host_call(callback, in, inputs, out, outputs, fail_);
  }
  const HostServices& host() const { return *host_; }
  const Chained* chained() const { return chained_; }  // null: nothing follows
  const Kept* kept() const { return kept_; }           // null: nothing is kept

 private:
  const HostServices* host_;
  void* scratch_;
  void* fail_;
  const Chained* chained_;
  const Kept* kept_;
};

/// A row of a kernel library. A null run means that the op has no kernel there.
struct Kernel {
  void (*run)(const void* op, Context& ctx, In in, Out out) noexcept = nullptr;
  size_t (*scratch)(const void* op, In in, Out out) noexcept = nullptr;  // bytes; null: none
  /// Bytes worth keeping of the second input, if that stays as it is; null or 0: none.
  size_t (*keeps)(const void* op, In in, Out out) noexcept = nullptr;
};

/// What a kernel library gives out.
struct Backend {
  uint32_t version;       // kContractVersion
  uint32_t ops;           // kOpCount of the table it was built with
  const char* device;     // "cpu"
  const char* isa;        // "avx2"
  const Kernel* kernels;  // kOpCount rows; rows that only alias are null
};

/// The one symbol that a kernel library exports.
extern "C" const Backend* pyneuro_backend();
using BackendEntry = const Backend* (*)();
inline constexpr const char* kBackendSymbol = "pyneuro_backend";

}  // namespace pyneuro
