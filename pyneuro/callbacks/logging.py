"""Progress as Keras prints it: a bar for terminals and notebooks, a line an epoch for files."""

from __future__ import annotations

import math
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

from .base import Callback, Logs

__all__ = ["Progbar", "ProgbarLogger", "write"]


class _Output:
    """Where progress goes; `None` is standard output as it is at that moment."""

    sink: Callable[[str], None] | None = None


def write(text: str) -> None:
    """Print progress, without a newline of its own.

    Args:
        text: what to print.
    """
    if _Output.sink is not None:
        _Output.sink(text)
        return
    sys.stdout.write(text)
    sys.stdout.flush()


def redirect(sink: Callable[[str], None] | None) -> None:
    """Send progress to a function instead of standard output; `None` sends it back there."""
    _Output.sink = sink


def is_terminal() -> bool:
    """Whether standard output is a terminal."""
    isatty = getattr(sys.stdout, "isatty", None)
    return bool(isatty is not None and isatty())


def _has_colour() -> bool:
    return is_terminal() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def _has_unicode() -> bool:
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return encoding.lower().replace("-", "").startswith("utf")


class Progbar:
    """A progress bar.

    Args:
        target: the number of steps; `None` if it is not known.
        width: the bar's width in characters.
        verbose: 0 silent, 1 a bar, 2 one line at the end.
        interval: the least time between two updates of the bar, in seconds.
        stateful_metrics: accepted for Keras's signature; all values are shown as they come.
        stateless_metrics: accepted for Keras's signature; all values are shown as they come.
        unit_name: what a step is called.

    Example:
        >>> bar = Progbar(2, verbose=0)
        >>> bar.update(1)
        >>> bar.seen
        1
    """

    def __init__(
        self,
        target: int | None,
        width: int = 20,
        verbose: int = 1,
        interval: float = 0.05,
        stateful_metrics: Iterable[str] | None = None,
        stateless_metrics: Iterable[str] | None = None,
        unit_name: str = "step",
    ) -> None:
        self.target, self.width, self.verbose = target, width, verbose
        self.interval, self.unit_name = interval, unit_name
        self.seen = 0
        self._start = time.time()
        self._after_first: float | None = None
        self._last_update = 0.0
        self._last_width = 0

    def is_due(self) -> bool:
        """Whether an update would be shown now."""
        return self.verbose == 1 and time.time() - self._last_update >= self.interval

    def update(
        self,
        current: int,
        values: Iterable[tuple[str, Any]] | None = None,
        finalize: bool | None = None,
    ) -> None:
        """Show how far it is.

        Args:
            current: the number of steps made.
            values: names and numbers to show.
            finalize: whether this is the end; default if the target is reached.
        """
        if finalize is None:
            finalize = self.target is not None and current >= self.target
        self.seen = current
        now = time.time()
        duration = self._step_duration(current, now)
        if self.verbose == 1:
            if not finalize and now - self._last_update < self.interval:
                return
            self._show_bar(current, list(values or ()), finalize, now, duration)
        elif self.verbose == 2 and finalize:
            self._show_line(current, list(values or ()), now, duration)
        self._last_update = now

    def add(self, n: int, values: Iterable[tuple[str, Any]] | None = None) -> None:
        """Show that `n` more steps were made."""
        self.update(self.seen + n, values)

    def _step_duration(self, current: int, now: float) -> float:
        """Seconds for a step; the first one, which builds and warms up, does not count."""
        if not current:
            return 0.0
        if self._after_first is not None and current > 1:
            duration = (now - self._after_first) / (current - 1)
        else:
            duration = (now - self._start) / current
        if current == 1:
            self._after_first = now
        return duration

    def _count(self, current: int) -> str:
        if self.target is None:
            return f"{current:7d}/Unknown"
        digits = int(math.log10(self.target)) + 1 if self.target > 0 else 1
        return f"{current:{digits}d}/{self.target}"

    def _show_line(
        self, current: int, values: list[tuple[str, Any]], now: float, step: float
    ) -> None:
        line = f"{self._count(current)} - {now - self._start:.0f}s - "
        write(f"{line}{_duration(step, self.unit_name)}{_numbers(values)}\n")

    def _show_bar(
        self, current: int, values: list[tuple[str, Any]], finalize: bool, now: float, step: float
    ) -> None:
        count, colour = self._count(current), _has_colour()
        bold = (lambda text: f"\x1b[1m{text}\x1b[0m") if colour else (lambda text: text)
        if self.target is not None and not finalize:
            clock = _remaining(step * (self.target - current))
        else:
            clock = f"{now - self._start:.0f}s"
        tail = f" {_duration(step, self.unit_name)}{_numbers(values)}"
        bar, width = self._bar(current, colour)
        visible = len(count) + width + len(clock) + 1
        if is_terminal() and not finalize:  # a line that wraps could not be drawn over
            tail = tail[: max(shutil.get_terminal_size().columns - 1 - visible, 0)]
        padding = " " * max(self._last_width - visible - len(tail), 0)
        end = "\n" if finalize else ""
        write(f"\r{bold(count)}{bar} {bold(clock)}{tail}{padding}{end}")
        self._last_width = 0 if finalize else visible + len(tail)

    def _bar(self, current: int, colour: bool) -> tuple[str, int]:
        """The bar with the space before it, and how many columns it takes."""
        if self.target is None:
            return "", 0
        done = int(self.width * current / self.target) if self.target else self.width
        left = self.width - done
        full, empty = ("━", "─") if _has_unicode() else ("=", ".")
        if colour:
            green = f"\x1b[32m{full * done}\x1b[0m" if done else ""
            return f" {green}\x1b[37m{full * left}\x1b[0m", self.width + 1
        return f" {full * done}{empty * left} ", self.width + 2


