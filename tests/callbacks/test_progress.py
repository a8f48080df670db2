"""The progress bar and line, character by character."""

import io
import re
import sys

import numpy as np
import pytest

from pyneuro import Input, Sequential, layers
from pyneuro.callbacks import logging
from pyneuro.callbacks.logging import Progbar

X = np.ones((4, 3), "float32")
Y = np.ones((4, 1), "float32")


class Screen(io.StringIO):
    """Standard output that may be a terminal, of some encoding."""

    def __init__(self, terminal: bool = False, encoding: str = "utf-8") -> None:
        super().__init__()
        self.terminal, self._encoding = terminal, encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding

    def isatty(self) -> bool:
        return self.terminal


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(logging.time, "time", lambda: now[0])
    return now


def show(monkeypatch: pytest.MonkeyPatch, screen: Screen) -> Screen:
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    return screen


def clear(screen: Screen) -> None:
    screen.seek(0)
    screen.truncate()


def test_the_line_of_an_epoch(monkeypatch: pytest.MonkeyPatch, clock: list[float]) -> None:
    screen = show(monkeypatch, Screen())
    bar = Progbar(2, verbose=2)
    clock[0] += 0.5
    bar.update(1, [("loss", 9.0)])
    clock[0] += 0.075
    bar.update(2, [("accuracy", 0.5), ("loss", 0.0001234), ("mae", 12345.678)])
    assert screen.getvalue() == (
        "2/2 - 1s - 75ms/step - accuracy: 0.5000 - loss: 1.2340e-04 - mae: 12345.6780\n"
    )


def test_the_bar_without_colours(monkeypatch: pytest.MonkeyPatch, clock: list[float]) -> None:
    screen = show(monkeypatch, Screen())
    bar = Progbar(20, verbose=1)
    clock[0] += 0.083
    bar.update(1, [("loss", 0.0)])
    assert screen.getvalue() == f"\r 1/20 ━{'─' * 19}  1s 83ms/step - loss: 0.0000e+00"
    clear(screen)
    clock[0] += 0.01
    bar.update(2, [("loss", 1.0)])  # too soon to be shown
    assert screen.getvalue() == ""
    clock[0] += 0.1
    bar.update(20, [("loss", 0.5)])
    assert screen.getvalue() == f"\r20/20 {'━' * 20}  0s 6ms/step - loss: 0.5000     \n"


def test_the_bar_on_a_terminal_is_coloured_as_keras(
    monkeypatch: pytest.MonkeyPatch, clock: list[float]
) -> None:
    screen = show(monkeypatch, Screen(terminal=True))
    bar = Progbar(2, verbose=1)
    clock[0] += 2.0
    bar.update(1)
    half = "━" * 10
    assert screen.getvalue() == (
        f"\r\x1b[1m1/2\x1b[0m \x1b[32m{half}\x1b[0m\x1b[37m{half}\x1b[0m \x1b[1m2s\x1b[0m 2s/step"
    )
    monkeypatch.setenv("NO_COLOR", "1")
    clear(screen)
    clock[0] += 1.0
    bar.update(2)
    assert "\x1b" not in screen.getvalue()
    assert screen.getvalue().endswith("\n")


def test_lines_do_not_wrap_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, clock: list[float]
) -> None:
    screen = show(monkeypatch, Screen(terminal=True))
    monkeypatch.setenv("COLUMNS", "50")
    monkeypatch.setenv("NO_COLOR", "1")
    bar = Progbar(100, verbose=1)
    clock[0] += 1.0
    bar.update(1, [("a_long_name_of_a_metric", 1.0), ("another_long_name", 2.0)])
    assert len(screen.getvalue().lstrip("\r")) == 49


def test_plain_characters_where_there_are_no_others(
    monkeypatch: pytest.MonkeyPatch, clock: list[float]
) -> None:
    screen = show(monkeypatch, Screen(encoding="ascii"))
    bar = Progbar(2, verbose=1)
    clock[0] += 1.0
    bar.update(1)
    assert screen.getvalue() == f"\r1/2 {'=' * 10}{'.' * 10}  1s 1s/step"


def test_an_unknown_number_of_steps(monkeypatch: pytest.MonkeyPatch, clock: list[float]) -> None:
    screen = show(monkeypatch, Screen())
    bar = Progbar(None, verbose=1)
    clock[0] += 1.0
    bar.update(3)
    assert screen.getvalue() == "\r      3/Unknown 1s 333ms/step"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0, "0s"), (59.9, "59s"), (61.0, "1:01"), (3661.0, "1:01:01")]
)
def test_time_left(seconds: float, text: str) -> None:
    assert logging._remaining(seconds) == text


def compiled() -> Sequential:
    model = Sequential([Input((3,)), layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"])
    return model


def test_fit_prints_what_keras_prints(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = show(monkeypatch, Screen())
    compiled().fit(X, Y, batch_size=2, epochs=2, verbose=2, validation_data=(X, Y))
    number = r"\d+\.\d{4}(e-\d\d)?"
    line = (
        rf"2/2 - \d+s - \d+(ms|us|s)/step - loss: {number} - mae: {number} - "
        rf"val_loss: {number} - val_mae: {number}\n"
    )
    assert re.fullmatch(rf"Epoch 1/2\n{line}Epoch 2/2\n{line}", screen.getvalue())


def test_auto_is_a_bar_for_people_and_a_line_for_files(monkeypatch: pytest.MonkeyPatch) -> None:
    for terminal in (True, False):
        screen = show(monkeypatch, Screen(terminal=terminal))
        model = compiled()
        model.fit(X, Y)
        model.evaluate(X, Y)
        model.predict(X)
        text = screen.getvalue()
        assert ("\r" in text) == terminal
        assert text.count("\n") == 3
        assert "Epoch" not in text


def test_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = show(monkeypatch, Screen())
    model = compiled()
    model.fit(X, Y, epochs=2, verbose=0)
    model.evaluate(X, Y, verbose=0)
    model.predict(X, verbose=0)
    assert screen.getvalue() == ""
