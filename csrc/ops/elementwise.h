// Elementwise ops: a formula wrapped as an op of one or two inputs, the choice between two, and
// casts. Inputs broadcast against each other and meet in their common dtype (core/dtype.h:
// promote).
#pragma once

#include "ops/formulas.h"
#include "ops/infer.h"

namespace pyneuro {

/// Raises unless `dtype` is in the formula's domain.
void expect_domain(const Signature& sig, Domain domain, int input, DType dtype);
Specs infer_elementwise(const Signature& sig, Domain domain, Result result, Inputs in);

/// y = F(x).
template <class F> struct Unary {
  using formula = F;
  static constexpr Signature signature{F::name, {"x"}};
  static constexpr auto fields = kNoFields;
  static constexpr bool strided = true;
  static constexpr int inplace = 0;
  Specs infer(Inputs in) const { return infer_elementwise(signature, F::domain, F::result, in); }
};

/// y = F(x1, x2), broadcast.
template <class F> struct Binary {
  using formula = F;
  static constexpr Signature signature{F::name, {"x1", "x2"}};
  static constexpr auto fields = kNoFields;
  static constexpr bool strided = true, promotes = true;
  static constexpr int inplace = 0;
  Specs infer(Inputs in) const { return infer_elementwise(signature, F::domain, F::result, in); }
};

/// x1 where condition is true (not zero), else x2; broadcast.
struct Where {
  static constexpr Signature signature{"where", {"condition", "x1", "x2"}};
  static constexpr auto fields = kNoFields;
  static constexpr bool strided = true, promotes = true;
  Specs infer(Inputs in) const;
};

/// x as another dtype: float to integer truncates and saturates, NaN gives 0; to bool is x != 0.
struct Cast {
  static constexpr Signature signature{"cast", {"x"}};
  DType dtype;
  static constexpr auto fields = std::tuple{field("dtype", &Cast::dtype)};
  static constexpr bool strided = true;
  Specs infer(Inputs in) const;
};

/// x in memory of its own, row-major.
struct Copy {
  static constexpr Signature signature{"copy", {"x"}};
  static constexpr auto fields = kNoFields;
  static constexpr bool strided = true;
  Specs infer(Inputs in) const { return in[0]; }
};

}  // namespace pyneuro
