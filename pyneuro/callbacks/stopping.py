"""Callbacks that end a training: when it no longer gets better, or when it has broken."""

from __future__ import annotations

import math
import warnings
from typing import Any

from ..errors import ArgumentError
from .base import Callback, Logs
from .logging import write

__all__ = ["EarlyStopping", "MonitorCallback", "TerminateOnNaN"]


class MonitorCallback(Callback):
    """Base of callbacks that compare one result over the epochs.

    Args:
        monitor: the result's name, such as "val_loss".
        mode: "min", "max", or "auto": smaller is better for losses and errors, larger for
            accuracies.
        min_delta: the least change that counts as better.

    Raises:
        ArgumentError: an unknown mode.
    """

    def __init__(
        self, monitor: str = "val_loss", mode: str = "auto", min_delta: float = 0.0
    ) -> None:
        super().__init__()
        if mode not in ("auto", "min", "max"):
            raise ArgumentError(
                f"{type(self).__name__}: mode must be 'auto', 'min' or 'max', got {mode!r}"
            )
        self.monitor, self.mode, self.min_delta = monitor, mode, abs(min_delta)
        self._sign = {"min": -1.0, "max": 1.0}.get(mode)

    def is_better(self, value: float, reference: float | None) -> bool:
        """Whether a result is better than another by more than `min_delta`; a NaN never is.

        Args:
            value: the result.
            reference: the other; `None` if there is none yet.

        Returns:
            `True` or `False`.
        """
        if math.isnan(value):
            return False
        if reference is None:
            return True
        if self._sign is None:
            self._sign = self._find_direction()
        return self._sign * (value - reference) > self.min_delta

    def _find_direction(self) -> float:
        name = self.monitor.removeprefix("val_")
        if name == "loss" or name.endswith("_loss"):
            return -1.0
        for metric in getattr(self.model, "all_metrics", list)():
            if name == metric.name or name.endswith(f"_{metric.name}"):
                direction = getattr(metric, "_direction", None)
                if direction is not None:
                    return 1.0 if direction == "up" else -1.0
        raise ArgumentError(
            f"{type(self).__name__}: it is not known whether {self.monitor!r} is better when "
            "larger or smaller; pass mode='max' or mode='min'"
        )

    def monitored(self, logs: Logs | None) -> float | None:
        """The result in the logs, or `None` with a warning."""
        value = (logs or {}).get(self.monitor)
        if value is None:
            known = ", ".join(logs or {}) or "none"
            warnings.warn(
                f"{type(self).__name__}: there is no result {self.monitor!r}; there are: {known}",
                stacklevel=3,
            )
            return None
        return float(value)


class EarlyStopping(MonitorCallback):
    """Ends the training when a result has not become better for some epochs.

    Args:
        monitor: the result's name.
        min_delta: the least change that counts as better.
        patience: the epochs without improvement to wait for.
        verbose: 1 to print why and when.
        mode: "min", "max" or "auto".
        baseline: stop also unless the result becomes better than this.
        restore_best_weights: put the weights of the best epoch back at the end, however it comes.
        start_from_epoch: the first epoch that counts.

    Raises:
        ArgumentError: an unknown mode.

    Example:
        >>> stop = EarlyStopping(monitor="loss", patience=3, restore_best_weights=True)
        >>> stop.patience
        3
    """

    kept = ("best", "best_epoch", "best_weights", "stopped_epoch", "wait")

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        self.patience, self.verbose, self.baseline = patience, verbose, baseline
        self.restore_best_weights, self.start_from_epoch = restore_best_weights, start_from_epoch
        self._reset()

    def _reset(self) -> None:
        self.wait = self.stopped_epoch = self.best_epoch = 0
        self.best: float | None = None
        self.best_weights: list[Any] | None = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Forget what was before."""
        self._reset()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Compare, keep the weights if better, stop if it has been too long."""
        current = self.monitored(logs)
        if current is None or epoch < self.start_from_epoch:
            return
        if self.restore_best_weights and self.best_weights is None:
            self.best_weights, self.best_epoch = self.model.get_weights(), epoch
        self.wait += 1
        if self.is_better(current, self.best):
            self.best, self.best_epoch = current, epoch
            if self.restore_best_weights:
                self.best_weights = self.model.get_weights()
            if self.baseline is None or self.is_better(current, self.baseline):
                self.wait = 0
            return
        if self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Put the best weights back."""
        if self.stopped_epoch > 0 and self.verbose > 0:
            write(f"Epoch {self.stopped_epoch + 1}: early stopping\n")
        if self.restore_best_weights and self.best_weights is not None:
            if self.verbose > 0:
                write(
                    "Restoring model weights from the end of the best epoch: "
                    f"{self.best_epoch + 1}.\n"
                )
            self.model.set_weights(self.best_weights)


class TerminateOnNaN(Callback):
    """Ends the training when the loss is infinite or not a number.

    The loss is read after each batch, which a training otherwise does not wait for.

    Args:
        raise_error: raise a `RuntimeError` instead of ending the training quietly.
    """

    def __init__(self, raise_error: bool = False) -> None:
        super().__init__()
        self.raise_error = raise_error

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Look at the loss."""
        loss = (logs or {}).get("loss")
        if loss is not None and not math.isfinite(float(loss)):
            if self.raise_error:
                raise RuntimeError(f"the loss is {float(loss)} after batch {batch}")
            write(f"Batch {batch}: Invalid loss, terminating training\n")
            self.model.stop_training = True
