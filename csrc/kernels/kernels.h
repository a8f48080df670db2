// Which function gives the kernel of each row of the op table: one line per op or family. cpu.cpp
// fills the table from it, so a row without a line does not compile, and one without a definition
// does not link.
#pragma once

#include "backend.h"

namespace pyneuro {

template <class T> struct Tag {};

Kernel unary_kernel(int formula);   // elementwise.cpp; positions in UnaryList
Kernel binary_kernel(int formula);  // and BinaryList
template <class F> Kernel kernel(Tag<Unary<F>>) {
  return unary_kernel(IndexOf<F, formulas::UnaryList>::value);
}
template <class F> Kernel kernel(Tag<Binary<F>>) {
  return binary_kernel(IndexOf<F, formulas::BinaryList>::value);
}
Kernel kernel(Tag<Where>);  // elementwise.cpp
Kernel kernel(Tag<Cast>);   // copy.cpp
Kernel kernel(Tag<Copy>);
template <class R> Kernel kernel(Tag<Reduce<R>>);   // reduce.cpp
template <class E> Kernel kernel(Tag<Extreme<E>>);  // extreme.cpp
Kernel kernel(Tag<Matmul>);                         // matmul.cpp
Kernel kernel(Tag<Conv>);                           // conv.cpp
Kernel kernel(Tag<ConvInputGrad>);
Kernel kernel(Tag<ConvKernelGrad>);
Kernel kernel(Tag<MaxPool>);  // pool.cpp
Kernel kernel(Tag<MaxPoolGrad>);
Kernel kernel(Tag<MaxPoolTake>);
Kernel kernel(Tag<AveragePool>);
Kernel kernel(Tag<AveragePoolGrad>);
Kernel kernel(Tag<Normalize>);  // normalization.cpp
Kernel kernel(Tag<NormalizeGrad>);
Kernel kernel(Tag<Standardize>);
Kernel kernel(Tag<Fused>);     // fused.cpp
Kernel kernel(Tag<Resample>);  // image.cpp
Kernel kernel(Tag<ResampleGrad>);
Kernel kernel(Tag<Softmax>);  // softmax.cpp
Kernel kernel(Tag<LogSoftmax>);
Kernel kernel(Tag<SoftmaxGrad>);
Kernel kernel(Tag<LogSoftmaxGrad>);
Kernel kernel(Tag<Crossentropy>);
Kernel kernel(Tag<CrossentropyGrad>);
Kernel kernel(Tag<SparseCrossentropy>);
Kernel kernel(Tag<SparseCrossentropyGrad>);
Kernel kernel(Tag<Attention>);      // attention.cpp
Kernel kernel(Tag<AttentionGrad>);  // attention_grad.cpp
Kernel kernel(Tag<Concatenate>);    // manipulation.cpp
Kernel kernel(Tag<SliceGrad>);
Kernel kernel(Tag<SliceUpdate>);
Kernel kernel(Tag<Full>);
Kernel kernel(Tag<Arange>);
Kernel kernel(Tag<Take>);  // index.cpp
Kernel kernel(Tag<TakeGrad>);
Kernel kernel(Tag<TakeAlongAxis>);
Kernel kernel(Tag<TakeAlongAxisGrad>);
Kernel kernel(Tag<ScatterUpdate>);
Kernel kernel(Tag<OneHot>);
Kernel kernel(Tag<Sort>);    // sort.cpp
Kernel kernel(Tag<Cumsum>);  // cumulate.cpp
Kernel kernel(Tag<Cumprod>);
Kernel kernel(Tag<LinearRecurrence>);
Kernel kernel(Tag<Lstm>);  // recurrent_lstm.cpp
Kernel kernel(Tag<LstmGrad>);
Kernel kernel(Tag<Gru>);  // recurrent_gru.cpp
Kernel kernel(Tag<GruGrad>);
Kernel kernel(Tag<RandomUniform>);  // random.cpp
Kernel kernel(Tag<RandomNormal>);
Kernel kernel(Tag<Dropout>);
Kernel kernel(Tag<Assign>);  // update.cpp
Kernel kernel(Tag<SgdUpdate>);
Kernel kernel(Tag<AdamUpdate>);
Kernel kernel(Tag<RmspropUpdate>);
Kernel kernel(Tag<AdagradUpdate>);
Kernel kernel(Tag<LionUpdate>);
Kernel kernel(Tag<LambUpdate>);  // update_lengths.cpp
Kernel kernel(Tag<SumOfSquares>);
Kernel kernel(Tag<Custom>);  // custom.cpp
Kernel kernel(Tag<HostCall>);

/// Wraps a plain function of the op's own type as the row's entry.
template <class T, void (*run)(const T&, Context&, In, Out) noexcept>
constexpr Kernel make_kernel() {
  return {[](const void* op, Context& ctx, In in, Out out) noexcept {
            run(*static_cast<const T*>(op), ctx, in, out);
          },
          nullptr};
}
template <class T, void (*run)(const T&, Context&, In, Out) noexcept,
          size_t (*scratch)(const T&, In, Out) noexcept>
constexpr Kernel make_kernel() {
  return {make_kernel<T, run>().run, [](const void* op, In in, Out out) noexcept {
            return scratch(*static_cast<const T*>(op), in, out);
          }};
}
template <class T, void (*run)(const T&, Context&, In, Out) noexcept,
          size_t (*scratch)(const T&, In, Out) noexcept,
          size_t (*keeps)(const T&, In, Out) noexcept>
constexpr Kernel make_kernel() {
  Kernel kernel = make_kernel<T, run, scratch>();
  kernel.keeps = [](const void* op, In in, Out out) noexcept {
    return keeps(*static_cast<const T*>(op), in, out);
  };
  return kernel;
}

}  // namespace pyneuro
