"""Callbacks: order of events, History, EarlyStopping, ModelCheckpoint and the rest."""

import math

import numpy as np
import pytest

import pyneuro
from pyneuro import Input, Sequential, callbacks, layers
from pyneuro.errors import ArgumentError

X = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")
Y = X @ np.ones((3, 1), "float32")


def model_of(metrics: object = None) -> Sequential:
    model = Sequential([Input((3,)), layers.Dense(1, kernel_initializer="zeros")])
    model.compile("sgd", "mse", metrics=metrics)
    return model


class Every(callbacks.Callback):
    """Overrides each event, so that each is heard."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[tuple] = []


def _noting(name: str) -> object:
    def method(self: Every, *args: object) -> None:
        logs = args[-1]
        self.events.append((name.removeprefix("on_"), *args[:-1], sorted(logs or ())))  # type: ignore[call-overload]

    return method


for _event in dir(callbacks.Callback):
    if _event.startswith("on_") and _event not in ("on_batch_begin", "on_batch_end"):
        setattr(Every, _event, _noting(_event))


def test_the_order_of_events() -> None:
    every, model = Every(), model_of(["mae"])
    model.fit(X, Y, batch_size=4, epochs=1, verbose=0, validation_data=(X, Y), callbacks=[every])
    results = ["loss", "mae"]
    assert every.events == [
        ("train_begin", []),
        ("epoch_begin", 0, []),
        ("train_batch_begin", 0, []),
        ("train_batch_end", 0, results),
        ("train_batch_begin", 1, []),
        ("train_batch_end", 1, results),
        ("test_begin", []),
        ("test_batch_begin", 0, []),
        ("test_batch_end", 0, results),
        ("test_batch_begin", 1, []),
        ("test_batch_end", 1, results),
        ("test_end", results),
        ("epoch_end", 0, ["loss", "mae", "val_loss", "val_mae"]),
        ("train_end", ["loss", "mae", "val_loss", "val_mae"]),
    ]
    every.events.clear()
    model.predict(X, batch_size=8, verbose=0, callbacks=[every])
    assert every.events == [("predict_begin", []), ("predict_batch_begin", 0, []),
                            ("predict_batch_end", 0, ["outputs"]), ("predict_end", [])]  # fmt: skip
    every.events.clear()
    model.evaluate(X, Y, batch_size=8, verbose=0, callbacks=every)
    assert [event[0] for event in every.events] == ["test_begin", "test_batch_begin",
                                                    "test_batch_end", "test_end"]  # fmt: skip


def test_batches_in_groups() -> None:
    every, model = Every(), model_of()
    model.compile("sgd", "mse", steps_per_execution=3)
    model.fit(X, Y, batch_size=1, verbose=0, callbacks=[every])
    ends = [event[1] for event in every.events if event[0] == "train_batch_end"]
    assert ends == [2, 5, 7]


def test_batch_results_are_numbers_of_their_batch() -> None:
    kept = []

    class Keep(callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
            kept.append(logs)

    model_of().fit(X, Y, batch_size=2, verbose=0, callbacks=[Keep()])
    losses = [logs["loss"] for logs in kept]
    assert all(isinstance(loss, float) for loss in losses)
    assert len(set(losses)) == 4


def test_old_event_names_are_heard() -> None:
    class Old(callbacks.Callback):
        seen = 0

        def on_batch_end(self, batch: int, logs: dict | None = None) -> None:
            self.seen += 1

    old = Old()
    model_of().fit(X, Y, batch_size=4, verbose=0, callbacks=[old])
    assert old.seen == 2
    assert old.params == {"verbose": 0, "epochs": 1, "steps": 2}


def test_lambda_callbacks() -> None:
    heard: list[object] = []
    callback = callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: heard.append((epoch, "loss" in logs)),
        on_train_batch_end=lambda batch, logs: heard.append(batch),
        on_test_end=lambda logs: heard.append("tested"),
    )
    model_of().fit(X, Y, batch_size=4, verbose=0, validation_data=(X, Y), callbacks=[callback])
    assert heard == [0, 1, "tested", (0, True)]
    with pytest.raises(TypeError, match="on_epoch_ends"):
        callbacks.LambdaCallback(on_epoch_ends=print)


def test_what_is_no_callback_is_refused() -> None:
    for wrong in (callbacks.EarlyStopping, 5, "stop"):
        with pytest.raises(TypeError, match="Callback instances"):
            model_of().fit(X, Y, verbose=0, callbacks=[wrong])


class Says(callbacks.Callback):
    """Puts given results into the logs, before other callbacks see them."""

    def __init__(self, name: str, values: list[float]) -> None:
        super().__init__()
        self.name, self.values = name, values

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        assert logs is not None
        logs[self.name] = self.values[epoch]


def stopped_at(values: list[float], name: str = "val_loss", **arguments: object) -> int:
    stop = callbacks.EarlyStopping(monitor=name, **arguments)  # type: ignore[arg-type]
    history = model_of(["mae"]).fit(X, Y, epochs=len(values), verbose=0,
                                    callbacks=[Says(name, values), stop])  # fmt: skip
    return len(history.epoch)


def test_early_stopping_waits_for_its_patience() -> None:
    assert stopped_at([3, 2, 2, 2, 2, 1]) == 3
    assert stopped_at([3, 2, 2, 2, 2, 1], patience=2) == 4
    assert stopped_at([3, 2.5, 2, 1.5], min_delta=1.0) == 2
    assert stopped_at([1, 2, 3, 3, 3], mode="max") == 4
    assert stopped_at([0.1, 0.2, 0.2, 0.2], name="mae", patience=1) == 2
    assert stopped_at([5, 5, 5, 5], start_from_epoch=2, patience=1) == 4
    assert stopped_at([3, 2, 1, 1, 0.5], baseline=0.1, patience=3) == 4
    assert stopped_at([math.nan, 1.0, 0.5, 0.4], patience=2) == 4
    assert stopped_at([1.0, math.nan, math.nan], patience=2) == 3


def test_early_stopping_must_know_what_is_better() -> None:
    with pytest.raises(ArgumentError, match="mode='max'"):
        stopped_at([1.0, 2.0, 3.0], name="something")
    with pytest.raises(ArgumentError, match="'up'"):
        callbacks.EarlyStopping(mode="up")
    with pytest.warns(UserWarning, match="there is no result 'val_los'; there are: loss"):
        model_of().fit(X, Y, verbose=0, callbacks=[callbacks.EarlyStopping("val_los")])


@pytest.mark.parametrize(("values", "epochs", "best"), [([3, 1, 2, 2, 2], 4, 1), ([3, 1, 2], 3, 1)])
def test_the_best_weights_come_back_also_without_stopping(
    values: list[float], epochs: int, best: int
) -> None:
    kept: list[list[np.ndarray]] = []
    keep = callbacks.LambdaCallback(on_epoch_end=lambda e, logs: kept.append(model.get_weights()))
    model = model_of()
    stop = callbacks.EarlyStopping(patience=2, restore_best_weights=True)
    fitted = model.fit(X, Y, epochs=len(values), verbose=0,
                       callbacks=[keep, Says("val_loss", values), stop])  # fmt: skip
    assert len(fitted.epoch) == epochs
    assert stop.best_epoch == best
    np.testing.assert_array_equal(model.get_weights()[0], kept[best][0])
    assert not np.array_equal(kept[-1][0], kept[best][0])


def test_early_stopping_talks(capsys: pytest.CaptureFixture[str]) -> None:
    stop = callbacks.EarlyStopping(patience=1, restore_best_weights=True, verbose=1)
    model_of().fit(X, Y, epochs=5, verbose=0, callbacks=[Says("val_loss", [1, 2, 3, 4, 5]), stop])
    assert capsys.readouterr().out == (
        "Epoch 2: early stopping\nRestoring model weights from the end of the best epoch: 1.\n"
    )


def test_a_broken_loss_terminates(capsys: pytest.CaptureFixture[str]) -> None:
    model = model_of()
    model.set_weights([np.full((3, 1), np.inf), np.zeros(1)])
    model.fit(X, Y, batch_size=2, epochs=3, verbose=0, callbacks=[callbacks.TerminateOnNaN()])
    assert model.optimizer.iterations.item() == 1
    assert capsys.readouterr().out == "Batch 0: Invalid loss, terminating training\n"
    strict = callbacks.TerminateOnNaN(raise_error=True)
    with pytest.raises(RuntimeError, match="after batch 0"):
        model.fit(X, Y, verbose=0, callbacks=[strict])


def test_checkpoints(tmp_path: object) -> None:
    every = callbacks.ModelCheckpoint(f"{tmp_path}/new/{{epoch:02d}}-{{val_loss:.1f}}.pyneuro")
    best = callbacks.ModelCheckpoint(f"{tmp_path}/best.pyneuro", save_best_only=True)
    weights = callbacks.ModelCheckpoint(f"{tmp_path}/{{epoch}}-{{batch}}.safetensors",
                                        save_weights_only=True, save_freq=2)  # fmt: skip
    kept: list[np.ndarray] = []
    keep = callbacks.LambdaCallback(
        on_epoch_end=lambda e, logs: kept.append(model.get_weights()[0])
    )
    model = model_of()
    says = Says("val_loss", [3.0, 1.0, 2.0])
    model.fit(X, Y, batch_size=4, epochs=3, verbose=0, callbacks=[says, keep, every, best, weights])
    found = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file())  # type: ignore[attr-defined]
    assert found == ["1-2.safetensors", "2-2.safetensors", "3-2.safetensors", "best.pyneuro",
                     "new/01-3.0.pyneuro", "new/02-1.0.pyneuro", "new/03-2.0.pyneuro"]  # fmt: skip
    loaded = pyneuro.models.load_model(f"{tmp_path}/best.pyneuro")
    np.testing.assert_array_equal(loaded.get_weights()[0], kept[1])
    for path in ("x.keras", "x.h5", "x"):
        with pytest.raises(ArgumentError, match="must end with"):
            callbacks.ModelCheckpoint(path)
    nothing = callbacks.ModelCheckpoint(f"{tmp_path}/{{nothing}}.pyneuro")
    with pytest.raises(ArgumentError, match="names 'nothing'"):
        model.fit(X, Y, verbose=0, callbacks=[nothing])
