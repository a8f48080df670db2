// Long short-term memory over a sequence, forward and backward. The product with the recurrent
// kernel and the gates of some units are one pass, so the product never leaves the nearest cache.
#include "kernels/kernels.h"
#include "kernels/recurrent.h"
#include "ops/formulas.h"

namespace pyneuro {
namespace {

using formulas::Sigmoid;

// ---- forward ------------------------------------------------------------------------------------

template <class T, class S> struct Forward {
  static constexpr int kGates = 4;
  Sequence q;
  bool zero_masked;
  const S *x, *kernel, *h0, *c0;
  S *y, *h_last, *c_last, *gates = nullptr, *cells = nullptr, *before = nullptr;
  Panels<T> panels[kGates];
  T *h[2], *c;  // h before and after a step, by turns
  int64_t row;  // of h and c

  Forward(const Lstm& op, In in, Out out, Scratch& scratch) {
    const Shape& shape = out[0].shape;
    const int64_t units = shape[2];
    q = {shape[0], shape[1], units, op.reverse, in.has(4) ? in[4].as<const bool>() : nullptr};
    zero_masked = op.zero_masked;
    x = in[0].as<const S>(), kernel = in[1].as<const S>();
    h0 = in[2].as<const S>(), c0 = in[3].as<const S>();
    y = out[0].as<S>(), h_last = out[1].as<S>(), c_last = out[2].as<S>();
    if (op.keep) gates = out[3].as<S>(), cells = out[4].as<S>(), before = out[5].as<S>();
    row = padded_row(units);
    for (auto& p : panels) {
      p = {units, units, unit_width<T>(q.batch, units), nullptr};
      p.data = scratch.take<T>(p.elements());
    }
    for (T*& p : h) p = scratch.take<T>(q.batch * row);
    c = scratch.take<T>(q.batch * row);
  }

  void start(Context& ctx) const {
    for (int g = 0; g < kGates; ++g) panels[g].pack(ctx, kernel + g * q.units, 4 * q.units, false);
    for (int64_t n = 0; n < q.batch; ++n) {
      widen(h[0] + n * row, h0 + n * q.units, q.units);
      widen(c + n * row, c0 + n * q.units, q.units);
    }
  }
  void end() const {
    for (int64_t n = 0; n < q.batch; ++n) {
      narrow(h_last + n * q.units, h[q.steps & 1] + n * row, q.units);
      narrow(c_last + n * q.units, c + n * row, q.units);
    }
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
    const S* px = x + at * 4 * units + u;
    const T* ph = h[s & 1] + n * row + u;
    T *to_h = h[(s + 1) & 1] + n * row + u, *pc = c + n * row + u;
    S* py = y + (n * q.steps + s) * units + u;
    const bool masked = q.masked(n, s);
    for_vectors<T>(count, [&](int64_t k, int lanes) __attribute__((always_inline)) {
      const auto gate = [&](int g) {
        return get<T>(px + g * units + k, lanes) + simd::load(sums[g] + k);
      };
      const V i = Sigmoid::eval(gate(0)), f = Sigmoid::eval(gate(1)), g = tanh(gate(2));
      const V o = Sigmoid::eval(gate(3)), old_c = load_some(pc + k, lanes);
      const V old_h = load_some(ph + k, lanes);
      if (gates != nullptr) {
        S* kept = gates + at * 4 * units + u + k;
        put<T>(kept, i, lanes), put<T>(kept + units, f, lanes);
        put<T>(kept + 2 * units, g, lanes), put<T>(kept + 3 * units, o, lanes);
        put<T>(cells + at * units + u + k, old_c, lanes);
        put<T>(before + at * units + u + k, old_h, lanes);
      }
      if (masked) {
        store_some(to_h + k, old_h, lanes);
        const bool zero = zero_masked || s == 0;
        put<T>(py + k, zero ? V(0) : get<T>(py - units + k, lanes), lanes);
        return;
      }
      const V new_c = f * old_c + i * g, new_h = o * tanh(new_c);
      store_some(pc + k, new_c, lanes);
      store_some(to_h + k, new_h, lanes);
      put<T>(py + k, new_h, lanes);
    });
  }
};

// ---- backward -----------------------------------------------------------------------------------

template <class T, class S> struct Backward {
  static constexpr int kGates = 4;
  Sequence q;
  bool zero_masked;
  const S *kernel, *gates, *cells, *g_y, *g_h, *g_c;
  S *dx, *dh, *dc;
  Panels<T> panels;    // the recurrent kernel, transposed
  T* dz[2];            // of the step at hand and of the one after it, by turns
  T* held;             // what comes to h past a masked step, and past the last one
  T* later = nullptr;  // what masked steps, that repeat it, send to the output before them
  T* cell;             // the gradient of c
  int64_t wide, row;   // rows of dz, and of the others

  Backward(const LstmGrad& op, In in, Out out, Scratch& scratch) {
    const Shape& shape = in[2].shape;
    const int64_t units = shape[2];
    q = {shape[0], shape[1], units, op.reverse, in.has(6) ? in[6].as<const bool>() : nullptr};
    zero_masked = op.zero_masked;
    kernel = in[0].as<const S>(), gates = in[1].as<const S>(), cells = in[2].as<const S>();
    g_y = in[3].as<const S>(), g_h = in[4].as<const S>(), g_c = in[5].as<const S>();
    dx = out[0].as<S>(), dh = out[1].as<S>(), dc = out[2].as<S>();
    row = padded_row(units), wide = padded_row(4 * units);
    panels = {4 * units, units, unit_width<T>(q.batch, units), nullptr};
    panels.data = scratch.take<T>(panels.elements());
    for (T*& p : dz) p = scratch.take<T>(q.batch * wide);
    held = scratch.take<T>(q.batch * row);
    cell = scratch.take<T>(q.batch * row);
    if (in.has(6)) later = scratch.take<T>(q.batch * row);
  }

  void start(Context& ctx) const {
    panels.pack(ctx, kernel, 4 * q.units, true);
    for (int64_t n = 0; n < q.batch; ++n) {
      widen(held + n * row, g_h + n * q.units, q.units);
      widen(cell + n * row, g_c + n * q.units, q.units);
      for (int64_t i = 0; later != nullptr && i < q.units; ++i) later[n * row + i] = 0;
    }
  }

  void end() const {}

  /// Round r is step number T - 1 - r, counted as forward; the one after the first step gives dh
  /// and dc.
  int64_t rounds() const { return q.steps + 1; }
  void step(int64_t r, const Part& part) const {
    const int64_t s = q.steps - 1 - r;
    const int64_t width = panels.width;
    alignas(64) T product[kProduct<T>];
    for (int64_t j = part.j0; j < part.j1; ++j) {
      const int64_t u = j * width, units = smaller(width, q.units - u);
      for (int64_t n = part.n0; s >= 0 && n < part.n1; ++n) {
        const int64_t at = n * q.steps + q.time(s);
        fetch(gates + at * 4 * q.units + u, 4, q.units, width);
        fetch(cells + at * q.units + u, 1, 0, width);
        fetch(g_y + (n * q.steps + s) * q.units + u, 1, 0, width);
      }
      if (s + 1 < q.steps)
        panels.multiply(j, dz[(s + 1) & 1] + part.n0 * wide, wide, part.n1 - part.n0, product);
      for (int64_t n = part.n0; n < part.n1; ++n) {
        const bool past = s + 1 == q.steps || q.masked(n, s + 1);
        const T* g = past ? held + n * row + u : product + (n - part.n0) * width;
        if (s >= 0) {
          sample(s, n, u, units, g);
        } else {
          narrow(dh + n * q.units + u, g, units);
          narrow(dc + n * q.units + u, cell + n * row + u, units);
        }
      }
    }
  }

  /// One step of one sample, `count` units from u on; `g` has come to its h from the next step.
  void sample(int64_t s, int64_t n, int64_t u, int64_t count, const T* g) const {
    using V = Vec<T>;
    const int64_t units = q.units, at = n * q.steps + q.time(s);
    const S *kept = gates + at * 4 * units + u, *py = g_y + (n * q.steps + s) * units + u;
    S* out = dx + at * 4 * units + u;
    T *to = dz[s & 1] + n * wide + u, *pc = cell + n * row + u;
    T* wait = later == nullptr ? nullptr : later + n * row + u;
    const auto give = [&](int gate, int64_t k, V v, int lanes) __attribute__((always_inline)) {
      store_some(to + gate * units + k, v, lanes);
      put<T>(out + gate * units + k, v, lanes);
    };
    if (q.masked(n, s)) {
      for_vectors<T>(count, [&](int64_t k, int lanes) __attribute__((always_inline)) {
        store_some(held + n * row + u + k, load_some(g + k, lanes), lanes);
        for (int gate = 0; gate < kGates; ++gate) give(gate, k, V(0), lanes);
        if (!zero_masked)
          store_some(wait + k, load_some(wait + k, lanes) + get<T>(py + k, lanes), lanes);
      });
      return;
    }
    for_vectors<T>(count, [&](int64_t k, int lanes) __attribute__((always_inline)) {
      const auto saved = [&](int which) { return get<T>(kept + which * units + k, lanes); };
      const V i = saved(0), f = saved(1), m = saved(2), o = saved(3);
      const V old_c = get<T>(cells + at * units + u + k, lanes);
      V d = load_some(g + k, lanes) + get<T>(py + k, lanes);
      if (wait != nullptr) {
        d += load_some(wait + k, lanes);
        store_some(wait + k, V(0), lanes);
      }
      const V y = tanh(f * old_c + i * m);
      const V e = load_some(pc + k, lanes) + d * o * (V(1) - y * y);
      store_some(pc + k, e * f, lanes);
      give(0, k, e * m * sigmoid_slope(i), lanes);
      give(1, k, e * old_c * sigmoid_slope(f), lanes);
      give(2, k, e * i * (V(1) - m * m), lanes);
      give(3, k, d * y * sigmoid_slope(o), lanes);
    });
  }
};

}  // namespace

Kernel kernel(Tag<Lstm>) {
  return make_kernel<Lstm, run_pass<Forward, Lstm>, pass_scratch<Forward, Lstm>>();
}
Kernel kernel(Tag<LstmGrad>) {
  return make_kernel<LstmGrad, run_pass<Backward, LstmGrad>, pass_scratch<Backward, LstmGrad>>();
}

}  // namespace pyneuro
