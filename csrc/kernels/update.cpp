// Writes to state: assign, and the optimizer steps, each in one pass over all its variables at
// once. Variables follow one another as one long list of elements, which is cut into slices: a task
// may end within one variable and begin within another.
#include <cmath>
#include <cstring>

#include "kernels/kernels.h"
#include "kernels/lines.h"

namespace pyneuro {
namespace {

using simd::Vec;

constexpr int64_t kTaskElements = kSlice;

size_t ends_bytes(int64_t variables) { return static_cast<size_t>(variables) * sizeof(int64_t); }

/// Calls f(variable, first element, elements) on what falls into each slice of the list. `ends` is
/// scratch for one number per variable.
template <class F> void for_slices(Context& ctx, const View* variables, int64_t count, F&& f) {
  auto* ends = static_cast<int64_t*>(ctx.scratch());
  int64_t total = 0;
  for (int64_t i = 0; i < count; ++i) ends[i] = total += variables[i].size();
  ctx.parallel_for(ceil_div(total, kTaskElements), [&](int64_t task) {
    int64_t at = task * kTaskElements;
    const int64_t end = smaller(total, at + kTaskElements);
    int64_t low = 0, high = count - 1;  // the first variable that ends after `at`
    while (low < high) {
      const int64_t middle = (low + high) / 2;
      if (ends[middle] > at)
        high = middle;
      else
        low = middle + 1;
    }
    for (int64_t i = low; at < end; ++i) {
      const int64_t stop = smaller(end, ends[i]), begin = i == 0 ? 0 : ends[i - 1];
      if (stop > at) f(i, at - begin, stop - at);
      at = larger(at, stop);
    }
  });
}

// ---- assign -------------------------------------------------------------------------------------

void assign(const Assign&, Context& ctx, In in, Out) noexcept {
  const int n = in.count / 2;
  for_slices(ctx, in.views, n, [&](int64_t i, int64_t first, int64_t elements) {
    const View &variable = in.views[i], &value = in.views[n + i];
    converter(value.dtype, variable.dtype)(
        variable.as<char>() + first * static_cast<int64_t>(size_of(variable.dtype)),
        value.as<const char>() + first * static_cast<int64_t>(size_of(value.dtype)), elements);
  });
}

size_t assign_scratch(const Assign&, In in, Out) noexcept { return ends_bytes(in.count / 2); }

// ---- optimizer steps ----------------------------------------------------------------------------

/// A number given as an array of one, of any real dtype.
double number(const View& v) {
  double x;
  converter(v.dtype, DType::Float64)(&x, v.data, 1);
  return x;
}

constexpr int kMaxGroups = 5;

/// Brings up to kLine elements of each tensor to `step` as T, and those that it writes back. Float
/// and double are worked on in place; 16-bit floats pass through buffers. Group 1, the gradient, is
/// read only.
template <class T, class Step>
void in_lanes(const View* const* tensors, int groups, int64_t first, int64_t n, Step&& step) {
  const DType dtype = tensors[0]->dtype;
  T* data[kMaxGroups];
  if (size_of(dtype) == sizeof(T)) {
    for (int g = 0; g < groups; ++g) data[g] = tensors[g]->as<T>() + first;
    step(data, n);
    return;
  }
  constexpr int64_t kPiece = 512;
  alignas(64) T pieces[kMaxGroups][kPiece];
  const Converter widen = converter(dtype, DType::Float32),
                  narrow = converter(DType::Float32, dtype);
  for (; n > 0; first += kPiece, n -= kPiece) {
    const int64_t m = smaller(kPiece, n);
    auto place = [&](int g) {
      return tensors[g]->as<char>() + first * static_cast<int64_t>(size_of(dtype));
    };
    for (int g = 0; g < groups; ++g) {
      data[g] = pieces[g];
      widen(pieces[g], place(g), m);
    }
    step(data, m);
    for (int g = 0; g < groups; ++g)
      if (g != 1) narrow(place(g), pieces[g], m);
  }
}

/// Runs Rule's step over `groups` runs of variables in inputs from `first_input` on.
template <class Rule>
void update_all(Context& ctx, In in, int first_input, int groups, const Rule& rule) {
  const int n = (in.count - first_input) / groups;
  if (n == 0) return;
  const View* all = in.views + first_input;
  for_slices(ctx, all, n, [&](int64_t i, int64_t first, int64_t elements) {
    const View* tensors[kMaxGroups];
    for (int g = 0; g < groups; ++g) tensors[g] = all + g * n + i;
    if (all[i].dtype == DType::Float64)
      in_lanes<double>(tensors, groups, first, elements, [&](double* const* data, int64_t m) {
        rule.template step<double>(data, m);
      });
    else
      in_lanes<float>(tensors, groups, first, elements,
                      [&](float* const* data, int64_t m) { rule.template step<float>(data, m); });
  });
}

struct SgdRule {
  double rate, momentum;
  bool nesterov;

