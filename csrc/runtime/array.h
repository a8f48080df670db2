// Storage: counted memory with a version. Array: a Storage seen through a Layout.
//
// Arrays have value semantics: nothing writes to a storage once it is filled, except storages
// marked as *state* (the memory of Variables), which only mutating ops write; each write raises the
// version.
#pragma once

#include <atomic>
#include <utility>

#include "core/view.h"

namespace pyneuro {

enum class Device : int8_t { Cpu, Meta };  // Meta: shapes without memory
std::string_view name(Device d);

class Storage {
 public:
  using Deleter = void (*)(void* owner);

  /// Uninitialised memory of the caching allocator.
  static Storage* allocate(size_t bytes);
  /// Memory that somebody else owns; `deleter(owner)` runs on any thread when the last user is
  /// gone.
  static Storage* borrow(void* data, size_t bytes, void* owner, Deleter deleter);
  static Storage* meta(size_t bytes);

  void retain() noexcept { refs_.fetch_add(1, std::memory_order_relaxed); }
  void release() noexcept {
    if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) destroy();
  }

  /// No other storage of this process has or had it, while an address may come again.
  uint64_t id() const noexcept { return id_; }
  void* data() const noexcept { return data_; }
  size_t bytes() const noexcept { return bytes_; }
  Device device() const noexcept { return device_; }
  bool state() const noexcept { return state_; }
  void mark_state() noexcept { state_ = true; }
  uint64_t version() const noexcept { return version_.load(std::memory_order_relaxed); }
  void bump() noexcept { version_.fetch_add(1, std::memory_order_relaxed); }
  bool shared() const noexcept { return refs_.load(std::memory_order_relaxed) > 1; }
  bool borrowed() const noexcept { return deleter_ != nullptr; }

 private:
  Storage(void* data, size_t bytes, Device device, void* owner, Deleter deleter)
      : data_(data), bytes_(bytes), owner_(owner), deleter_(deleter), device_(device) {}
  static Storage* make(void* data, size_t bytes, Device device, void* owner, Deleter deleter);
  void destroy() noexcept;

  static inline std::atomic<uint64_t> made_{0};
  const uint64_t id_ = made_.fetch_add(1, std::memory_order_relaxed);
  std::atomic<int> refs_{1};
  std::atomic<uint64_t> version_{0};
  void* data_;
  size_t bytes_;
  void* owner_;
  Deleter deleter_;
  Device device_;
  bool state_ = false;
};

class Array {
 public:
  Array() = default;
  /// Takes over one count of `storage`.
  Array(Storage* storage, const Layout& layout, DType dtype)
      : storage_(storage),
        spec_{layout.shape, dtype},
        strides_(layout.strides),
        offset_(layout.offset) {}
  Array(const Array& a)
      : storage_(a.storage_), spec_(a.spec_), strides_(a.strides_), offset_(a.offset_) {
    if (storage_) storage_->retain();
  }
  Array(Array&& a) noexcept
      : storage_(std::exchange(a.storage_, nullptr)),
        spec_(a.spec_),
        strides_(a.strides_),
        offset_(a.offset_) {}
  Array& operator=(Array a) noexcept {
    std::swap(storage_, a.storage_);
    spec_ = a.spec_;
    strides_ = a.strides_;
    offset_ = a.offset_;
    return *this;
  }
  ~Array() {
    if (storage_) storage_->release();
  }

  /// Uninitialised, row-major.
  static Array empty(const Spec& spec, Device device = Device::Cpu);
  /// The same storage seen otherwise.
  Array with(const Layout& layout) const;

  explicit operator bool() const noexcept { return storage_ != nullptr; }
  Storage* storage() const noexcept { return storage_; }
  const Spec& spec() const noexcept { return spec_; }
  const Shape& shape() const noexcept { return spec_.shape; }
  const Strides& strides() const noexcept { return strides_; }
  int64_t offset() const noexcept { return offset_; }
  Layout layout() const noexcept { return {spec_.shape, strides_, offset_}; }
  DType dtype() const noexcept { return spec_.dtype; }
  Device device() const noexcept { return storage_->device(); }
  bool has_elements() const noexcept { return device() != Device::Meta; }
  int64_t size() const { return count(spec_.shape); }
  size_t bytes() const { return size_t(size()) * size_of(spec_.dtype); }
  bool dense() const { return is_dense(spec_.shape, strides_); }
  void* data() const noexcept {
    return static_cast<char*>(storage_->data()) + offset_ * int64_t(size_of(spec_.dtype));
  }
  View view() const { return {data(), spec_.shape, strides_, spec_.dtype, true}; }
  /// Forgets the elements, keeps shape and dtype.
  void drop() {
    if (storage_) std::exchange(storage_, nullptr)->release();
  }

 private:
  Storage* storage_ = nullptr;
  Spec spec_;
  Strides strides_;
  int64_t offset_ = 0;
};

}  // namespace pyneuro
