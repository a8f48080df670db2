"""InputSpec: what a layer expects of its inputs, and the check of it with a message that helps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .. import tree
from ..errors import ArgumentError, DTypeError, ShapeError

__all__ = ["InputSpec", "check_inputs", "describe"]


class InputSpec:
    """What a layer expects of one input: rank, sizes, dtype.

    Args:
        dtype: the expected dtype; `None` for any.
        shape: the expected shape, `None` in it for any size.
        ndim: the exact number of axes.
        max_ndim: the largest number of axes.
        min_ndim: the smallest number of axes.
        axes: axis number -> expected size, `None` for any.
        allow_last_axis_squeeze: accept inputs that lack or add a last axis of size one.
        name: the key of the input, where inputs are a dict.
        optional: whether the input may be `None`.

    Raises:
        ArgumentError: an axis outside of the rank.

    Example:
        >>> InputSpec(min_ndim=2, axes={-1: 8})
        InputSpec(min_ndim=2, axes={-1: 8})
    """

    __slots__ = (
        "allow_last_axis_squeeze",
        "axes",
        "dtype",
        "max_ndim",
        "min_ndim",
        "name",
        "ndim",
        "optional",
        "shape",
    )

    def __init__(
        self,
        dtype: str | None = None,
        shape: Sequence[int | None] | None = None,
        ndim: int | None = None,
        max_ndim: int | None = None,
        min_ndim: int | None = None,
        axes: Mapping[int, int | None] | None = None,
        allow_last_axis_squeeze: bool = False,
        name: str | None = None,
        optional: bool = False,
    ) -> None:
        self.dtype = dtype
        self.shape = None if shape is None else tuple(shape)
        self.ndim = len(self.shape) if self.shape is not None else ndim
        self.max_ndim, self.min_ndim = max_ndim, min_ndim
        self.axes: dict[int, int | None] = {int(k): v for k, v in (axes or {}).items()}
        self.allow_last_axis_squeeze = allow_last_axis_squeeze
        self.name, self.optional = name, optional
        rank = self.ndim if self.ndim is not None else self.max_ndim
        if self.axes and rank is not None and max(self.axes) >= rank:
            raise ArgumentError(f"InputSpec: axis {max(self.axes)} is outside of rank {rank}")

    def __repr__(self) -> str:
        parts = []
        for slot in ("dtype", "shape", "ndim", "max_ndim", "min_ndim", "axes", "name"):
            value = getattr(self, slot)
            if (
                value is not None
                and value != {}
                and not (slot == "ndim" and self.shape is not None)
            ):
                parts.append(f"{slot}={value!r}")
        return f"InputSpec({', '.join(parts)})"

    def get_config(self) -> dict[str, Any]:
        """The arguments that describe this spec."""
        return {slot: getattr(self, slot) for slot in ("dtype", "shape", "ndim", "max_ndim",
                                                       "min_ndim", "axes")}  # fmt: skip

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> InputSpec:
        """Make one from `get_config()`'s result."""
        return cls(**config)

    def problem(self, shape: tuple[int | None, ...], dtype: str) -> str | None:
        """What is wrong with an input, in words that follow "expected", or `None`.

        Args:
            shape: the input's shape.
            dtype: the input's dtype.

        Returns:
            Such as "8 on axis -1".
        """
        rank = len(shape)
        if self.shape is not None and self.allow_last_axis_squeeze and self.shape:
            if rank == len(self.shape) + 1 and shape[-1] == 1:
                shape, rank = shape[:-1], rank - 1
            elif rank == len(self.shape) - 1 and self.shape[-1] == 1:
                shape, rank = (*shape, 1), rank + 1
        if self.ndim is not None and rank != self.ndim:
            return f"{self.ndim} axes" if self.shape is None else f"the shape {self.shape}"
        if self.max_ndim is not None and rank > self.max_ndim:
            return f"at most {self.max_ndim} axes"
        if self.min_ndim is not None and rank < self.min_ndim:
            return f"at least {self.min_ndim} axes"
        for axis, size in self.axes.items():
            if size is not None and shape[axis] is not None and shape[axis] != size:
                return f"size {size} on axis {axis}"
        if self.shape is not None and any(
            expected is not None and size is not None and expected != size
            for expected, size in zip(self.shape, shape, strict=True)
        ):
            return f"the shape {self.shape}"
        return None


def describe(value: Any) -> str:
    """Say dtype and shape of a tensor, or of each of a structure: "float32 (8, 7)".

    Args:
        value: a tensor, or lists, tuples and dicts of such.

    Returns:
        One line.
    """
    if tree.is_nested(value):
        if isinstance(value, dict):
            return "{" + ", ".join(f"{k!r}: {describe(v)}" for k, v in value.items()) + "}"
        return "[" + ", ".join(map(describe, value)) + "]"
    shape = getattr(value, "shape", None)
    if shape is None:
        text = repr(value)
        return text if len(text) <= 40 else f"{text[:37]}..."
    return f"{value.dtype} {tuple(shape)}"


def check_inputs(specs: Any, inputs: Any, layer: str) -> None:
    """Raise where the inputs of a layer are not what its `input_spec` says.

    Args:
        specs: an `InputSpec`, or a structure of them.
        inputs: the layer's first argument.
        layer: the layer's name.

    Raises:
        ShapeError: wrong rank or size.
        DTypeError: wrong dtype.
        ArgumentError: wrong number of inputs.
    """
    if isinstance(specs, InputSpec) and not tree.is_nested(inputs):
        pairs: list[tuple[InputSpec, Any, str]] = [(specs, inputs, "input")]
    else:
        pairs = _pair(specs, inputs, layer)
    for spec, value, what in pairs:
        if value is None and spec is not None and spec.optional:
            continue
        shape = getattr(value, "shape", None)
        if spec is None or shape is None:
            continue
        expected = spec.problem(tuple(shape), str(value.dtype))
        if expected is not None:
            raise ShapeError(
                f"{layer}: {what} has {value.dtype} {tuple(shape)}, but {expected} was expected"
            )
        if spec.dtype is not None and str(value.dtype) != spec.dtype:
            raise DTypeError(f"{layer}: {what} is {value.dtype}, but {spec.dtype} was expected")


def _pair(specs: Any, inputs: Any, layer: str) -> list[tuple[InputSpec, Any, str]]:
    """Put each spec beside its input and the words that name it."""
    flat_specs = tree.flatten(specs)
    if isinstance(inputs, dict) and all(spec is not None and spec.name for spec in flat_specs):
        missing = [spec.name for spec in flat_specs if spec.name not in inputs]
        if missing:
            raise ArgumentError(
                f"{layer}: the inputs lack {missing}; got the keys {sorted(map(str, inputs))}"
            )
        return [(spec, inputs[spec.name], f"input {spec.name!r}") for spec in flat_specs]
    flat_inputs = tree.flatten(inputs)
    if len(flat_inputs) != len(flat_specs):
        raise ArgumentError(
            f"{layer}: expected {len(flat_specs)} inputs, got {len(flat_inputs)}: "
            f"{describe(inputs)}"
        )
    return [
        (spec, value, f"input {position}")
        for position, (spec, value) in enumerate(zip(flat_specs, flat_inputs, strict=True))
    ]
