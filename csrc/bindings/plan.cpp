// Recorder and executor for Python.
#include <pybind11/stl.h>

#include "bindings/bindings.h"
#include "plan/executor.h"
#include "plan/recorder.h"

namespace py = pybind11;

namespace pyneuro::bindings {
namespace {

std::vector<Array> to_arrays(const py::sequence& tensors) {
  std::vector<Array> out;
  for (py::handle t : tensors) {
    ArrayObject* a = expect_array(t.ptr());
    out.push_back((a->pending ? as_array(a->pending) : a)->array);
  }
  return out;
}

py::list to_tensors(std::vector<Array> arrays) {
  py::list out;
  for (Array& a : arrays) out.append(py::reinterpret_steal<py::object>(new_tensor(std::move(a))));
  return out;
}

/// A plan's inputs lie row-major; others are made so here.
std::vector<Array> dense_inputs(const py::sequence& tensors) {
  std::vector<Array> out = to_arrays(tensors);
  for (Array& a : out) a = dense_array(a);
  return out;
}

py::list replay(Executor& executor, const py::sequence& tensors) {
  std::vector<Array> inputs = dense_inputs(tensors), outputs;
  {
    const py::gil_scoped_release release;
    outputs = executor.replay(inputs);
  }
  return to_tensors(std::move(outputs));
}

}  // namespace

void bind_plan(py::module_& m) {
  py::class_<Program>(m, "Program")
      .def_property_readonly("steps", [](const Program& p) { return p.steps.size(); })
      .def_property_readonly("ops",
                             [](const Program& p) {
                               std::vector<std::string> names;
                               for (const Step& s : p.steps) {
                                 names.emplace_back(s.op.info().signature.name);
                                 if (s.chain) names.back() += " + fused";
                               }
                               return names;
                             })
      .def("difference", &difference)
      .def("__str__", [](const Program& p) { return to_text(p); });
  py::class_<Recorder>(m, "Recorder")
      .def(py::init([](const py::sequence& inputs, bool strict) {
             return std::make_unique<Recorder>(to_arrays(inputs), strict);
           }),
           py::arg("inputs"), py::arg("strict"))
      .def("start", &Recorder::start)
      .def("stop", &Recorder::stop)
      .def("poison", &Recorder::poison)
      .def_property_readonly("poisoned", &Recorder::poisoned)
      .def("finish", [](Recorder& r, const py::sequence& o) { return r.finish(to_arrays(o)); });
  py::class_<Executor>(m, "Executor")
      .def(py::init<Program>())
      .def("replay", &replay)
      .def_property_readonly("arena_bytes", &Executor::arena_bytes)
      .def_property_readonly("kept_bytes", &Executor::kept_bytes)
      .def_property_readonly("program", &Executor::program,
                             py::return_value_policy::reference_internal);
}

}  // namespace pyneuro::bindings
