// Writes to state: assign, and the optimizer steps that are rules for an element, each in one pass
// over all its variables at once.
#include <cmath>

#include "kernels/update.h"

namespace pyneuro {
namespace {

// ---- assign -------------------------------------------------------------------------------------

void assign(const Assign& op, Context& ctx, In in, Out) noexcept {
  if (left_out(op.conditional, in)) return;
  const int n = in.count / 2;
  for_slices(ctx, in.views, n, [&](int64_t i, int64_t first, int64_t elements, int64_t) {
    const View &variable = in.views[i], &value = in.views[n + i];
    converter(value.dtype, variable.dtype)(
        variable.as<char>() + first * static_cast<int64_t>(size_of(variable.dtype)),
        value.as<const char>() + first * static_cast<int64_t>(size_of(value.dtype)), elements);
  });
}

size_t assign_scratch(const Assign&, In in, Out) noexcept { return ends_bytes(in.count / 2); }

// ---- optimizer steps ----------------------------------------------------------------------------

/// Runs Rule's step over all variables.
template <class Op, class Rule>
void update_all(const Op& op, Context& ctx, In in, const Rule& rule) {
  if (left_out(op.conditional, in)) return;
  const Work work = work_of(op, in);
  for_work(ctx, work, [&]<class T>(T*, int64_t i, int64_t first, int64_t elements, int64_t) {
    in_pieces<T>(work, i, first, elements,
                 [&](T* const* data, int64_t m) { rule.template step<T>(data, m); });
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
  update_all(op, ctx, in, SgdRule{number(in[0]), op.momentum, op.nesterov});
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
  update_all(op, ctx, in, AdamRule{alpha, 1 - op.beta_1, 1 - op.beta_2, op.epsilon, op.amsgrad});
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
  update_all(op, ctx, in, RmspropRule{number(in[0]), op.rho, op.momentum, op.epsilon, op.centered});
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
  update_all(op, ctx, in, AdagradRule{number(in[0]), op.epsilon});
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
  update_all(op, ctx, in, LionRule{number(in[0]), op.beta_1, op.beta_2});
}

}  // namespace

Kernel kernel(Tag<Assign>) { return make_kernel<Assign, &assign, &assign_scratch>(); }
Kernel kernel(Tag<SgdUpdate>) { return make_kernel<SgdUpdate, &sgd, &update_scratch<SgdUpdate>>(); }
Kernel kernel(Tag<AdamUpdate>) {
  return make_kernel<AdamUpdate, &adam, &update_scratch<AdamUpdate>>();
}
Kernel kernel(Tag<RmspropUpdate>) {
  return make_kernel<RmspropUpdate, &rmsprop, &update_scratch<RmspropUpdate>>();
}
Kernel kernel(Tag<AdagradUpdate>) {
  return make_kernel<AdagradUpdate, &adagrad, &update_scratch<AdagradUpdate>>();
}
Kernel kernel(Tag<LionUpdate>) {
  return make_kernel<LionUpdate, &lion, &update_scratch<LionUpdate>>();
}

}  // namespace pyneuro
