// Writes to state: assign, and optimizer steps over many variables at once. They have no outputs.
// And the sum of squares that gradients are clipped by.
#pragma once

#include "ops/infer.h"

namespace pyneuro {

/// variable <- value, cast to the variable's dtype; shapes are equal. Several pairs in one call:
/// inputs are variable_1 .. variable_n, value_1 .. value_n; `conditional`, a bool is the last one,
/// and where it is false nothing is written.
struct Assign {
  static constexpr Signature signature{"assign", {"variables_and_values*"}};
  bool conditional;
  static constexpr auto fields = std::tuple{field("conditional", &Assign::conditional, false)};
  bool mutates(int input, int inputs) const { return input < inputs / 2; }
  Specs infer(Inputs in) const;
};

/// What the optimizer steps share. Inputs are numbers (0-d), the learning rate first, `scale` last;
/// then runs of n tensors: variables p, their gradients, and the family's slots, all of one spec.
/// A gradient is multiplied by `scale` before anything; weight_decay is the share of the rate that
/// is taken off a variable before its step. With `copies` the variables are float32, and a
/// last run, of float16 or bfloat16, gets them rounded: what a network works with; gradients may
/// have that dtype. A copy that is not its variable rounded was written to by someone else: it
/// counts. `conditional`, a bool is the last input, and where it is false nothing is written.
struct UpdateStep {
  double weight_decay;
  bool copies, conditional;
  static constexpr auto step_fields =
      std::tuple{field("weight_decay", &UpdateStep::weight_decay, 0.0),
                 field("copies", &UpdateStep::copies, false),
                 field("conditional", &UpdateStep::conditional, false)};

