// Checks of the ops that write to state.
#include "ops/update.h"

namespace pyneuro {
namespace {

void expect_scalar(const Signature& sig, Inputs in, int input) {
  if (!in[input].shape.empty())
    raise(ErrorKind::Shape, join(sig.name, ": ", sig.input(input), " has shape ", in[input].shape,
                                 ", but a single number is expected"));
}

/// The last input of a conditional op; gives how many there are before it.
int expect_condition(const Signature& sig, bool conditional, Inputs in) {
  if (!conditional) return in.size();
  const int last = in.size() - 1;
  if (last < 0 || in[last].dtype != DType::Bool || !in[last].shape.empty())
    raise(ErrorKind::Argument,
          join(sig.name, ": the condition, the last input, must be a single bool",
               last < 0 ? std::string() : join(", got ", in[last])));
  return last;
}

/// The numbers at the head are single ones, and the tensors after them form the runs of a step.
template <class Op> Specs expect_step(const Op& op, Inputs in, bool takes_halves = true) {
  const Signature& sig = Op::signature;
  constexpr int head = Op::kHead;
  for (int i = 0; i < head; ++i) expect_scalar(sig, in, i);
  const int groups = op.groups(), tensors = expect_condition(sig, op.conditional, in) - head;
  if (tensors % groups != 0)
    raise(ErrorKind::Argument,
          join(sig.name, ": ", tensors, " tensors do not form ", groups, " lists of one length"));
  const int n = tensors / groups;
  for (int i = 0; i < n; ++i) {
    const Spec& variable = in[head + i];
    const bool fits = op.copies                      ? variable.dtype == DType::Float32
                      : size_of(variable.dtype) == 2 ? takes_halves && is_floating(variable.dtype)
                                                     : is_floating(variable.dtype);
    if (!fits)
      raise(ErrorKind::DType,
            join(sig.name, ": variable ", i, " is ", name(variable.dtype), ", but ",
                 op.copies      ? "float32, beside a copy in 16 bits,"
                 : takes_halves ? "a floating dtype"
                                : "float32 or float64",
                 " is expected"));
    const DType halves = op.copies ? in[head + (groups - 1) * n + i].dtype : variable.dtype;
    if (op.copies && (!is_floating(halves) || size_of(halves) != 2))
      raise(ErrorKind::DType, join(sig.name, ": the copy of variable ", i, " is ", name(halves),
                                   ", but float16 or bfloat16 is expected"));
    for (int g = 1; g < groups; ++g) {
      const Spec& other = in[head + g * n + i];
      const bool copy = op.copies && g == groups - 1;
      const bool fits_it = other.dtype == variable.dtype || (g == 1 && other.dtype == halves);
      if (other.shape != variable.shape || !(copy || fits_it))
        raise(ErrorKind::Shape, join(sig.name, ": variable ", i, " is ", variable, ", but its ",
                                     g == 1 ? "gradient"
                                     : copy ? "copy"
                                            : "slot",
                                     " is ", other));
    }
  }
  return {};
}

}  // namespace

Specs Assign::infer(Inputs in) const {
  const int tensors = expect_condition(signature, conditional, in);
  if (tensors % 2 != 0)
    raise(ErrorKind::Argument, join("assign: ", tensors, " tensors are not pairs"));
  const int n = tensors / 2;
  for (int i = 0; i < n; ++i)
    if (in[i].shape != in[n + i].shape || is_complex(in[n + i].dtype) != is_complex(in[i].dtype))
      raise(ErrorKind::Shape, join("assign: the variable is ", in[i], ", but the value is ",
                                   in[n + i], "; their shapes must be equal"));
  return {};
}

Specs SgdUpdate::infer(Inputs in) const { return expect_step(*this, in); }
Specs AdamUpdate::infer(Inputs in) const { return expect_step(*this, in); }
Specs LambUpdate::infer(Inputs in) const { return expect_step(*this, in, /*takes_halves=*/false); }
Specs RmspropUpdate::infer(Inputs in) const { return expect_step(*this, in); }
Specs AdagradUpdate::infer(Inputs in) const { return expect_step(*this, in); }
Specs LionUpdate::infer(Inputs in) const { return expect_step(*this, in); }

Specs SumOfSquares::infer(Inputs in) const {
  for (int i = 0; i < in.size(); ++i) expect_floating(signature, in, i);
  return Spec{Shape{}, DType::Float64};
}

}  // namespace pyneuro
