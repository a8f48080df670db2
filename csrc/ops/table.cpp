// Builds a row of OpInfo for every op of the table from its struct alone.
#include "ops/table.h"

#include <functional>
#include <new>

namespace pyneuro {
namespace {

template <class T> struct KindOf;
template <> struct KindOf<int64_t> { static constexpr FieldKind value = FieldKind::Int; };
template <> struct KindOf<double> { static constexpr FieldKind value = FieldKind::Double; };
template <> struct KindOf<bool> { static constexpr FieldKind value = FieldKind::Bool; };
template <> struct KindOf<DType> { static constexpr FieldKind value = FieldKind::DType; };
template <> struct KindOf<Dims> { static constexpr FieldKind value = FieldKind::Dims; };
template <> struct KindOf<Ints> { static constexpr FieldKind value = FieldKind::Ints; };
template <> struct KindOf<SpecList> { static constexpr FieldKind value = FieldKind::SpecList; };
template <class T> struct KindOf<T*> { static constexpr FieldKind value = FieldKind::Pointer; };

size_t mix(size_t seed, size_t value) { return (seed ^ value) * 0x9E3779B97F4A7C15u; }

template <class T> size_t hash_of(const T& v) { return std::hash<T>{}(v); }
size_t hash_of(const DType& v) { return static_cast<size_t>(v); }
template <class List> size_t hash_list(const List& v) {
  size_t h = size_t(v.size());
  for (int64_t x : v) h = mix(h, hash_of(x));
  return h;
}
size_t hash_of(const Dims& v) { return hash_list(v); }
size_t hash_of(const Ints& v) { return hash_list(v); }
size_t hash_of(const SpecList& v) {
  size_t h = v.size();
  for (const Spec& s : v) h = mix(mix(h, hash_of(s.shape)), hash_of(s.dtype));
  return h;
}

template <class T> constexpr auto field_infos() {
  return std::apply(
      [](const auto&... f) {
        std::array<FieldInfo, sizeof...(f)> out{};
        [[maybe_unused]] size_t i = 0;
        ((out[i++] =
              FieldInfo{
                  f.name, KindOf<std::remove_cvref_t<decltype(std::declval<T>().*f.member)>>::value,
                  std::is_same_v<std::remove_cvref_t<decltype(f.fallback)>, Required>, nullptr}),
         ...);
        return out;
      },
      T::fields);
}

/// The address of field I of an op.
template <class T, size_t I> void* member_address(void* op) {
  return &(static_cast<T*>(op)->*std::get<I>(T::fields).member);
}

template <class T, size_t... I> std::span<const FieldInfo> fields_of(std::index_sequence<I...>) {
  static const auto infos = [] {
    auto out = field_infos<T>();
    ((out[I].get = &member_address<T, I>), ...);
    return out;
  }();
  return infos;
}

template <class T> void construct(void* at) {
  T* op = new (at) T{};
  std::apply(
      [op](const auto&... f) {
        (
            [&] {
              if constexpr (!std::is_same_v<std::remove_cvref_t<decltype(f.fallback)>, Required>)
                op->*f.member = f.fallback;
            }(),
            ...);
      },
      T::fields);
}

template <class T> bool equal(const void* a, const void* b) {
  const T &x = *static_cast<const T*>(a), &y = *static_cast<const T*>(b);
  return std::apply([&](const auto&... f) { return ((x.*f.member == y.*f.member) && ...); },
                    T::fields);
}

template <class T> size_t hash(const void* op) {
  size_t h = size_t(op_id<T>);
  std::apply(
      [&](const auto&... f) { ((h = mix(h, hash_of(static_cast<const T*>(op)->*f.member))), ...); },
      T::fields);
  return h;
}

template <class T> OpInfo make_info() {
  static_assert(Op<T>, "a row of the table must satisfy the Op concept");
  static_assert(sizeof(T) <= kMaxOpSize);
  OpInfo info{};
  info.id = op_id<T>;
  info.signature = T::signature;
  info.inplace = inplace_of<T>();
  info.promotes = is_promoting<T>();
  info.reads = reads_of<T>();
  info.fields = fields_of<T>(
      std::make_index_sequence<std::tuple_size_v<std::remove_cvref_t<decltype(T::fields)>>>{});
  info.infer = [](const void* op, Inputs in) { return static_cast<const T*>(op)->infer(in); };
  if constexpr (Mutating<T>)
    info.mutates = [](const void* op, int input, int inputs) {
      return static_cast<const T*>(op)->mutates(input, inputs);
    };
  if constexpr (Aliasing<T>)
    info.alias = [](const void* op, int output, const Layout& in, Layout& out) {
      return static_cast<const T*>(op)->alias(output, in, out);
    };
  info.size = sizeof(T);
  info.alignment = alignof(T);
  info.construct = &construct<T>;
  info.copy = [](void* at, const void* op) { new (at) T(*static_cast<const T*>(op)); };
  info.destroy = [](void* op) { static_cast<T*>(op)->~T(); };
  info.equal = &equal<T>;
  info.hash = &hash<T>;
  return info;
}

using Rows = std::array<OpInfo, kOpCount>;

const Rows& rows() {
  static const Rows all = [] {
    Rows out{};
    for_each_type(OpTable{}, [&](auto tag) {
      using T = typename decltype(tag)::type;
      out[op_id<T>] = make_info<T>();
    });
    return out;
  }();
  return all;
}

void print(std::ostream& out, const Ints& v) {
  out << '[';
  for (size_t i = 0; i < v.size(); ++i) out << (i ? ", " : "") << v[i];
  out << ']';
}

void print_field(std::ostream& out, const FieldInfo& f, void* op) {
  void* at = f.get(op);
  switch (f.kind) {
    case FieldKind::Int: out << *static_cast<int64_t*>(at); break;
    case FieldKind::Double: out << *static_cast<double*>(at); break;
    case FieldKind::Bool: out << (*static_cast<bool*>(at) ? "True" : "False"); break;
    case FieldKind::DType: out << name(*static_cast<DType*>(at)); break;
    case FieldKind::Dims: out << *static_cast<Dims*>(at); break;
    case FieldKind::Ints: print(out, *static_cast<Ints*>(at)); break;
    case FieldKind::SpecList:
      for (const Spec& s : *static_cast<SpecList*>(at)) out << '<' << s << '>';
      break;
    case FieldKind::Pointer: out << *static_cast<void**>(at); break;
  }
}

}  // namespace

const OpInfo& op_info(int id) { return rows()[size_t(id)]; }

const OpInfo* find_op(std::string_view name) {
  for (const OpInfo& row : rows())
    if (row.signature.name == name) return &row;
  return nullptr;
}

AnyOp::AnyOp(OpRef ref) : info_(ref.info) {
  const std::align_val_t alignment{info_->alignment};
  void* at = ::operator new(info_->size, alignment);
  info_->copy(at, ref.op);
  op_ = std::shared_ptr<void>(at, [info = info_, alignment](void* op) {
    info->destroy(op);
    ::operator delete(op, alignment);
  });
}

std::string to_text(OpRef op) {
  std::ostringstream out;
  out << op.info->signature.name;
  const char* separator = "(";
  for (const FieldInfo& f : op.info->fields) {
    out << separator << f.name << '=';
    print_field(out, f, const_cast<void*>(op.op));
    separator = ", ";
  }
  if (!op.info->fields.empty()) out << ')';
  return out.str();
}

}  // namespace pyneuro
