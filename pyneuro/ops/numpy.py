"""`keras.ops.numpy`: the functions of `pyneuro.ops` under Keras's second name for some of them."""

from __future__ import annotations

from typing import Any

from pyneuro import ops


def __getattr__(name: str) -> Any:
    if name not in ops.__all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(ops, name)


def __dir__() -> list[str]:
    return list(ops.__all__)
