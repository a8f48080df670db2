// The two rows that call out: a user's native op through its C vtable, and a host function.
#include <cstdio>

#include "custom_op.h"
#include "kernels/kernels.h"

namespace pyneuro {
namespace {

constexpr int kFewArrays = 16;  // inputs that fit the stack; more go to scratch
constexpr int kMaxOutputs = 8;  // what infer allows

pn_array to_c(const View& v) {
  pn_array a{{static_cast<int32_t>(v.dtype), v.rank(), {}}, v.data};
  for (int i = 0; i < v.rank(); ++i) a.spec.shape[i] = v.shape[i];
  return a;
}

/// The `parallel_for` that a user's op gets; `host` is the kernel's Context.
void parallel_for(void* host, int64_t tasks, void (*task)(void*, int64_t), void* closure) {
  if (tasks > 0)
    static_cast<Context*>(host)->parallel_for(tasks, [=](int64_t i) { task(closure, i); });
}

void run_custom(const Custom& op, Context& ctx, In in, Out out) noexcept {
  pn_array few[kFewArrays], outputs[kMaxOutputs];
  pn_array* inputs = in.count <= kFewArrays ? few : static_cast<pn_array*>(ctx.scratch());
  for (int i = 0; i < in.count; ++i) inputs[i] = to_c(in[i]);
  for (int i = 0; i < out.count; ++i) outputs[i] = to_c(out[i]);
  const pn_context context{&ctx, &parallel_for};
  char error[256] = "";
  if (op.vtable->run(&context, inputs, outputs, error, sizeof error) == 0) return;
  error[sizeof error - 1] = '\0';
  char text[384];
  std::snprintf(text, sizeof text, "%s: %s", op.vtable->name,
                error[0] != '\0' ? error : "the op failed and gave no reason");
  ctx.fail(ErrorKind::Argument, 0, text);
}

size_t custom_scratch(const Custom&, In in, Out) noexcept {
  return in.count <= kFewArrays ? 0 : static_cast<size_t>(in.count) * sizeof(pn_array);
}

/// A failure is noted by the host itself.
void run_host_call(const HostCall& op, Context& ctx, In in, Out out) noexcept {
  ctx.host_call(op.callback, in.views, in.count, out.views, out.count);
}

}  // namespace

Kernel kernel(Tag<Custom>) { return make_kernel<Custom, &run_custom, &custom_scratch>(); }
Kernel kernel(Tag<HostCall>) { return make_kernel<HostCall, &run_host_call>(); }

}  // namespace pyneuro
