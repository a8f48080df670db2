// Chains of elementwise ops over whole arrays, tile by tile.
#include "kernels/chain.h"
#include "kernels/kernels.h"

namespace pyneuro {
namespace {

void run(const Fused& op, Context& ctx, In in, Out out) noexcept {
  if (out[0].size() == 0) return;
  Chain chain(op, in, out);
  const View* views[Chain::kMostArrays];
  for (int a = 0; a < chain.arrays(); ++a) views[a] = &chain.array(a);
  Tiling tiling;
  tiling.collapse(out[0].shape, views, chain.arrays());
  tiling.cut(chain.capacity(), larger(2048, kSlice / op.size()));
  chain.place(tiling.nest, tiling.cols == tiling.nest.cols());
  ctx.parallel_for(tiling.tasks(), [&](int64_t task) {
    Chain::Buffers buffers;
    TileCursor at(tiling, task);
    do {
      ChainPart part;
      part.rows = at.rows(), part.cols = at.cols();
      for (int a = 0; a < chain.arrays(); ++a) part.offset[a] = at.offset(a);
      chain.run(part, buffers);
    } while (at.next());
  });
}

}  // namespace

Kernel kernel(Tag<Fused>) { return make_kernel<Fused, &run>(); }

}  // namespace pyneuro
