// Shape rules of the open rows: the user's own, and the one that the caller states.
#include "ops/custom.h"

#include "custom_op.h"

namespace pyneuro {
namespace {

constexpr int kMaxOutputs = 8;

pn_spec to_c(const Spec& spec) {
  pn_spec out{static_cast<int32_t>(spec.dtype), spec.shape.size(), {}};
  for (int i = 0; i < spec.shape.size(); ++i) out.shape[i] = spec.shape[i];
  return out;
}

Spec from_c(const pn_spec& spec, const char* op) {
  if (spec.dtype < 0 || spec.dtype >= kDTypeCount || spec.rank < 0 || spec.rank > kMaxRank)
    raise(ErrorKind::Argument, join(op, ": infer gave dtype ", spec.dtype, " and rank ", spec.rank,
                                    ", which do not exist"));
  Shape shape;
  for (int i = 0; i < spec.rank; ++i) shape.push_back(spec.shape[i]);
  expect_shape(op, shape);
  return {shape, static_cast<DType>(spec.dtype)};
}

}  // namespace

Specs Custom::infer(Inputs in) const {
  if (vtable == nullptr || vtable->version != PN_CUSTOM_OP_VERSION)
    raise(ErrorKind::Argument, join("custom: the op was built for another version of custom_op.h; "
                                    "this one is ",
                                    PN_CUSTOM_OP_VERSION));
  if (in.size() != vtable->inputs)
    raise(ErrorKind::Argument, join(vtable->name, ": takes ", vtable->inputs, " inputs, but ",
                                    in.size(), " were given"));
  if (vtable->outputs < 1 || vtable->outputs > kMaxOutputs)
    raise(ErrorKind::Argument, join(vtable->name, ": gives ", vtable->outputs,
                                    " outputs, but 1 to ", kMaxOutputs, " are possible"));
  std::vector<pn_spec> inputs;
  for (int i = 0; i < in.size(); ++i) inputs.push_back(to_c(in[i]));
  pn_spec outputs[kMaxOutputs]{};
  char error[256] = "";
  if (vtable->infer(inputs.data(), outputs, error, sizeof error) != 0)
    raise(ErrorKind::Shape, join(vtable->name, ": ", error));
  std::vector<Spec> out;
  for (int i = 0; i < vtable->outputs; ++i) out.push_back(from_c(outputs[i], vtable->name));
  return Specs(std::move(out));
}

Specs HostCall::infer(Inputs) const {
  for (const Spec& spec : outputs) expect_shape("host_call", spec.shape);
  return Specs(outputs);
}

}  // namespace pyneuro
