// Kernels of the formulas and of where: one dense loop for each formula and dtype of computation;
// tile.h brings the arrays to it.
#include "kernels/elementwise.h"

#include "kernels/kernels.h"
#include "kernels/tile.h"
#include "simd/math.h"

namespace pyneuro {
namespace {

using simd::Mask;
using simd::Vec;

/// 1 where the mask is set, else 0, as bytes.
template <class T>
[[gnu::always_inline]] inline void store_result(uint8_t* to, Mask<T> m, int n, bool) {
  using I = simd::IntOf<T>;
  const Vec<I> bits = Vec<I>(m.raw) & I(1);
  if (n == Vec<T>::kCount)
    store_as(to, bits);
  else
    store_as(to, bits, n);
}
template <class T>
[[gnu::always_inline]] inline void store_result(T* to, Vec<T> v, int n, bool past) {
  if (n < Vec<T>::kCount)
    store(to, v, n);
  else if (past)
    simd::store_past(to, v);
  else
    store(to, v);
}

/// Calls step(i, n) with n a constant for all but the last lanes of a row.
template <class T, class Step>
[[gnu::always_inline]] inline void for_lanes(int64_t cols, Step&& step) {
  constexpr int kCount = Vec<T>::kCount;
  int64_t i = 0;
  for (; i + kCount <= cols; i += kCount) step(i, kCount);
  if (i < cols) step(i, static_cast<int>(cols - i));
}

template <class T> [[gnu::always_inline]] inline Vec<T> load_lanes(const T* from, int n) {
  return n == Vec<T>::kCount ? simd::load(from) : simd::load(from, n);
}

template <class F, class T>
using ResultOf = std::conditional_t<F::result == Result::Bool, uint8_t, T>;

template <class F, class T> void unary_loop(const Tile& tile) noexcept {
  using Y = ResultOf<F, T>;
  const bool past = tile.past;
  for (int64_t r = 0; r < tile.rows; ++r) {
    Y* y = reinterpret_cast<Y*>(tile.data[0]) + r * tile.pitch[0];
    const T* x = reinterpret_cast<const T*>(tile.data[1]) + r * tile.pitch[1];
    for_lanes<T>(tile.cols, [&](int64_t i, int n) __attribute__((always_inline)) {
      store_result(y + i, F::eval(load_lanes(x + i, n)), n, past);
    });
  }
}

template <class F, class T> void binary_loop(const Tile& tile) noexcept {
  using Y = ResultOf<F, T>;
  const bool past = tile.past;
  for (int64_t r = 0; r < tile.rows; ++r) {
    Y* y = reinterpret_cast<Y*>(tile.data[0]) + r * tile.pitch[0];
    const T* a = reinterpret_cast<const T*>(tile.data[1]) + r * tile.pitch[1];
    const T* b = reinterpret_cast<const T*>(tile.data[2]) + r * tile.pitch[2];
    for_lanes<T>(tile.cols, [&](int64_t i, int n) __attribute__((always_inline)) {
      store_result(y + i, F::eval(load_lanes(a + i, n), load_lanes(b + i, n)), n, past);
    });
  }
}

/// The loops of one formula; null for the dtypes outside its domain.
struct Loops {
  TileLoop int32, int64, uint64, float32, float64;

