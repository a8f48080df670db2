"""BackupAndRestore: a training that was killed goes on where it was, to the same bits."""

from __future__ import annotations

import glob
import os

from ..errors import ArgumentError
from .base import Callback, Logs

__all__ = ["BackupAndRestore"]

_FILE = "training.pyneuro"


class BackupAndRestore(Callback):
    """Writes down a training that is under way, and goes on with it when it is started again.

    The file holds weights, optimizer, metrics, random states, the order of the data, what other
    callbacks of pyneuro keep, and the place in the epoch. It is replaced in one move, so that there
    is a whole one at any moment. Started again with the same program, data and arguments, the
    training ends in the same bits as one that was never interrupted. Not in it: the state of
    generators and of datasets with an order of their own (which are read again from their
    beginning up to the place), and Python variables of the program.

    Args:
        backup_dir: the folder for the file; made if it is not there.
        save_freq: "epoch", or a number of batches between two backups.
        double_checkpoint: accepted for Keras's signature; a backup is never half written.
        delete_checkpoint: remove the file when the training has ended.

    Raises:
        ArgumentError: no folder, or another frequency.

    Example:
        >>> BackupAndRestore("backup", save_freq=100).save_freq
        100
    """

    # After all others, so that what they do at an event is in the backup.
    runs_last = True
    reads_logs_lazily = True

    def __init__(
        self,
        backup_dir: str | os.PathLike[str],
        save_freq: str | int = "epoch",
        double_checkpoint: bool = False,
        delete_checkpoint: bool = True,
    ) -> None:
        super().__init__()
        if not os.fspath(backup_dir):
            raise ArgumentError("BackupAndRestore: backup_dir must name a folder")
        is_number = isinstance(save_freq, int) and not isinstance(save_freq, bool)
        if save_freq != "epoch" and not (is_number and int(save_freq) > 0):
            raise ArgumentError(
                "BackupAndRestore: save_freq must be 'epoch' or a number of batches, got "
                f"{save_freq!r}"
            )
        self.backup_dir = os.fspath(backup_dir)
        self.save_freq = save_freq
        self.double_checkpoint = double_checkpoint
        self.delete_checkpoint = delete_checkpoint
        self._epoch = 0
        self._batches = 0
        self._resumed_within: int | None = None  # the epoch in which the training goes on

    @property
    def path(self) -> str:
        """The file."""
        return os.path.join(self.backup_dir, _FILE)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Go on where the backup is, if there is one."""
        os.makedirs(self.backup_dir, exist_ok=True)
        for torn in glob.glob(os.path.join(glob.escape(self.backup_dir), f".{_FILE}.*.tmp")):
            os.unlink(torn)  # begun when the training was killed
        self._batches, self._resumed_within = 0, None
        if os.path.exists(self.path):
            epoch, step = self.model.training_progress.restore(self.path)
            if step > 0:
                self._resumed_within = epoch

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Note the number; within an epoch, undo what callbacks did at its beginning once more."""
        self._epoch = epoch
        if self._resumed_within == epoch:
            self.model.training_progress.restore(self.path)
        self._resumed_within = None

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Write a backup, if it is time."""
        if self.save_freq == "epoch":
            return
        before, self._batches = self._batches, batch + 1
        every = int(self.save_freq)
        if before // every != self._batches // every or before > self._batches:
            self.model.training_progress.write(self.path, self._epoch, batch + 1)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Write a backup, if it is time."""
        if self.save_freq == "epoch":
            self.model.training_progress.write(self.path, epoch + 1, 0)

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Remove the backup: the training has ended."""
        if self.delete_checkpoint and os.path.exists(self.path):
            os.unlink(self.path)
