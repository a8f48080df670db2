"""Softmax along an axis and the cross-entropies, with their gradients.

Cross-entropy from logits is one native op; from probabilities it is composed as Keras defines it:
normalized, then kept `epsilon()` away from 0 and 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..autograd import gradient
from ..config import epsilon
from ..errors import ShapeError
from ..symbolic import public
from ..tensor import Tensor, apply
from .arguments import FLOATS, Axis, TensorLike, floating, normalize_axes, normalize_axis, tensor


@public
def softmax(x: TensorLike, axis: Axis = -1) -> Tensor:
    """`exp(x)` divided by its sum along `axis`.

    Args:
        x: a tensor; integers become `floatx`.
        axis: one axis, several taken together, or `None` for all.

    Returns:
        A tensor of `x`'s shape.

    Raises:
        ShapeError: no such axis.

    Example:
        >>> softmax([0.0, 0.0]).tolist()
        [0.5, 0.5]
    """
    return _along("softmax", floating(x), axis)


@public
def log_softmax(x: TensorLike, axis: Axis = -1) -> Tensor:
    """`log(softmax(x))` without its underflow.

    Args:
        x: a tensor; integers become `floatx`.
        axis: one axis, several taken together, or `None` for all.

    Returns:
        A tensor of `x`'s shape.

    Raises:
        ShapeError: no such axis.

    Example:
        >>> log_softmax([0.0, -1000.0]).tolist()
        [0.0, -1000.0]
    """
    return _along("log_softmax", floating(x), axis)


def _along(op: str, x: Tensor, axis: Axis) -> Tensor:
    if axis is not None and not isinstance(axis, Sequence):
        return apply(op, x, axis=axis)
    axes = range(x.ndim) if axis is None else normalize_axes(op, axis, x.ndim)
    kept = tuple(i for i in range(x.ndim) if i not in axes)
    order = (*kept, *axes)
    moved = apply("transpose", x, axes=order)
    together = math.prod(x.shape[i] for i in axes)
    flat = apply("reshape", moved, shape=(*moved.shape[: len(kept)], together))
    done = apply("reshape", apply(op, flat, axis=-1), shape=moved.shape)
    return apply("transpose", done, axes=tuple(order.index(i) for i in range(x.ndim)))


def _sum(x: Tensor, axis: int) -> Tensor:
    return apply("sum", x, axes=(axis,), keepdims=True)


gradient(
    "softmax",
    lambda node, g: apply("softmax_grad", node.output, g, axis=node.fields["axis"]),
    keeps="output",
)
gradient(
    "log_softmax",
    lambda node, g: apply("log_softmax_grad", node.output, g, axis=node.fields["axis"]),
    keeps="output",
)


def _softmax_grad_output(node: Any, h: Tensor) -> Tensor:
    (y, g), axis = node.inputs, node.fields["axis"]
    return apply("subtract", h * (g - _sum(g * y, axis)), g * _sum(h * y, axis))


def _log_softmax_grad_output(node: Any, h: Tensor) -> Tensor:
    (y, g), axis = node.inputs, node.fields["axis"]
    return -h * apply("exp", y) * _sum(g, axis)


def _log_softmax_grad_gradient(node: Any, h: Tensor) -> Tensor:
    return h - _sum(h * apply("exp", node.inputs[0]), node.fields["axis"])


gradient(
    "softmax_grad",
    _softmax_grad_output,
    lambda node, h: apply("softmax_grad", node.inputs[0], h, axis=node.fields["axis"]),
)
gradient("log_softmax_grad", _log_softmax_grad_output, _log_softmax_grad_gradient)


# ---- cross-entropy -----------------------------------------------------------------------------


@public
def categorical_crossentropy(
    target: TensorLike, output: TensorLike, from_logits: bool = False, axis: int = -1
) -> Tensor:
    """`-sum(target * log(output))` along `axis`.

    Args:
        target: the wanted probabilities, in `output`'s shape.
        output: the predicted probabilities, which need not add up to 1, or logits.
        from_logits: whether `output` holds logits.
        axis: the axis of the classes.

    Returns:
        A tensor of `output`'s shape without `axis`.

    Raises:
        ShapeError: the shapes differ, or there is no such axis.

    Example:
        >>> categorical_crossentropy([[0.0, 1.0]], [[0.5, 0.5]])
        Tensor([0.6931472])
    """
    output = floating(output)
    target = _like("categorical_crossentropy", target, output)
    axis = normalize_axis("categorical_crossentropy", axis, output.ndim)
    if from_logits:
        return apply("crossentropy", _last(output, axis), _last(target, axis))
    log_p = apply("log", _clipped(output / _sum(output, axis)))
    return -apply("sum", target * log_p, axes=(axis,), keepdims=False)


@public
def sparse_categorical_crossentropy(
    target: TensorLike, output: TensorLike, from_logits: bool = False, axis: int = -1
) -> Tensor:
    """`-log(output)` at the class that `target` names.

    Args:
        target: class numbers in `output`'s shape without `axis`, or with size 1 at the end.
        output: predicted probabilities, which need not add up to 1, or logits.
        from_logits: whether `output` holds logits.
        axis: the axis of the classes.

    Returns:
        A tensor of `output`'s shape without `axis`.

    Raises:
        ShapeError: the shapes do not fit, or there is no such axis.
        IndexOutOfRangeError: a class number is not in [0, classes).

    Example:
        >>> sparse_categorical_crossentropy([1], [[0.5, 0.5]])
        Tensor([0.6931472])
    """
    output, target = floating(output), tensor(target)
    if target.dtype in FLOATS or target.dtype == "bool":
        target = apply("cast", target, dtype="int32")
    axis = normalize_axis("sparse_categorical_crossentropy", axis, output.ndim)
    if target.ndim == output.ndim and target.shape[-1] == 1:
        target = apply("reshape", target, shape=target.shape[:-1])
    output = _last(output, axis)
    if from_logits:
        return apply("sparse_crossentropy", output, target)
    p = _clipped(output / _sum(output, -1))
    # The native op checks the labels; it divides by the sum of p, which clipping has moved from 1.
    total = apply("sum", p, axes=(-1,), keepdims=False)
    return apply("sparse_crossentropy", apply("log", p), target) - apply("log", total)


@public
def binary_crossentropy(
    target: TensorLike, output: TensorLike, from_logits: bool = False
) -> Tensor:
    """`-(target * log(output) + (1 - target) * log(1 - output))`, elementwise.

    Args:
        target: wanted probabilities, in `output`'s shape.
        output: predicted probabilities, kept `epsilon()` away from 0 and 1, or logits.
        from_logits: whether `output` holds logits.

    Returns:
        A tensor of the same shape.

    Raises:
        ShapeError: the shapes differ.

    Example:
        >>> binary_crossentropy([0.0, 1.0], [0.5, 0.5])
        Tensor([0.6931472, 0.6931472])
    """
    output = floating(output)
    target = _like("binary_crossentropy", target, output)
    if from_logits:  # log(sigmoid(x)) = -softplus(-x), and log(1 - sigmoid(x)) = -softplus(x)
        yes, no = apply("softplus", -output), apply("softplus", output)
        return apply("add", target * yes, (1.0 - target) * no)
    p = _clipped(output)
    return apply("negative", target * apply("log", p) + (1.0 - target) * apply("log", 1.0 - p))


def _like(op: str, target: TensorLike, output: Tensor) -> Tensor:
    target = tensor(target)
    if target.shape != output.shape:
        raise ShapeError(
            f"{op}: target and output must have one shape, got {target.shape} and {output.shape}"
        )
    return target if target.dtype == output.dtype else apply("cast", target, dtype=output.dtype)


def _clipped(p: Tensor) -> Tensor:
    low = epsilon()
    return apply("minimum", apply("maximum", p, low), 1.0 - low)


def _last(x: Tensor, axis: int) -> Tensor:
    """`x` with `axis` moved to the end."""
    if axis == x.ndim - 1:
        return x
    return apply("transpose", x, axes=(*range(axis), *range(axis + 1, x.ndim), axis))


def _column(g: Tensor) -> Tensor:
    """`g` with an axis of size 1 where the classes were."""
    return apply("reshape", g, shape=(*g.shape, 1))


def _probabilities(node: Any) -> Tensor:
    return apply("softmax", node.inputs[0], axis=-1)


gradient(
    "crossentropy",
    lambda node, g: apply("crossentropy_grad", node.inputs[0], node.inputs[1], g),
    lambda node, g: -_column(g) * apply("log_softmax", node.inputs[0], axis=-1),
)
gradient(
    "sparse_crossentropy",
    lambda node, g: apply("sparse_crossentropy_grad", node.inputs[0], node.inputs[1], g),
    None,
)

# crossentropy_grad is g (p sum(target) - target) with p = softmax(logits); h comes in for it.


def _logits_of_grad(node: Any, h: Tensor) -> Tensor:
    return _column(node.inputs[2]) * apply("softmax_grad", _probabilities(node), h, axis=-1)


def _slope(op: str) -> Any:
    """The gradient for g, in which the op is linear: the sum of h times its result for g = 1."""

    def rule(node: Any, h: Tensor) -> Tensor:
        shape, dtype = node.input_specs[2]
        one = apply("full", shape=shape, value=1.0, dtype=dtype)
        slope = apply(op, node.inputs[0], node.inputs[1], one)
        return apply("sum", h * slope, axes=(-1,), keepdims=False)

    return rule


gradient(
    "crossentropy_grad",
    lambda node, h: _logits_of_grad(node, h) * _sum(node.inputs[1], -1),
    lambda node, h: _column(node.inputs[2]) * (_sum(h * _probabilities(node), -1) - h),
    _slope("crossentropy_grad"),
)
gradient(
    "sparse_crossentropy_grad",
    _logits_of_grad,
    None,
    _slope("sparse_crossentropy_grad"),
)
