"""Callbacks that set the learning rate: by the epoch, or when a result stands still."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from ..errors import ArgumentError
from .base import Callback, Logs
from .logging import write
from .stopping import MonitorCallback

__all__ = ["LearningRateScheduler", "ReduceLROnPlateau"]


def _rate_of(model: Any) -> float:
    return float(model.optimizer.learning_rate)


def _note_rate(model: Any, logs: Logs | None) -> None:
    """Put the rate among the results of the epoch."""
    if isinstance(logs, dict):
        logs["learning_rate"] = _rate_of(model)


class LearningRateScheduler(Callback):
    """Sets the learning rate at the beginning of each epoch.

    Args:
        schedule: takes the number of the epoch, from 0 on, and the rate so far (or the number
            alone), and gives the new rate.
        verbose: 1 to print it.

    Raises:
        ArgumentError: `schedule` is not callable, or gives no number.

    Example:
        >>> LearningRateScheduler(lambda epoch, lr: lr * 0.9).verbose
        0
    """

    def __init__(self, schedule: Callable[..., Any], verbose: int = 0) -> None:
        super().__init__()
        if not callable(schedule):
            raise ArgumentError(
                f"LearningRateScheduler: schedule must be a function, got {schedule!r}"
            )
        self.schedule, self.verbose = schedule, verbose

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Set the rate."""
        takes_rate = True
        try:
            inspect.signature(self.schedule).bind(epoch, 0.0)
        except TypeError:
            takes_rate = False
        except ValueError:  # a builtin that says nothing about its arguments
            pass
        rate = self.schedule(epoch, _rate_of(self.model)) if takes_rate else self.schedule(epoch)
        if isinstance(rate, bool) or not hasattr(rate, "__float__"):
            raise ArgumentError(f"LearningRateScheduler: schedule must give a number, got {rate!r}")
        self.model.optimizer.learning_rate = float(rate)
        if self.verbose > 0:
            write(f"\nEpoch {epoch + 1}: setting learning rate to {float(rate):g}.\n")

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Put the rate among the results."""
        _note_rate(self.model, logs)


class ReduceLROnPlateau(MonitorCallback):
    """Lowers the learning rate when a result has not become better for some epochs.

    Args:
        monitor: the result's name.
        factor: what the rate is multiplied by, below 1.
        patience: the epochs without improvement to wait for.
        verbose: 1 to print when the rate is lowered.
        mode: "min", "max" or "auto".
        min_delta: the least change that counts as better.
        cooldown: the epochs after lowering in which nothing is counted.
        min_lr: the least rate.
        **kwargs: none.

    Raises:
        ArgumentError: a factor of 1 or more, or an unknown mode.

    Example:
        >>> ReduceLROnPlateau(factor=0.5, patience=3).patience
        3
    """

    kept = ("best", "wait", "cooldown_counter")

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
        **kwargs: Any,
    ) -> None:
        if kwargs:
            raise ArgumentError(f"ReduceLROnPlateau: unknown arguments {sorted(kwargs)}")
        super().__init__(monitor, mode, min_delta)
        if factor >= 1.0:
            raise ArgumentError(f"ReduceLROnPlateau: factor must be below 1, got {factor}")
        self.factor, self.patience, self.verbose = factor, patience, verbose
        self.cooldown, self.min_lr = cooldown, min_lr
        self._reset()

    def _reset(self) -> None:
        self.best: float | None = None
        self.wait = self.cooldown_counter = 0

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Forget what was before."""
        self._reset()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Compare, and lower the rate if it has been too long."""
        _note_rate(self.model, logs)
        current = self.monitored(logs)
        if current is None:
            return
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.wait = 0
        if self.is_better(current, self.best):
            self.best, self.wait = current, 0
        elif self.cooldown_counter == 0:
            self.wait += 1
            if self.wait >= self.patience:
                self._lower(epoch)

    def _lower(self, epoch: int) -> None:
        old = _rate_of(self.model)
        if old <= self.min_lr:
            return
        new = max(old * self.factor, self.min_lr)
        self.model.optimizer.learning_rate = new
        if self.verbose > 0:
            write(f"\nEpoch {epoch + 1}: ReduceLROnPlateau reducing learning rate to {new:g}.\n")
        self.cooldown_counter, self.wait = self.cooldown, 0
