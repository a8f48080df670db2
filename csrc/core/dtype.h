// Element types: their names, sizes, classes, and the promotion table.
// Computation happens in int32, int64, float32 and float64 only; every other dtype is storage and
// converts while tiles are loaded and stored (`compute_dtype`).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace pyneuro {

enum class DType : uint8_t {
  Bool,
  UInt8,
  UInt16,
  UInt32,
  UInt64,
  Int8,
  Int16,
  Int32,
  Int64,
  Float16,
  BFloat16,
  Float32,
  Float64,
  Complex64,
  Complex128
};
inline constexpr int kDTypeCount = 15;

/// IEEE binary16 and bfloat16 as storage: bits only, arithmetic happens in float.
struct Float16 { uint16_t bits; };
struct BFloat16 { uint16_t bits; };
struct Complex64 { float re, im; };
struct Complex128 { double re, im; };

enum class DTypeClass : uint8_t { Bool, Unsigned, Signed, Float, Complex };

struct DTypeInfo {
  std::string_view name;
  uint8_t size;  // bytes
  DTypeClass cls;
  DType compute;
};

inline constexpr std::array<DTypeInfo, kDTypeCount> kDTypes{{
    {"bool", 1, DTypeClass::Bool, DType::Int32},
    {"uint8", 1, DTypeClass::Unsigned, DType::Int32},
    {"uint16", 2, DTypeClass::Unsigned, DType::Int32},
    {"uint32", 4, DTypeClass::Unsigned, DType::Int64},
    {"uint64", 8, DTypeClass::Unsigned, DType::Int64},
    {"int8", 1, DTypeClass::Signed, DType::Int32},
    {"int16", 2, DTypeClass::Signed, DType::Int32},
    {"int32", 4, DTypeClass::Signed, DType::Int32},
    {"int64", 8, DTypeClass::Signed, DType::Int64},
    {"float16", 2, DTypeClass::Float, DType::Float32},
    {"bfloat16", 2, DTypeClass::Float, DType::Float32},
    {"float32", 4, DTypeClass::Float, DType::Float32},
    {"float64", 8, DTypeClass::Float, DType::Float64},
    {"complex64", 8, DTypeClass::Complex, DType::Complex64},
    {"complex128", 16, DTypeClass::Complex, DType::Complex128},
}};

constexpr const DTypeInfo& info(DType d) { return kDTypes[static_cast<size_t>(d)]; }
constexpr std::string_view name(DType d) { return info(d).name; }
constexpr size_t size_of(DType d) { return info(d).size; }
constexpr DType compute_dtype(DType d) { return info(d).compute; }
constexpr bool is_floating(DType d) { return info(d).cls == DTypeClass::Float; }
constexpr bool is_complex(DType d) { return info(d).cls == DTypeClass::Complex; }
constexpr bool is_bool(DType d) { return d == DType::Bool; }
constexpr bool is_integer(DType d) {
  return info(d).cls == DTypeClass::Unsigned || info(d).cls == DTypeClass::Signed;
}

constexpr std::optional<DType> dtype_from_name(std::string_view text) {
  for (int i = 0; i < kDTypeCount; ++i)
    if (kDTypes[i].name == text) return static_cast<DType>(i);
  return std::nullopt;
}

/// The dtype that two operands meet in: Keras's lattice. bool < integers < floats < complex; an
/// integer takes the other side's float unchanged; float16 with bfloat16 gives float32; uint64 with
/// a signed integer gives float32, as no integer holds both.
constexpr DType promote(DType a, DType b) {
  if (a == b) return a;
  const DTypeClass ca = info(a).cls, cb = info(b).cls;
  if (ca == DTypeClass::Complex || cb == DTypeClass::Complex) {
    const bool wide = a == DType::Complex128 || b == DType::Complex128 || a == DType::Float64 ||
                      b == DType::Float64;
    return wide ? DType::Complex128 : DType::Complex64;
  }
  if (ca == DTypeClass::Float && cb == DTypeClass::Float) {
    if (a == DType::Float64 || b == DType::Float64) return DType::Float64;
    return DType::Float32;  // float32 with a half, or the two halves
  }
  if (ca == DTypeClass::Float) return a;
  if (cb == DTypeClass::Float) return b;
  if (ca == DTypeClass::Bool) return b;
  if (cb == DTypeClass::Bool) return a;
  if (ca == cb) return size_of(a) > size_of(b) ? a : b;
  const DType u = ca == DTypeClass::Unsigned ? a : b, s = ca == DTypeClass::Unsigned ? b : a;
  if (size_of(s) > size_of(u)) return s;
  switch (u) {
    case DType::UInt8: return DType::Int16;
    case DType::UInt16: return DType::Int32;
    case DType::UInt32: return DType::Int64;
    default: return DType::Float32;
  }
}

/// The C++ type that stores a dtype's elements, and the way back.
template <DType> struct StorageOf;
template <> struct StorageOf<DType::Bool> { using type = bool; };
template <> struct StorageOf<DType::UInt8> { using type = uint8_t; };
template <> struct StorageOf<DType::UInt16> { using type = uint16_t; };
template <> struct StorageOf<DType::UInt32> { using type = uint32_t; };
template <> struct StorageOf<DType::UInt64> { using type = uint64_t; };
template <> struct StorageOf<DType::Int8> { using type = int8_t; };
template <> struct StorageOf<DType::Int16> { using type = int16_t; };
template <> struct StorageOf<DType::Int32> { using type = int32_t; };
template <> struct StorageOf<DType::Int64> { using type = int64_t; };
template <> struct StorageOf<DType::Float16> { using type = Float16; };
template <> struct StorageOf<DType::BFloat16> { using type = BFloat16; };
template <> struct StorageOf<DType::Float32> { using type = float; };
template <> struct StorageOf<DType::Float64> { using type = double; };
template <> struct StorageOf<DType::Complex64> { using type = Complex64; };
template <> struct StorageOf<DType::Complex128> { using type = Complex128; };
template <DType d> using Storage_t = typename StorageOf<d>::type;

}  // namespace pyneuro
