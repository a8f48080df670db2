#include "runtime/array.h"

#include <new>

#include "runtime/allocator.h"

namespace pyneuro {

std::string_view name(Device d) { return d == Device::Cpu ? "cpu" : "meta"; }

Storage* Storage::make(void* data, size_t bytes, Device device, void* owner, Deleter deleter) {
  return new (pyneuro::allocate(sizeof(Storage))) Storage(data, bytes, device, owner, deleter);
}

Storage* Storage::allocate(size_t bytes) {
  void* data = pyneuro::allocate(bytes);
  try {
    return make(data, bytes, Device::Cpu, nullptr, nullptr);
  } catch (...) {
    pyneuro::deallocate(data, bytes);
    throw;
  }
}

Storage* Storage::borrow(void* data, size_t bytes, void* owner, Deleter deleter) {
  return make(data, bytes, Device::Cpu, owner, deleter);
}

Storage* Storage::meta(size_t bytes) {
  return make(nullptr, bytes, Device::Meta, nullptr, nullptr);
}

void Storage::destroy() noexcept {
  if (deleter_)
    deleter_(owner_);
  else if (device_ == Device::Cpu)
    pyneuro::deallocate(data_, bytes_);
  this->~Storage();
  pyneuro::deallocate(this, sizeof(Storage));
}

Array Array::empty(const Spec& spec, Device device) {
  size_t bytes = 0;
  if (__builtin_mul_overflow(size_t(count(spec.shape)), size_of(spec.dtype), &bytes))
    raise(ErrorKind::Memory, join(spec, " is larger than any memory"));
  Storage* storage = device == Device::Meta ? Storage::meta(bytes) : Storage::allocate(bytes);
  return Array(storage, {spec.shape, dense_strides(spec.shape), 0}, spec.dtype);
}

Array Array::with(const Layout& layout) const {
  storage_->retain();
  return Array(storage_, layout, spec_.dtype);
}

}  // namespace pyneuro