 protected:
  /// All runs but the gradients, the second, are written.
  static bool is_written(int input, int inputs, int head, int groups) {
    const int n = (inputs - head) / groups;  // a condition is fewer than the groups
    const bool gradient = input >= head + n && input < head + 2 * n;
    return input >= head && input < head + groups * n && !gradient;
  }
};

/// Without momentum: p <- p - lr g. With: v <- momentum v - lr g, then p <- p + v, or with nesterov
/// p <- p + momentum v - lr g (Keras's form). Slots: with momentum v.
struct SgdUpdate : UpdateStep {
  static constexpr Signature signature{"sgd_update", {"learning_rate", "scale", "tensors*"}};
  static constexpr int kHead = 2;
  double momentum;
  bool nesterov;
  static constexpr auto fields =
      std::tuple_cat(step_fields, std::tuple{field("momentum", &SgdUpdate::momentum, 0.0),
                                             field("nesterov", &SgdUpdate::nesterov, false)});
  int groups() const { return 2 + (momentum != 0) + copies; }
  bool mutates(int input, int inputs) const { return is_written(input, inputs, kHead, groups()); }
  Specs infer(Inputs in) const;
};

/// Adam (Kingma and Ba 2015, in Keras's form): alpha = lr sqrt(1 - beta_2^t) / (1 - beta_1^t);
/// m <- m + (g - m)(1 - beta_1); v <- v + (g^2 - v)(1 - beta_2); with amsgrad w <- max(w, v), and w
/// stands for v in p <- p - m alpha / (sqrt(v) + epsilon). Slots: m, v and with amsgrad w; t >= 1
/// is the step.
struct AdamUpdate : UpdateStep {
  static constexpr Signature signature{"adam_update",
                                       {"learning_rate", "step", "scale", "tensors*"}};
  static constexpr int kHead = 3;
  double beta_1, beta_2, epsilon;
  bool amsgrad;
  static constexpr auto fields =
      std::tuple_cat(step_fields, std::tuple{field("beta_1", &AdamUpdate::beta_1, 0.9),
                                             field("beta_2", &AdamUpdate::beta_2, 0.999),
                                             field("epsilon", &AdamUpdate::epsilon, 1e-7),
                                             field("amsgrad", &AdamUpdate::amsgrad, false)});
  int groups() const { return 4 + amsgrad + copies; }
  bool mutates(int input, int inputs) const { return is_written(input, inputs, kHead, groups()); }
  Specs infer(Inputs in) const;
};

/// LAMB (You et al. 2020, in Keras's form): m and v as in Adam, d = (m / (1 - beta_1^t)) /
/// (sqrt(v / (1 - beta_2^t)) + epsilon), p <- p - lr |p| / |d| d with the lengths of the whole
/// variable; one that is 0 leaves the quotient out. Slots: m and v; t >= 1 is the step. Variables
/// are float32 or float64: 16 bits would lose the direction between its two passes.
struct LambUpdate : UpdateStep {
  static constexpr Signature signature{"lamb_update",
                                       {"learning_rate", "step", "scale", "tensors*"}};
  static constexpr int kHead = 3;
  double beta_1, beta_2, epsilon;
  static constexpr auto fields =
      std::tuple_cat(step_fields, std::tuple{field("beta_1", &LambUpdate::beta_1, 0.9),
                                             field("beta_2", &LambUpdate::beta_2, 0.999),
                                             field("epsilon", &LambUpdate::epsilon, 1e-7)});
  int groups() const { return 4 + copies; }
  bool mutates(int input, int inputs) const { return is_written(input, inputs, kHead, groups()); }
  Specs infer(Inputs in) const;
};

/// RMSprop (Hinton 2012, in Keras's form): v <- rho v + (1 - rho) g^2; centered, a <- rho a +
/// (1 - rho) g; d = lr g / sqrt(v + epsilon - a^2); with momentum u <- momentum u + d stands for d
/// in p <- p - d. Slots: v, with momentum u, and centered a.
struct RmspropUpdate : UpdateStep {
  static constexpr Signature signature{"rmsprop_update", {"learning_rate", "scale", "tensors*"}};
  static constexpr int kHead = 2;
  double rho, momentum, epsilon;
  bool centered;
  static constexpr auto fields =
      std::tuple_cat(step_fields, std::tuple{field("rho", &RmspropUpdate::rho, 0.9),
                                             field("momentum", &RmspropUpdate::momentum, 0.0),
                                             field("epsilon", &RmspropUpdate::epsilon, 1e-7),
                                             field("centered", &RmspropUpdate::centered, false)});
  int groups() const { return 3 + (momentum != 0) + centered + copies; }
  bool mutates(int input, int inputs) const { return is_written(input, inputs, kHead, groups()); }
  Specs infer(Inputs in) const;
};

/// Adagrad (Duchi, Hazan and Singer 2011, in Keras's form): a <- a + g^2, then
/// p <- p - lr g / sqrt(a + epsilon). Slots: a.
struct AdagradUpdate : UpdateStep {
  static constexpr Signature signature{"adagrad_update", {"learning_rate", "scale", "tensors*"}};
  static constexpr int kHead = 2;
  double epsilon;
  static constexpr auto fields =
      std::tuple_cat(step_fields, std::tuple{field("epsilon", &AdagradUpdate::epsilon, 1e-7)});
  int groups() const { return 3 + copies; }
  bool mutates(int input, int inputs) const { return is_written(input, inputs, kHead, groups()); }
  Specs infer(Inputs in) const;
};

/// Lion (Chen et al. 2023): p <- p - lr sign(beta_1 m + (1 - beta_1) g), then m <- beta_2 m +
/// (1 - beta_2) g. Slots: m.
struct LionUpdate : UpdateStep {
  static constexpr Signature signature{"lion_update", {"learning_rate", "scale", "tensors*"}};
  static constexpr int kHead = 2;
  double beta_1, beta_2;
  static constexpr auto fields =
      std::tuple_cat(step_fields, std::tuple{field("beta_1", &LionUpdate::beta_1, 0.9),
                                             field("beta_2", &LionUpdate::beta_2, 0.99)});
  int groups() const { return 3 + copies; }
  bool mutates(int input, int inputs) const { return is_written(input, inputs, kHead, groups()); }
  Specs infer(Inputs in) const;
};

/// The sum of the squares of all elements of all tensors, a float64 of no axes.
struct SumOfSquares {
  static constexpr Signature signature{"sum_of_squares", {"tensors*"}};
  static constexpr auto fields = kNoFields;
  Specs infer(Inputs in) const;
};

}  // namespace pyneuro