  template <class T> void step(T* const* data, int64_t n) const {
    if (momentum == 0)
      plain(data[0], data[1], n);
    else if (nesterov)
      with_velocity<true>(data[0], data[1], data[2], n);
    else
      with_velocity<false>(data[0], data[1], data[2], n);
  }
  template <class T> void plain(T* p, const T* g, int64_t n) const {
    const Vec<T> lr(static_cast<T>(rate));
    for_vectors<T>(n, [&](int64_t i, int lanes) __attribute__((always_inline)) {
      store_some(p + i, load_some(p + i, lanes) - lr * load_some(g + i, lanes), lanes);
    });
  }
  template <bool kNesterov, class T> void with_velocity(T* p, const T* g, T* v, int64_t n) const {
    using V = Vec<T>;
    const V lr(static_cast<T>(rate)), keep(static_cast<T>(momentum));
    for_vectors<T>(n, [&](int64_t i, int lanes) __attribute__((always_inline)) {
      const V step = lr * load_some(g + i, lanes);
      const V velocity = keep * load_some(v + i, lanes) - step;
      const V moved = load_some(p + i, lanes) + (kNesterov ? keep * velocity - step : velocity);
      store_some(v + i, velocity, lanes);
      store_some(p + i, moved, lanes);
    });
  }
};

void sgd(const SgdUpdate& op, Context& ctx, In in, Out) noexcept {
  update_all(ctx, in, 1, op.groups(), SgdRule{number(in[0]), op.momentum, op.nesterov});
}
size_t sgd_scratch(const SgdUpdate& op, In in, Out) noexcept {
  return ends_bytes((in.count - 1) / op.groups());
}

struct AdamRule {
  double alpha, keep_1, keep_2, epsilon;  // keep: 1 - beta
  bool amsgrad;

  template <class T> void step(T* const* data, int64_t n) const {
    if (amsgrad)
      typed<true>(data[0], data[1], data[2], data[3], data[4], n);
    else
      typed<false, T>(data[0], data[1], data[2], data[3], nullptr, n);
  }
  template <bool kAmsgrad, class T>
  void typed(T* p, const T* g, T* m, T* v, T* w, int64_t n) const {
    using V = Vec<T>;
    const V a(static_cast<T>(alpha)), k1(static_cast<T>(keep_1)), k2(static_cast<T>(keep_2));
    const V eps(static_cast<T>(epsilon));
    for_vectors<T>(n, [&](int64_t i, int lanes) __attribute__((always_inline)) {
      const V x = load_some(g + i, lanes), old_m = load_some(m + i, lanes);
      const V old_v = load_some(v + i, lanes);
      const V new_m = old_m + (x - old_m) * k1;
      const V new_v = old_v + (x * x - old_v) * k2;
      V bound = new_v;
      if constexpr (kAmsgrad) {
        bound = maximum(load_some(w + i, lanes), new_v);
        store_some(w + i, bound, lanes);
      }
      store_some(m + i, new_m, lanes);
      store_some(v + i, new_v, lanes);
      store_some(p + i, load_some(p + i, lanes) - new_m * a / (sqrt(bound) + eps), lanes);
    });
  }
};

void adam(const AdamUpdate& op, Context& ctx, In in, Out) noexcept {
  const double t = number(in[1]);
  const double alpha =
      number(in[0]) * std::sqrt(1 - std::pow(op.beta_2, t)) / (1 - std::pow(op.beta_1, t));
  update_all(ctx, in, 2, op.groups(),
             AdamRule{alpha, 1 - op.beta_1, 1 - op.beta_2, op.epsilon, op.amsgrad});
}
size_t adam_scratch(const AdamUpdate& op, In in, Out) noexcept {
  return ends_bytes((in.count - 2) / op.groups());
}

struct RmspropRule {
  double rate, rho, momentum, epsilon;
  bool centered;

