// Threads, memory, kernel libraries, host functions: what Python sees of the runtime.
#include <pybind11/functional.h>
#include <pybind11/stl.h>

#include <cstring>

#include "bindings/bindings.h"
#include "runtime/allocator.h"
#include "runtime/cpu_features.h"
#include "runtime/thread_pool.h"

namespace py = pybind11;

namespace pyneuro::bindings {
namespace {

py::dict memory() {
  const MemoryStats s = memory_stats();
  py::dict out;
  out["allocated"] = s.allocated;
  out["peak"] = s.peak;
  out["cached"] = s.cached;
  out["allocations"] = s.allocations;
  out["system_allocations"] = s.system_allocations;
  return out;
}

/// A view that a host function may use only while it runs: a copy in, and bytes out.
py::object input_tensor(const View& v) {
  Array a = Array::empty({v.shape, v.dtype});
  std::memcpy(a.data(), v.data, a.bytes());
  return py::reinterpret_steal<py::object>(new_tensor(std::move(a)));
}

void store_output(const View& v, py::handle result) {
  const Array& a = expect_array(result.ptr())->array;
  const Spec expected{v.shape, v.dtype};
  if (a.spec() != expected)
    raise(ErrorKind::Shape,
          join("host_call: the function gave ", a.spec(), ", but ", expected, " was stated"));
  const Array dense = dense_array(a);
  std::memcpy(v.data, dense.data(), dense.bytes());
}

void call_python(const py::function& f, std::span<const View> in, std::span<const View> out) {
  const py::gil_scoped_acquire gil;
  Observer* before = set_observer(nullptr);  // what the function runs is inside one step
  const bool grad = std::exchange(grad_enabled(), false);
  struct Restore {
    Observer* before;
    bool grad;
    ~Restore() {
      set_observer(before);
      grad_enabled() = grad;
    }
  } restore{before, grad};
  py::tuple args(in.size());
  for (size_t i = 0; i < in.size(); ++i) args[i] = input_tensor(in[i]);
  const py::object result = f(*args);
  const py::tuple results = py::isinstance<py::tuple>(result)
                                ? py::reinterpret_borrow<py::tuple>(result)
                                : py::make_tuple(result);
  if (results.size() != out.size())
    raise(ErrorKind::Argument, join("host_call: the function gave ", results.size(),
                                    " values, but ", out.size(), " outputs were stated"));
  for (size_t i = 0; i < out.size(); ++i) store_output(out[i], results[i]);
}

int64_t register_python_function(py::function f) {
  auto* kept = new py::function(std::move(f));
  const std::shared_ptr<py::function> shared(kept, [](py::function* p) {
    const py::gil_scoped_acquire gil;
    delete p;
  });
  return register_host_function([shared](std::span<const View> in, std::span<const View> out) {
    call_python(*shared, in, out);
  });
}

void plant(const std::string& fault, const std::string& op) {
  const OpInfo* row = find_op(op);
  if (!row && fault != "none") raise(ErrorKind::Argument, join("there is no op '", op, "'"));
  plant_fault(fault == "kernel"  ? Fault::Kernel
              : fault == "shape" ? Fault::Shape
                                 : Fault::None,
              row ? row->id : -1);
}

}  // namespace

void bind_runtime(py::module_& m) {
  m.def("num_threads", &num_threads);
  m.def("set_num_threads", &set_num_threads);
  m.def("default_num_threads", &default_num_threads);
  m.def("memory_stats", &memory);
  m.def("reset_peak", &reset_peak);
  m.def("empty_cache", &empty_cache);
  m.def("set_memory_limit", &set_memory_limit);
  m.def("fail_allocation_after", &fail_allocation_after);
  m.def("cpu_name", &cpu_name);
  m.def("cpu_features", &cpu_feature_names);
  m.def("isas", &available_isas);
  m.def("isa", [] { return std::string(cpu_backend().isa); });
  m.def("set_isa", [](const std::string& isa) { set_cpu_isa(isa); });
  m.def("set_default_device", [](const std::string& d) {
    if (d != "cpu" && d != "meta") raise(ErrorKind::Device, join("there is no device '", d, "'"));
    return std::string(name(set_default_device(d == "meta" ? Device::Meta : Device::Cpu)));
  });
  m.def("default_device", [] { return std::string(name(default_device())); });
  m.def("register_host_function", &register_python_function);
  m.def("unregister_host_function", &unregister_host_function);
  m.def("plant_fault", &plant);
}

}  // namespace pyneuro::bindings
