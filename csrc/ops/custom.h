// The two rows that open the table at run time: a user's native op, and a call back into the host.
#pragma once

#include "ops/infer.h"

struct pn_custom_op;  // custom_op.h, the self-contained C header that a user's op includes

namespace pyneuro {

/// A user's op, given as a C vtable that must outlive every use.
struct Custom {
  static constexpr Signature signature{"custom", {"xs*"}};
  const pn_custom_op* vtable;
  static constexpr auto fields = std::tuple{field("vtable", &Custom::vtable)};
  Specs infer(Inputs in) const;
};

/// Calls the host function registered under `callback` with the inputs; it fills the outputs, whose
/// specs the caller states. Goes through the host services of the contract, so in a plan it is a
/// step.
struct HostCall {
  static constexpr Signature signature{"host_call", {"xs*"}};
  int64_t callback;
  SpecList outputs;
  static constexpr auto fields =
      std::tuple{field("callback", &HostCall::callback), field("outputs", &HostCall::outputs)};
  Specs infer(Inputs in) const;
};

}  // namespace pyneuro
