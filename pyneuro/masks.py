"""Masks: bool tensors that go with tensors to say which entries count, from Embedding to the loss.

A tensor has no place for its mask, because hardly any has one; they are kept here beside it as
long as it lives.
"""

from __future__ import annotations

import weakref
from typing import Any

from . import tree

__all__ = ["get_mask", "get_masks", "set_mask"]

_masks: dict[int, tuple[weakref.ref[Any], Any]] = {}  # id of a living tensor -> (it, its mask)


def get_mask(tensor: Any) -> Any:
    """The mask that goes with a tensor.

    Args:
        tensor: a tensor, or anything else.

    Returns:
        A bool tensor that is true where entries count, or `None`.
    """
    if not _masks:
        return None
    entry = _masks.get(id(tensor))
    return entry[1] if entry is not None else None


def set_mask(tensor: Any, mask: Any) -> None:
    """Have a mask go with a tensor, to the layers and losses it is given to.

    Args:
        tensor: the tensor.
        mask: a bool tensor whose axes are the first ones of the tensor, or `None` to take it away.
    """
    key = id(tensor)
    if mask is None:
        _masks.pop(key, None)
        return

    def forget(_: Any, key: int = key) -> None:
        _masks.pop(key, None)

    _masks[key] = (weakref.ref(tensor, forget), mask)


def get_masks(value: Any) -> Any:
    """The masks of a structure of tensors.

    Args:
        value: a tensor or a structure of them.

    Returns:
        The masks in the same structure, or `None` if no tensor has one.
    """
    if not _masks:
        return None
    if not tree.is_nested(value):
        return get_mask(value)
    masks = tree.map_structure(get_mask, value)
    return None if all(mask is None for mask in tree.flatten(masks)) else masks
