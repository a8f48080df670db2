#include "kernels/epilogue.h"

namespace pyneuro {

Epilogue::Epilogue(const Context& ctx, const View& result) {
  const Chained* chained = ctx.chained();
  if (chained == nullptr || result.size() == 0) return;
  chain_.emplace(*chained->op, chained->in, chained->out);
  nest_.arrays = chain_->arrays();
  nest_.rank = 2;
  nest_.size[0] = result.size() / result.shape.back(), nest_.size[1] = result.shape.back();
  for (int a = 0; a < nest_.arrays; ++a) {
    const View& v = chain_->array(a);
    const MatrixStrides s = matrix_strides(v.shape, v.strides, result.shape);
    nest_.stride[a][0] = s.row, nest_.stride[a][1] = s.col;
  }
  chain_->place(nest_, false);
}

void Epilogue::run(const MatrixPart& part) const {
  const int64_t most_cols = balanced(part.j1 - part.j0, chain_->capacity(), 16);
  const int64_t most_rows = larger(1, chain_->capacity() / larger(1, most_cols));
  Chain::Buffers buffers;
  for (int64_t j = part.j0; j < part.j1; j += most_cols)
    for (int64_t i = part.i0; i < part.i1; i += most_rows) {
      ChainPart at;
      at.rows = smaller(most_rows, part.i1 - i), at.cols = smaller(most_cols, part.j1 - j);
      for (int a = 0; a < nest_.arrays; ++a)
        at.offset[a] = i * nest_.row_stride(a) + j * nest_.col_stride(a);
      chain_->run(at, buffers);
    }
}

void Epilogue::run_rows(Context& ctx, int64_t begin, int64_t end) const {
  const int64_t rows = larger(1, kSlice / nest_.cols());
  ctx.parallel_for(ceil_div(end - begin, rows), [&](int64_t task) {
    const int64_t row = begin + task * rows;
    run({row, smaller(end, row + rows), 0, nest_.cols()});
  });
}

}  // namespace pyneuro
