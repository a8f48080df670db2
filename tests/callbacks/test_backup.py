"""BackupAndRestore: killed at any moment and started again, a training ends in the same bits."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import pyneuro as keras
from pyneuro import callbacks, layers
from pyneuro.errors import ArgumentError, FileFormatError

PROGRAM = Path(__file__).with_name("training_to_kill.py")


def start(folder: Path, backup: str, frequency: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, PROGRAM, folder / backup, frequency, folder / f"{backup}.npz"],
        env=os.environ, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def finish(folder: Path, backup: str, frequency: str) -> dict[str, np.ndarray]:
    with start(folder, backup, frequency) as done:
        done.communicate(timeout=120)
    assert done.returncode == 0
    assert not list((folder / backup).iterdir())  # the backup is removed at the end
    with np.load(folder / f"{backup}.npz") as data:
        return {name: data[name] for name in data.files}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    return finish(tmp_path_factory.mktemp("whole"), "backup", "epoch")


KILLS = int(os.environ.get("PYNEURO_TEST_KILLS", "3"))


@pytest.mark.parametrize("number", range(KILLS))
def test_killed_and_resumed_is_uninterrupted(
    number: int, uninterrupted: dict[str, np.ndarray], tmp_path: Path
) -> None:
    expected = uninterrupted
    chance = random.Random(number)
    frequency = ["epoch", "1", "7"][number % 3]
    kills = 0
    for _ in range(3):  # up to three times in one training
        with start(tmp_path, "backup", frequency) as child:
            assert child.stdout is not None
            for _ in range(chance.randrange(2, 40)):  # lines come batch by batch
                if not child.stdout.readline():
                    break
            time.sleep(chance.random() * 0.004)
            child.send_signal(signal.SIGKILL)
        kills += child.returncode == -signal.SIGKILL
    assert kills > 0
    result = finish(tmp_path, "backup", frequency)
    assert result.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(result[name], value, err_msg=name)


class StopError(Exception):
    """Ends a training as a crash would."""


def crash(epoch: int, batch: int) -> callbacks.Callback:
    class Crash(callbacks.Callback):
        def on_epoch_begin(self, number, logs=None):
            self.now = number

        def on_train_batch_end(self, number, logs=None):
            if (self.now, number) == (epoch, batch):
                raise StopError

    return Crash()


def train(folder: Path | None, *extra: object, steps: int | None = None, epochs: int = 4) -> list:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 5)).astype("float32"), rng.normal(size=(40, 1)).astype("float32")
    model = keras.Sequential(  # not built before the first batch
        [layers.Dense(4, activation="relu"), layers.Dropout(0.4), layers.Dense(1)]
    )
    model.compile("adam", "mse", metrics=["mae"])
    plateau = callbacks.ReduceLROnPlateau("loss", 0.5, patience=1, min_delta=10.0)
    scheduler = callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.9)
    stop = callbacks.EarlyStopping("val_loss", patience=3, restore_best_weights=True)
    own = [scheduler, plateau, stop]
    if folder is not None:
        own.insert(0, callbacks.BackupAndRestore(folder, save_freq=3))
    history = model.fit(
        x, y, batch_size=8, epochs=epochs, steps_per_epoch=steps, validation_data=(x, y),
        callbacks=[*own, *extra], verbose=0,
    )  # fmt: skip
    model(x, training=True)  # moves the random state of Dropout
    return [history.history, history.epoch, random.random(), np.random.rand(),
            *[np.asarray(v).tolist() for v in model.variables],
            *[np.asarray(v).tolist() for v in model.optimizer.variables]]  # fmt: skip


@pytest.mark.parametrize(
    ("epoch", "batch", "steps"),
    [(0, 3, None), (1, 1, None), (2, 2, 3), (3, 0, None), (1, 1, 3), (3, 0, 3)],
)
def test_resumed_within_an_epoch_with_callbacks_that_keep_state(
    epoch: int, batch: int, steps: int | None, tmp_path: Path
) -> None:
    keras.utils.set_random_seed(11)
    expected = train(None, steps=steps)
    keras.utils.set_random_seed(11)
    with pytest.raises(StopError):
        train(tmp_path, crash(epoch, batch), steps=steps)
    keras.utils.set_random_seed(99)  # another program's beginning: all comes from the backup
    assert train(tmp_path, steps=steps) == expected


def test_a_generator_is_read_again_up_to_the_place(tmp_path: Path) -> None:
    def run(*extra: object) -> list:
        keras.utils.set_random_seed(1)

        def batches() -> object:
            rng = np.random.default_rng(0)
            while True:
                yield rng.normal(size=(4, 3)), rng.normal(size=(4, 1))

        model = keras.Sequential([keras.Input((3,)), layers.Dense(1)])
        model.compile("adam", "mse")
        backup = callbacks.BackupAndRestore(tmp_path / "b", save_freq=2)
        model.fit(batches(), steps_per_epoch=5, epochs=3, verbose=0, callbacks=[backup, *extra])
        return [w.tolist() for w in model.get_weights()]

    expected = run()
    with pytest.raises(StopError):
        run(crash(1, 3))
    assert (tmp_path / "b").exists()
    assert run() == expected


def test_a_model_with_other_weights_is_refused_and_the_file_named(tmp_path: Path) -> None:
    def fit(units: int, *extra: object) -> None:
        model = keras.Sequential([keras.Input((2,)), layers.Dense(units)])
        model.compile("sgd", "mse")
        model.fit(np.ones((8, 2)), np.ones((8, units)), verbose=0, batch_size=2, epochs=2,
                  callbacks=[callbacks.BackupAndRestore(tmp_path), *extra])  # fmt: skip

    with pytest.raises(StopError):
        fit(2, crash(1, 0))
    with pytest.raises(ValueError, match="shape") as caught:
        fit(3)
    assert "training.pyneuro" in " ".join(caught.value.__notes__)
    (tmp_path / "training.pyneuro").write_bytes(b"nothing")
    with pytest.raises(FileFormatError, match=r"training\.pyneuro"):
        fit(2)


def test_torn_files_are_removed_and_arguments_checked(tmp_path: Path) -> None:
    torn = tmp_path / ".training.pyneuro.0123.tmp"
    torn.write_bytes(b"half")
    model = keras.Sequential([keras.Input((2,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    kept = callbacks.BackupAndRestore(tmp_path, delete_checkpoint=False)
    model.fit(np.ones((8, 2)), np.ones((8, 1)), verbose=0, callbacks=[kept])
    assert [path.name for path in tmp_path.iterdir()] == ["training.pyneuro"]
    for arguments in (("",), ("x", 0), ("x", "batch"), ("x", True)):
        with pytest.raises(ArgumentError, match="BackupAndRestore"):
            callbacks.BackupAndRestore(*arguments)
