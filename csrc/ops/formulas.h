// Every elementwise formula, written once for every device, every ISA and every fused chain.
//
// `eval` is a template over the value type V: a vector register (simd/vec.h) on CPUs, a scalar
// wrapper on other devices; never a bare float, so that the functions it calls are found beside V:
//   select(mask, a, b)  minimum maximum (NaN wins)  abs floor ceil rint sqrt fmod
//   exp expm1 log log1p sin cos atan tanh erf normal_cdf pow    (float; errors are stated in
//   simd/math.h) floor_divide floor_mod pow                  (integers; never trap, x // 0 == 0)
// A predicate gives V's mask. `domain` says which dtypes a formula takes, `result` what comes out.
#pragma once

#include <string_view>
#include <type_traits>

#include "core/reflect.h"

#if defined(__CUDACC__)
#define PN_FN __host__ __device__ inline
#else
#define PN_FN inline __attribute__((always_inline))
#endif

namespace pyneuro {

enum class Domain { Any, Numeric, Floating };  // Any: bool too
enum class Result { Same, Bool };

namespace formulas {

struct Any {
  static constexpr Domain domain = Domain::Any;
  static constexpr Result result = Result::Same;
};
struct Numeric {
  static constexpr Domain domain = Domain::Numeric;
  static constexpr Result result = Result::Same;
};
struct Floating {
  static constexpr Domain domain = Domain::Floating;
  static constexpr Result result = Result::Same;
};
struct Predicate {
  static constexpr Domain domain = Domain::Any;
  static constexpr Result result = Result::Bool;
};

using Name = std::string_view;

template <class V>
inline constexpr bool is_float = std::is_floating_point_v<typename V::value_type>;

inline constexpr double kInvSqrt2Pi = 0.39894228040143267794;   // 1 / sqrt(2 pi)
inline constexpr double kSqrt2OverPi = 0.79788456080286535588;  // sqrt(2 / pi)
inline constexpr double kGeluCubic = 0.044715;                  // Hendrycks and Gimpel 2016

template <class V> PN_FN V constant(double x) { return V(static_cast<typename V::value_type>(x)); }

// ---- one input ---------------------------------------------------------------------------------

struct Negative : Numeric {
  static constexpr Name name = "negative";
  template <class V> PN_FN static V eval(V x) { return -x; }
};
struct Absolute : Numeric {
  static constexpr Name name = "absolute";
  template <class V> PN_FN static V eval(V x) { return abs(x); }
};
/// -1, 0 or 1; NaN stays NaN.
struct Sign : Numeric {
  static constexpr Name name = "sign";
  template <class V> PN_FN static V eval(V x) {
    return select(x > V(0), V(1), select(x < V(0), V(-1), x));
  }
};
struct Square : Numeric {
  static constexpr Name name = "square";
  template <class V> PN_FN static V eval(V x) { return x * x; }
};
struct Sqrt : Floating {
  static constexpr Name name = "sqrt";
  template <class V> PN_FN static V eval(V x) { return sqrt(x); }
};
struct Rsqrt : Floating {
  static constexpr Name name = "rsqrt";
  template <class V> PN_FN static V eval(V x) { return V(1) / sqrt(x); }
};
struct Reciprocal : Floating {
  static constexpr Name name = "reciprocal";
  template <class V> PN_FN static V eval(V x) { return V(1) / x; }
};
struct Exp : Floating {
  static constexpr Name name = "exp";
  template <class V> PN_FN static V eval(V x) { return exp(x); }
};
struct Expm1 : Floating {
  static constexpr Name name = "expm1";
  template <class V> PN_FN static V eval(V x) { return expm1(x); }
};
struct Log : Floating {
  static constexpr Name name = "log";
  template <class V> PN_FN static V eval(V x) { return log(x); }
};
struct Log1p : Floating {
  static constexpr Name name = "log1p";
  template <class V> PN_FN static V eval(V x) { return log1p(x); }
};
struct Sin : Floating {
  static constexpr Name name = "sin";
  template <class V> PN_FN static V eval(V x) { return sin(x); }
};
struct Cos : Floating {
  static constexpr Name name = "cos";
  template <class V> PN_FN static V eval(V x) { return cos(x); }
};
struct Arctan : Floating {
  static constexpr Name name = "arctan";
  template <class V> PN_FN static V eval(V x) { return atan(x); }
};
struct Tanh : Floating {
  static constexpr Name name = "tanh";
  template <class V> PN_FN static V eval(V x) { return tanh(x); }
};
struct Erf : Floating {
  static constexpr Name name = "erf";
  template <class V> PN_FN static V eval(V x) { return erf(x); }
};
struct Floor : Floating {
  static constexpr Name name = "floor";
  template <class V> PN_FN static V eval(V x) { return floor(x); }
};
struct Ceil : Floating {
  static constexpr Name name = "ceil";
  template <class V> PN_FN static V eval(V x) { return ceil(x); }
};
/// To the nearest integer, halves to even.
struct Round : Floating {
  static constexpr Name name = "round";
  template <class V> PN_FN static V eval(V x) { return rint(x); }
};
struct Sigmoid : Floating {
  static constexpr Name name = "sigmoid";
  template <class V> PN_FN static V eval(V x) { return V(1) / (V(1) + exp(-x)); }
};
/// log(1 + exp(x)) without overflow.
struct Softplus : Floating {
  static constexpr Name name = "softplus";
  template <class V> PN_FN static V eval(V x) { return maximum(x, V(0)) + log1p(exp(-abs(x))); }
};
struct Relu : Numeric {
  static constexpr Name name = "relu";
  template <class V> PN_FN static V eval(V x) { return select(x <= V(0), V(0), x); }  // NaN stays
};
struct Silu : Floating {
  static constexpr Name name = "silu";
  template <class V> PN_FN static V eval(V x) { return x / (V(1) + exp(-x)); }
};
/// x Phi(x), Phi the normal distribution function.
struct Gelu : Floating {
  static constexpr Name name = "gelu";
  template <class V> PN_FN static V eval(V x) { return x * normal_cdf(x); }
};
/// The tanh approximation of gelu.
struct GeluTanh : Floating {
  static constexpr Name name = "gelu_tanh";
  template <class V> PN_FN static V eval(V x) {
    const V inner = constant<V>(kSqrt2OverPi) * (x + constant<V>(kGeluCubic) * x * x * x);
    return constant<V>(0.5) * x * (V(1) + tanh(inner));
  }
};
struct LogicalNot : Predicate {
  static constexpr Name name = "logical_not";
  template <class V> PN_FN static auto eval(V x) { return x == V(0); }
};
struct IsNan : Predicate {
  static constexpr Name name = "isnan";
  template <class V> PN_FN static auto eval(V x) { return x != x; }
};
struct IsFinite : Predicate {
  static constexpr Name name = "isfinite";
  template <class V> PN_FN static auto eval(V x) { return x - x == V(0); }
};

using UnaryList = TypeList<Negative, Absolute, Sign, Square, Sqrt, Rsqrt, Reciprocal, Exp, Expm1,
                           Log, Log1p, Sin, Cos, Arctan, Tanh, Erf, Floor, Ceil, Round, Sigmoid,
                           Softplus, Relu, Silu, Gelu, GeluTanh, LogicalNot, IsNan, IsFinite>;

// ---- two inputs --------------------------------------------------------------------------------

struct Add : Any {  // on bool: or
  static constexpr Name name = "add";
  template <class V> PN_FN static V eval(V a, V b) { return a + b; }
};
struct Subtract : Numeric {
  static constexpr Name name = "subtract";
  template <class V> PN_FN static V eval(V a, V b) { return a - b; }
};
struct Multiply : Any {  // on bool: and
  static constexpr Name name = "multiply";
  template <class V> PN_FN static V eval(V a, V b) { return a * b; }
};
struct Divide : Floating {
  static constexpr Name name = "divide";
  template <class V> PN_FN static V eval(V a, V b) { return a / b; }
};
/// a - floor(a / b) b: the sign of the divisor, as Python and NumPy have it.
struct Mod : Numeric {
  static constexpr Name name = "mod";
  template <class V> PN_FN static V eval(V a, V b) {
    if constexpr (is_float<V>) {
      const V r = fmod(a, b);
      return select((r != V(0)) & ((r < V(0)) ^ (b < V(0))), r + b, r);
    } else {
      return floor_mod(a, b);
    }
  }
};
struct FloorDivide : Numeric {
  static constexpr Name name = "floor_divide";
  template <class V> PN_FN static V eval(V a, V b) {
    if constexpr (is_float<V>) {
      // (a - fmod) / b is an integer but for rounding, which rint mends; where signs differ the
      // remainder belongs to the next one below. b == 0 gives a / b, as NumPy.
      const V r = fmod(a, b);
      const V q = (a - r) / b;
      const V below = select((r != V(0)) & ((r < V(0)) ^ (b < V(0))), q - V(1), q);
      return select(b == V(0), a / b, rint(below));
    } else {
      return floor_divide(a, b);
    }
  }
};
struct Power : Numeric {
  static constexpr Name name = "power";
  template <class V> PN_FN static V eval(V a, V b) { return pow(a, b); }
};
struct Maximum : Any {
  static constexpr Name name = "maximum";
  template <class V> PN_FN static V eval(V a, V b) { return maximum(a, b); }
};
struct Minimum : Any {
  static constexpr Name name = "minimum";
  template <class V> PN_FN static V eval(V a, V b) { return minimum(a, b); }
};
struct Equal : Predicate {
  static constexpr Name name = "equal";
  template <class V> PN_FN static auto eval(V a, V b) { return a == b; }
};
struct NotEqual : Predicate {
  static constexpr Name name = "not_equal";
  template <class V> PN_FN static auto eval(V a, V b) { return a != b; }
};
struct Less : Predicate {
  static constexpr Name name = "less";
  template <class V> PN_FN static auto eval(V a, V b) { return a < b; }
};
struct LessEqual : Predicate {
  static constexpr Name name = "less_equal";
  template <class V> PN_FN static auto eval(V a, V b) { return a <= b; }
};
struct Greater : Predicate {
  static constexpr Name name = "greater";
  template <class V> PN_FN static auto eval(V a, V b) { return a > b; }
};
struct GreaterEqual : Predicate {
  static constexpr Name name = "greater_equal";
  template <class V> PN_FN static auto eval(V a, V b) { return a >= b; }
};
struct LogicalAnd : Predicate {
  static constexpr Name name = "logical_and";
  template <class V> PN_FN static auto eval(V a, V b) { return (a != V(0)) & (b != V(0)); }
};
struct LogicalOr : Predicate {
  static constexpr Name name = "logical_or";
  template <class V> PN_FN static auto eval(V a, V b) { return (a != V(0)) | (b != V(0)); }
};
struct LogicalXor : Predicate {
  static constexpr Name name = "logical_xor";
  template <class V> PN_FN static auto eval(V a, V b) { return (a != V(0)) ^ (b != V(0)); }
};

// Gradients: of the output y where that is enough, else of the input x; g is the incoming gradient.
struct ReluGrad : Floating {
  static constexpr Name name = "relu_grad";
  template <class V> PN_FN static V eval(V y, V g) { return select(y > V(0), g, V(0)); }
};
struct TanhGrad : Floating {
  static constexpr Name name = "tanh_grad";
  template <class V> PN_FN static V eval(V y, V g) { return g * (V(1) - y * y); }
};
struct SigmoidGrad : Floating {
  static constexpr Name name = "sigmoid_grad";
  template <class V> PN_FN static V eval(V y, V g) { return g * y * (V(1) - y); }
};
struct SiluGrad : Floating {
  static constexpr Name name = "silu_grad";
  template <class V> PN_FN static V eval(V x, V g) {
    const V s = Sigmoid::eval(x);
    return g * s * (V(1) + x * (V(1) - s));
  }
};
/// Phi(x) + x phi(x).
struct GeluGrad : Floating {
  static constexpr Name name = "gelu_grad";
  template <class V> PN_FN static V eval(V x, V g) {
    const V density = constant<V>(kInvSqrt2Pi) * exp(constant<V>(-0.5) * x * x);
    return g * (normal_cdf(x) + x * density);
  }
};
struct GeluTanhGrad : Floating {
  static constexpr Name name = "gelu_tanh_grad";
  template <class V> PN_FN static V eval(V x, V g) {
    const V x2 = x * x;
    const V t = tanh(constant<V>(kSqrt2OverPi) * (x + constant<V>(kGeluCubic) * x2 * x));
    const V slope = constant<V>(kSqrt2OverPi) * (V(1) + constant<V>(3 * kGeluCubic) * x2);
    return g * constant<V>(0.5) * (V(1) + t + x * (V(1) - t * t) * slope);
  }
};

using BinaryList =
    TypeList<Add, Subtract, Multiply, Divide, Mod, FloorDivide, Power, Maximum, Minimum, Equal,
             NotEqual, Less, LessEqual, Greater, GreaterEqual, LogicalAnd, LogicalOr, LogicalXor,
             ReluGrad, TanhGrad, SigmoidGrad, SiluGrad, GeluGrad, GeluTanhGrad>;

}  // namespace formulas
}  // namespace pyneuro
