"""ModelCheckpoint: saves the model while it trains, always or when it got better."""

from __future__ import annotations

import os
from typing import Any

from ..errors import ArgumentError
from .base import Logs
from .logging import write
from .stopping import MonitorCallback

__all__ = ["ModelCheckpoint"]


class ModelCheckpoint(MonitorCallback):
    """Saves the model, or its weights, after epochs or batches.

    Args:
        filepath: where to; may hold `{epoch}`, `{batch}` and names of results, as in
            "model-{epoch:02d}-{val_loss:.2f}.pyneuro".
        monitor: the result that says what is best.
        verbose: 1 to print what is saved.
        save_best_only: save only when the result is better than ever before.
        save_weights_only: save only the weights.
        mode: "min", "max" or "auto".
        save_freq: "epoch", or a number of batches.
        initial_value_threshold: a result that must be beaten from the beginning.

    Raises:
        ArgumentError: an unknown mode or frequency, or a path that cannot be saved to.

    Example:
        >>> ModelCheckpoint("best.pyneuro", save_best_only=True).save_best_only
        True
    """

    kept = ("best", "_batches")

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: str | int = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:
        super().__init__(monitor, mode)
        if save_freq != "epoch" and (not isinstance(save_freq, int) or save_freq < 1):
            raise ArgumentError(
                "ModelCheckpoint: save_freq must be 'epoch' or a number of batches, got "
                f"{save_freq!r}"
            )
        self.filepath = os.fspath(filepath)
        known = (".pyneuro", ".safetensors") if save_weights_only else (".pyneuro",)
        if not self.filepath.endswith(known):
            raise ArgumentError(
                f"ModelCheckpoint: filepath must end with {' or '.join(known)}, got "
                f"{self.filepath!r}"
            )
        self.verbose, self.save_best_only = verbose, save_best_only
        self.save_weights_only, self.save_freq = save_weights_only, save_freq
        self.best = initial_value_threshold
        self._epoch = 0
        self._batches = 0

    # Only a checkpoint by batches looks at batches, and only one for the best reads their results.
    @property
    def reads_logs_lazily(self) -> bool:  # type: ignore[override]
        """Whether results of batches are not needed."""
        return self.save_freq == "epoch"

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Count batches anew."""
        self._batches = 0

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Note the epoch's number."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Save, if it is time."""
        if self.save_freq == "epoch":
            return
        self._batches += 1
        if self._batches % int(self.save_freq) == 0:
            self._save(self._epoch, batch, logs)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Save, if it is time."""
        if self.save_freq == "epoch":
            self._save(epoch, None, logs)

    def _save(self, epoch: int, batch: int | None, logs: Logs | None) -> None:
        path = self._path(epoch, batch, logs)
        if self.save_best_only:
            current = self.monitored(logs)
            if current is None:
                return
            if not self.is_better(current, self.best):
                if self.verbose > 0:
                    write(
                        f"\nEpoch {epoch + 1}: {self.monitor} did not improve from "
                        f"{self.best:.5f}\n"
                    )
                return
            if self.verbose > 0:
                before = "inf" if self.best is None else f"{self.best:.5f}"
                write(
                    f"\nEpoch {epoch + 1}: {self.monitor} improved from {before} to {current:.5f}, "
                    f"saving model to {path}\n"
                )
            self.best = current
        elif self.verbose > 0:
            write(f"\nEpoch {epoch + 1}: saving model to {path}\n")
        folder = os.path.dirname(path)
        if folder:
            os.makedirs(folder, exist_ok=True)
        if self.save_weights_only:
            self.model.save_weights(path, overwrite=True)
        else:
            self.model.save(path, overwrite=True)

    def _path(self, epoch: int, batch: int | None, logs: Logs | None) -> str:
        values: dict[str, Any] = {**(logs or {}), "epoch": epoch + 1}
        if batch is not None:
            values["batch"] = batch + 1
        try:
            return self.filepath.format(**values)
        except KeyError as error:
            raise ArgumentError(
                f"ModelCheckpoint: filepath {self.filepath!r} names {error}, but there are only "
                f"{sorted(values)}"
            ) from None
