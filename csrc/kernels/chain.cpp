// Chains of elementwise ops, part by part: a part's values between the steps lie in buffers of the
// first-level cache, which the loops of elementwise.cpp read and write.
#include "kernels/chain.h"

namespace pyneuro {
namespace {

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

}  // namespace

Chain::Chain(const Fused& op, In in, Out out) : op_(&op), inputs_(in.count), results_(out.count) {
  for (int a = 0; a < arrays(); ++a) arrays_[a] = a < results_ ? out[a] : in[a - results_];
  DType dtype = DType::Float32;
  for (int i = 0; i < inputs_; ++i)
    if (in[i].dtype != DType::Bool) dtype = in[i].dtype;
  const DType lanes = compute_dtype(dtype);
  const int size = static_cast<int>(size_of(dtype)), lane_size = static_cast<int>(size_of(lanes));
  const bool widened = dtype != lanes;
  const Passage predicate{1, 1, nullptr};
  lane_bytes_ = lane_size;
  for (int i = 0; i < inputs_; ++i)
    way_[i] = in[i].dtype == DType::Bool
                  ? predicate
                  : Passage{size, lane_size, widened ? converter(dtype, lanes) : nullptr};
  for (int s = 0; s < op.size(); ++s) {
    const ElementwiseLoop step = elementwise_loop(op.row(s), lanes);
    loop_[s] = step.loop;
    round_[s] = step.predicate || step.exact ? nullptr : rounder(dtype);
    way_[inputs_ + s] = step.predicate
                            ? predicate
                            : Passage{size, lane_size, widened ? converter(lanes, dtype) : nullptr};
  }
}

/// The step after which a value is not read any more; `never` for what is copied at the end.
int Chain::last_read(int value, int never) const {
  int last = -1;
  for (int s = 0; s < op_->size(); ++s)
    for (int i = 0; i < 3; ++i)
      if (op_->operand(s, i) == value) last = s;
  for (int r = 0; r < results_; ++r)
    if (inputs_ + op_->results[size_t(r)] == value && late_[r]) last = never;
  return last;
}

/// Whether a result would be written while an input that shares its memory is still to be read. An
/// input that lies there element for element may be read by the very step.
bool Chain::is_written_early(int result) const {
  const View& to = arrays_[result];
  for (int i = 0; i < inputs_; ++i) {
    const View& from = arrays_[results_ + i];
    if (!overlap(to, from)) continue;
    const bool same = to.data == from.data && to.shape == from.shape &&
                      to.strides == from.strides && to.dtype == from.dtype;
    if (!same) return true;
    for (int s = static_cast<int>(op_->results[size_t(result)]) + 1; s < op_->size(); ++s)
      for (int k = 0; k < 3; ++k)
        if (op_->operand(s, k) == i) return true;
  }
  return false;
}

/// Gives each value its place: buffers are used again once their value is not read any more.
void Chain::place_values(const bool* buffered) {
  const int steps = op_->size();
  bool used[kMostValues] = {};
  const auto take = [&] {
    int slot = 0;
    while (used[slot]) ++slot;
    used[slot] = true;
    return slot;
  };
  for (int i = 0; i < inputs_; ++i)  // held over parts, so never given up
    at_[i] = buffered[results_ + i] ? Place{-1, take()} : Place{results_ + i, -1};
  for (int s = 0; s < steps; ++s) {
    const int value = inputs_ + s;
    at_[value] = {};
    for (int r = 0; r < results_; ++r)
      if (op_->results[size_t(r)] == s && !late_[r]) at_[value] = {r, -1};
    if (at_[value].array < 0) at_[value] = {-1, take()};
    for (int k = inputs_; k < value; ++k)
      if (at_[k].slot >= 0 && last_read(k, steps) == s) used[at_[k].slot] = false;
  }
}

void Chain::place(const Nest& nest, bool whole_rows) {
  bool buffered[kMostArrays];
  flat_ = whole_rows;
  for (int a = 0; a < arrays(); ++a) {
    row_stride_[a] = nest.row_stride(a), col_stride_[a] = nest.col_stride(a);
    const bool repeats = row_stride_[a] == 0 && nest.rows() > 1;
    const int value =
        a < results_ ? inputs_ + static_cast<int>(op_->results[size_t(a)]) : a - results_;
    buffered[a] =
        way_[value].convert != nullptr || col_stride_[a] != 1 || (a >= results_ && repeats);
    flat_ &= buffered[a] || row_stride_[a] == nest.cols() || nest.rows() == 1;
  }
  for (int r = 0; r < results_; ++r) late_[r] = buffered[r] || is_written_early(r);
  place_values(buffered);
}

void Chain::run(const ChainPart& part, Buffers& buffers) const {
  const int64_t rows = part.rows, cols = part.cols;
  const auto memory = [&](int array) {
    return arrays_[array].as<char>() +
           part.offset[array] * static_cast<int64_t>(size_of(arrays_[array].dtype));
  };
  const auto buffer = [&](int slot) { return buffers.data + slot * kStride; };
  for (int i = 0; i < inputs_; ++i) {
    if (at_[i].slot < 0) continue;
    const int array = results_ + i;
    const Buffers::Held wanted{part.offset[array], rows, cols};
    if (buffers.held[i] == wanted) continue;
    buffers.held[i] = wanted;
    load_block(way_[i], {memory(array), row_stride_[array], col_stride_[array]}, rows, cols,
               buffer(at_[i].slot), buffers.raw);
  }
  for (int s = 0; s < op_->size(); ++s) {
    Tile tile;
    const auto set = [&](int k, int value) {
      const Place& p = at_[value];
      tile.data[k] = p.array >= 0 ? memory(p.array) : buffer(p.slot);
      tile.pitch[k] = p.array >= 0 ? row_stride_[p.array] : cols;
    };
    set(0, inputs_ + s);
    for (int i = 0; i < 3 && op_->operand(s, i) >= 0; ++i) set(i + 1, op_->operand(s, i));
    tile.rows = flat_ ? 1 : rows;
    tile.cols = flat_ ? rows * cols : cols;
    loop_[s](tile);
    if (round_[s] != nullptr) round_[s](reinterpret_cast<float*>(tile.data[0]), rows * cols);
  }
  for (int r = 0; r < results_; ++r) {
    if (!late_[r]) continue;
    const int value = inputs_ + static_cast<int>(op_->results[size_t(r)]);
    store_block(way_[value], {memory(r), row_stride_[r], col_stride_[r]}, rows, cols,
                buffer(at_[value].slot), buffers.raw);
  }
}

}  // namespace pyneuro
