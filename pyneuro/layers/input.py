"""Input and InputLayer: where a functional or sequential model begins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import config, symbolic
from ..errors import ArgumentError
from ..registry import built_in
from ..symbolic import KerasTensor
from .base import Layer

__all__ = ["Input", "InputLayer"]


@built_in("layer")
class InputLayer(Layer):
    """The beginning of a graph of layers: holds one symbolic tensor.

    Args:
        shape: the shape without the batch axis; `None` in it for unknown sizes.
        batch_size: the size of the batch axis; `None` for any.
        dtype: the dtype; default `floatx`.
        sparse: only `None` or `False`: there are no sparse tensors.
        ragged: only `None` or `False`: there are no ragged tensors.
        batch_shape: the shape with the batch axis, instead of `shape` and `batch_size`.
        input_tensor: a `KerasTensor` to begin with, instead of a new one.
        optional: whether the input may be `None`.
        name: a name without slashes.

    Raises:
        ArgumentError: no shape, two shapes, or a shape with something else in it than sizes.

    Example:
        >>> InputLayer((28, 28)).batch_shape
        (None, 28, 28)
    """

    _input_dtype: str

    def __init__(
        self,
        shape: Sequence[int | None] | None = None,
        batch_size: int | None = None,
        dtype: Any = None,
        sparse: bool | None = None,
        ragged: bool | None = None,
        batch_shape: Sequence[int | None] | None = None,
        input_tensor: KerasTensor | None = None,
        optional: bool = False,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        kwargs.pop("trainable", None)
        super().__init__(name=name, **kwargs)
        if sparse or ragged:
            raise ArgumentError("InputLayer: there are no sparse or ragged tensors; pad to dense")
        if input_tensor is not None:
            if not isinstance(input_tensor, KerasTensor):
                raise ArgumentError(
                    f"InputLayer: input_tensor must be symbolic, got {type(input_tensor).__name__}"
                )
            batch_shape, dtype = tuple(input_tensor.shape), dtype or input_tensor.dtype
        elif batch_shape is None:
            if shape is None:
                raise ArgumentError("InputLayer: shape or batch_shape must be given")
            batch_shape = (batch_size, *_sizes("shape", shape))
        elif shape is not None or batch_size is not None:
            raise ArgumentError("InputLayer: give batch_shape, or shape and batch_size, not both")
        self.batch_shape = _sizes("batch_shape", batch_shape)
        self.optional = optional
        state = self.__dict__
        state["_input_dtype"] = str(dtype) if dtype is not None else config.floatx()
        state["built"] = True
        tensor = input_tensor
        if tensor is None:
            tensor = KerasTensor(self.batch_shape, dtype=self._input_dtype, name=self.name)
        symbolic.record_input(self, tensor)

    def call(self) -> Any:
        """Never called: the layer only holds its symbolic tensor."""
        raise ArgumentError(f"{self.name!r} is an InputLayer: it holds a tensor and is not called")

    @property
    def dtype(self) -> str:
        """The dtype of the input."""
        dtype: str = self._input_dtype
        return dtype

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "batch_shape": self.batch_shape,
            "dtype": self._input_dtype,
            "sparse": False,
            "ragged": False,
            "optional": self.optional,
            "name": self.name,
        }

    def get_build_config(self) -> None:
        """Nothing: an input has no weights to build."""
        return


def _sizes(argument: str, shape: Any) -> tuple[int | None, ...]:
    sizes = (shape,) if isinstance(shape, int) else shape
    if not isinstance(sizes, Sequence) or isinstance(sizes, str):
        raise ArgumentError(f"InputLayer: {argument} must be a tuple of sizes, got {shape!r}")
    for size in sizes:
        if size is not None and (not hasattr(size, "__index__") or size < 0):
            raise ArgumentError(
                f"InputLayer: {argument} must hold whole numbers >= 0 and None, got {shape!r}"
            )
    return tuple(None if size is None else int(size) for size in sizes)


def Input(  # noqa: N802 - Keras's name
    shape: Sequence[int | None] | None = None,
    batch_size: int | None = None,
    dtype: Any = None,
    sparse: bool | None = None,
    ragged: bool | None = None,
    batch_shape: Sequence[int | None] | None = None,
    name: str | None = None,
    tensor: KerasTensor | None = None,
    optional: bool = False,
) -> Any:
    """A symbolic tensor that a functional model begins with, or a `Sequential`'s input shape.

    Args:
        shape: the shape without the batch axis; `None` in it for unknown sizes.
        batch_size: the size of the batch axis; `None` for any.
        dtype: the dtype; default `floatx`.
        sparse: only `None` or `False`: there are no sparse tensors.
        ragged: only `None` or `False`: there are no ragged tensors.
        batch_shape: the shape with the batch axis, instead of `shape` and `batch_size`.
        name: a name without slashes.
        tensor: a `KerasTensor` to begin with, instead of a new one.
        optional: whether the input may be `None`.

    Returns:
        A `KerasTensor`.

    Raises:
        ArgumentError: no shape, two shapes, or a shape with something else in it than sizes.

    Example:
        >>> Input((8,)).shape
        (None, 8)
    """
    layer = InputLayer(
        shape=shape,
        batch_size=batch_size,
        dtype=dtype,
        sparse=sparse,
        ragged=ragged,
        batch_shape=batch_shape,
        input_tensor=tensor,
        optional=optional,
        name=name,
    )
    return layer.output