  TileLoop of(DType dtype) const {
    switch (dtype) {
      case DType::Int32: return int32;
      case DType::Int64: return int64;
      case DType::UInt64: return uint64;
      case DType::Float32: return float32;
      default: return float64;
    }
  }
};

template <class F> constexpr Loops unary_loops() {
  if constexpr (F::domain == Domain::Floating)
    return {nullptr, nullptr, nullptr, &unary_loop<F, float>, &unary_loop<F, double>};
  else
    return {&unary_loop<F, int32_t>, &unary_loop<F, int64_t>, &unary_loop<F, uint64_t>,
            &unary_loop<F, float>, &unary_loop<F, double>};
}
template <class F> constexpr Loops binary_loops() {
  if constexpr (F::domain == Domain::Floating)
    return {nullptr, nullptr, nullptr, &binary_loop<F, float>, &binary_loop<F, double>};
  else
    return {&binary_loop<F, int32_t>, &binary_loop<F, int64_t>, &binary_loop<F, uint64_t>,
            &binary_loop<F, float>, &binary_loop<F, double>};
}

/// uint64 has numbers that int64 orders, divides and raises to powers differently.
DType lanes_of(DType dtype) {
  return dtype == DType::UInt64 ? DType::UInt64 : compute_dtype(dtype);
}

/// Most formulas on floats only are worth a task sooner than an addition is.
constexpr int64_t slice_of(Domain domain) {
  return domain == Domain::Floating ? kSlice / 4 : kSlice;
}

void run_formula(const Loops& loops, Result result, int64_t slice, Context& ctx, In in, Out out) {
  DType dtype = in[0].dtype;
  for (int i = 1; i < in.count; ++i) dtype = promote(dtype, in[i].dtype);
  const DType lanes = lanes_of(dtype);
  const View* arrays[] = {&out[0], &in[0], &in[in.count - 1]};
  const DType dtypes[] = {result == Result::Bool ? DType::Bool : lanes, lanes, lanes};
  run_elementwise(ctx, loops.of(lanes), arrays, dtypes, in.count + 1, slice);
}

template <class F> void run_unary(const void*, Context& ctx, In in, Out out) noexcept {
  run_formula(unary_loops<F>(), F::result, slice_of(F::domain), ctx, in, out);
}
template <class F> void run_binary(const void*, Context& ctx, In in, Out out) noexcept {
  run_formula(binary_loops<F>(), F::result, slice_of(F::domain), ctx, in, out);
}

template <class... Fs> Kernel unary_row(TypeList<Fs...>, int index) {
  constexpr Kernel kRows[] = {{&run_unary<Fs>, nullptr}...};
  return kRows[index];
}
template <class... Fs> Kernel binary_row(TypeList<Fs...>, int index) {
  constexpr Kernel kRows[] = {{&run_binary<Fs>, nullptr}...};
  return kRows[index];
}

// ---- where --------------------------------------------------------------------------------------

template <class T> void where_loop(const Tile& tile) noexcept {
  using I = simd::IntOf<T>;
  const bool past = tile.past;
  for (int64_t r = 0; r < tile.rows; ++r) {
    T* y = reinterpret_cast<T*>(tile.data[0]) + r * tile.pitch[0];
    const auto* condition = reinterpret_cast<const uint8_t*>(tile.data[1]) + r * tile.pitch[1];
    const T* a = reinterpret_cast<const T*>(tile.data[2]) + r * tile.pitch[2];
    const T* b = reinterpret_cast<const T*>(tile.data[3]) + r * tile.pitch[3];
    for_lanes<T>(tile.cols, [&](int64_t i, int n) __attribute__((always_inline)) {
      const Vec<I> c = n == Vec<T>::kCount ? simd::load_as<I>(condition + i)
                                           : simd::load_as<I>(condition + i, n);
      const Mask<T> chosen = simd::mask_cast<T>(c != Vec<I>(0));
      store_result(y + i, select(chosen, load_lanes(a + i, n), load_lanes(b + i, n)), n, past);
    });
  }
}

/// The integer that carries a dtype's bits unchanged.
DType bits_of(DType dtype) {
  switch (size_of(dtype)) {
    case 1: return DType::Int8;
    case 2: return DType::Int16;
    case 4: return DType::Int32;
    default: return DType::Int64;
  }
}

constexpr Loops kWhereLoops{&where_loop<int32_t>, &where_loop<int64_t>, &where_loop<int64_t>,
                            &where_loop<float>, &where_loop<double>};

void where(const Where&, Context& ctx, In in, Out out) noexcept {
  View y = out[0], a = in[1], b = in[2];
  if (a.dtype == y.dtype && b.dtype == y.dtype) y.dtype = a.dtype = b.dtype = bits_of(y.dtype);
  const DType lanes = lanes_of(y.dtype);
  const View* arrays[] = {&y, &in[0], &a, &b};
  const DType dtypes[] = {lanes, DType::Bool, lanes, lanes};
  run_elementwise(ctx, kWhereLoops.of(lanes), arrays, dtypes, 4);
}

// ---- loops by row
// ---------------------------------------------------------------------------------

template <class F, class... Fs> constexpr bool is_among = (std::is_same_v<F, Fs> || ...);
template <class F>
constexpr bool is_exact = is_among<F, formulas::Negative, formulas::Absolute, formulas::Sign,
                                   formulas::Floor, formulas::Ceil, formulas::Round, formulas::Relu,
                                   formulas::Maximum, formulas::Minimum, formulas::ReluGrad>;

template <class... Fs> ElementwiseLoop unary_of(TypeList<Fs...>, int index, DType lanes) {
  constexpr Loops kLoops[] = {unary_loops<Fs>()...};
  constexpr Result kResults[] = {Fs::result...};
  constexpr bool kExact[] = {is_exact<Fs>...};
  return {kLoops[index].of(lanes), kResults[index] == Result::Bool, kExact[index]};
}
template <class... Fs> ElementwiseLoop binary_of(TypeList<Fs...>, int index, DType lanes) {
  constexpr Loops kLoops[] = {binary_loops<Fs>()...};
  constexpr Result kResults[] = {Fs::result...};
  constexpr bool kExact[] = {is_exact<Fs>...};
  return {kLoops[index].of(lanes), kResults[index] == Result::Bool, kExact[index]};
}
template <class... Fs> constexpr int count_of(TypeList<Fs...>) { return sizeof...(Fs); }

}  // namespace

ElementwiseLoop elementwise_loop(int row, DType lanes) {
  constexpr int kUnary = count_of(formulas::UnaryList{});
  if (row == op_id<Where>) return {kWhereLoops.of(lanes), false, true};
  if (row < kUnary) return unary_of(formulas::UnaryList{}, row, lanes);
  return binary_of(formulas::BinaryList{}, row - kUnary, lanes);
}

Kernel unary_kernel(int index) { return unary_row(formulas::UnaryList{}, index); }
Kernel binary_kernel(int index) { return binary_row(formulas::BinaryList{}, index); }
Kernel kernel(Tag<Where>) { return make_kernel<Where, &where>(); }

}  // namespace pyneuro
