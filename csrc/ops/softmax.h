// Softmax, log-softmax, and cross-entropy from logits, with their gradients. Floats only; rows are
// computed in float32 or float64.
#pragma once

#include "ops/infer.h"

namespace pyneuro {

/// y = exp(x - max(x)) / sum(exp(x - max(x))) along `axis`.
struct Softmax {
  static constexpr Signature signature{"softmax", {"x"}};
  int64_t axis;
  static constexpr auto fields = std::tuple{field("axis", &Softmax::axis, int64_t{-1})};
  Specs infer(Inputs in) const;
};

/// y = x - max(x) - log(sum(exp(x - max(x)))) along `axis`.
struct LogSoftmax {
  static constexpr Signature signature{"log_softmax", {"x"}};
  int64_t axis;
  static constexpr auto fields = std::tuple{field("axis", &LogSoftmax::axis, int64_t{-1})};
  Specs infer(Inputs in) const;
};

/// dx = y (g - sum(g y)) along `axis`; y is softmax's output.
struct SoftmaxGrad {
  static constexpr Signature signature{"softmax_grad", {"y", "g"}};
  int64_t axis;
  static constexpr auto fields = std::tuple{field("axis", &SoftmaxGrad::axis, int64_t{-1})};
  Specs infer(Inputs in) const;
};

/// dx = g - exp(y) sum(g) along `axis`; y is log_softmax's output.
struct LogSoftmaxGrad {
  static constexpr Signature signature{"log_softmax_grad", {"y", "g"}};
  int64_t axis;
  static constexpr auto fields = std::tuple{field("axis", &LogSoftmaxGrad::axis, int64_t{-1})};
  Specs infer(Inputs in) const;
};

/// y[...] = -sum_c target[..., c] log_softmax(logits)[..., c]; classes on the last axis.
struct Crossentropy {
  static constexpr Signature signature{"crossentropy", {"logits", "target"}};
  static constexpr auto fields = kNoFields;
  Specs infer(Inputs in) const;
};

/// dlogits[..., c] = g[...] (softmax(logits)[..., c] sum(target) - target[..., c]).
struct CrossentropyGrad {
  static constexpr Signature signature{"crossentropy_grad", {"logits", "target", "g"}};
  static constexpr auto fields = kNoFields;
  Specs infer(Inputs in) const;
};

/// y[...] = -log_softmax(logits)[..., label[...]]; label is of any integer dtype. A label outside
/// [0, classes) raises, naming the first such sample.
struct SparseCrossentropy {
  static constexpr Signature signature{"sparse_crossentropy", {"logits", "label"}};
  static constexpr auto fields = kNoFields;
  Specs infer(Inputs in) const;
};

/// dlogits[..., c] = g[...] (softmax(logits)[..., c] - (c == label[...])).
struct SparseCrossentropyGrad {
  static constexpr Signature signature{"sparse_crossentropy_grad", {"logits", "label", "g"}};
  static constexpr auto fields = kNoFields;
  Specs infer(Inputs in) const;
};

}  // namespace pyneuro
