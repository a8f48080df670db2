// The kinds of error that pyneuro raises, and how their messages are put together.
// A message reads 'op: what came, what was expected, how to mend it'. Kernels never raise (see
// backend.h).
#pragma once

#include <exception>
#include <sstream>
#include <string>
#include <utility>

namespace pyneuro {

enum class ErrorKind : int {
  Shape,     // shapes do not fit together
  DType,     // a dtype that an op does not take
  Device,    // no such device, or no kernel there
  Memory,    // allocation failed
  Index,     // an index outside its axis
  Argument,  // a value outside its range, or an unknown name
  Capture,   // a recording that cannot go on
  Internal   // a bug of pyneuro
};

#if defined(__cpp_exceptions)

class Error : public std::exception {
 public:
  Error(ErrorKind kind, std::string text) : kind_(kind), text_(std::move(text)) {}
  ErrorKind kind() const noexcept { return kind_; }
  const char* what() const noexcept override { return text_.c_str(); }

 private:
  ErrorKind kind_;
  std::string text_;
};

/// Joins anything printable into one string.
template <class... Parts> std::string join(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

[[noreturn]] inline void raise(ErrorKind kind, std::string text) {
  throw Error(kind, std::move(text));
}

#else  // kernels are built without exceptions and strings; infer has checked all that they see

template <class... Parts> constexpr const char* join(const Parts&...) { return ""; }
[[noreturn]] inline void raise(ErrorKind, const char*) { __builtin_trap(); }

#endif

}  // namespace pyneuro
