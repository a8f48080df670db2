"""EinsumDense: a dense layer along any axes, written as an einsum equation.

The equation of an input with a kernel is one matrix product between transposes and reshapes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .. import activations, constraints, initializers, ops, regularizers
from ..errors import ArgumentError, ShapeError
from ..registry import built_in
from .base import Layer
from .core import no_extras

__all__ = ["EinsumDense"]


@built_in("layer")
class EinsumDense(Layer):
    """`activation(einsum(equation, inputs, kernel) + bias)`.

    Args:
        equation: such as "abc,cd->abd". Each letter of the kernel is one of the input or of the
            output; an ellipsis at the start or the end stands for any axes that remain.
        output_shape: the sizes of the output without the batch, `None` where they are the input's;
            or a number, for the last one alone.
        activation: a name or callable; linear by default.
        bias_axes: the letters of the output that the bias has; `None` for no bias.
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
        **kwargs: name, dtype, activity_regularizer, as for every layer.

    Raises:
        ArgumentError: an equation that is not one of an input with a kernel.
        ShapeError: on build, sizes that are unknown or do not fit the equation.

    Example:
        >>> import numpy as np
        >>> heads = EinsumDense("abc,cde->abde", (None, 2, 4), bias_axes="de")
        >>> heads(np.ones((3, 5, 6), "float32")).shape
        (3, 5, 2, 4)
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
        no_extras("EinsumDense", lora_rank=lora_rank, lora_alpha=lora_alpha,
                  gptq_unpacked_column_size=gptq_unpacked_column_size,
                  quantization_config=quantization_config)  # fmt: skip
        self.equation = equation
        self._terms = _parse(equation)
        self.partial_output_shape = (
            (output_shape,) if isinstance(output_shape, int) else tuple(output_shape)
        )
        self.activation = activations.get(activation)
        self.bias_axes = bias_axes
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.bias: Any = None

    def build(self, input_shape: Any) -> None:
        """Make the kernel, and the bias with size 1 where the output has more axes after it."""
        given, kernel, out = self._terms
        sizes = dict(zip(given, _aligned(given, input_shape, self.equation), strict=True))
        wanted = self._output_sizes(out, input_shape, sizes)
        for letter, size in wanted.items():
            if letter in sizes and None not in (size, sizes[letter]) and size != sizes[letter]:
                raise ShapeError(
                    f"EinsumDense: output_shape {self.partial_output_shape} has {size} for "
                    f"{letter!r} of {self.equation!r}, but the input {tuple(input_shape)} has "
                    f"{sizes[letter]}"
                )
        known = {**wanted, **{k: v for k, v in sizes.items() if v is not None}}
        shape = [self._known(letter, known, input_shape) for letter in kernel]
        self.kernel = self.add_weight(
            tuple(shape),
            self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
            name="kernel",
        )
        if self.bias_axes is not None:
            letters = out.replace(".", "")
            if not self.bias_axes or not set(self.bias_axes) <= set(letters):
                raise ArgumentError(
                    f"EinsumDense: bias_axes must be letters of the output of {self.equation!r}, "
                    f"got {self.bias_axes!r}"
                )
            first = min(out.index(letter) for letter in self.bias_axes)
            spare = "." * (len(input_shape) - len(given.replace(".", "")))
            tail = out[first:].replace(".", spare)
            self.bias = self.add_weight(
                tuple(
                    self._known(letter, known, input_shape) if letter in self.bias_axes else 1
                    for letter in tail
                ),
                self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
                name="bias",
            )

    def _output_sizes(self, out: str, input_shape: Any, sizes: dict[str, Any]) -> dict[str, Any]:
        """The size of each letter of the output, `None` where it is the input's."""
        letters = out.replace(".", "")
        partial = self.partial_output_shape[-len(letters) :] if letters else ()
        if len(letters) > len(partial):
            partial = (None,) * (len(letters) - len(partial)) + partial
        if out.endswith("."):  # the letters are the first axes; the batch is not in output_shape
            partial = (None, *self.partial_output_shape)[: len(letters)]
        return dict(zip(letters, partial, strict=True))

    def _known(self, letter: str, known: dict[str, Any], input_shape: Any) -> int:
        size = known.get(letter)
        if size is None:
            raise ShapeError(
                f"EinsumDense: the size of {letter!r} in {self.equation!r} must be known to make "
                f"the weights, but neither the input {tuple(input_shape)} nor output_shape "
                f"{self.partial_output_shape} gives it"
            )
        return int(size)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Compute the output."""
        bias = None if self.bias is None else self.cast_weight(self.bias)
        outputs = _product(self._terms, inputs, self.cast_weight(self.kernel), bias)
        if self.activation is activations.linear:
            return outputs
        return self.activation(outputs)

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


def _parse(equation: str) -> tuple[str, str, str]:
    """Input, kernel and output of an equation; an ellipsis is one dot."""
    left, arrow, out = equation.replace(" ", "").replace("...", ".").partition("->")
    given, comma, kernel = left.partition(",")
    plain = (given.strip("."), kernel, out.strip("."))
    if not (arrow and comma) or any(
        (term and not term.isalpha()) or len(set(term)) != len(term) for term in plain
    ):
        raise ArgumentError(
            f"EinsumDense: expected an equation such as 'abc,cd->abd' or '...a,ab->...b', "
            f"got {equation!r}"
        )
    fixed = given.count(".") == out.count(".") <= 1 and given[:1] + out[:1] != "."
    ends = [(term.startswith("."), term.endswith(".")) for term in (given, out) if "." in term]
    inputs, weights, outputs = (set(term) for term in plain)
    if not fixed or len(set(ends)) > 1 or not (inputs ^ outputs) <= weights <= inputs | outputs:
        raise ArgumentError(
            f"EinsumDense: in {equation!r} each letter must be in two of input, kernel and output, "
            "and an ellipsis at the same end of input and output"
        )
    return given, kernel, out


def _aligned(given: str, shape: Any, equation: str) -> list[Any]:
    """The size of each letter of the input, and of the dot what stands under it."""
    rest = len(shape) - (len(given) - given.count("."))
    if rest < 0 or (rest and "." not in given):
        raise ShapeError(f"EinsumDense: {equation!r} does not fit an input of shape {tuple(shape)}")
    sizes, at = [], 0
    for letter in given:
        step = rest if letter == "." else 1
        sizes.append(tuple(shape[at : at + step]) if letter == "." else shape[at])
        at += step
    return sizes


def _product(terms: tuple[str, str, str], x: Any, kernel: Any, bias: Any) -> Any:
    """The einsum as one matrix product: (shared, rows, summed) @ (shared, summed, columns).

    A bias for each column of it is added in the same pass, another one afterwards.
    """
    given, weights, out = terms
    spare = "0123456789"[: x.ndim - len(given.replace(".", ""))]  # names of the ellipsis's axes
    given, out = given.replace(".", spare), out.replace(".", spare)
    shared = [c for c in given if c in weights and c in out]
    summed = [c for c in given if c in weights and c not in out]
    rows = [c for c in given if c not in weights]
    columns = [c for c in weights if c not in given]
    sizes = dict(zip(weights, kernel.shape, strict=True)) | dict(zip(given, x.shape, strict=True))
    m, k, n = (math.prod(sizes[c] for c in axes) for axes in (rows, summed, columns))
    lead = [sizes[c] for c in shared]
    left = ops.reshape(_ordered(x, given, [*shared, *rows, *summed]), (*lead, m, k))
    right = ops.reshape(_ordered(kernel, weights, [*shared, *summed, *columns]), (*lead, k, n))
    made = [*shared, *rows, *columns]
    of_columns = made == list(out) and bias is not None
    of_columns = of_columns and tuple(bias.shape) == tuple(sizes[c] for c in columns)
    y = ops.matmul(left, right, bias=ops.reshape(bias, (n,)) if of_columns else None)
    y = _ordered(ops.reshape(y, [sizes[c] for c in made]), made, list(out))
    return y if of_columns or bias is None else ops.add(y, bias)


def _ordered(x: Any, have: Sequence[str], wanted: list[str]) -> Any:
    """`x`, whose axes are named by `have`, with its axes in the order of `wanted`."""
    if list(have) == wanted:
        return x
    return ops.transpose(x, [have.index(c) for c in wanted])
