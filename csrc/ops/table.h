// THE op table: one line per op. Bindings, dispatch, plans, kernel libraries and tests all read it.
//
// OpInfo is a row without its type: what code that handles any op needs to know of one.
#pragma once

#include <memory>

#include "ops/attention.h"
#include "ops/conv.h"
#include "ops/custom.h"
#include "ops/elementwise.h"
#include "ops/fused.h"
#include "ops/image.h"
#include "ops/index.h"
#include "ops/manipulation.h"
#include "ops/matmul.h"
#include "ops/normalization.h"
#include "ops/order.h"
#include "ops/pool.h"
#include "ops/random.h"
#include "ops/recurrent.h"
#include "ops/reduce.h"
#include "ops/softmax.h"
#include "ops/update.h"

namespace pyneuro {

template <template <class> class Wrapper, class List> struct Wrap;
template <template <class> class Wrapper, class... Fs> struct Wrap<Wrapper, TypeList<Fs...>> {
  using type = TypeList<Wrapper<Fs>...>;
};

using OpTable =
    Concat<Wrap<Unary, formulas::UnaryList>::type, Wrap<Binary, formulas::BinaryList>::type,
           TypeList<Where, Cast, Copy>, Wrap<Reduce, reductions::List>::type,
           TypeList<Extreme<extremes::ArgMax>, Extreme<extremes::ArgMin>>, TypeList<Matmul>,
           TypeList<Conv, ConvInputGrad, ConvKernelGrad>,
           TypeList<MaxPool, MaxPoolGrad, MaxPoolTake, AveragePool, AveragePoolGrad>,
           TypeList<Softmax, LogSoftmax, SoftmaxGrad, LogSoftmaxGrad, Crossentropy,
                    CrossentropyGrad, SparseCrossentropy, SparseCrossentropyGrad>,
           TypeList<Normalize, NormalizeGrad, Standardize>, TypeList<Resample, ResampleGrad>,
           TypeList<Attention, AttentionGrad>,
           TypeList<Reshape, Transpose, BroadcastTo, Slice, Split, Concatenate, SliceGrad,
                    SliceUpdate, Full, Arange>,
           TypeList<Take, TakeGrad, TakeAlongAxis, TakeAlongAxisGrad, ScatterUpdate, OneHot>,
           TypeList<Sort, Cumsum, Cumprod, LinearRecurrence>,
           TypeList<Lstm, LstmGrad, Gru, GruGrad>, TypeList<RandomUniform, RandomNormal, Dropout>,
           TypeList<Assign, SgdUpdate, AdamUpdate, LambUpdate, RmspropUpdate, AdagradUpdate,
                    LionUpdate, SumOfSquares>,
           TypeList<Fused>, TypeList<Custom, HostCall>>::type;

inline constexpr int kOpCount = OpTable::size;
template <class T> inline constexpr int op_id = IndexOf<T, OpTable>::value;

enum class FieldKind { Int, Double, Bool, DType, Dims, Ints, SpecList, Pointer };

/// A field of an op without its type.
struct FieldInfo {
  std::string_view name;
  FieldKind kind;
  bool required;
  void* (*get)(void* op);  // address of the member
};

/// A row of the table without its type.
struct OpInfo {
  int id;
  Signature signature;
  int inplace;  // the output that may, -1 for none
  bool promotes;
  Reads reads;  // null: any strides
  std::span<const FieldInfo> fields;
  Specs (*infer)(const void* op, Inputs in);
  bool (*mutates)(const void* op, int input, int inputs);             // null: none
  bool (*alias)(const void* op, int output, const Layout&, Layout&);  // null: a kernel runs
  size_t size, alignment;
  void (*construct)(void* at);  // with the fields' defaults
  void (*copy)(void* at, const void* op);
  void (*destroy)(void* op);
  bool (*equal)(const void* a, const void* b);
  size_t (*hash)(const void* op);
};

inline constexpr size_t kMaxOpSize = 384;  // room for any op on the stack

const OpInfo& op_info(int id);
const OpInfo* find_op(std::string_view name);  // null where there is none

/// An op of any kind, borrowed.
struct OpRef {
  const OpInfo* info;
  const void* op;
  template <class T> OpRef(const T& op) : info(&op_info(op_id<T>)), op(&op) {}
  OpRef(const OpInfo& info, const void* op) : info(&info), op(op) {}
};

/// An op of any kind, owned and shared; fields are never changed once it exists.
class AnyOp {
 public:
  AnyOp() = default;
  explicit AnyOp(OpRef ref);
  explicit operator bool() const { return info_ != nullptr; }
  OpRef ref() const { return {*info_, op_.get()}; }
  const OpInfo& info() const { return *info_; }
  friend bool operator==(const AnyOp& a, const AnyOp& b) {
    return a.info_ == b.info_ && (a.info_ == nullptr || a.info_->equal(a.op_.get(), b.op_.get()));
  }

 private:
  const OpInfo* info_ = nullptr;
  std::shared_ptr<void> op_;
};

/// 'softmax(axis=-1)': the op as people read it.
std::string to_text(OpRef op);

}  // namespace pyneuro
