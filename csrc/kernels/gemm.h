// Matrix products for matmul, convolution, attention and recurrent layers: C = A B, one or a batch.
//
// The bits of C's row i depend on row i of A, on B and on k alone: k is cut in blocks that are a
// function of k, each element is one chain of fused multiply-adds within a block, and blocks are
// added in order. So it matters neither which rows come along, nor which path runs, nor how many
// threads.
#pragma once

#include "backend.h"

namespace pyneuro {

/// C[m, n] = A[m, k] B[k, n], row-major; ld* are the elements between rows as they lie in memory. A
/// transposed operand lies as [k, m] or [n, k]. The dtypes may differ but compute in one
/// (compute_dtype): float16 with float32, say. Integers wrap.
struct GemmShape {
  int64_t m, n, k;
  int64_t lda, ldb, ldc;
  bool transpose_a = false, transpose_b = false;
  bool accumulate = false;  // C += A B
  DType a = DType::Float32, b = DType::Float32, c = DType::Float32;
};

struct GemmOperands {
  const void* a;
  const void* b;
  void* c;
  const void* bias = nullptr;  // [n] of C's dtype, added to every row
};

/// How a product runs, decided from its shape.
struct GemmPlan {
  GemmShape shape;
  int64_t batch;
  bool swapped;                  // n == 1: the plan is that of C^T = B^T A^T, whose one row is long
  int64_t block_k, blocks_k;     // k in blocks_k blocks of block_k, the last one shorter
  int64_t task_rows, task_cols;  // of C, to a task
  int64_t row_tasks, col_tasks;
  // Operands are read where they lie or in copies: of all of it, made before the product, if
  // several tasks read the same part, otherwise of what is next, which each task makes for itself.
  bool copy_a, copy_b;
  bool keep_b;             // the copy of B lasts from product to product
  const Kept* kept;        // where that is, and scratch after it
  size_t kept_bytes;       // of the copy
  int64_t a_row, a_block;  // of copies of A: from row to row, from one block of k to the next
  int64_t pack_rows;       // of A, to a task that copies it before the product
  int64_t chunk_k;  // rows of B walked at a time, all of a task's columns under each; 0: a block
  bool split_k;     // each block of k is a task and has a partial C; they are added afterwards
  int64_t reduce_rows;  // of C, to a task that adds them
  bool staged;          // C is computed in scratch in the arithmetic's type, then converted
  int64_t matrices;     // of the batch, to a task
  size_t a_bytes, b_bytes, c_bytes;  // of scratch for each matrix: shared copies, partial C
};

/// `kept`, if not null: a plan for many products with one B, whose copy is kept. Without effect if
/// n is 1 or there is a batch.
GemmPlan plan_gemm(const GemmShape& shape, int64_t batch = 1, const Kept* kept = nullptr);
/// Bytes that such a plan had better keep; 0: none.
size_t gemm_keeps(const GemmPlan& plan);

/// Bytes of scratch that `gemm` needs, 64-byte aligned.
inline size_t gemm_scratch(const GemmPlan& plan) {
  return static_cast<size_t>(plan.batch) * (plan.a_bytes + plan.b_bytes + plan.c_bytes);
}

/// The steps of one matrix; `task` counts within the step.
int64_t gemm_pack_tasks(const GemmPlan& plan);
void gemm_pack(const GemmPlan& plan, const GemmOperands& x, char* scratch, int64_t task);
int64_t gemm_tasks(const GemmPlan& plan);
void gemm_compute(const GemmPlan& plan, const GemmOperands& x, char* scratch, int64_t task);
int64_t gemm_reduce_tasks(const GemmPlan& plan);
void gemm_reduce(const GemmPlan& plan, const GemmOperands& x, char* scratch, int64_t task);

/// Rows [i0, i1), columns [j0, j1).
struct MatrixPart { int64_t i0, i1, j0, j1; };
/// What a task of the last step completes.
MatrixPart gemm_part(const GemmPlan& plan, int64_t task);

/// Runs the batch; `operands(i)` gives matrix i's, `done(i, part)` hears of each part of its C that
/// is complete, on the thread that has it in its cache.
template <class F, class Done>
void gemm(Context& ctx, const GemmPlan& plan, F operands, void* scratch, Done done) {
  const size_t bytes = plan.a_bytes + plan.b_bytes + plan.c_bytes;
  if (plan.keep_b) scratch = static_cast<char*>(plan.kept->data) + plan.kept_bytes;
  const auto step = [&](int64_t tasks, auto run, auto then) {
    if (tasks == 0) return;
    const int64_t total = plan.batch * tasks;
    const int64_t group = tasks == 1 ? plan.matrices : 1;
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
  const auto tell = [&](int64_t i, int64_t task) { done(i, gemm_part(plan, task)); };
  const int64_t reduce_tasks = gemm_reduce_tasks(plan);
  step(gemm_pack_tasks(plan), gemm_pack, nothing);
  if (reduce_tasks == 0) return step(gemm_tasks(plan), gemm_compute, tell);
  step(gemm_tasks(plan), gemm_compute, nothing);
  step(reduce_tasks, gemm_reduce, tell);
}
template <class F> void gemm(Context& ctx, const GemmPlan& plan, F operands, void* scratch) {
  gemm(ctx, plan, operands, scratch, [](int64_t, const MatrixPart&) {});
}

}  // namespace pyneuro
