"""pyneuro: deep learning with native kernels, define-by-run gradients and a Keras-like API.

This page is the public face and nothing else. Its names are loaded when they are first used, so
that importing pyneuro costs little.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import (
        activations,
        autograd,
        backend,
        callbacks,
        config,
        constraints,
        data,
        datasets,
        device,
        errors,
        initializers,
        keras,
        layers,
        losses,
        metrics,
        mixed_precision,
        models,
        ops,
        optimizers,
        preprocessing,
        random,
        regularizers,
        saving,
        tree,
        utils,
    )
    from . import policies as dtype_policies
    from .autograd import GradientTape, enable_grad, grad, no_grad, value_and_grad
    from .capture import capture
    from .constraints import Constraint
    from .initializers import Initializer
    from .layers import Input, InputSpec, Layer
    from .losses import Loss
    from .metrics import Metric
    from .models import Functional, Model, Sequential
    from .naming import name_scope
    from .optimizers import Optimizer
    from .policies import DTypePolicy, FloatDTypePolicy
    from .regularizers import Regularizer
    from .symbolic import KerasTensor
    from .tensor import Tensor
    from .variable import StateScope, Variable

__all__ = [
    "Constraint",
    "DTypePolicy",
    "FloatDTypePolicy",
    "Functional",
    "GradientTape",
    "Initializer",
    "Input",
    "InputSpec",
    "KerasTensor",
    "Layer",
    "Loss",
    "Metric",
    "Model",
    "Optimizer",
    "Regularizer",
    "Sequential",
    "StateScope",
    "Tensor",
    "Variable",
    "activations",
    "autograd",
    "backend",
    "callbacks",
    "capture",
    "config",
    "constraints",
    "data",
    "datasets",
    "device",
    "dtype_policies",
    "enable_grad",
    "errors",
    "grad",
    "initializers",
    "keras",
    "layers",
    "losses",
    "metrics",
    "mixed_precision",
    "models",
    "name_scope",
    "no_grad",
    "ops",
    "optimizers",
    "preprocessing",
    "random",
    "regularizers",
    "saving",
    "tree",
    "utils",
    "value_and_grad",
    "version",
]

# Where the names that are no modules come from.
_HOMES = {
    "Constraint": "constraints",
    "DTypePolicy": "policies",
    "FloatDTypePolicy": "policies",
    "Functional": "models",
    "GradientTape": "autograd",
    "Initializer": "initializers",
    "Input": "layers",
    "InputSpec": "layers",
    "KerasTensor": "symbolic",
    "Layer": "layers",
    "Loss": "losses",
    "Metric": "metrics",
    "Model": "models",
    "Optimizer": "optimizers",
    "Regularizer": "regularizers",
    "Sequential": "models",
    "StateScope": "variable",
    "Tensor": "tensor",
    "Variable": "variable",
    "enable_grad": "autograd",
    "grad": "autograd",
    "name_scope": "naming",
    "no_grad": "autograd",
    "value_and_grad": "autograd",
}
# Modules with another public name than their own.
_RENAMED = {"dtype_policies": "policies"}
# Modules that compute nothing.
_BARE = frozenset({"config", "datasets", "errors", "tree", "dtype_policies", "device"})


def version() -> str:
    """The version of pyneuro.

    Returns:
        Such as "0.1.0".
    """
    text: str = importlib.import_module(".device", __name__).version()
    return text


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return version()
    if name not in __all__:  # also how `from . import module` asks for one before it loads it
        raise AttributeError(f"module 'pyneuro' has no attribute {name!r}")
    if name not in _BARE:
        importlib.import_module(".ops", __name__)  # whoever computes needs the gradient rules there
    home = _HOMES.get(name)
    module = importlib.import_module(f".{home or _RENAMED.get(name, name)}", __name__)
    thing = module if home is None else getattr(module, name)
    globals()[name] = thing  # found at once from now on
    return thing


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})