  template <class T> void step(T* const* data, int64_t n) const {
    T* last = data[momentum != 0 ? 4 : 3];
    if (momentum != 0)
      centered ? typed<true, true>(data[0], data[1], data[2], data[3], last, n)
               : typed<true, false, T>(data[0], data[1], data[2], data[3], nullptr, n);
    else
      centered ? typed<false, true, T>(data[0], data[1], data[2], nullptr, last, n)
               : typed<false, false, T>(data[0], data[1], data[2], nullptr, nullptr, n);
  }
  template <bool kMomentum, bool kCentered, class T>
  void typed(T* p, const T* g, T* v, T* u, T* a, int64_t n) const {
    using V = Vec<T>;
    const V lr(static_cast<T>(rate)), keep(static_cast<T>(rho)), take(static_cast<T>(1 - rho));
    const V again(static_cast<T>(momentum)), eps(static_cast<T>(epsilon));
    for_vectors<T>(n, [&](int64_t i, int lanes) __attribute__((always_inline)) {
      const V x = load_some(g + i, lanes);
      const V square = keep * load_some(v + i, lanes) + take * (x * x);
      V under = square + eps;
      if constexpr (kCentered) {
        const V mean = keep * load_some(a + i, lanes) + take * x;
        store_some(a + i, mean, lanes);
        under = under - mean * mean;
      }
      V step = lr * x / sqrt(under);
      if constexpr (kMomentum) {
        step = again * load_some(u + i, lanes) + step;
        store_some(u + i, step, lanes);
      }
      store_some(v + i, square, lanes);
      store_some(p + i, load_some(p + i, lanes) - step, lanes);
    });
  }
};

void rmsprop(const RmspropUpdate& op, Context& ctx, In in, Out) noexcept {
  update_all(ctx, in, 1, op.groups(),
             RmspropRule{number(in[0]), op.rho, op.momentum, op.epsilon, op.centered});
}
size_t rmsprop_scratch(const RmspropUpdate& op, In in, Out) noexcept {
  return ends_bytes((in.count - 1) / op.groups());
}

struct AdagradRule {
  double rate, epsilon;

  template <class T> void step(T* const* data, int64_t n) const {
    using V = Vec<T>;
    T *p = data[0], *a = data[2];
    const T* g = data[1];
    const V lr(static_cast<T>(rate)), eps(static_cast<T>(epsilon));
    for_vectors<T>(n, [&](int64_t i, int lanes) __attribute__((always_inline)) {
      const V x = load_some(g + i, lanes);
      const V total = load_some(a + i, lanes) + x * x;
      store_some(a + i, total, lanes);
      store_some(p + i, load_some(p + i, lanes) - lr * x / sqrt(total + eps), lanes);
    });
  }
};

void adagrad(const AdagradUpdate& op, Context& ctx, In in, Out) noexcept {
  update_all(ctx, in, 1, 3, AdagradRule{number(in[0]), op.epsilon});
}
size_t adagrad_scratch(const AdagradUpdate&, In in, Out) noexcept {
  return ends_bytes((in.count - 1) / 3);
}

struct LionRule {
  double rate, beta_1, beta_2;

  template <class T> void step(T* const* data, int64_t n) const {
    using V = Vec<T>;
    T *p = data[0], *m = data[2];
    const T* g = data[1];
    const V lr(static_cast<T>(rate)), one(T(1)), none(T(0));
    const V keep_1(static_cast<T>(beta_1)), take_1(static_cast<T>(1 - beta_1));
    const V keep_2(static_cast<T>(beta_2)), take_2(static_cast<T>(1 - beta_2));
    for_vectors<T>(n, [&](int64_t i, int lanes) __attribute__((always_inline)) {
      const V x = load_some(g + i, lanes), mean = load_some(m + i, lanes);
      const V way = keep_1 * mean + take_1 * x;
      // A NaN is neither above nor below 0 and stays.
      const V sign = select(way > none, one, select(way < none, -one, way));
      store_some(m + i, keep_2 * mean + take_2 * x, lanes);
      store_some(p + i, load_some(p + i, lanes) - lr * sign, lanes);
    });
  }
};

void lion(const LionUpdate& op, Context& ctx, In in, Out) noexcept {
  update_all(ctx, in, 1, 3, LionRule{number(in[0]), op.beta_1, op.beta_2});
}
size_t lion_scratch(const LionUpdate&, In in, Out) noexcept {
  return ends_bytes((in.count - 1) / 3);
}

}  // namespace

Kernel kernel(Tag<Assign>) { return make_kernel<Assign, &assign, &assign_scratch>(); }
Kernel kernel(Tag<SgdUpdate>) { return make_kernel<SgdUpdate, &sgd, &sgd_scratch>(); }
Kernel kernel(Tag<AdamUpdate>) { return make_kernel<AdamUpdate, &adam, &adam_scratch>(); }
Kernel kernel(Tag<RmspropUpdate>) {
  return make_kernel<RmspropUpdate, &rmsprop, &rmsprop_scratch>();
}
Kernel kernel(Tag<AdagradUpdate>) {
  return make_kernel<AdagradUpdate, &adagrad, &adagrad_scratch>();
}
Kernel kernel(Tag<LionUpdate>) { return make_kernel<LionUpdate, &lion, &lion_scratch>(); }

}  // namespace pyneuro
