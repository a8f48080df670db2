// Convolution as its kernels see it: one geometry for one to three dimensions, the step (forward or
// a gradient), and the list of algorithms, of which the first that applies wins.
#pragma once

#include "kernels/epilogue.h"

namespace pyneuro {

enum class ConvStep { Forward, InputGrad, KernelGrad };

/// What is computed. Dimensions count from the last: missing ones are of size 1, in front.
struct ConvProblem {
  ConvStep step;
  DType dtype;
  int64_t batch, channels, filters, groups;
  int64_t in[3], out[3], window[3], stride[3], dilation[3], low[3];

  int64_t in_pixels() const { return in[0] * in[1] * in[2]; }
  int64_t out_pixels() const { return out[0] * out[1] * out[2]; }
  int64_t taps() const { return window[0] * window[1] * window[2]; }
};

/// Forward: x, kernel, bias or null -> y. InputGrad: g, kernel -> dx. KernelGrad: x, g -> dkernel.
/// All dense, of the problem's dtype.
struct ConvOperands {
  const void *a, *b, *bias;
  void* c;
  const Epilogue& epilogue;    // of y, as [batch * pixels, filters]
  const Kept* kept = nullptr;  // of the kernel, if the algorithm keeps something
};

/// One way to compute. `scratch` says how many bytes `run` needs; both see the same problem. An
/// algorithm that `follows` runs the epilogue part by part; after others it is run on all of y.
struct ConvAlgorithm {
  const char* name;  // as PYNEURO_CONV_ALGO knows it
  bool (*applies)(const ConvProblem&);
  size_t (*scratch)(const ConvProblem&);
  void (*run)(Context&, const ConvProblem&, const ConvOperands&);
  bool follows = false;
  size_t (*keeps)(const ConvProblem&) = nullptr;  // bytes worth keeping of the kernel
};

ConvAlgorithm conv_plain();      // conv_plain.cpp: matrix products as they lie
ConvAlgorithm conv_depthwise();  // conv_depthwise.cpp: one channel to a group
ConvAlgorithm conv_winograd();   // conv_winograd.cpp: 3 x 3 windows, by transforms of tiles
ConvAlgorithm conv_columns();    // conv_columns.cpp: dx of few channels, from one wide product
ConvAlgorithm conv_implicit();   // conv_implicit.cpp: everything, as gathered matrix products

/// A line of the window along one dimension, forward or for the positions of dx that are `phase`
/// beyond a multiple of the stride: where results lie, where the source, which taps take part.
struct ConvLine {
  int64_t count;                // results
  int64_t first, stride;        // position of the first, and from one to the next
  int64_t step;                 // source positions from one result to the next
  int64_t taps, tap, tap_step;  // of the window: how many, the first, from one to the next
  int64_t reach, reach_step;    // source position of the first tap for result 0, from tap to tap
};
ConvLine conv_forward_line(const ConvProblem& p, int dimension);
ConvLine conv_backward_line(const ConvProblem& p, int dimension, int64_t phase);

}  // namespace pyneuro
