"""What gradient rules of several topics share."""

from __future__ import annotations

from typing import Any

from ..tensor import Tensor, apply


def optional_input(node: Any, i: int) -> Any:
    """A node's input, `None` where an optional one was not given."""
    return node.inputs[i] if i < len(node.inputs) else None


def zeros_for(node: Any, i: int) -> Tensor:
    """Zeros in a node's input's shape and dtype: the gradient of what is flat nearly everywhere."""
    shape, dtype = node.input_specs[i]
    zeros: Tensor = apply("full", shape=shape, value=0.0, dtype=dtype)
    return zeros
