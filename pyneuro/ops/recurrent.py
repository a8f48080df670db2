"""LSTM and GRU over all steps of a sequence, each one native op forward and one backward."""

from __future__ import annotations

import functools
from typing import Any

from ..autograd import gradient, is_grad_enabled
from ..errors import GradientError
from ..symbolic import public
from ..tensor import Tensor, apply
from .arguments import TensorLike, common_dtype, floating, tensor

__all__ = ["gru", "lstm"]


@public
def lstm(
    x: TensorLike,
    recurrent_kernel: TensorLike,
    h: TensorLike,
    c: TensorLike,
    mask: TensorLike | None = None,
    go_backwards: bool = False,
    zero_output_for_mask: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    """Long short-term memory over a sequence, with tanh and sigmoid.

    After Hochreiter and Schmidhuber 1997. It has first derivatives only; for second ones, use
    `layers.LSTM(..., unroll=True)`.

    Args:
        x: (N, T, 4 units), what the input and the bias add to the gates: input, forget, candidate,
            output.
        recurrent_kernel: (units, 4 units), what the state is multiplied by.
        h: (N, units), the first state.
        c: (N, units), the first cell state.
        mask: (N, T), `True` for steps that count; the others keep states and output.
        go_backwards: whether to go from the last step to the first; outputs come in that order.
        zero_output_for_mask: whether outputs of masked steps are 0 rather than the one before.

    Returns:
        All outputs (N, T, units), and the last state and cell state.

    Raises:
        ShapeError: shapes that do not fit together.
        DTypeError: inputs of several dtypes.

    Example:
        >>> import numpy as np
        >>> y, h, c = lstm(np.ones((2, 5, 12)), np.ones((3, 12)), np.ones((2, 3)), np.ones((2, 3)))
        >>> y.shape, h.shape
        ((2, 5, 3), (2, 3))
    """
    inputs = [floating(a) for a in (x, recurrent_kernel, h, c)]
    y, h, c = apply(
        "lstm",
        *inputs,
        *_mask(mask),
        reverse=go_backwards,
        zero_masked=zero_output_for_mask,
        keep=_wanted(inputs),
    )[:3]
    return y, h, c


@public
def gru(
    x: TensorLike,
    recurrent_kernel: TensorLike,
    recurrent_bias: TensorLike,
    h: TensorLike,
    mask: TensorLike | None = None,
    go_backwards: bool = False,
    zero_output_for_mask: bool = False,
    reset_after: bool = True,
) -> tuple[Tensor, Tensor]:
    """The gated recurrent unit over a sequence, with tanh and sigmoid.

    After Cho et al. 2014. It has first derivatives only; for second ones, use
    `layers.GRU(..., unroll=True)`.

    Args:
        x: (N, T, 3 units), what the input and its bias add to the gates: update, reset, candidate.
        recurrent_kernel: (units, 3 units), what the state is multiplied by.
        recurrent_bias: (3 units,), added to that product.
        h: (N, units), the first state.
        mask: (N, T), `True` for steps that count; the others keep state and output.
        go_backwards: whether to go from the last step to the first; outputs come in that order.
        zero_output_for_mask: whether outputs of masked steps are 0 rather than the one before.
        reset_after: whether the reset gate works on the product of state and recurrent kernel,
            with its bias, rather than on the state before it.

    Returns:
        All outputs (N, T, units), and the last state.

    Raises:
        ShapeError: shapes that do not fit together.
        DTypeError: inputs of several dtypes.

    Example:
        >>> import numpy as np
        >>> y, h = gru(np.ones((2, 5, 9)), np.ones((3, 9)), np.ones(9), np.ones((2, 3)))
        >>> y.shape, h.shape
        ((2, 5, 3), (2, 3))
    """
    inputs = [floating(a) for a in (x, recurrent_kernel, recurrent_bias, h)]
    y, h = apply(
        "gru",
        *inputs,
        *_mask(mask),
        reverse=go_backwards,
        zero_masked=zero_output_for_mask,
        reset_after=reset_after,
        keep=_wanted(inputs),
    )[:2]
    return y, h


def project(x: TensorLike, kernel: TensorLike, bias: TensorLike | None) -> Tensor:
    """What the input adds to the gates, `x @ kernel + bias`, in one pass.

    Args:
        x: (..., features).
        kernel: (features, gates * units).
        bias: (gates * units,), or `None`.

    Returns:
        (..., gates * units).
    """
    inputs = [tensor(a) for a in (x, kernel, bias) if a is not None]
    dtype = functools.reduce(common_dtype, (a.dtype for a in inputs))
    z: Tensor = apply("matmul", *(a.astype(dtype) for a in inputs))
    return z


def _mask(mask: TensorLike | None) -> tuple[Tensor, ...]:
    return () if mask is None else (tensor(mask).astype("bool"),)


def _wanted(inputs: list[Tensor]) -> bool:
    """Whether a gradient may come, for which the op must keep what it computes on the way."""
    return is_grad_enabled() and any(x.requires_grad for x in inputs)


# ---- gradients ---------------------------------------------------------------------------------


def _of_outputs(node: Any, g: Any, count: int) -> list[Tensor]:
    """The gradients of the first outputs, zeros for those that are not used."""
    return [
        apply("full", shape=shape, value=0.0, dtype=dtype) if gi is None else gi
        for gi, (shape, dtype) in zip(g[:count], node.output_specs[:count], strict=True)
    ]


def _fields(node: Any) -> dict[str, Any]:
    return {name: node.fields[name] for name in ("reverse", "zero_masked")}


def _flat(x: Tensor) -> Tensor:
    """(N, T, width) as (N T, width)."""
    n, steps, width = x.shape
    return apply("reshape", x, shape=(n * steps, width))


def _of_kernel(before: Tensor, inner: Tensor) -> Tensor:
    """The gradient of the recurrent kernel: all steps are one product."""
    return apply("matmul", _flat(before), _flat(inner), transpose_a=True)


def _kept(node: Any, at: int) -> list[Tensor]:
    if not node.fields["keep"]:
        raise GradientError(f"{node.op}: it ran with keep=False, which leaves no way backward")
    return list(node.outputs[at:])


def _lstm_gradient(node: Any, g: Any) -> list[Any]:
    gates, cells, before = _kept(node, 3)
    mask = node.inputs[4:]
    grads = _of_outputs(node, g, 3)
    dx, dh, dc = apply("lstm_grad", node.inputs[1], gates, cells, *grads, *mask, **_fields(node))
    kernel = _of_kernel(before, dx) if node.sources[1] is not None else None
    return [dx, kernel, dh, dc, *(None for _ in mask)]


def _gru_gradient(node: Any, g: Any) -> list[Any]:
    trace, before = _kept(node, 2)
    mask = node.inputs[4:]
    after = node.fields["reset_after"]
    fields = {**_fields(node), "reset_after": after}
    grads = _of_outputs(node, g, 2)
    dx, dh, inner = apply("gru_grad", node.inputs[1], trace, before, *grads, *mask, **fields)
    kernel = bias = None
    if node.sources[1] is not None and after:
        kernel = _of_kernel(before, inner)
    elif node.sources[1] is not None:  # of the candidate's columns, r h is the other factor
        sizes = (2 * before.shape[2], before.shape[2])
        of_gates, of_candidate = apply("split", inner, axis=2, sizes=sizes)
        left = apply("split", trace, axis=2, sizes=(3 * sizes[1], sizes[1]))[1]
        parts = (_of_kernel(before, of_gates), _of_kernel(left, of_candidate))
        kernel = apply("concatenate", *parts, axis=1)
    if node.sources[2] is not None:
        bias = apply("sum", inner, axes=(0, 1), keepdims=False)
    return [dx, kernel, bias, dh, *(None for _ in mask)]


def _no_second(node: Any, _: Any) -> list[Any]:
    name = node.op.removesuffix("_grad")
    raise GradientError(
        f"{name}: the native op has first derivatives only; for second ones make the layer with "
        f"unroll=True (layers.{name.upper()}(..., unroll=True)), which runs step by step"
    )


gradient("lstm", variadic=_lstm_gradient, keeps="inputs rest")
gradient("gru", variadic=_gru_gradient, keeps="inputs rest")
gradient("lstm_grad", variadic=_no_second, keeps="none")
gradient("gru_grad", variadic=_no_second, keeps="none")
