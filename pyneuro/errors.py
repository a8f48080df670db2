"""The errors that pyneuro raises: each is a kind of a built-in one, so old `except`s still work.

A message says what came, what was expected, and how to mend it. Layers add their place with
`Exception.add_note`; nobody catches an error to raise another.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "ArgumentError",
    "CaptureError",
    "DTypeError",
    "DeviceError",
    "FileFormatError",
    "GradientError",
    "IndexOutOfRangeError",
    "OutOfMemoryError",
    "ShapeError",
    "UnknownNameError",
    "unknown_name",
]


class ShapeError(ValueError):
    """Shapes that do not fit together."""


class DTypeError(TypeError):
    """A dtype that an operation does not take."""


class DeviceError(RuntimeError):
    """A device that is not there, or that has no kernel for an operation."""


class OutOfMemoryError(MemoryError):
    """Memory that could not be had; the message says how much was asked for."""


class IndexOutOfRangeError(IndexError):
    """An index or a class label outside its axis."""


class ArgumentError(ValueError):
    """The value of an argument outside what is allowed."""


class UnknownNameError(ArgumentError):
    """A string that names nothing known; the message offers the nearest known names."""


class GradientError(RuntimeError):
    """A gradient that cannot be computed, and why."""


class CaptureError(RuntimeError):
    """A function that cannot be recorded and replayed, and why."""


class FileFormatError(ValueError):
    """A file that is truncated, tampered with, or of another format."""


def unknown_name(kind: str, got: object, known: Iterable[str]) -> UnknownNameError:
    """Build the error for a name that is not known, with the nearest known ones.

    Args:
        kind: what the name should name, such as "optimizer".
        got: what came.
        known: all names that would do.

    Returns:
        The error, for the caller to raise.

    Example:
        >>> str(unknown_name("optimizer", "adma", ["adam", "sgd"]))
        "there is no optimizer 'adma'; did you mean 'adam'?"
    """
    names = sorted(set(known))
    near = difflib.get_close_matches(str(got), names, n=3, cutoff=0.6)
    if near:
        hint = "did you mean " + " or ".join(repr(name) for name in near) + "?"
    else:
        hint = "known are " + ", ".join(names) if names else "none is known"
    return UnknownNameError(f"there is no {kind} {got!r}; {hint}")
