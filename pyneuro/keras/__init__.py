"""pyneuro under the name that Keras code uses: `from pyneuro import keras`.

`import pyneuro.keras.layers` and `from pyneuro.keras.layers import Dense` find pyneuro's own
modules, never copies of them.
"""

from __future__ import annotations

import sys
import types
from typing import Any

import pyneuro

__all__ = list(pyneuro.__all__)


def _stand_for(module: types.ModuleType, name: str) -> None:
    """Have imports of `name`, and of the public modules within, find the module."""
    sys.modules[name] = module
    for inner in getattr(module, "__all__", ()):
        part = getattr(module, inner)
        if isinstance(part, types.ModuleType) and part.__name__.startswith(module.__name__ + "."):
            _stand_for(part, f"{name}.{inner}")


for _name in __all__:
    _part = getattr(pyneuro, _name)
    if isinstance(_part, types.ModuleType) and _name != "keras":
        _stand_for(_part, f"{__name__}.{_name}")


def __getattr__(name: str) -> Any:
    if name.startswith("__") and name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(pyneuro, name)


def __dir__() -> list[str]:
    return dir(pyneuro)
