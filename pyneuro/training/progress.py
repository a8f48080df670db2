"""Progress: where a training is, and how it is brought back to where it was."""

from __future__ import annotations

from typing import Any

from ..autograd import no_grad
from ..data import Epochs, unpack_x_y_sample_weight
from ..saving.backup import read_position, restore_backup, write_backup
from ..variable import StateScope

__all__ = ["Progress"]


class Progress:
    """Where a training is: what `fit` begins with, and a backup may move.

    Args:
        model: the model.
        data: its batches.
        seed: what decides the order of the data.
        epoch: the epoch that the training begins with.
    """

    def __init__(self, model: Any, data: Epochs, seed: int, epoch: int) -> None:
        self._model, self._data, self._seed = model, data, seed
        self._first, self.epoch, self.step = epoch, epoch, 0
        self.callbacks: list[Any] = []
        self.validates = False
        self._is_built = False

    def write(self, path: str, epoch: int, step: int) -> None:
        """Write a backup.

        Args:
            path: the file.
            epoch: the epoch that the training is in, or that comes next.
            step: the steps of this epoch that are made.
        """
        position = {"epoch": epoch, "step": step, "seed": self._seed, "first": self._first}
        write_backup(self._model, path, position, self.callbacks)

    def restore(self, path: str) -> tuple[int, int]:
        """Bring the model, random states and callbacks to where a backup has them.

        Args:
            path: the file.

        Returns:
            Epoch and step to go on with.
        """
        position = read_position(path)
        self.epoch, self.step = int(position["epoch"]), int(position["step"])
        self._first, self._seed = int(position["first"]), int(position["seed"])
        self._data.data.seed = self._seed
        if not self._is_built:
            _build(self._model, self._data.first())
            self._is_built = True
        restore_backup(self._model, path, self.callbacks)
        return self.epoch, self.step

    def skip(self) -> None:
        """Pass over the batches of the epochs before the one to go on with."""
        self._data.skip(self._first, self.epoch)


def _build(model: Any, batch: Any) -> None:
    """Have model, loss and metrics make their state, by a step that writes nothing."""
    x, y, weight = unpack_x_y_sample_weight(batch)
    with no_grad(), StateScope():
        try:
            y_pred = model(x, training=False)
        except NotImplementedError:  # a model that only trains models within it
            return
        recipe = model.recipe
        if y is not None and recipe.loss is not None:
            recipe.loss(y, y_pred, weight)
        if y is not None and recipe.metrics is not None:
            recipe.metrics.update_state(y, y_pred, weight)
