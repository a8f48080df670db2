"""Names of layers, metrics and optimizers: snake case, unique; the path of what is being called."""

from __future__ import annotations

import functools
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from .errors import ArgumentError

__all__ = [
    "auto_name",
    "check_name",
    "clear_session",
    "current_path",
    "name_scope",
    "to_snake_case",
]

_counts: dict[str, int] = {}


@functools.cache
def to_snake_case(name: str) -> str:
    """Write a class name in lower case with underscores.

    Args:
        name: such as "MaxPooling2D".

    Returns:
        Such as "max_pooling2d".

    Example:
        >>> to_snake_case("MaxPooling2D"), to_snake_case("LSTMCell")
        ('max_pooling2d', 'lstm_cell')
    """
    name = re.sub(r"\W+", "", name)
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def auto_name(class_name: str) -> str:
    """A name that no other thing of this class has got so far in this process.

    Args:
        class_name: such as "Dense".

    Returns:
        "dense" the first time, then "dense_1", "dense_2" and so on.
    """
    prefix = to_snake_case(class_name)
    count = _counts.get(prefix, 0)
    _counts[prefix] = count + 1
    return f"{prefix}_{count}" if count else prefix


def check_name(kind: str, name: object) -> str:
    """Give back a name that a user chose, or raise.

    Args:
        kind: the class, for the message.
        name: what was given.

    Returns:
        The name.

    Raises:
        ArgumentError: not a string, empty, or with a slash, which separates the parts of a path.
    """
    if not isinstance(name, str) or not name:
        raise ArgumentError(f"{kind}: name must be a string that is not empty, got {name!r}")
    if "/" in name:
        raise ArgumentError(f"{kind}: name must not contain '/', got {name!r}")
    return name


def clear_session() -> None:
    """Begin the numbering of automatic names anew."""
    _counts.clear()


class _Scope(threading.local):
    """The names of the layers that this thread is calling or building, outermost first."""

    def __init__(self) -> None:
        self.names: list[str] = []


scope = _Scope()


def current_path() -> str:
    """The path of the layer being called or built, such as "model/encoder/dense"; "" outside."""
    return "/".join(scope.names)


@contextmanager
def name_scope(name: str) -> Iterator[None]:
    """Put a name in front of the paths of variables that are made within.

    Args:
        name: the name.

    Example:
        >>> with name_scope("encoder"):
        ...     current_path()
        'encoder'
    """
    scope.names.append(name)
    try:
        yield
    finally:
        scope.names.pop()
