"""EinsumDense: a product of the inputs with a kernel over any axes, said by an equation."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from .. import activations, constraints, initializers, ops, regularizers
from ..errors import ArgumentError, ShapeError
from ..registry import built_in
from .base import InputSpec, Layer
from .core import no_extras

__all__ = ["EinsumDense"]

_FORM = re.compile(r"(\.\.\.)?([a-zA-Z]+)(\.\.\.)?,([a-zA-Z]+)->(\.\.\.)?([a-zA-Z]+)(\.\.\.)?")


@built_in("layer")
class EinsumDense(Layer):
    """`activation(einsum(equation, inputs, kernel) + bias)`.

    Args:
        equation: such as "abc,cde->abde": letters of the inputs, of the kernel and of the output;
            "..." in inputs and output, in front or at the end, stands for any axes.
        output_shape: the output's sizes without the batch axis (and without those of "..."); `None`
            for a size that is the input's. A number stands for itself.
        activation: a name or callable; linear by default.
        bias_axes: the output's letters that the bias has axes for; `None` for no bias.
        kernel_initializer: first value of the kernel.
        bias_initializer: first value of the bias.
        kernel_regularizer: penalty of the kernel.
        bias_regularizer: penalty of the bias.
        kernel_constraint: applied to the kernel after each update.
        bias_constraint: applied to the bias after each update.
        lora_rank: only `None`.
        lora_alpha: only `None`.
        gptq_unpacked_column_size: only `None`.
        quantization_config: only `None`.
        **kwargs: name, dtype, trainable, as for every layer.

    Raises:
        ArgumentError: an equation that cannot be read, or bias axes that the output lacks.
        ShapeError: on call, an input that does not fit the equation.

    Example:
        >>> import numpy as np
        >>> EinsumDense("abc,cd->abd", (None, 4), bias_axes="d")(np.ones((2, 5, 3))).shape
        (2, 5, 4)
    """

    def __init__(
        self,
        equation: str,
        output_shape: int | Sequence[int | None],
        activation: Any = None,
        bias_axes: str | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        lora_rank: None = None,
        lora_alpha: None = None,
        gptq_unpacked_column_size: None = None,
        quantization_config: None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        no_extras(
            "EinsumDense", lora_rank=lora_rank, lora_alpha=lora_alpha,
            gptq_unpacked_column_size=gptq_unpacked_column_size,
            quantization_config=quantization_config,
        )  # fmt: skip
        self.equation = str(equation)
        found = _FORM.fullmatch(self.equation.replace(" ", ""))
        if found is None or found[1] != found[5] or found[3] != found[7] or (found[1] and found[3]):
            raise ArgumentError(
                f"EinsumDense: equation {equation!r} must be like 'ab,bc->ac', with '...' in front "
                "or at the end of both inputs and output, or in neither"
            )
        self._dots_first, self._dots_last = bool(found[1]), bool(found[3])
        self._in, self._kernel, self._out = found[2], found[4], found[6]
        sizes = (output_shape,) if isinstance(output_shape, int) else tuple(output_shape)
        self.partial_output_shape = sizes
        self.bias_axes = bias_axes
        if unknown := set(bias_axes or "") - set(self._out):
            raise ArgumentError(
                f"EinsumDense: bias_axes {bias_axes!r} has {sorted(unknown)}, which the output "
                f"{self._out!r} lacks"
            )
        self.activation = activations.get(activation)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.bias: Any = None

    def _sizes(self, input_shape: Any) -> dict[str, Any]:
        """The size of each letter; the first axis of the output may be unknown."""
        dots = len(input_shape) - len(self._in)
        some = self._dots_first or self._dots_last
        if dots < 0 or (dots > 0 and not some):
            raise ShapeError(
                f"EinsumDense {self.name!r}: the input shape {input_shape} has "
                f"{len(input_shape)} axes, but {self.equation!r} names {len(self._in)}"
            )
        own = input_shape[dots:] if self._dots_first else input_shape[: len(self._in)]
        sizes = dict(zip(self._in, own, strict=True))
        wanted = self.partial_output_shape
        letters = self._out[len(self._out) - len(wanted) :] if wanted else ""
        if self._dots_last:  # the batch axis is the first letter, the dots come behind
            letters = self._out[1:][: len(wanted)]
        if len(letters) != len(wanted):
            raise ShapeError(
                f"EinsumDense {self.name!r}: output_shape {wanted} has more sizes than "
                f"{self.equation!r} has letters after the batch axis"
            )
        for letter, size in zip(letters, wanted, strict=True):
            if size is not None:
                known = sizes.get(letter)
                if letter in self._in and known is not None and known != size:
                    raise ShapeError(
                        f"EinsumDense {self.name!r}: output_shape says {size} for axis "
                        f"{letter!r} of {self.equation!r}, but the input {input_shape} has {known}"
                    )
                sizes[letter] = size
        return sizes

    def build(self, input_shape: Any) -> None:
        """Make the kernel and the bias."""
        sizes = self._sizes(input_shape)
        shape = tuple(sizes.get(letter) for letter in self._kernel)
        if None in shape:
            raise ShapeError(
                f"EinsumDense {self.name!r}: the kernel of {self.equation!r} would be {shape} for "
                f"the input shape {input_shape}; all of its sizes must be known"
            )
        self.kernel = self.add_weight(
            shape,
            self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
            name="kernel",
        )
        if self.bias_axes:
            first = min(self._out.index(axis) for axis in self.bias_axes)
            extent = self._out[first:]
            bias = tuple(sizes[axis] if axis in self.bias_axes else 1 for axis in extent)
            if self._dots_last:
                bias += (1,) * (len(input_shape) - len(self._in))
            self.bias = self.add_weight(
                bias,
                self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
                name="bias",
            )
        self.input_spec = InputSpec(ndim=len(input_shape))

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Compute the output."""
        outputs = ops.einsum(self.equation, inputs, self.cast_weight(self.kernel))
        if self.bias is not None:
            outputs = outputs + self.cast_weight(self.bias)
        return outputs if self.activation is activations.linear else self.activation(outputs)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "equation": self.equation,
            "output_shape": self.partial_output_shape,
            "activation": activations.serialize(self.activation),
            "bias_axes": self.bias_axes,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
            "kernel_constraint": constraints.serialize(self.kernel_constraint),
            "bias_constraint": constraints.serialize(self.bias_constraint),
        }
