"""What happens to gradients before an update."""

from __future__ import annotations

from typing import Any

from .. import ops
from ..ops.update import assign, sum_of_squares
from ..tensor import Tensor
from ..variable import Variable

__all__ = ["clip", "overwrite", "scaled"]


def scaled(grads: list[Any], scale: Any) -> list[Any]:
    """Gradients times a scalar; `None` for nothing."""
    if scale is None:
        return grads
    return [g * (ops.cast(scale, g.dtype) if isinstance(scale, Tensor) else scale) for g in grads]


def clip(
    grads: list[Any], scale: Any, value: float | None, norm: float | None, global_norm: float | None
) -> tuple[list[Any], Any]:
    """Clip gradients that are to be multiplied by `scale`.

    Args:
        grads: the gradients.
        scale: a scalar, or `None` for 1.
        value: the largest magnitude of an entry, or `None`.
        norm: the largest length of each gradient, or `None`.
        global_norm: the largest length of all gradients together, or `None`.

    Returns:
        Gradients, and what they are still to be multiplied by.
    """
    if value is not None:
        low, high = -float(value), float(value)
        return [ops.maximum(ops.minimum(g, high), low) for g in scaled(grads, scale)], None
    if norm is not None:
        grads = scaled(grads, scale)
        shares = [_share(sum_of_squares([g]), norm) for g in grads]
        return [g * ops.cast(s, g.dtype) for g, s in zip(grads, shares, strict=True)], None
    if global_norm is None or not grads:
        return grads, scale
    if scale is None:
        return grads, _share(sum_of_squares(grads), global_norm)
    return grads, scale * _share(sum_of_squares(grads) * (scale * scale), global_norm)


def overwrite(grads: list[Any], variables: list[Variable]) -> tuple[list[Any], list[Variable]]:
    """Put gradients in place of the variables that ask for it; what is left to update."""
    pairs = list(zip(grads, variables, strict=True))
    taken = [(g, v) for g, v in pairs if v.overwrite_with_gradient]
    assign([v for _, v in taken], [g for g, _ in taken])
    left = [(g, v) for g, v in pairs if not v.overwrite_with_gradient]
    return [g for g, _ in left], [v for _, v in left]


def _share(square: Any, length: float) -> Any:
    """What makes a vector of length sqrt(square) no longer than `length`."""
    norm = ops.sqrt(square)
    return ops.minimum(float(length) / ops.maximum(norm, float(length) * 1e-30), 1.0)
