"""The graph behind a functional model: found from its outputs, put in order, run on tensors.

Nodes are the records of symbolic.py: a layer's or a public function's call. Nothing here trains or
saves.
"""

from __future__ import annotations

from typing import Any

from .. import ops, tree
from ..errors import ArgumentError, ShapeError
from ..masks import get_mask, set_mask
from ..symbolic import KerasTensor, LayerCall, OpCall, substitute
from ..tensor import Tensor, convert

__all__ = ["Graph", "fit_input"]


class _Step:
    """One node, ready to run: where its arguments are and its results go, and what is then done."""

    __slots__ = ("done", "inputs", "outputs", "record", "single")

    def __init__(self, record: Any, slots: dict[int, int]) -> None:
        self.record = record
        parents = record.parents()
        self.inputs = [(id(tensor), slots[id(tensor)]) for tensor in parents]
        only = (
            len(record.args) == 1 and not record.kwargs and isinstance(record.args[0], KerasTensor)
        )
        self.single = self.inputs[0][1] if only else None
        self.outputs = [slots[id(leaf)] for leaf in tree.flatten(record.outputs)
                        if isinstance(leaf, KerasTensor)]  # fmt: skip
        self.done: list[int] = []


class Graph:
    """The calls between some symbolic inputs and outputs.

    Args:
        inputs: `KerasTensor`s, flat.
        outputs: `KerasTensor`s, flat.

    Raises:
        ArgumentError: an output that does not come from the inputs.
    """

    def __init__(self, inputs: list[KerasTensor], outputs: list[KerasTensor]) -> None:
        self.inputs, self.outputs = inputs, outputs
        self._check()
        self.records: list[Any] = []  # each after those it needs
        self._first_seen: dict[int, int] = {}  # id of an operation -> the order of its discovery
        self._collect()
        self.layers = self._ordered_layers()
        self._prepare()

    # -- finding ----------------------------------------------------------------------------------

    def _check(self) -> None:
        for what, tensors in (("inputs", self.inputs), ("outputs", self.outputs)):
            for tensor in tensors:
                if not isinstance(tensor, KerasTensor):
                    raise ArgumentError(
                        f"Model: {what} must be symbolic tensors that come from Input(), got "
                        f"{type(tensor).__name__}"
                    )
        if len({id(tensor) for tensor in self.inputs}) != len(self.inputs):
            raise ArgumentError("Model: the same tensor stands twice among the inputs")

    def _collect(self) -> None:
        """Walk from the outputs to the inputs; no recursion, as graphs may be deep."""
        given = {id(tensor) for tensor in self.inputs}
        done: set[int] = set()
        stack: list[tuple[Any, bool]] = [(t, False) for t in reversed(self.outputs)]
        while stack:
            tensor, finished = stack.pop()
            record = tensor.record
            if record is None:
                if id(tensor) not in given:
                    raise ArgumentError(f"Model: {tensor} was not made by Input() or from it")
                continue
            if finished:
                if id(record) not in done:
                    done.add(id(record))
                    self.records.append(record)
                continue
            if id(record) in done:
                continue
            self._first_seen.setdefault(id(operation(record)), len(self._first_seen))
            is_given = id(tensor) in given
            if not is_given and isinstance(record, LayerCall) and not record.parents():
                raise ArgumentError(
                    f"Model: the outputs need the input {tensor.name!r} of shape {tensor.shape}, "
                    "which is not among the model's inputs"
                )
            stack.append((tensor, True))
            if not is_given:
                stack.extend((parent, False) for parent in reversed(record.parents()))
        self._add_inputs(done)

    def _add_inputs(self, done: set[int]) -> None:
        """Inputs come first; one that lies in the middle of another graph is cut off there."""
        cut = [t.record for t in self.inputs if t.record is not None and t.record.parents()]
        unused = [
            t.record for t in self.inputs if t.record is not None and id(t.record) not in done
        ]
        self.records = [r for r in self.records if not any(r is c for c in cut)]
        for record in unused:
            self._first_seen.setdefault(id(operation(record)), len(self._first_seen))
            if not any(record is c for c in cut):
                self.records.insert(0, record)

    def _ordered_layers(self) -> list[Any]:
        """The layers from inputs to outputs: by depth, then by discovery from the outputs."""
        depth_of: dict[int, int] = {}
        operation_depth: dict[int, int] = {}
        for record in reversed(self.records):
            key = id(operation(record))
            depth = max(depth_of.get(id(record), 0), operation_depth.get(key, 0))
            depth_of[id(record)] = operation_depth[key] = depth
            for parent in record.parents():
                if parent.record is not None:
                    before = depth_of.get(id(parent.record), 0)
                    depth_of[id(parent.record)] = max(before, depth + 1)
        found = {id(r.layer): r.layer for r in self.records if isinstance(r, LayerCall)}
        order = lambda key: (-operation_depth[key], self._first_seen[key])  # noqa: E731
        return [found[key] for key in sorted(found, key=order)]

    # -- running ----------------------------------------------------------------------------------

    def _prepare(self) -> None:
        slots: dict[int, int] = {}
        for tensor in self.inputs:
            slots.setdefault(id(tensor), len(slots))
        running = [record for record in self.records if record.parents()]
        for record in running:
            for leaf in tree.flatten(record.outputs):
                if isinstance(leaf, KerasTensor):
                    slots.setdefault(id(leaf), len(slots))
        missing = [t for t in self.outputs if id(t) not in slots]
        if missing:
            raise ArgumentError(f"Model: the output {missing[0]} does not come from the inputs")
        self._size = len(slots)
        self._steps = [_Step(record, slots) for record in running]
        self._outputs = [slots[id(tensor)] for tensor in self.outputs]
        last_use = {slot: n for n, step in enumerate(self._steps) for _, slot in step.inputs}
        kept = set(self._outputs)
        for slot, n in last_use.items():
            if slot not in kept:
                self._steps[n].done.append(slot)

    def run(self, inputs: list[Any]) -> list[Any]:
        """Make all calls again on other inputs.

        Args:
            inputs: tensors in the place of the graph's inputs.

        Returns:
            What stands in the place of the graph's outputs.
        """
        values: list[Any] = [None] * self._size
        values[: len(inputs)] = inputs
        for step in self._steps:
            record = step.record
            if step.single is not None:
                results = record.run((values[step.single],), {})
            else:
                replace = {key: values[slot] for key, slot in step.inputs}
                args, kwargs = substitute((record.args, record.kwargs), replace)
                results = record.run(args, kwargs)
            places = step.outputs
            if len(places) == 1 and not isinstance(results, (list, tuple, dict)):
                values[places[0]] = results
            else:
                for place, result in zip(places, tree.flatten(results), strict=True):
                    values[place] = result
            for slot in step.done:  # let go of what no later step needs
                values[slot] = None
        return [values[slot] for slot in self._outputs]


