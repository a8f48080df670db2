// Finds, checks and loads the kernel libraries that lie beside libpyneuro, and chooses among them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "backend.h"

namespace pyneuro {

/// Instruction sets that this machine can run and whose library is there, best first.
std::vector<std::string> available_isas();

/// The CPU library in use: the best available, or what PYNEURO_ISA names. Loaded on first use.
const Backend& cpu_backend();

/// Changes it for all threads; a plan keeps the kernels that it was compiled with. Meant for tests.
void set_cpu_isa(std::string_view isa);

/// The kernel of an op on the CPU; raises where the library has none.
const Kernel& cpu_kernel(const OpInfo& op);

}  // namespace pyneuro