def _remaining(seconds: float) -> str:
    whole = int(seconds)
    if seconds > 3600:
        return f"{whole // 3600}:{whole % 3600 // 60:02d}:{whole % 60:02d}"
    if seconds > 60:
        return f"{whole // 60}:{whole % 60:02d}"
    return f"{whole}s"


def _duration(seconds: float, unit: str) -> str:
    if seconds >= 1 or seconds == 0:
        return f"{seconds:.0f}s/{unit}"
    if seconds >= 1e-3:
        return f"{seconds * 1e3:.0f}ms/{unit}"
    return f"{seconds * 1e6:.0f}us/{unit}"


def _numbers(values: list[tuple[str, Any]]) -> str:
    text = ""
    for name, value in values:
        try:
            number = float(value)
        except (TypeError, ValueError):
            text += f" - {name}: {value}"
            continue
        text += f" - {name}: {number:.4f}" if abs(number) > 1e-3 else f" - {name}: {number:.4e}"
    return text


class ProgbarLogger(Callback):
    """Shows progress and results of training, evaluation and prediction; `verbose` says how.

    `fit`, `evaluate` and `predict` add one unless `verbose` is 0.
    """

    reads_logs_lazily = True

    def __init__(self) -> None:
        super().__init__()
        self._bar: Progbar | None = None
        self._epochs: int = 1
        self._in_fit = False

    def _begin(self) -> None:
        self._bar = Progbar(self.params.get("steps"), verbose=self.params.get("verbose", 1))

    def _batch(self, batch: int, logs: Logs | None) -> None:
        if self._bar is None:
            self._begin()
        assert self._bar is not None
        current = batch + 1
        # Reading the results waits for the device, so it is done only when they will be shown.
        shown = logs.items() if logs and self._bar.is_due() else ()
        self._bar.update(current, shown, finalize=False)

    def _end(self, logs: Logs | None) -> None:
        if self._bar is None:
            return
        if self._bar.target is None:
            self._bar.target = self._bar.seen
        self._bar.update(self._bar.target, (logs or {}).items(), finalize=True)
        self._bar = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Note that what follows is training."""
        self._in_fit = True
        self._epochs = self.params.get("epochs", 1)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Print the epoch's number and begin its bar."""
        if self.params.get("verbose") and self._epochs > 1:
            write(f"Epoch {epoch + 1}/{self._epochs}\n")
        self._begin()

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Move the bar on."""
        self._batch(batch, logs)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Print the results."""
        self._end(logs)

    def on_test_begin(self, logs: Logs | None = None) -> None:
        """Begin the bar, unless this is the validation of a training."""
        if not self._in_fit:
            self._begin()

    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Move the bar on, unless this is the validation of a training."""
        if not self._in_fit:
            self._batch(batch, logs)

    def on_test_end(self, logs: Logs | None = None) -> None:
        """Print the results, unless this is the validation of a training."""
        if not self._in_fit:
            self._end(logs)

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        """Begin the bar."""
        self._begin()

    def on_predict_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Move the bar on."""
        self._batch(batch, None)

    def on_predict_end(self, logs: Logs | None = None) -> None:
        """Finish the bar."""
        self._end(None)
