#include "runtime/backends.h"

#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <map>
#include <mutex>

#include "runtime/cpu_features.h"

namespace pyneuro {
namespace {

/// The folder of this shared library, so that the kernels are found wherever it was installed.
std::string own_folder() {
  Dl_info where{};
  if (dladdr(reinterpret_cast<const void*>(&own_folder), &where) == 0 || !where.dli_fname)
    return ".";
  const std::string file = where.dli_fname;
  const size_t slash = file.rfind('/');
  return slash == std::string::npos ? "." : file.substr(0, slash);
}

std::string library_of(std::string_view isa) {
  return own_folder() + "/libpyneuro_cpu_" + std::string(isa) + ".so";
}

const Backend& load(const std::string& isa) {
  static std::mutex mutex;
  static std::map<std::string, const Backend*>& loaded = *new std::map<std::string, const Backend*>;
  const std::lock_guard lock(mutex);
  if (auto it = loaded.find(isa); it != loaded.end()) return *it->second;
  const std::string file = library_of(isa);
  void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);  // never closed
  if (!library)
    raise(ErrorKind::Device,
          join("cpu: the kernel library for ", isa, " cannot be loaded: ", dlerror()));
  const auto entry = reinterpret_cast<BackendEntry>(dlsym(library, kBackendSymbol));
  const Backend* backend = entry ? entry() : nullptr;
  if (!backend || backend->version != kContractVersion || backend->ops != uint32_t(kOpCount))
    raise(ErrorKind::Device,
          join("cpu: ", file, " belongs to another version of pyneuro; reinstall it"));
  return *(loaded[isa] = backend);
}

bool present(const std::string& isa) { return access(library_of(isa).c_str(), R_OK) == 0; }

/// Every ISA that this machine can run. wide512 is AVX2 code with registers of twice the width: it
/// exists to prove the 64-byte logic where AVX-512 is absent, and is never chosen by itself.
std::vector<std::string> runnable() {
  std::vector<std::string> isas = supported_isas();
  if (std::find(isas.begin(), isas.end(), "avx2") != isas.end()) isas.push_back("wide512");
  return isas;
}

const Backend& choose() {
  if (const char* wanted = std::getenv("PYNEURO_ISA"); wanted && *wanted) {
    const auto isas = available_isas();
    if (std::find(isas.begin(), isas.end(), wanted) == isas.end()) {
      std::string list;
      for (const auto& isa : isas) list += (list.empty() ? "" : ", ") + isa;
      raise(ErrorKind::Device,
            join("cpu: PYNEURO_ISA is ", wanted, ", but this machine has ", list));
    }
    return load(wanted);
  }
  for (const auto& isa : supported_isas())
    if (present(isa)) return load(isa);
  raise(ErrorKind::Device,
        join("cpu: no kernel library lies in ", own_folder(), "; reinstall pyneuro"));
}

std::atomic<const Backend*> current{nullptr};

}  // namespace

std::vector<std::string> available_isas() {
  std::vector<std::string> out;
  for (const auto& isa : runnable())
    if (present(isa)) out.push_back(isa);
  return out;
}

const Backend& cpu_backend() {
  const Backend* backend = current.load(std::memory_order_acquire);
  if (!backend) {
    backend = &choose();
    current.store(backend, std::memory_order_release);
  }
  return *backend;
}

void set_cpu_isa(std::string_view isa) {
  const auto isas = available_isas();
  if (std::find(isas.begin(), isas.end(), isa) == isas.end())
    raise(ErrorKind::Device, join("cpu: no kernels for ", isa, " on this machine"));
  current.store(&load(std::string(isa)), std::memory_order_release);
}

const Kernel& cpu_kernel(const OpInfo& op) {
  const Kernel& kernel = cpu_backend().kernels[op.id];
  if (!kernel.run) raise(ErrorKind::Device, join(op.signature.name, " has no kernel on cpu"));
  return kernel;
}

}  // namespace pyneuro
