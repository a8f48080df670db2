// The gated recurrent unit over a sequence, forward and backward. Where the reset gate works on the
// product with the recurrent kernel, product and gates of some units are one pass, as in LSTM.
// Where it works on the state before the product, a step has two products, the second of what the
// first one's gates leave of the whole state, and runs as two rounds.
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
    S* kept = trace == nullptr ? nullptr : trace + at * 4 * units + u;
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
      give(s, n, u + k, lanes, old_h, z * old_h + (V(1) - z) * m);
    });
  }

  /// Some units' output and state after a step.
  [[gnu::always_inline]] void give(int64_t s, int64_t n, int64_t u, int lanes, Vec<T> old_h,
                                   Vec<T> new_h) const {
    S* py = y + (n * q.steps + s) * q.units + u;
    Vec<T> out = new_h;
    if (q.masked(n, s)) {
      new_h = old_h;
      out = zero_masked || s == 0 ? Vec<T>(0) : get<T>(py - q.units, lanes);
    }
    store_some(h[(s + 1) & 1] + n * row + u, new_h, lanes);
    put<T>(py, out, lanes);
  }
};

/// With the reset gate before the product: round 2 s finds the gates of step s, the next one the
/// candidate and the new state.
template <class T, class S> struct ForwardBefore : Forward<T, S> {
  using Base = Forward<T, S>;
  using Base::bias, Base::h, Base::panels, Base::q, Base::row, Base::trace, Base::x;
  T *left, *update;  // r h and z of the step at hand

  ForwardBefore(const Gru& op, In in, Out out, Scratch& scratch) : Base(op, in, out, scratch) {
    left = scratch.take<T>(q.batch * row);
    update = scratch.take<T>(q.batch * row);
  }

  int64_t rounds() const { return 2 * q.steps; }
  void step(int64_t round, const Part& part) const {
    const int64_t s = round / 2, width = panels[0].width, rows = part.n1 - part.n0;
    alignas(64) T product[2][kProduct<T>];
    for (int64_t j = part.j0; j < part.j1; ++j) {
      const int64_t u = j * width, count = smaller(width, q.units - u);
      if (round % 2 == 0) {
        for (int g = 0; g < 2; ++g)
          panels[g].multiply(j, h[s & 1] + part.n0 * row, row, rows, product[g]);
        for (int64_t i = 0; i < rows; ++i)
          gates(s, part.n0 + i, u, count, product[0] + i * width, product[1] + i * width);
      } else {
        panels[2].multiply(j, left + part.n0 * row, row, rows, product[0]);
        for (int64_t i = 0; i < rows; ++i)
          candidate(s, part.n0 + i, u, count, product[0] + i * width);
      }
    }
  }

  /// The gates of one sample, `count` units from u on.
  void gates(int64_t s, int64_t n, int64_t u, int64_t count, const T* of_z, const T* of_r) const {
    using V = Vec<T>;
    const int64_t units = q.units, at = n * q.steps + q.time(s), to = n * row + u;
    const S *px = x + at * 3 * units + u, *pb = bias + u;
    S* kept = trace == nullptr ? nullptr : trace + at * 4 * units + u;
    for_vectors<T>(count, [&](int64_t k, int lanes) __attribute__((always_inline)) {
      const auto of = [&](int g, const T* sums) __attribute__((always_inline)) {
        const V inner = simd::load(sums + k) + get<T>(pb + g * units + k, lanes);
        return Sigmoid::eval(get<T>(px + g * units + k, lanes) + inner);
      };
      const V z = of(0, of_z), r = of(1, of_r);
      const V old_h = load_some(h[s & 1] + to + k, lanes), rest = r * old_h;
      store_some(update + to + k, z, lanes);
      store_some(left + to + k, rest, lanes);
      if (kept == nullptr) return;
      put<T>(kept + k, z, lanes), put<T>(kept + units + k, r, lanes);
      put<T>(kept + 3 * units + k, rest, lanes);
      put<T>(this->before + at * units + u + k, old_h, lanes);
    });
  }

  /// Candidate and new state of one sample, `count` units from u on.
  void candidate(int64_t s, int64_t n, int64_t u, int64_t count, const T* sums) const {
    using V = Vec<T>;
    const int64_t units = q.units, at = n * q.steps + q.time(s), from = n * row + u;
    const S *px = x + (at * 3 + 2) * units + u, *pb = bias + 2 * units + u;
    S* kept = trace == nullptr ? nullptr : trace + (at * 4 + 2) * units + u;
    for_vectors<T>(count, [&](int64_t k, int lanes) __attribute__((always_inline)) {
      const V m = tanh(get<T>(px + k, lanes) + (simd::load(sums + k) + get<T>(pb + k, lanes)));
      const V z = load_some(update + from + k, lanes),
              old_h = load_some(h[s & 1] + from + k, lanes);
      if (kept != nullptr) put<T>(kept + k, m, lanes);
      this->give(s, n, u + k, lanes, old_h, z * old_h + (V(1) - z) * m);
    });
  }
};

// ---- backward -----------------------------------------------------------------------------------

