"""pyneuro under the name that Keras code uses: `from pyneuro import keras`."""

from __future__ import annotations

from typing import Any

import pyneuro

__all__ = list(pyneuro.__all__)


def __getattr__(name: str) -> Any:
    return getattr(pyneuro, name)


def __dir__() -> list[str]:
    return dir(pyneuro)
