// A layer and a softmax through pyneuro's C++ library: what Python runs, without Python.
#include <algorithm>
#include <cstdio>
#include <vector>

#include "pyneuro/runtime/dispatch.h"

namespace {

using pyneuro::Array;

Array array(const pyneuro::Shape& shape, const std::vector<float>& values) {
  const Array a = Array::empty({shape, pyneuro::DType::Float32});
  std::copy(values.begin(), values.end(), static_cast<float*>(a.data()));
  return a;
}

}  // namespace

int main() {
  const Array x = array({2, 3}, {1, 2, 3, 3, 2, 1});
  const Array weights = array({3, 2}, {0.5F, -0.5F, 0.25F, 0.25F, -0.5F, 0.5F});
  const Array bias = array({2}, {0.1F, -0.1F});

  const Array logits = run(pyneuro::Matmul{}, {x, weights, bias});
  const Array y = run(pyneuro::Softmax{-1}, {logits});
  const auto* p = static_cast<const float*>(y.data());
  for (int64_t i = 0; i < y.shape()[0]; ++i) std::printf("%.6f %.6f\n", p[2 * i], p[2 * i + 1]);

  try {
    run(pyneuro::Matmul{}, {x, x});
  } catch (const pyneuro::Error& error) {
    std::printf("as it should, the product of a (2, 3) with itself fails: %s\n", error.what());
    return 0;
  }
  return 1;
}
