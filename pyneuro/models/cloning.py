"""clone_model: the same architecture again, with new weights and, if asked, other layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import tree
from ..errors import ArgumentError
from ..layers.base import Layer
from ..layers.input import Input, InputLayer
from ..symbolic import KerasTensor, LayerCall, substitute
from .functional import Functional
from .model import Model
from .sequential import Sequential

__all__ = ["clone_model"]


def _clone_layer(layer: Any) -> Any:
    return type(layer).from_config(layer.get_config())


def clone_model(
    model: Model,
    input_tensors: Any = None,
    clone_function: Callable[[Layer], Layer] | None = None,
    call_function: Callable[..., Any] | None = None,
    recursive: bool = False,
    **kwargs: Any,
) -> Model:
    """Make a model of the same architecture with new weights.

    Args:
        model: the model.
        input_tensors: symbolic tensors to begin with instead of new inputs, in the structure of the
            model's inputs.
        clone_function: makes the new layer from a layer; by default from its config. Layers that
            hold nothing, such as inputs, are not asked about.
        call_function: `(layer, *args, **kwargs)`, makes the new call of a layer; by default calls
            it. Only for functional models.
        recursive: clone the layers of nested models with `clone_function` too.
        **kwargs: none.

    Returns:
        A new model; not compiled.

    Raises:
        ArgumentError: arguments that need a functional or sequential model on a subclassed one.

    Example:
        >>> from pyneuro import Input, layers
        >>> model = Sequential([Input((2,)), layers.Dense(1)])
        >>> clone_model(model).count_params()
        3
    """
    if kwargs:
        raise ArgumentError(f"clone_model: unknown arguments {sorted(kwargs)}")
    plain = clone_function is None and call_function is None and input_tensors is None
    if plain and not recursive:
        clone: Model = type(model).from_config(model.get_config())
        build_config = model.get_build_config()
        if build_config is not None:
            clone.build_from_config(build_config)
        return clone
    make = _maker(clone_function, call_function, recursive)
    if isinstance(model, Sequential):
        if call_function is not None:
            raise ArgumentError("clone_model: call_function is for functional models")
        return _clone_sequential(model, input_tensors, make)
    if isinstance(model, Functional):
        return _clone_functional(model, input_tensors, make, call_function)
    raise ArgumentError(
        "clone_model: input_tensors, clone_function, call_function and recursive are for "
        f"functional and sequential models; {model.name!r} is a subclassed {type(model).__name__}"
    )


def _maker(
    clone_function: Callable[[Layer], Layer] | None, call_function: Any, recursive: bool
) -> Callable[[Any], Any]:
    """What makes the new layer from a layer."""

    def make(layer: Any) -> Any:
        if recursive and isinstance(layer, (Sequential, Functional)):
            inner = None if isinstance(layer, Sequential) else call_function
            return clone_model(
                layer, clone_function=clone_function or _clone_layer, call_function=inner,
                recursive=True,
            )  # fmt: skip
        made = (clone_function or _clone_layer)(layer)
        if not isinstance(made, Layer):
            raise ArgumentError(
                f"clone_model: clone_function must return a layer, got {made!r} for {layer.name!r}"
            )
        return made

    return make


def _clone_sequential(model: Sequential, given: Any, make: Callable[[Any], Any]) -> Sequential:
    first = model._stack[0] if model._stack else None
    layers = [make(layer) for layer in model.layers]
    if given is not None:
        tensor = tree.flatten(given)[0]
        start = tensor.record.layer if _is_input(tensor) else Input(tensor=tensor).record.layer
        return Sequential([start, *layers], name=model.name)
    if isinstance(first, InputLayer):
        layers.insert(0, _clone_layer(first))
    return Sequential(layers, trainable=model.trainable, name=model.name)


def _is_input(tensor: Any) -> bool:
    record = getattr(tensor, "record", None)
    return isinstance(record, LayerCall) and isinstance(record.layer, InputLayer)


def _clone_functional(
    model: Functional, given: Any, make: Callable[[Any], Any], call_function: Any
) -> Functional:
    """Make all calls of the graph again, with new layers, from new inputs."""
    graph = model._graph
    if given is None:
        starts = [_clone_layer(tensor.record.layer).output for tensor in graph.inputs]
    else:
        starts = tree.flatten(given)
        if len(starts) != len(graph.inputs):
            raise ArgumentError(
                f"clone_model: {len(starts)} input_tensors came for {len(graph.inputs)} inputs"
            )
    values = {id(old): new for old, new in zip(graph.inputs, starts, strict=True)}
    made: dict[int, Any] = {}
    for record in graph.records:
        if not record.parents():
            continue
        args, kwargs = substitute((record.args, record.kwargs), values)
        if isinstance(record, LayerCall):
            layer = made.get(id(record.layer))
            if layer is None:
                layer = made[id(record.layer)] = make(record.layer)
            call = call_function or (lambda layer, *args, **kwargs: layer(*args, **kwargs))
            results = call(layer, *args, **kwargs)
        else:
            results = record.run(args, kwargs)
        old = [leaf for leaf in tree.flatten(record.outputs) if isinstance(leaf, KerasTensor)]
        values.update(zip(map(id, old), tree.flatten(results), strict=True))
    outputs = substitute(model.output, values)
    inputs = (
        tree.pack_sequence_as(model.input, starts) if tree.is_nested(model.input) else starts[0]
    )
    cls = type(model)
    return cls(inputs, outputs, name=model.name)
