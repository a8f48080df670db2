"""Functional: a model made of the calls between symbolic inputs and outputs, and its config."""

from __future__ import annotations

from typing import Any

from .. import symbolic, tree
from ..errors import ArgumentError, FileFormatError
from ..layers.input import Input, InputLayer
from ..registry import built_in, deserialize_keras_object, serialize_keras_object
from ..symbolic import KerasTensor, LayerCall, OpCall
from .graph import Graph, fit_input
from .model import Model

__all__ = ["Functional"]


@built_in("model", module="pyneuro.models")
class Functional(Model):
    """A model of the graph between `inputs` and `outputs`; `Model(inputs, outputs)` makes one.

    Args:
        inputs: a symbolic tensor, or a list, tuple or dict of them.
        outputs: symbolic tensors that come from the inputs, in any structure.
        name: a name.
        **kwargs: trainable, dtype, as for every layer.

    Raises:
        ArgumentError: something that is not symbolic, or an output that does not come from the
            inputs.

    Example:
        >>> from pyneuro import Input, Model, layers
        >>> x = Input((4,))
        >>> model = Model(x, layers.Dense(2)(x))
        >>> model.output_shape
        (None, 2)
    """

    _graph: Graph
    _graph_layers: list[Any]
    _inputs_structure: Any
    _outputs_structure: Any

    def __init__(self, inputs: Any, outputs: Any, name: str | None = None, **kwargs: Any) -> None:
        trainable = kwargs.pop("trainable", None)
        super().__init__(name=name, **kwargs)
        state = self.__dict__
        flat_inputs, flat_outputs = tree.flatten(inputs), tree.flatten(outputs)
        graph = Graph(flat_inputs, flat_outputs)
        if any(not _is_input(tensor) for tensor in flat_inputs):
            # Inputs from the middle of another graph: record the same calls from new inputs.
            fresh = [t if _is_input(t) else Input(batch_shape=t.shape, dtype=t.dtype)
                     for t in flat_inputs]  # fmt: skip
            flat_outputs = graph.run(fresh)
            graph = Graph(fresh, flat_outputs)
            inputs = tree.pack_sequence_as(inputs, fresh)
            outputs = tree.pack_sequence_as(outputs, flat_outputs)
        state["_graph"] = graph
        state["_inputs_structure"], state["_outputs_structure"] = inputs, outputs
        state["_cast_to"] = None  # inputs get the dtypes of the Input tensors instead
        state["_graph_layers"] = graph.layers
        state["built"] = True
        self._check_names()
        if trainable is not None:
            self.trainable = trainable

    def _check_names(self) -> None:
        names = [layer.name for layer in self._graph_layers]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ArgumentError(
                f"Model: layers must have different names, but {twice} stand for several; give "
                "them names of their own"
            )

    def _child_items(self) -> Any:
        yield from self._named_children(self._graph_layers)
        yield from super()._child_items()

    def _held(self) -> list[Any]:
        return [*self._graph_layers, *super()._held()]

    @property
    def layers(self) -> list[Any]:
        """The layers from the inputs to the outputs."""
        return list(self._graph_layers)

    @property
    def inputs(self) -> list[KerasTensor]:
        """The symbolic inputs in flat order."""
        return list(self._graph.inputs)

    @property
    def outputs(self) -> list[KerasTensor]:
        """The symbolic outputs in flat order."""
        return list(self._graph.outputs)

    @property
    def input(self) -> Any:
        """The symbolic inputs as they were given."""
        return self._inputs_structure

    @property
    def output(self) -> Any:
        """The symbolic outputs as they were given."""
        return self._outputs_structure

    @property
    def input_shape(self) -> Any:
        """The shapes of the inputs, in their structure."""
        return tree.map_structure(lambda x: x.shape, self._inputs_structure)

    @property
    def output_shape(self) -> Any:
        """The shapes of the outputs, in their structure."""
        return tree.map_structure(lambda x: x.shape, self._outputs_structure)

    @property
    def input_names(self) -> list[str]:
        """The names of the inputs in flat order."""
        return [t.record.layer.name for t in self._graph.inputs]

    @property
    def output_names(self) -> list[str]:
        """The names of the outputs in flat order: dict entries, or the layers they come from."""
        if isinstance(self._outputs_structure, dict):
            paths = [path for path, _ in tree.flatten_with_path(self._outputs_structure)]
            return ["_".join(map(str, path)) for path in paths]
        names: list[str] = []
        for tensor in self._graph.outputs:
            record = tensor.record
            name = record.layer.name if isinstance(record, LayerCall) else record.name
            names.append(name if name not in names else f"{name}_{names.count(name)}")
        return names

    # -- running ----------------------------------------------------------------------------------

    def build(self, input_shape: Any = None) -> None:
        """Nothing to do: a functional model is built when it is made."""

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Run the graph.

        Args:
            inputs: tensors in the structure of the model's inputs, or a dict by input names.
            training: given to the layers by the call.
            mask: masks of the inputs; they go with the inputs themselves.

        Returns:
            Tensors in the structure of the model's outputs.
        """
        values = [
            fit_input(self.name, value, tensor)
            for value, tensor in zip(self._flat_inputs(inputs), self._graph.inputs, strict=True)
        ]
        results = self._graph.run(values)
        if not tree.is_nested(self._outputs_structure):
            return results[0]
        return tree.pack_sequence_as(self._outputs_structure, results)

    def _flat_inputs(self, inputs: Any) -> list[Any]:
        structure = self._inputs_structure
        if not tree.is_nested(structure):
            if not tree.is_nested(inputs):
                return [inputs]
        elif isinstance(inputs, dict):
            names = list(structure) if isinstance(structure, dict) else self.input_names
            keys = sorted(structure) if isinstance(structure, dict) else names
            missing = [key for key in keys if key not in inputs]
            if missing:
                raise ArgumentError(
                    f"{self.name}: the inputs lack {missing}; given are {sorted(map(str, inputs))}"
                )
            return tree.flatten([inputs[key] for key in keys])
        flat = tree.flatten(inputs)
        if len(flat) != len(self._graph.inputs):
            raise ArgumentError(
                f"{self.name}: the model takes {len(self._graph.inputs)} inputs, "
                f"{self.input_names}, but {len(flat)} came"
            )
        return flat

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """Shape and dtype of the outputs for symbolic inputs."""
        kwargs.pop("training", None)
        return symbolic.compute_spec(self._call_cast, args, kwargs)

    # -- configs ----------------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """Layers, their calls and which tensors are inputs and outputs, as plain values."""
        names = _RecordNames(self._graph)
        layers = []
        for layer in self._graph_layers:
            config = serialize_keras_object(layer)
            config["name"] = layer.name
            config["inbound_nodes"] = [names.call(r) for r in names.calls_of(layer)]
            layers.append(config)
        for record in names.op_records:
            layers.append(
                {
                    "module": None,
                    "class_name": "__op__",
                    "config": {"function": record.name},
                    "registered_name": None,
                    "name": names.name_of(record),
                    "inbound_nodes": [names.call(record)],
                }
            )
        return {
            "name": self.name,
            "trainable": self.trainable,
            "layers": layers,
            "input_layers": names.argument(self._inputs_structure),
            "output_layers": names.argument(self._outputs_structure),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """Make the model again from `get_config()`'s result."""
        try:
            return _Reader(config["layers"]).model(cls, config)
        except KeyError as error:
            raise FileFormatError(f"the config of a functional model lacks {error}") from None

    def get_build_config(self) -> None:
        """Nothing: the graph says all shapes."""
        return


