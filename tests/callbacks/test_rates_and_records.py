"""LearningRateScheduler, ReduceLROnPlateau, CSVLogger, SwapEMAWeights, RemoteMonitor."""

import http.server
import json
import threading
import urllib.parse
from pathlib import Path

import numpy as np
import pytest

import pyneuro as keras
from pyneuro import callbacks, layers, optimizers
from pyneuro.errors import ArgumentError

X = np.random.default_rng(0).normal(size=(16, 3)).astype("float32")
Y = X.sum(1, keepdims=True)


def line(optimizer: object = "sgd") -> keras.Model:
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((3,)), layers.Dense(1)])
    model.compile(optimizer, "mse")
    return model


def fit(model: keras.Model, *given: object, **options: object) -> dict[str, list]:
    options = {"epochs": 4, "verbose": 0, "shuffle": False, **options}
    return model.fit(X, Y, callbacks=list(given), **options).history  # type: ignore[no-any-return]


def test_the_rate_follows_a_schedule(capsys: pytest.CaptureFixture[str]) -> None:
    history = fit(line(), callbacks.LearningRateScheduler(lambda epoch: 0.1 / (epoch + 1)))
    np.testing.assert_allclose(history["learning_rate"], [0.1, 0.05, 0.1 / 3, 0.025], rtol=1e-6)
    scheduler = callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.5, verbose=1)
    history = fit(line(), scheduler)
    np.testing.assert_allclose(history["learning_rate"], 0.01 * 0.5 ** np.arange(1, 5), rtol=1e-6)
    assert "Epoch 2: setting learning rate to 0.0025" in capsys.readouterr().out
    with pytest.raises(ArgumentError, match="must give a number"):
        fit(line(), callbacks.LearningRateScheduler(lambda epoch: None))
    with pytest.raises(ArgumentError, match="function"):
        callbacks.LearningRateScheduler(0.1)  # type: ignore[arg-type]


def test_the_rate_is_lowered_on_a_plateau() -> None:
    class Results(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["val_loss"] = [3.0, 2.0, 2.0, 2.0, 2.0, 2.0, 1.0, 1.0][epoch]

    def rates(**options: object) -> list[float]:
        given = callbacks.ReduceLROnPlateau(factor=0.1, **options)
        return fit(line(optimizers.SGD(1.0)), Results(), given, epochs=8)["learning_rate"]

    # what is noted at the end of an epoch is the rate that the epoch was trained with
    np.testing.assert_allclose(rates(patience=2), [1, 1, 1, 1, 0.1, 0.1, 0.01, 0.01], rtol=1e-6)
    np.testing.assert_allclose(
        rates(patience=1, cooldown=2, min_lr=0.05), [1, 1, 1, 0.1, 0.1, 0.05, 0.05, 0.05], rtol=1e-6
    )
    with pytest.raises(ArgumentError, match="factor"):
        callbacks.ReduceLROnPlateau(factor=1.0)
    with pytest.raises(ArgumentError, match="epsilon"):
        callbacks.ReduceLROnPlateau(epsilon=1.0)


def test_csv(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    history = fit(line(), callbacks.CSVLogger(path), epochs=2)
    lines = path.read_text().splitlines()
    assert lines[0] == "epoch,loss"
    assert [float(row.split(",")[1]) for row in lines[1:]] == history["loss"]
    fit(line(), callbacks.CSVLogger(path, append=True), epochs=3, initial_epoch=2)
    assert [row.split(",")[0] for row in path.read_text().splitlines()] == ["epoch", "0", "1", "2"]
    fit(line(), callbacks.CSVLogger(path, separator=";"), validation_data=(X, Y),
        validation_freq=2, epochs=2)  # fmt: skip
    lines = [row.split(";") for row in path.read_text().splitlines()]
    assert lines[0] == ["epoch", "loss", "val_loss"]
    assert lines[1][2] == "NA"
    assert float(lines[2][2]) > 0


def test_averaged_weights_are_evaluated_and_the_trained_ones_go_on() -> None:
    plain = line(optimizers.SGD(0.1, use_ema=True, ema_momentum=0.9))
    swapped = line(optimizers.SGD(0.1, use_ema=True, ema_momentum=0.9))
    a = fit(plain, validation_data=(X, Y))
    b = fit(swapped, callbacks.SwapEMAWeights(), validation_data=(X, Y))
    assert a["loss"] == b["loss"]
    assert a["val_loss"] != b["val_loss"]
    for left, right in zip(plain.get_weights(), swapped.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)  # at the end both hold the averages
    with pytest.raises(ArgumentError, match="use_ema"):
        fit(line(), callbacks.SwapEMAWeights(), validation_data=(X, Y))


def test_averaged_weights_of_each_epoch_are_saved(tmp_path: Path) -> None:
    plain = line(optimizers.SGD(0.1, use_ema=True))
    expected = fit(plain)
    model = line(optimizers.SGD(0.1, use_ema=True))
    path = tmp_path / "w.pyneuro"
    history = fit(model, callbacks.SwapEMAWeights(swap_on_epoch=True),
                  callbacks.ModelCheckpoint(path, save_weights_only=True))  # fmt: skip
    assert history["loss"] == expected["loss"]
    saved = line()
    saved.load_weights(path)
    for weights in (model.get_weights(), saved.get_weights()):
        for left, right in zip(plain.get_weights(), weights, strict=True):
            np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("as_json", [True, False])
def test_results_are_posted_to_a_server(as_json: bool) -> None:
    came: list[dict] = []

    class Server(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            text = self.rfile.read(int(self.headers["Content-Length"])).decode()
            if self.headers["Content-Type"] != "application/json":
                text = urllib.parse.parse_qs(text)["results"][0]
            came.append({"path": self.path, "key": self.headers["X-Key"], **json.loads(text)})
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Stay quiet."""

    with http.server.HTTPServer(("127.0.0.1", 0), Server) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        root = f"http://127.0.0.1:{server.server_address[1]}"
        monitor = callbacks.RemoteMonitor(
            root, "/here", "results", headers={"X-Key": "1"}, send_as_json=as_json
        )
        history = fit(line(), monitor, epochs=2)
        server.shutdown()
        thread.join()
    assert [entry["loss"] for entry in came] == history["loss"]
    assert {(entry["path"], entry["key"]) for entry in came} == {("/here", "1")}
    with pytest.warns(UserWarning, match="was not reached"):
        monitor.on_epoch_end(0, {"loss": 1.0})
    with pytest.raises(ArgumentError, match="http"):
        callbacks.RemoteMonitor("file:///etc")
