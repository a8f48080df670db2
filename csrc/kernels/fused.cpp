// Chains of elementwise ops, tile by tile: a tile's values between the steps lie in buffers of the
// first-level cache, which the loops of elementwise.cpp read and write.
#include "kernels/elementwise.h"
#include "kernels/kernels.h"

namespace pyneuro {
namespace {

constexpr int kMostValues = Fused::kMostInputs + Fused::kMostSteps;
constexpr int64_t kRoom = 2048;           // bytes of a buffer
constexpr int64_t kStride = kRoom + 192;  // off 4096, where loads would wait for stores

/// Where a value of a tile lies: in the array's own memory, or in a buffer.
struct Place {
  int array = -1;  // of the tiling
  int slot = -1;   // of the buffers
};

/// What a buffered input holds: it stays while tiles read the same part.
struct Held {
  int64_t offset = -1, rows = 0, cols = 0;
  friend bool operator==(const Held&, const Held&) = default;
};

/// A chain, ready to run on tiles. Arrays of the tiling: results, then inputs.
struct Chain {
  const Fused* op;
  int inputs, results, slots = 0;
  View arrays[Fused::kMostInputs + Fused::kMostResults];
  int size[kMostValues];  // bytes of an element
  Place at[kMostValues];  // inputs, then steps
  TileLoop loop[Fused::kMostSteps];
  bool late[Fused::kMostResults];  // copied when the tile is done
  Tiling tiling;
  bool flat;  // every tile is one row
};

bool overlap(const View& a, const View& b) {
  if (a.size() == 0 || b.size() == 0) return false;
  const auto range = [](const View& v) {
    auto low = reinterpret_cast<uintptr_t>(v.data), high = low;
    for (int d = 0; d < v.rank(); ++d) {
      const int64_t reach =
          (v.shape[d] - 1) * v.strides[d] * static_cast<int64_t>(size_of(v.dtype));
      (reach < 0 ? low : high) += static_cast<uintptr_t>(reach);
    }
    return std::pair{low, high + size_of(v.dtype)};
  };
  const auto [a0, a1] = range(a);
  const auto [b0, b1] = range(b);
  return a0 < b1 && b0 < a1;
}

/// The step after which a value is not read any more; `never` for what is copied at the end.
int last_read(const Chain& c, int value, int never) {
  int last = -1;
  for (int s = 0; s < c.op->size(); ++s)
    for (int i = 0; i < 3; ++i)
      if (c.op->operand(s, i) == value) last = s;
  for (int r = 0; r < c.results; ++r)
    if (c.inputs + c.op->results[size_t(r)] == value && c.late[r]) last = never;
  return last;
}

/// Gives each value its place: buffers are used again once their value is not read any more.
void place_values(Chain& c, const bool* buffered) {
  const int steps = c.op->size();
  bool used[kMostValues] = {};
  const auto take = [&] {
    int slot = 0;
    while (used[slot]) ++slot;
    used[slot] = true;
    c.slots = c.slots > slot + 1 ? c.slots : slot + 1;
    return slot;
  };
  for (int i = 0; i < c.inputs; ++i)  // held over tiles, so never given up
    c.at[i] = buffered[c.results + i] ? Place{-1, take()} : Place{c.results + i, -1};
  for (int s = 0; s < steps; ++s) {
    const int value = c.inputs + s;
    for (int r = 0; r < c.results; ++r)
      if (c.op->results[size_t(r)] == s && !c.late[r]) c.at[value] = {r, -1};
    if (c.at[value].array < 0) c.at[value] = {-1, take()};
    for (int k = c.inputs; k < value; ++k)
      if (c.at[k].slot >= 0 && last_read(c, k, steps) == s) used[c.at[k].slot] = false;
  }
}

void run_tile(const Chain& c, const TileCursor& at, char* buffers, Held* held) {
  const Nest& nest = c.tiling.nest;
  const int64_t rows = at.rows(), cols = at.cols();
  const auto memory = [&](int array) {
    const int64_t size = static_cast<int64_t>(size_of(c.arrays[array].dtype));
    return c.arrays[array].as<char>() + at.offset(array) * size;
  };
  const auto buffer = [&](int slot) { return buffers + slot * kStride; };
  for (int i = 0; i < c.inputs; ++i) {
    if (c.at[i].slot < 0) continue;
    const int array = c.results + i;
    const Held part{at.offset(array), rows, cols};
    if (held[i] == part) continue;
    held[i] = part;
    copy_block(c.size[i], {buffer(c.at[i].slot), cols, 1},
               {memory(array), nest.row_stride(array), nest.col_stride(array)}, rows, cols);
  }
  for (int s = 0; s < c.op->size(); ++s) {
    Tile tile;
    const auto set = [&](int k, int value) {
      const Place& p = c.at[value];
      tile.data[k] = p.array >= 0 ? memory(p.array) : buffer(p.slot);
      tile.pitch[k] = p.array >= 0 ? nest.row_stride(p.array) : cols;
    };
    set(0, c.inputs + s);
    for (int i = 0; i < 3 && c.op->operand(s, i) >= 0; ++i) set(i + 1, c.op->operand(s, i));
    tile.rows = c.flat ? 1 : rows;
    tile.cols = c.flat ? rows * cols : cols;
    c.loop[s](tile);
  }
  for (int r = 0; r < c.results; ++r) {
    if (!c.late[r]) continue;
    const int value = c.inputs + static_cast<int>(c.op->results[size_t(r)]);
    copy_block(c.size[value], {memory(r), nest.row_stride(r), nest.col_stride(r)},
               {buffer(c.at[value].slot), cols, 1}, rows, cols);
  }
}

void run(const Fused& op, Context& ctx, In in, Out out) noexcept {
  if (out[0].size() == 0) return;
  Chain c;
  c.op = &op, c.inputs = in.count, c.results = out.count;
  const int arrays = c.inputs + c.results;
  const View* views[Fused::kMostInputs + Fused::kMostResults];
  for (int a = 0; a < arrays; ++a) {
    c.arrays[a] = a < c.results ? out[a] : in[a - c.results];
    views[a] = &c.arrays[a];
  }
  DType lanes = DType::Float32;
  for (int i = 0; i < c.inputs; ++i)
    if (in[i].dtype != DType::Bool) lanes = in[i].dtype;
  for (int i = 0; i < c.inputs; ++i) c.size[i] = static_cast<int>(size_of(in[i].dtype));
  for (int s = 0; s < op.size(); ++s) {
    const ElementwiseLoop step = elementwise_loop(op.row(s), lanes);
    c.loop[s] = step.loop;
    c.size[c.inputs + s] = step.predicate ? 1 : static_cast<int>(size_of(lanes));
  }
  c.tiling.collapse(out[0].shape, views, arrays);
  const Nest& nest = c.tiling.nest;
  c.tiling.cut(kRoom / static_cast<int64_t>(size_of(lanes)), larger(2048, kSlice / op.size()));
  c.flat = c.tiling.cols == nest.cols();
  bool buffered[Fused::kMostInputs + Fused::kMostResults];
  for (int a = 0; a < arrays; ++a) {
    const bool repeats = nest.row_stride(a) == 0 && nest.rows() > 1;
    buffered[a] = nest.col_stride(a) != 1 || (a >= c.results && repeats);
    c.flat &= buffered[a] || nest.row_stride(a) == nest.cols() || c.tiling.rows == 1;
  }
  for (int r = 0; r < c.results; ++r) {
    c.late[r] = buffered[r];
    for (int i = 0; i < c.inputs; ++i) c.late[r] |= overlap(out[r], in[i]);
  }
  place_values(c, buffered);
  ctx.parallel_for(c.tiling.tasks(), [&](int64_t task) {
    alignas(64) char buffers[kMostValues * kStride];
    Held held[Fused::kMostInputs];
    TileCursor at(c.tiling, task);
    do run_tile(c, at, buffers, held);
    while (at.next());
  });
}

}  // namespace

Kernel kernel(Tag<Fused>) { return make_kernel<Fused, &run>(); }

}  // namespace pyneuro
