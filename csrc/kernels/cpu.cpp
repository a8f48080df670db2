// The entry point of a CPU kernel library: fills the kernel table. Built once per ISA.
#include "kernels/kernels.h"

namespace pyneuro {
namespace {

struct Table { Kernel rows[kOpCount]; };

Table fill() {
  Table table{};
  for_each_type(OpTable{}, [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (!Aliasing<T>) table.rows[op_id<T>] = kernel(Tag<T>{});
  });
  return table;
}

}  // namespace
}  // namespace pyneuro

extern "C" __attribute__((visibility("default"))) const pyneuro::Backend* pyneuro_backend() {
  using namespace pyneuro;
  static const Table table = fill();
  static const Backend backend{kContractVersion, uint32_t(kOpCount), "cpu", PYNEURO_ISA_NAME,
                               table.rows};
  return &backend;
}