def _is_input(tensor: Any) -> bool:
    record = getattr(tensor, "record", None)
    return isinstance(record, LayerCall) and isinstance(record.layer, InputLayer)


class _RecordNames:
    """Names for the records of a graph: a layer's calls are numbered, a function's has its own."""

    def __init__(self, graph: Graph) -> None:
        self.op_records = [r for r in graph.records if isinstance(r, OpCall)]
        self._calls: dict[int, list[Any]] = {}
        for record in graph.records:
            if isinstance(record, LayerCall):
                self._calls.setdefault(id(record.layer), []).append(record)
        taken = {layer.name for layer in graph.layers}
        self._op_names: dict[int, str] = {}
        for record in self.op_records:
            name, number = record.name, 0
            while name in taken:
                number += 1
                name = f"{record.name}_{number}"
            taken.add(name)
            self._op_names[id(record)] = name

    def name_of(self, record: Any) -> str:
        return record.layer.name if isinstance(record, LayerCall) else self._op_names[id(record)]

    def calls_of(self, layer: Any) -> list[Any]:
        return [r for r in self._calls.get(id(layer), []) if not isinstance(layer, InputLayer)]

    def history(self, tensor: Any) -> dict[str, Any]:
        record = tensor.record
        calls = self._calls[id(record.layer)] if isinstance(record, LayerCall) else [record]
        position = next(i for i, call in enumerate(calls) if call is record)
        return {
            "class_name": "__keras_tensor__",
            "config": {
                "shape": list(tensor.shape),
                "dtype": tensor.dtype,
                "keras_history": [self.name_of(record), position, tensor.output_index],
            },
        }

    def call(self, record: Any) -> dict[str, Any]:
        return {
            "args": [self.argument(arg) for arg in record.args],
            "kwargs": {name: self.argument(value) for name, value in record.kwargs.items()},
        }

    def argument(self, value: Any) -> Any:
        """A value with its symbolic tensors and tuples written down."""
        if isinstance(value, KerasTensor):
            return self.history(value)
        if isinstance(value, tuple):  # JSON has lists only, and an index that is a tuple is no list
            parts = [self.argument(v) for v in value]
            return {"class_name": "__tuple__", "config": {"value": parts}}
        if isinstance(value, list):
            return [self.argument(v) for v in value]
        if isinstance(value, dict):
            return {key: self.argument(v) for key, v in value.items()}
        return serialize_keras_object(value)


