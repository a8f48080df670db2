"""The process-wide settings with Keras's names: default dtype, epsilon, image layout, logging.

Only plain values live here; nothing in this file computes.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from . import policies
from .errors import ArgumentError

__all__ = [
    "backend",
    "disable_interactive_logging",
    "dtype_policy",
    "enable_interactive_logging",
    "epsilon",
    "floatx",
    "image_data_format",
    "is_interactive_logging_enabled",
    "max_epochs",
    "max_steps_per_epoch",
    "set_dtype_policy",
    "set_epsilon",
    "set_floatx",
    "set_image_data_format",
    "set_max_epochs",
    "set_max_steps_per_epoch",
]


def _limit(variable: str) -> int | None:
    """The positive whole number in an environment variable, `None` where it is not set."""
    text = os.environ.get(variable)
    if text is None:
        return None
    if not text.isdigit() or int(text) < 1:
        raise ArgumentError(
            f"the environment variable {variable} must be a number > 0, got {text!r}"
        )
    return int(text)


class _Settings:
    """One object for all settings, so that functions set attributes and no module globals."""

    __slots__ = ("epsilon", "image_data_format", "interactive", "max_epochs", "max_steps")

    def __init__(self) -> None:
        self.epsilon = 1e-7
        self.image_data_format = "channels_last"
        self.interactive = True
        self.max_epochs = _limit("PYNEURO_MAX_EPOCHS")
        self.max_steps = _limit("PYNEURO_MAX_STEPS_PER_EPOCH")


_settings = _Settings()


def backend() -> str:
    """The name of what computes: always "pyneuro"."""
    return "pyneuro"


def floatx() -> str:
    """The dtype that floating values and weights have where none is given.

    Returns:
        "float16", "bfloat16", "float32" (the default) or "float64".

    Example:
        >>> floatx()
        'float32'
    """
    return policies.defaults.floatx


def set_floatx(value: str) -> None:
    """Set the default floating dtype.

    Args:
        value: "float16", "bfloat16", "float32" or "float64".

    Raises:
        ArgumentError: another value.

    Example:
        >>> set_floatx("float64")
        >>> floatx()
        'float64'
        >>> set_floatx("float32")
    """
    if value not in policies.FLOATS:
        raise ArgumentError(f"set_floatx: expected one of {policies.FLOATS}, got {value!r}")
    policies.defaults.floatx = value


def epsilon() -> float:
    """The small number that keeps divisions and logarithms away from zero; 1e-7 unless set."""
    return _settings.epsilon


def set_epsilon(value: float) -> None:
    """Set the number that `epsilon()` returns.

    Args:
        value: a positive number.

    Raises:
        ArgumentError: not positive.

    Example:
        >>> set_epsilon(1e-6)
        >>> epsilon()
        1e-06
        >>> set_epsilon(1e-7)
    """
    if not value > 0:
        raise ArgumentError(f"set_epsilon: expected a positive number, got {value!r}")
    _settings.epsilon = float(value)


def image_data_format() -> str:
    """Where images have their channels by default: "channels_last" or "channels_first"."""
    return _settings.image_data_format


def set_image_data_format(data_format: str) -> None:
    """Set where images have their channels.

    Args:
        data_format: "channels_last" (N, H, W, C) or "channels_first" (N, C, H, W).

    Raises:
        ArgumentError: another value.

    Example:
        >>> set_image_data_format("channels_last")
    """
    data_format = str(data_format).lower()
    if data_format not in ("channels_last", "channels_first"):
        raise ArgumentError(
            "set_image_data_format: expected 'channels_last' or 'channels_first', "
            f"got {data_format!r}"
        )
    _settings.image_data_format = data_format


def dtype_policy() -> policies.DTypePolicy:
    """The dtype policy of layers that are given none.

    Returns:
        A `DTypePolicy`; follows `floatx` until `set_dtype_policy` is called.

    Example:
        >>> dtype_policy().compute_dtype
        'float32'
    """
    return policies.default()


def set_dtype_policy(policy: Any) -> None:
    """Set the dtype policy of layers made from now on.

    Args:
        policy: a name such as "mixed_bfloat16", a `DTypePolicy`, or `None` to follow `floatx`.

    Raises:
        UnknownNameError: no policy of this name.

    Example:
        >>> set_dtype_policy("mixed_bfloat16")
        >>> dtype_policy().variable_dtype
        'float32'
        >>> set_dtype_policy(None)
    """
    policies.set_default(policy)


def enable_interactive_logging() -> None:
    """Print progress to stdout (the default)."""
    _settings.interactive = True


def disable_interactive_logging() -> None:
    """Send progress to the logger `pyneuro` at level INFO instead of stdout."""
    _settings.interactive = False


def is_interactive_logging_enabled() -> bool:
    """Whether progress is printed to stdout."""
    return _settings.interactive


def max_epochs() -> int | None:
    """The most epochs any `fit` runs, or `None`; also from `PYNEURO_MAX_EPOCHS`."""
    return _settings.max_epochs


def set_max_epochs(max_epochs: int | None) -> None:
    """Bound the epochs of every `fit`; `None` takes the bound away."""
    _settings.max_epochs = max_epochs


def max_steps_per_epoch() -> int | None:
    """The most steps of any epoch, or `None`; also from `PYNEURO_MAX_STEPS_PER_EPOCH`."""
    return _settings.max_steps


def set_max_steps_per_epoch(max_steps_per_epoch: int | None) -> None:
    """Bound the steps of every epoch; `None` takes the bound away."""
    _settings.max_steps = max_steps_per_epoch


def is_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    shell = sys.modules.get("IPython")
    get_ipython = getattr(shell, "get_ipython", None)
    return get_ipython is not None and type(get_ipython()).__name__ == "ZMQInteractiveShell"
