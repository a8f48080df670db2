"""CSVLogger, which writes results down; SwapEMAWeights, which evaluates averaged weights."""

from __future__ import annotations

import csv
import os
from typing import Any

from ..errors import ArgumentError
from .base import Callback, Logs

__all__ = ["CSVLogger", "SwapEMAWeights"]


class CSVLogger(Callback):
    """Writes the results of each epoch as a line of a CSV file.

    Args:
        filename: the file.
        separator: what stands between two values.
        append: go on with a file that is there, instead of a new one.

    Example:
        >>> CSVLogger("log.csv", separator=";").sep
        ';'
    """

    def __init__(
        self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False
    ) -> None:
        super().__init__()
        self.filename, self.sep, self.append = os.fspath(filename), separator, append
        self.keys: list[str] | None = None
        self._file: Any = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Open the file."""
        self.keys = None
        if self.append and os.path.exists(self.filename):
            with open(self.filename, newline="", encoding="utf-8") as file:
                first = next(csv.reader(file, delimiter=self.sep), None)
            self.keys = first[1:] if first else None
        mode = "a" if self.append else "w"
        self._file = open(self.filename, mode, newline="", encoding="utf-8")  # noqa: SIM115

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Write a line."""
        logs = dict(logs or {})
        writer = csv.writer(self._file, delimiter=self.sep, lineterminator="\n")
        if self.keys is None:
            self.keys = sorted(logs)
            if self._validates() and not any(k.startswith("val_") for k in logs):
                # Not every epoch is validated: room for the results of those that are.
                self.keys += [f"val_{key}" for key in self.keys if key != "learning_rate"]
            writer.writerow(["epoch", *self.keys])
        writer.writerow([epoch, *(logs.get(key, "NA") for key in self.keys)])
        self._file.flush()

    def _validates(self) -> bool:
        return bool(getattr(getattr(self.model, "training_progress", None), "validates", False))

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


class SwapEMAWeights(Callback):
    """Evaluates with the averages of the weights, which an optimizer with `use_ema=True` keeps.

    Args:
        swap_on_epoch: swap at the end of an epoch and back at the beginning of the next, so that
            what stands after it in the list of callbacks (a `ModelCheckpoint`) saves the averages.
            Otherwise swap for evaluation and prediction only.

    Example:
        >>> SwapEMAWeights(swap_on_epoch=True).swap_on_epoch
        True
    """

    def __init__(self, swap_on_epoch: bool = False) -> None:
        super().__init__()
        self.swap_on_epoch = swap_on_epoch
        self._swapped = False

    def _swap(self, averaged: bool) -> None:
        if self._swapped == averaged:
            return
        optimizer = self.model.optimizer
        if not getattr(optimizer, "use_ema", False):
            raise ArgumentError(
                "SwapEMAWeights: the optimizer keeps no averages; make it with use_ema=True"
            )
        if optimizer.built:
            optimizer.swap_with_average()
            self._swapped = averaged

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Swap back to the weights that are trained."""
        if self.swap_on_epoch:
            self._swap(False)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Swap to the averages."""
        if self.swap_on_epoch:
            self._swap(True)

    def on_train_end(self, logs: Logs | None = None) -> None:
        """The averages are in the model now, however it came."""
        self._swapped = False

    def on_test_begin(self, logs: Logs | None = None) -> None:
        """Swap to the averages."""
        if not self.swap_on_epoch:
            self._swap(True)

    def on_test_end(self, logs: Logs | None = None) -> None:
        """Swap back."""
        if not self.swap_on_epoch:
            self._swap(False)

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        """Swap to the averages."""
        if not self.swap_on_epoch:
            self._swap(True)

    def on_predict_end(self, logs: Logs | None = None) -> None:
        """Swap back."""
        if not self.swap_on_epoch:
            self._swap(False)