/// kAfter: the reset gate works on the product.
template <class T, class S, bool kAfter> struct BackwardOf {
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

  BackwardOf(const GruGrad& op, In in, Out out, Scratch& scratch) {
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
    start_states();
  }
  void start_states() const {
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
      for (int64_t n = part.n0; n < part.n1; ++n)
        arrive(s, n, u, units, product + (n - part.n0) * width);
    }
  }

  /// The product `g` of the next step comes to h of step s, or past the first one to dh.
  void arrive(int64_t s, int64_t n, int64_t u, int64_t units, T* g) const {
    const T* past = held + n * row + u;
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
      give(0, k, of_z, of_z, lanes);
      give(2, k, of_m, kAfter ? of_m * r : of_m, lanes);
      if constexpr (kAfter) {
        const V of_r = of_m * product * sigmoid_slope(r);
        give(1, k, of_r, of_r, lanes);
      }
    });
  }
};

template <class T, class S> using Backward = BackwardOf<T, S, true>;

/// With the reset gate before the product: the first round of a step gives the gradients of update
/// gate and candidate, the second one, with the candidate's of all units, that of the reset gate.
/// Gradients of x and of h R + b are the same; the trace holds r h in place of the product.
template <class T, class S> struct BackwardBefore : BackwardOf<T, S, false> {
  using Base = BackwardOf<T, S, false>;
  using Base::before, Base::dinner, Base::dx, Base::dz, Base::held, Base::kernel, Base::q;
  using Base::row, Base::trace, Base::wide;
  Panels<T> of_gates, of_candidate;  // columns of the recurrent kernel, transposed

  BackwardBefore(const GruGrad& op, In in, Out out, Scratch& scratch) : Base(op, in, out, scratch) {
    of_gates = of_candidate = this->panels;
    of_gates.k = 2 * q.units, of_candidate.k = q.units;  // share the memory of all
    of_candidate.data = of_gates.data + of_gates.elements();
  }

  void start(Context& ctx) const {
    of_gates.pack(ctx, kernel, 3 * q.units, true);
    of_candidate.pack(ctx, kernel + 2 * q.units, 3 * q.units, true);
    this->start_states();
  }

  int64_t rounds() const { return 2 * q.steps + 1; }
  void step(int64_t round, const Part& part) const {
    const int64_t s = q.steps - 1 - round / 2, width = of_gates.width, rows = part.n1 - part.n0;
    alignas(64) T product[kProduct<T>];
    for (int64_t j = part.j0; j < part.j1; ++j) {
      const int64_t u = j * width, count = smaller(width, q.units - u);
      if (round % 2 != 0) {
        of_candidate.multiply(j, dz[s & 1] + part.n0 * wide + 2 * q.units, wide, rows, product);
        for (int64_t i = 0; i < rows; ++i) reset(s, part.n0 + i, u, count, product + i * width);
        continue;
      }
      if (s + 1 < q.steps)
        of_gates.multiply(j, dz[(s + 1) & 1] + part.n0 * wide, wide, rows, product);
      for (int64_t i = 0; i < rows; ++i)
        this->arrive(s, part.n0 + i, u, count, product + i * width);
    }
  }

  /// The reset gate of one sample, `count` units from u on; `g` has come to r h.
  void reset(int64_t s, int64_t n, int64_t u, int64_t count, const T* g) const {
    using V = Vec<T>;
    if (q.masked(n, s)) return;
    const int64_t units = q.units, at = n * q.steps + q.time(s);
    const S *pr = trace + (at * 4 + 1) * units + u, *ph = before + at * units + u;
    S *to_x = dx + (at * 3 + 1) * units + u, *to_inner = dinner + (at * 3 + 1) * units + u;
    T *to = dz[s & 1] + n * wide + units + u, *past = held + n * row + u;
    for_vectors<T>(count, [&](int64_t k, int lanes) __attribute__((always_inline)) {
      const V r = get<T>(pr + k, lanes), d = simd::load(g + k);
      store_some(past + k, load_some(past + k, lanes) + d * r, lanes);
      const V of_r = d * get<T>(ph + k, lanes) * sigmoid_slope(r);
      store_some(to + k, of_r, lanes);
      put<T>(to_inner + k, of_r, lanes);
      put<T>(to_x + k, of_r, lanes);
    });
  }
};

/// The pass for either place of the reset gate.
template <template <class, class> class After, template <class, class> class Before, class Op>
void run_either(const Op& op, Context& ctx, In in, Out out) noexcept {
  op.reset_after ? run_pass<After>(op, ctx, in, out) : run_pass<Before>(op, ctx, in, out);
}
template <template <class, class> class After, template <class, class> class Before, class Op>
size_t either_scratch(const Op& op, In in, Out out) noexcept {
  return op.reset_after ? pass_scratch<After>(op, in, out) : pass_scratch<Before>(op, in, out);
}

}  // namespace

Kernel kernel(Tag<Gru>) {
  return make_kernel<Gru, run_either<Forward, ForwardBefore, Gru>,
                     either_scratch<Forward, ForwardBefore, Gru>>();
}
Kernel kernel(Tag<GruGrad>) {
  return make_kernel<GruGrad, run_either<Backward, BackwardBefore, GruGrad>,
                     either_scratch<Backward, BackwardBefore, GruGrad>>();
}

}  // namespace pyneuro
