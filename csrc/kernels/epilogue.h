// What follows a product elementwise - bias, activation, residual, scale - run on each part of its
// result as soon as that is complete, while it is in a cache (plan/fuse.h).
#pragma once

#include <optional>

#include "kernels/chain.h"
#include "kernels/gemm.h"

namespace pyneuro {

class Epilogue {
 public:
  /// What the context says follows on `result`; nothing, mostly.
  Epilogue(const Context& ctx, const View& result);
  explicit operator bool() const { return chain_.has_value(); }
  /// Of the result as a matrix: all its axes but the last, the last. From any task; parts do not
  /// overlap.
  void run(const MatrixPart& part) const;
  /// Rows [begin, end), or all, where the product was not made in parts worth following.
  void run_rows(Context& ctx, int64_t begin, int64_t end) const;
  void run_all(Context& ctx) const { run_rows(ctx, 0, nest_.rows()); }

 private:
  std::optional<Chain> chain_;
  Nest nest_;
};

}  // namespace pyneuro
