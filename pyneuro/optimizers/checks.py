"""Checks of the arguments of optimizers."""

from __future__ import annotations

from typing import Any

from ..errors import ArgumentError

__all__ = ["check_clips", "check_count", "check_rate", "check_share"]


def check_clips(optimizer: str, **clips: float | None) -> None:
    """At most one way of clipping, to a length above zero."""
    given = {name: value for name, value in clips.items() if value is not None}
    if len(given) > 1:
        raise ArgumentError(f"{optimizer}: only one of {', '.join(given)} can be set")
    for name, value in given.items():
        if not value > 0:
            raise ArgumentError(f"{optimizer}: {name} must be > 0, got {value!r}")


def check_share(optimizer: Any, argument: str, value: Any) -> float:
    """A number in [0, 1), or an error that names the argument."""
    if not 0 <= value < 1:
        raise ArgumentError(
            f"{type(optimizer).__name__}: {argument} must be in [0, 1), got {value!r}"
        )
    return float(value)


def check_rate(optimizer: str, value: Any) -> None:
    """A learning rate that is no schedule is a number that is not negative."""
    if isinstance(value, (str, bytes)) or value is None or isinstance(value, bool):
        raise ArgumentError(
            f"{optimizer}: learning_rate must be a number, a schedule or a callable, got {value!r}"
        )
    if not float(value) >= 0:
        raise ArgumentError(f"{optimizer}: learning_rate must be >= 0, got {value!r}")


def check_count(optimizer: str, argument: str, value: Any, least: int) -> None:
    """`None`, or a whole number from `least` on."""
    if value is not None and (not isinstance(value, int) or value < least):
        raise ArgumentError(
            f"{optimizer}: {argument} must be None or a whole number >= {least}, got {value!r}"
        )
