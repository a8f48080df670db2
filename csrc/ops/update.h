// Writes to state: assign, and optimizer steps over many variables at once. They have no outputs.
#pragma once

#include "ops/infer.h"

namespace pyneuro {

/// variable <- value, cast to the variable's dtype; shapes are equal. Several pairs in one call:
/// inputs are variable_1 .. variable_n, value_1 .. value_n.
struct Assign {
  static constexpr Signature signature{"assign", {"variables_and_values*"}};
  static constexpr auto fields = kNoFields;
  bool mutates(int input, int inputs) const { return input < inputs / 2; }
  Specs infer(Inputs in) const;
};

/// Without momentum: p <- p - lr g. With: v <- momentum v - lr g, then p <- p + v, or with nesterov
/// p <- p + momentum v - lr g (Keras's form). Inputs: learning_rate (0-d), then n variables p, n
/// gradients g of their dtype, and with momentum n velocities v.
struct SgdUpdate {
  static constexpr Signature signature{"sgd_update", {"learning_rate", "tensors*"}};
  double momentum;
  bool nesterov;
  static constexpr auto fields = std::tuple{field("momentum", &SgdUpdate::momentum, 0.0),
                                            field("nesterov", &SgdUpdate::nesterov, false)};
  int groups() const { return momentum == 0 ? 2 : 3; }
  bool mutates(int input, int inputs) const {
    const int n = (inputs - 1) / groups();
    return input > 0 && (input <= n || input > 2 * n);
  }
  Specs infer(Inputs in) const;
};

/// Adam (Kingma and Ba 2015, in Keras's form): alpha = lr sqrt(1 - beta_2^t) / (1 - beta_1^t);
/// m <- m + (g - m)(1 - beta_1); v <- v + (g^2 - v)(1 - beta_2); with amsgrad w <- max(w, v), and w
/// stands for v in p <- p - m alpha / (sqrt(v) + epsilon). Inputs: learning_rate and step t >= 1
/// (0-d), then n each of variables, gradients, m, v and with amsgrad w.
struct AdamUpdate {
  static constexpr Signature signature{"adam_update", {"learning_rate", "step", "tensors*"}};
  double beta_1, beta_2, epsilon;
  bool amsgrad;
  static constexpr auto fields = std::tuple{
      field("beta_1", &AdamUpdate::beta_1, 0.9), field("beta_2", &AdamUpdate::beta_2, 0.999),
      field("epsilon", &AdamUpdate::epsilon, 1e-7), field("amsgrad", &AdamUpdate::amsgrad, false)};
  int groups() const { return amsgrad ? 5 : 4; }
  bool mutates(int input, int inputs) const {
    const int n = (inputs - 2) / groups();
    return input > 1 && (input < 2 + n || input >= 2 + 2 * n);
  }
  Specs infer(Inputs in) const;
};

/// RMSprop (Hinton 2012, in Keras's form): v <- rho v + (1 - rho) g^2; centered, a <- rho a +
/// (1 - rho) g; d = lr g / sqrt(v + epsilon - a^2); with momentum u <- momentum u + d stands for d
/// in p <- p - d. Inputs: learning_rate (0-d), then n each of variables, gradients, v, with
/// momentum u, and centered a.
struct RmspropUpdate {
  static constexpr Signature signature{"rmsprop_update", {"learning_rate", "tensors*"}};
  double rho, momentum, epsilon;
  bool centered;
  static constexpr auto fields = std::tuple{field("rho", &RmspropUpdate::rho, 0.9),
                                            field("momentum", &RmspropUpdate::momentum, 0.0),
                                            field("epsilon", &RmspropUpdate::epsilon, 1e-7),
                                            field("centered", &RmspropUpdate::centered, false)};
  int groups() const { return 3 + (momentum != 0) + centered; }
  bool mutates(int input, int inputs) const {
    const int n = (inputs - 1) / groups();
    return input > 0 && (input <= n || input > 2 * n);
  }
  Specs infer(Inputs in) const;
};

/// Adagrad (Duchi, Hazan and Singer 2011, in Keras's form): a <- a + g^2, then
/// p <- p - lr g / sqrt(a + epsilon). Inputs: learning_rate (0-d), then n each of variables,
/// gradients and a.
struct AdagradUpdate {
  static constexpr Signature signature{"adagrad_update", {"learning_rate", "tensors*"}};
  double epsilon;
  static constexpr auto fields = std::tuple{field("epsilon", &AdagradUpdate::epsilon, 1e-7)};
  bool mutates(int input, int inputs) const {
    const int n = (inputs - 1) / 3;
    return input > 0 && (input <= n || input > 2 * n);
  }
  Specs infer(Inputs in) const;
};

/// Lion (Chen et al. 2023): p <- p - lr sign(beta_1 m + (1 - beta_1) g), then m <- beta_2 m +
/// (1 - beta_2) g. Inputs: learning_rate (0-d), then n each of variables, gradients and m.
struct LionUpdate {
  static constexpr Signature signature{"lion_update", {"learning_rate", "tensors*"}};
  double beta_1, beta_2;
  static constexpr auto fields = std::tuple{field("beta_1", &LionUpdate::beta_1, 0.9),
                                            field("beta_2", &LionUpdate::beta_2, 0.99)};
  bool mutates(int input, int inputs) const {
    const int n = (inputs - 1) / 3;
    return input > 0 && (input <= n || input > 2 * n);
  }
  Specs infer(Inputs in) const;
};

}  // namespace pyneuro
