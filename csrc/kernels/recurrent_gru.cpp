// The gated recurrent unit over a sequence, forward and backward; the reset gate works on the
// product with the recurrent kernel. Product and gates of some units are one pass, as in LSTM.
#include "kernels/kernels.h"
#include "kernels/recurrent.h"
#include "ops/formulas.h"

namespace pyneuro {
namespace {

using formulas::Sigmoid;

// ---- forward ------------------------------------------------------------------------------------

template <class T, class S> struct Forward {
  static constexpr int kGates = 3;
  Sequence q;
  bool zero_masked;
  const S *x, *kernel, *bias, *h0;
  S *y, *h_last, *trace = nullptr, *before = nullptr;
  Panels<T> panels[kGates];
  T* h[2];      // before and after a step, by turns
  int64_t row;  // of h

  Forward(const Gru& op, In in, Out out, Scratch& scratch) {
    const Shape& shape = out[0].shape;
    const int64_t units = shape[2];
    q = {shape[0], shape[1], units, op.reverse, in.has(4) ? in[4].as<const bool>() : nullptr};
    zero_masked = op.zero_masked;
    x = in[0].as<const S>(), kernel = in[1].as<const S>();
    bias = in[2].as<const S>(), h0 = in[3].as<const S>();
    y = out[0].as<S>(), h_last = out[1].as<S>();
    if (op.keep) trace = out[2].as<S>(), before = out[3].as<S>();
    row = padded_row(units);
    for (auto& p : panels) {
      p = {units, units, unit_width<T>(q.batch, units), nullptr};
      p.data = scratch.take<T>(p.elements());
    }
    for (T*& p : h) p = scratch.take<T>(q.batch * row);
  }

  void start(Context& ctx) const {
    for (int g = 0; g < kGates; ++g) panels[g].pack(ctx, kernel + g * q.units, 3 * q.units, false);
    for (int64_t n = 0; n < q.batch; ++n) widen(h[0] + n * row, h0 + n * q.units, q.units);
  }
  void end() const {
    for (int64_t n = 0; n < q.batch; ++n)
      narrow(h_last + n * q.units, h[q.steps & 1] + n * row, q.units);
  }

  int64_t rounds() const { return q.steps; }
  void step(int64_t s, const Part& part) const {
    forward_step(q, s, part, panels, h[s & 1], row, x,
                 [&](int64_t n, int64_t u, int64_t count, const T* const(&sums)[kGates]) {
                   sample(s, n, u, count, sums);
                 });
  }

  /// One step of one sample, `count` units from u on.
  void sample(int64_t s, int64_t n, int64_t u, int64_t count,
              const T* const (&sums)[kGates]) const {
    using V = Vec<T>;
    const int64_t units = q.units, at = n * q.steps + q.time(s);
    const S *px = x + at * 3 * units + u, *pb = bias + u;
    const T* ph = h[s & 1] + n * row + u;
    T* to_h = h[(s + 1) & 1] + n * row + u;
    S* py = y + (n * q.steps + s) * units + u;
    S* kept = trace == nullptr ? nullptr : trace + at * 4 * units + u;
    const bool masked = q.masked(n, s);
    for_vectors<T>(count, [&](int64_t k, int lanes) __attribute__((always_inline)) {
      const auto input = [&](int g) { return get<T>(px + g * units + k, lanes); };
      const auto inner = [&](int g) {
        return simd::load(sums[g] + k) + get<T>(pb + g * units + k, lanes);
      };
      const V z = Sigmoid::eval(input(0) + inner(0)), r = Sigmoid::eval(input(1) + inner(1));
      const V product = inner(2), m = tanh(input(2) + r * product);
      const V old_h = load_some(ph + k, lanes);
      if (kept != nullptr) {
        put<T>(kept + k, z, lanes), put<T>(kept + units + k, r, lanes);
        put<T>(kept + 2 * units + k, m, lanes), put<T>(kept + 3 * units + k, product, lanes);
        put<T>(before + at * units + u + k, old_h, lanes);
      }
      if (masked) {
        store_some(to_h + k, old_h, lanes);
        const bool zero = zero_masked || s == 0;
        put<T>(py + k, zero ? V(0) : get<T>(py - units + k, lanes), lanes);
        return;
      }
      const V new_h = z * old_h + (V(1) - z) * m;
      store_some(to_h + k, new_h, lanes);
      put<T>(py + k, new_h, lanes);
    });
  }
};

// ---- backward -----------------------------------------------------------------------------------

template <class T, class S> struct Backward {
  static constexpr int kGates = 3;
  Sequence q;
  bool zero_masked;
  const S *kernel, *trace, *before, *g_y, *g_h;
  S *dx, *dinner, *dh;
  Panels<T> panels;  // the recurrent kernel, transposed
  T* dz[2];          // of h R + b, of the step at hand and of the one after it, by turns
  T* held;  // what comes to h past the product: from the update gate, a masked step, the end
  T* later = nullptr;  // what masked steps, that repeat it, send to the output before them
  int64_t wide, row;   // rows of dz, and of the others

  Backward(const GruGrad& op, In in, Out out, Scratch& scratch) {
    const Shape& shape = in[3].shape;
    const int64_t units = shape[2];
    q = {shape[0], shape[1], units, op.reverse, in.has(5) ? in[5].as<const bool>() : nullptr};
    zero_masked = op.zero_masked;
    kernel = in[0].as<const S>(), trace = in[1].as<const S>(), before = in[2].as<const S>();
    g_y = in[3].as<const S>(), g_h = in[4].as<const S>();
    dx = out[0].as<S>(), dh = out[1].as<S>(), dinner = out[2].as<S>();
    row = padded_row(units), wide = padded_row(3 * units);
    panels = {3 * units, units, unit_width<T>(q.batch, units), nullptr};
    panels.data = scratch.take<T>(panels.elements());
    for (T*& p : dz) p = scratch.take<T>(q.batch * wide);
    held = scratch.take<T>(q.batch * row);
    if (in.has(5)) later = scratch.take<T>(q.batch * row);
  }

  void start(Context& ctx) const {
    panels.pack(ctx, kernel, 3 * q.units, true);
    for (int64_t n = 0; n < q.batch; ++n) {
      widen(held + n * row, g_h + n * q.units, q.units);
      for (int64_t i = 0; later != nullptr && i < q.units; ++i) later[n * row + i] = 0;
    }
  }

  void end() const {}

  /// Round r is step number T - 1 - r, counted as forward; the one after the first step gives dh.
  int64_t rounds() const { return q.steps + 1; }
  void step(int64_t r, const Part& part) const {
    const int64_t s = q.steps - 1 - r;
    const int64_t width = panels.width;
    alignas(64) T product[kProduct<T>];
    for (int64_t j = part.j0; j < part.j1; ++j) {
      const int64_t u = j * width, units = smaller(width, q.units - u);
      for (int64_t n = part.n0; s >= 0 && n < part.n1; ++n) {
        fetch(trace + (n * q.steps + q.time(s)) * 4 * q.units + u, 4, q.units, width);
        fetch(g_y + (n * q.steps + s) * q.units + u, 1, 0, width);
      }
      if (s + 1 < q.steps)
        panels.multiply(j, dz[(s + 1) & 1] + part.n0 * wide, wide, part.n1 - part.n0, product);
      for (int64_t n = part.n0; n < part.n1; ++n) {
        T *g = product + (n - part.n0) * width, *past = held + n * row + u;
        if (s + 1 == q.steps || q.masked(n, s + 1))
          widen(g, past, units);
        else
          for_vectors<T>(units, [&](int64_t k, int lanes) {
            simd::store(g + k, simd::load(g + k) + load_some(past + k, lanes));
          });
        if (s >= 0)
          sample(s, n, u, units, g);
        else
          narrow(dh + n * q.units + u, g, units);
      }
    }
  }

  /// One step of one sample, `count` units from u on; `g` has come to its h from the next step.
  void sample(int64_t s, int64_t n, int64_t u, int64_t count, const T* g) const {
    using V = Vec<T>;
    const int64_t units = q.units, at = n * q.steps + q.time(s);
    const S *kept = trace + at * 4 * units + u, *ph = before + at * units + u;
    const S* py = g_y + (n * q.steps + s) * units + u;
    S *to_x = dx + at * 3 * units + u, *to_inner = dinner + at * 3 * units + u;
    T *to = dz[s & 1] + n * wide + u, *past = held + n * row + u;
    T* wait = later == nullptr ? nullptr : later + n * row + u;
    const auto give = [&](int gate, int64_t k, V of_x, V inner, int lanes)
                          __attribute__((always_inline)) {
                            store_some(to + gate * units + k, inner, lanes);
                            put<T>(to_inner + gate * units + k, inner, lanes);
                            put<T>(to_x + gate * units + k, of_x, lanes);
                          };
    if (q.masked(n, s)) {
      for_vectors<T>(count, [&](int64_t k, int lanes) __attribute__((always_inline)) {
        store_some(past + k, load_some(g + k, lanes), lanes);
        for (int gate = 0; gate < kGates; ++gate) give(gate, k, V(0), V(0), lanes);
        if (!zero_masked)
          store_some(wait + k, load_some(wait + k, lanes) + get<T>(py + k, lanes), lanes);
      });
      return;
    }
    for_vectors<T>(count, [&](int64_t k, int lanes) __attribute__((always_inline)) {
      const auto saved = [&](int which) { return get<T>(kept + which * units + k, lanes); };
      const V z = saved(0), r = saved(1), m = saved(2), product = saved(3);
      V d = load_some(g + k, lanes) + get<T>(py + k, lanes);
      if (wait != nullptr) {
        d += load_some(wait + k, lanes);
        store_some(wait + k, V(0), lanes);
      }
      store_some(past + k, d * z, lanes);
      const V of_z = d * (get<T>(ph + k, lanes) - m) * sigmoid_slope(z);
      const V of_m = d * (V(1) - z) * (V(1) - m * m);
      const V of_r = of_m * product * sigmoid_slope(r);
      give(0, k, of_z, of_z, lanes);
      give(1, k, of_r, of_r, lanes);
      give(2, k, of_m, of_m * r, lanes);
    });
  }
};

}  // namespace

Kernel kernel(Tag<Gru>) {
  return make_kernel<Gru, run_pass<Forward, Gru>, pass_scratch<Forward, Gru>>();
}
Kernel kernel(Tag<GruGrad>) {
  return make_kernel<GruGrad, run_pass<Backward, GruGrad>, pass_scratch<Backward, GruGrad>>();
}

}  // namespace pyneuro
