// Matrix products of bfloat16 on pairs of numbers, for CPUs that multiply and add two at a time
// (AVX512_BF16): half the bytes and half the instructions of a product that widens. The same bits
// as gemm.h's, but for numbers below the normal ones, which that instruction takes as zero: k runs
// in the same order, in the same blocks, which are added in the same order.
#pragma once

#include "kernels/gemm.h"
#include "simd/half.h"

namespace pyneuro {

/// Whether products of this ISA run on pairs: where one instruction does it, and where tests are to
/// prove the logic without that instruction. Elsewhere widening once beats taking pairs apart at
/// every use (AVX2, Zen 3, 2 threads, 1024^3: 124 GFLOP/s against 76).
#if defined(__AVX512BF16__) || (!defined(__AVX512F__) && PN_VEC_BYTES == 64)
#define PN_PAIR_PRODUCTS 1
#else
#define PN_PAIR_PRODUCTS 0
#endif

/// How a product runs, decided from its shape.
struct PairsPlan {
  GemmShape shape;  // with one column turned on its side: C^T = B^T A^T has one long row
  bool swapped;
  int64_t batch;
  int64_t block_k, blocks_k;     // k in blocks_k blocks of block_k, the last one shorter
  int64_t strip;                 // rows of C to a register tile
  int64_t task_rows, task_cols;  // of C, to a task
  int64_t row_tasks, col_tasks;
  bool own_a, own_b;    // one task alone reads what it copies: it makes the copies as it goes along
  bool split_k;         // each block of k is a task and has a partial C; they are added afterwards
  int64_t reduce_rows;  // of C, to a task that adds them
  int64_t matrices;     // of the batch, to a task
  size_t a_bytes, b_bytes, c_bytes;  // of scratch for each matrix: copies of A and B, partial C
};

/// Of a product whose operands and result are bfloat16, which does not accumulate.
PairsPlan plan_pairs(const GemmShape& shape, int64_t batch);

/// Bytes of scratch that `gemm_pairs` needs, 64-byte aligned.
inline size_t pairs_scratch(const PairsPlan& plan) {
  return static_cast<size_t>(plan.batch) * (plan.a_bytes + plan.b_bytes + plan.c_bytes);
}

/// The steps of one matrix; `task` counts within the step.
int64_t pairs_pack_tasks(const PairsPlan& plan);
void pairs_pack(const PairsPlan& plan, const GemmOperands& x, char* scratch, int64_t task);
int64_t pairs_tasks(const PairsPlan& plan);
void pairs_compute(const PairsPlan& plan, const GemmOperands& x, char* scratch, int64_t task);
int64_t pairs_reduce_tasks(const PairsPlan& plan);
void pairs_reduce(const PairsPlan& plan, const GemmOperands& x, char* scratch, int64_t task);

/// What a task of the last step completes.
MatrixPart pairs_part(const PairsPlan& plan, int64_t task);

/// Runs the batch, as `gemm` does.
template <class F, class Done>
void gemm_pairs(Context& ctx, const PairsPlan& plan, F operands, void* scratch, Done done) {
  const size_t bytes = plan.a_bytes + plan.b_bytes + plan.c_bytes;
  const auto step = [&](int64_t tasks, auto run, auto then) {
    const int64_t total = plan.batch * tasks, group = tasks == 1 ? plan.matrices : 1;
    ctx.parallel_for((total + group - 1) / group, [&](int64_t task) {
      const int64_t end = total < (task + 1) * group ? total : (task + 1) * group;
      for (int64_t i = task * group; i < end; ++i) {
        char* own = static_cast<char*>(scratch) + static_cast<size_t>(i / tasks) * bytes;
        run(plan, operands(i / tasks), own, i % tasks);
        then(i / tasks, i % tasks);
      }
    });
  };
  const auto nothing = [](int64_t, int64_t) {};
  const auto tell = [&](int64_t i, int64_t task) { done(i, pairs_part(plan, task)); };
  if (const int64_t tasks = pairs_pack_tasks(plan)) step(tasks, pairs_pack, nothing);
  const int64_t reduce_tasks = pairs_reduce_tasks(plan);
  if (reduce_tasks == 0) return step(pairs_tasks(plan), pairs_compute, tell);
  step(pairs_tasks(plan), pairs_compute, nothing);
  step(reduce_tasks, pairs_reduce, tell);
}

}  // namespace pyneuro
