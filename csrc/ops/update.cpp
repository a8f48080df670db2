// Checks of the ops that write to state.
#include "ops/update.h"

namespace pyneuro {
namespace {

void expect_scalar(const Signature& sig, Inputs in, int input) {
  if (!in[input].shape.empty())
    raise(ErrorKind::Shape, join(sig.name, ": ", sig.input(input), " has shape ", in[input].shape,
                                 ", but a single number is expected"));
}

/// Inputs from `first` on are `groups` runs of n tensors; the i-th of each run has one spec.
void expect_groups(const Signature& sig, Inputs in, int first, int groups) {
  const int tensors = in.size() - first;
  if (tensors % groups != 0)
    raise(ErrorKind::Argument,
          join(sig.name, ": ", tensors, " tensors do not form ", groups, " lists of one length"));
  const int n = tensors / groups;
  for (int i = 0; i < n; ++i) {
    const Spec& variable = in[first + i];
    if (!is_floating(variable.dtype))
      raise(ErrorKind::DType, join(sig.name, ": variable ", i, " is ", name(variable.dtype),
                                   ", but a floating dtype is expected"));
    for (int g = 1; g < groups; ++g)
      if (in[first + g * n + i] != variable)
        raise(ErrorKind::Shape,
              join(sig.name, ": variable ", i, " is ", variable, ", but ",
                   g == 1 ? "its gradient" : "its slot", " is ", in[first + g * n + i]));
  }
}

}  // namespace

Specs Assign::infer(Inputs in) const {
  if (in.size() % 2 != 0)
    raise(ErrorKind::Argument, join("assign: ", in.size(), " tensors are not pairs"));
  const int n = in.size() / 2;
  for (int i = 0; i < n; ++i)
    if (in[i].shape != in[n + i].shape || is_complex(in[n + i].dtype) != is_complex(in[i].dtype))
      raise(ErrorKind::Shape, join("assign: the variable is ", in[i], ", but the value is ",
                                   in[n + i], "; their shapes must be equal"));
  return {};
}

Specs SgdUpdate::infer(Inputs in) const {
  expect_scalar(signature, in, 0);
  expect_groups(signature, in, 1, groups());
  return {};
}

Specs AdamUpdate::infer(Inputs in) const {
  expect_scalar(signature, in, 0);
  expect_scalar(signature, in, 1);
  expect_groups(signature, in, 2, groups());
  return {};
}

Specs RmspropUpdate::infer(Inputs in) const {
  expect_scalar(signature, in, 0);
  expect_groups(signature, in, 1, groups());
  return {};
}

Specs AdagradUpdate::infer(Inputs in) const {
  expect_scalar(signature, in, 0);
  expect_groups(signature, in, 1, 3);
  return {};
}

Specs LionUpdate::infer(Inputs in) const {
  expect_scalar(signature, in, 0);
  expect_groups(signature, in, 1, 3);
  return {};
}

}  // namespace pyneuro
