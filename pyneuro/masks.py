"""Masks: bool tensors that go with tensors to say which entries count, from Embedding to the loss.

A tensor has one place for its mask, under Keras's name `_keras_mask`; only this room knows it.
Symbolic tensors have none: masks exist when a model runs.
"""

from __future__ import annotations

from typing import Any

from . import tree
from .tensor import Tensor

__all__ = ["get_mask", "get_masks", "set_mask"]


def get_mask(tensor: Any) -> Any:
    """The mask that goes with a tensor.

    Args:
        tensor: a tensor, or anything else.

    Returns:
        A bool tensor that is true where entries count, or `None`.
    """
    return tensor._keras_mask if isinstance(tensor, Tensor) else None


def set_mask(tensor: Any, mask: Any) -> None:
    """Have a mask go with a tensor, to the layers and losses it is given to.

    Args:
        tensor: the tensor.
        mask: a bool tensor whose axes are the first ones of the tensor, or `None` to take it away.
    """
    tensor._keras_mask = mask


def get_masks(value: Any) -> Any:
    """The masks of a structure of tensors.

    Args:
        value: a tensor or a structure of them.

    Returns:
        The masks in the same structure, or `None` if no tensor has one.
    """
    if isinstance(value, Tensor):
        return value._keras_mask
    if not tree.is_nested(value):
        return None
    masks = tree.map_structure(get_mask, value)
    return None if all(mask is None for mask in tree.flatten(masks)) else masks
