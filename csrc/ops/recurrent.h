// Recurrent layers over all steps of a sequence, and their gradients. Floats only; states are kept
// in float32 or float64 between steps.
//
// x [N, T, gates U] holds what the input adds to the gates. Steps go from the first to the last, or
// with `reverse` from the last to the first; y [N, T, U] holds the outputs in the order in which
// they are computed, everything else is in x's order. Where mask [N, T] is false the states stay,
// and y is the output before (0 where there is none), or 0 with `zero_masked`.
#pragma once

#include "ops/infer.h"

namespace pyneuro {

/// Long short-term memory (Hochreiter and Schmidhuber 1997), gates i, f, g, o:
///   c' = sigmoid(f) c + sigmoid(i) tanh(g),  h' = sigmoid(o) tanh(c')
/// Gives y, the last h and c [N, U]; and with `keep`, for the gradient, gates [N, T, 4 U], cells
/// and before [N, T, U] = the c and the h that each step begins with; gradients come to y and the
/// last states only.
struct Lstm {
  static constexpr Signature signature{"lstm", {"x", "recurrent_kernel", "h", "c", "mask?"}};
  bool reverse, zero_masked, keep;
  static constexpr int inplace = 3;  // the gates, in x
  static constexpr auto fields =
      std::tuple{field("reverse", &Lstm::reverse, false),
                 field("zero_masked", &Lstm::zero_masked, false), field("keep", &Lstm::keep, true)};
  Specs infer(Inputs in) const;
};

/// dx, dh, dc from lstm's gates and cells and the gradients of y and of the last states.
struct LstmGrad {
  static constexpr Signature signature{
      "lstm_grad", {"recurrent_kernel", "gates", "cells", "g_y", "g_h", "g_c", "mask?"}};
  bool reverse, zero_masked;
  static constexpr int inplace = 0;  // dx, in the gates
  static constexpr auto fields = std::tuple{field("reverse", &LstmGrad::reverse, false),
                                            field("zero_masked", &LstmGrad::zero_masked, false)};
  Specs infer(Inputs in) const;
};

/// The gated recurrent unit (Cho et al. 2014), gates z, r, n. With `reset_after` the reset gate
/// works on the product, and without on the state before it:
///   n' = tanh(n + sigmoid(r) (h R_n + b_n)) or tanh(n + (sigmoid(r) h) R_n + b_n)
///   h' = sigmoid(z) h + (1 - sigmoid(z)) n'
/// Gives y, the last h [N, U]; and with `keep`, for the gradient, trace [N, T, 4 U] = the gates and
/// h R_n + b_n or sigmoid(r) h, and before [N, T, U] = the h that each step begins with.
struct Gru {
  static constexpr Signature signature{"gru", {"x", "recurrent_kernel", "bias", "h", "mask?"}};
  bool reverse, zero_masked, reset_after, keep;
  static constexpr auto fields = std::tuple{
      field("reverse", &Gru::reverse, false), field("zero_masked", &Gru::zero_masked, false),
      field("reset_after", &Gru::reset_after, true), field("keep", &Gru::keep, true)};
  Specs infer(Inputs in) const;
};

/// dx, dh, and the gradient of what R's product and b add to the gates [N, T, 3 U], from gru's
/// trace and before and the gradients of y and of the last state.
struct GruGrad {
  static constexpr Signature signature{
      "gru_grad", {"recurrent_kernel", "trace", "before", "g_y", "g_h", "mask?"}};
  bool reverse, zero_masked, reset_after;
  static constexpr auto fields = std::tuple{field("reverse", &GruGrad::reverse, false),
                                            field("zero_masked", &GruGrad::zero_masked, false),
                                            field("reset_after", &GruGrad::reset_after, true)};
  Specs infer(Inputs in) const;
};

}  // namespace pyneuro