class _Reader:
    """Makes layers and their calls again from a functional config."""

    def __init__(self, configs: list[dict[str, Any]]) -> None:
        self._layers: dict[str, Any] = {}
        self._results: dict[tuple[str, int], list[Any]] = {}
        waiting: list[tuple[str, int, dict[str, Any], Any]] = []
        for config in configs:
            name = config["name"]
            if config["class_name"] == "__op__":
                call = symbolic.public_function(config["config"]["function"])
            else:
                call = deserialize_keras_object(
                    {k: v for k, v in config.items() if k not in ("name", "inbound_nodes")}
                )
                if isinstance(call, InputLayer):
                    self._results[name, 0] = [call.output]
            self._layers[name] = call
            for position, node in enumerate(config["inbound_nodes"]):
                waiting.append((name, position, node, call))
        self._run(waiting)

    def _run(self, waiting: list[tuple[str, int, dict[str, Any], Any]]) -> None:
        """Make the calls, each when what it needs is there; a layer's own calls in their order."""
        while waiting:
            later = []
            for item in waiting:
                name, position, node, call = item
                in_turn = position == 0 or (name, position - 1) in self._results
                if not in_turn or not self._is_ready(node):
                    later.append(item)
                    continue
                args = [self._argument(arg) for arg in node["args"]]
                kwargs = {key: self._argument(value) for key, value in node["kwargs"].items()}
                self._results[name, position] = tree.flatten(call(*args, **kwargs))
            if len(later) == len(waiting):
                raise FileFormatError(
                    "the config of a functional model names tensors that no layer makes: "
                    f"{sorted({item[0] for item in later})} cannot be called"
                )
            waiting = later

    def _is_ready(self, value: Any) -> bool:
        history = _history(value)
        if history is not None:
            return history[:2] in self._results
        if isinstance(value, dict):
            return all(self._is_ready(v) for v in value.values())
        return all(self._is_ready(v) for v in value) if isinstance(value, list) else True

    def tensor(self, history: tuple[str, int, int]) -> Any:
        """The tensor that a history names."""
        found = self._results.get(history[:2], [])
        if not 0 <= history[2] < len(found):
            raise FileFormatError(f"the config of a functional model names no tensor {history}")
        return found[history[2]]

    def _argument(self, value: Any) -> Any:
        history = _history(value)
        if history is not None:
            return self.tensor(history)
        if isinstance(value, dict):
            if value.get("class_name") == "__tuple__":
                return tuple(self._argument(v) for v in value["config"]["value"])
            if "class_name" in value:
                return deserialize_keras_object(value)
            return {key: self._argument(v) for key, v in value.items()}
        return [self._argument(v) for v in value] if isinstance(value, list) else value

    def model(self, cls: Any, config: dict[str, Any]) -> Any:
        """The model whose config it is."""
        inputs = self._argument(config["input_layers"])
        outputs = self._argument(config["output_layers"])
        extras = {key: config[key] for key in ("name", "trainable") if key in config}
        return cls(inputs, outputs, **extras)


def _history(value: Any) -> tuple[str, int, int] | None:
    """The place that a written-down symbolic tensor names, or `None` for anything else."""
    if not isinstance(value, dict) or value.get("class_name") != "__keras_tensor__":
        return None
    history = value["config"]["keras_history"]
    is_history = isinstance(history, list) and len(history) == 3 and isinstance(history[0], str)
    if not is_history or not all(type(number) is int for number in history[1:]):
        raise FileFormatError(f"{history!r} names no tensor of a functional model")
    return history[0], history[1], history[2]


Model._functional_class = Functional
