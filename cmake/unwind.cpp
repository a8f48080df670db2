// Lets C++ exceptions pass between binaries that each carry a copy of GCC's unwinder. libgcc is
// linked statically, so that a wheel needs no libgcc_s.so; an error thrown in libpyneuro.so then
// meets the copy of whoever catches it. A copy fills its table of register sizes when it first
// walks a stack, and aborts in _Unwind_SetGR where it never did. So libpyneuro.so and _core each
// walk one frame when they are loaded, with their own copy and with the process's libgcc_s.so,
// which C++ programs catch with. A program that links libgcc statically compiles this file as well.
#include <dlfcn.h>
#include <unwind.h>

namespace {

_Unwind_Reason_Code stop(_Unwind_Context*, void*) { return _URC_END_OF_STACK; }

__attribute__((constructor)) void prepare_unwinders() {
  _Unwind_Backtrace(stop, nullptr);
  if (void* shared = dlsym(RTLD_DEFAULT, "_Unwind_Backtrace"))
    reinterpret_cast<decltype(&_Unwind_Backtrace)>(shared)(stop, nullptr);
}

}  // namespace