def operation(record: Any) -> Any:
    """What a record calls: its layer; a call of a function stands for itself."""
    return record.layer if isinstance(record, LayerCall) else record


def is_op(record: Any) -> bool:
    """Whether a record is a call of a public function."""
    return isinstance(record, OpCall)


def fit_input(model: str, value: Any, tensor: KerasTensor) -> Any:
    """A value with the rank and dtype that a model's symbolic input says.

    Args:
        model: the model's name, for messages.
        value: a tensor or array; `None` for an optional input.
        tensor: the symbolic input.

    Returns:
        A tensor; an axis of size one at the end is added or taken away where that is what differs.

    Raises:
        ShapeError: another rank or size.
        ArgumentError: `None` for an input that is not optional.
    """
    if value is None:
        if getattr(tensor.record.layer, "optional", False):
            return None
        raise ArgumentError(f"{model}: the input {tensor.name!r} is None")
    if isinstance(value, KerasTensor):
        return value
    x = given = value if isinstance(value, Tensor) else convert(value)
    expected, shape = tensor.shape, x.shape
    if shape != expected:
        if len(shape) == len(expected) + 1 and shape[-1] == 1:
            x = ops.squeeze(x, axis=-1)
        elif len(shape) == len(expected) - 1 and expected[-1] == 1:
            x = ops.expand_dims(x, -1)
        fits = len(x.shape) == len(expected) and all(
            e is None or e == s for e, s in zip(expected, x.shape, strict=True)
        )
        if not fits:
            raise ShapeError(
                f"{model}: the input {tensor.name!r} has {x.dtype} {tuple(shape)}, but "
                f"{tensor.dtype} {expected} was expected"
            )
    if x.dtype != tensor.dtype:
        x = ops.cast(x, tensor.dtype)
    mask = get_mask(given)
    if mask is not None and x is not given:
        set_mask(x, mask)
    return x
