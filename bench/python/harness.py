"""Measuring the same work in several frameworks, fairly.

All sides of a row run in one process, on equally many threads, in turn: many short rounds, the
order rotated, so that whatever else the machine does falls on all of them. Before anything is
timed, the outputs of all sides must agree. What is measured is in the scripts beside; here is only
how.
"""

from __future__ import annotations

import argparse
import datetime
import importlib
import importlib.metadata
import json
import os
import platform
import statistics
import sys
import time
import timeit
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from pyneuro import device

PEERS = ("torch", "numpy", "jax", "tensorflow")

# Keeps large blocks in the process, on huge pages: PyTorch's memory-bound ops on large arrays then
# run several times as fast, because fresh pages are what they otherwise wait for.
TUNED_MALLOC = {
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1:glibc.malloc.mmap_max=0"
    ":glibc.malloc.mmap_threshold=4294967296:glibc.malloc.trim_threshold=17179869184"
    ":glibc.malloc.top_pad=67108864",
    "THP_MEM_ALLOC_ENABLE": "1",
}


@dataclass
class Side:
    """One framework's way to do the work of a row.

    Attributes:
        label: who does it.
        statement: what is timed, as Python source, so that no call of ours is timed with it.
        names: what the statement's names stand for.
        result: does the work once and gives its outputs, to be compared with other sides'.
        reset: brings state back to where it was; called before each sample, untimed.
        calls: how often the statement does the work.
    """

    label: str
    statement: str
    names: dict[str, Any]
    result: Callable[[], Iterable[Any]]
    reset: Callable[[], None] = lambda: None
    calls: int = 1


@dataclass
class Row:
    """The same work, by all sides that can do it; the others are compared with the first one.

    Attributes:
        name: what the work is.
        sides: who does it.
        tolerance: how far outputs may differ, as a share of the largest element.
        amount: what one call does, in `unit` times a second, such as floating-point operations.
        unit: "GFLOP/s", "GB/s" or nothing.
        group: rows with the same one are summed up together at the end.
        repeats: how often the work occurs, where times of a group are added.
    """

    name: str
    sides: list[Side]
    tolerance: float = 1e-5
    amount: float = 0.0
    unit: str = ""
    group: str = ""
    repeats: int = 1


@dataclass
class Measured:
    """The samples of one side: seconds a call, one for each round."""

    label: str
    samples: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.samples)

    @property
    def quartiles(self) -> tuple[float, float]:
        return quartiles(self.samples)


def quartiles(values: Sequence[float]) -> tuple[float, float]:
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, high


# ---- what to measure, and on what ---------------------------------------------------------------


def add_torch_options(parser: argparse.ArgumentParser) -> None:
    """For scripts that compare with PyTorch, in several configurations of it."""
    parser.add_argument(
        "--compile",
        action="store_true",
        help="with torch.compile as well; needs a C++ compiler, and minutes to begin",
    )
    parser.add_argument(
        "--reduced", action="store_true", help="small sizes, a few seconds: does it run at all?"
    )
    parser.set_defaults(peers="torch")


def start(
    description: str, add_options: Callable[[argparse.ArgumentParser], None] | None = None
) -> argparse.Namespace:
    """Read the command line and begin anew with the environment that it asks for.

    Libraries read their number of threads when they are loaded, and malloc its settings even
    earlier; so the process replaces itself by one whose environment has them.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--threads", type=int, help="for each framework; default: all cores there are"
    )
    parser.add_argument(
        "--peers", default=",".join(PEERS), help="which, comma-separated: %(default)s"
    )
    parser.add_argument("--rows", default="", help="only rows with this in their name")
    parser.add_argument("--rounds", type=int, default=30, help="samples of each side: %(default)s")
    parser.add_argument("--sample-ms", type=float, default=10.0, help="at least: %(default)s")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all samples there as well")
    parser.add_argument(
        "--malloc", choices=("stock", "tuned"), default="stock",
        help="tuned: keep large blocks, on huge pages",
    )  # fmt: skip
    if add_options is not None:
        add_options(parser)
    options = parser.parse_args()
    if options.rounds < 3:
        parser.error(f"--rounds must be at least 3, got {options.rounds}")
    unknown = set(options.peers.split(",")) - {*PEERS, ""}
    if unknown:
        parser.error(f"--peers: {', '.join(sorted(unknown))} unknown; known are {', '.join(PEERS)}")
    if getattr(options, "reduced", False):
        options.rounds, options.sample_ms = 3, 0.1
    if options.threads is None:
        options.threads = device.num_threads()
    _restart_with(options.threads, TUNED_MALLOC if options.malloc == "tuned" else {})
    return options


def _restart_with(threads: int, extra: dict[str, str]) -> None:
    wanted = dict(extra)
    for name in ("PYNEURO", "OMP", "MKL", "OPENBLAS", "TF_NUM_INTRAOP"):
        wanted[f"{name}_{'THREADS' if name.startswith('TF') else 'NUM_THREADS'}"] = str(threads)
    wanted |= {
        "TF_NUM_INTEROP_THREADS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "CUDA_VISIBLE_DEVICES": "",
    }
    wanted |= {"JAX_PLATFORMS": "cpu", "NPROC": str(threads)}  # NPROC: XLA's thread pools
    if any(os.environ.get(name) != value for name, value in wanted.items()):
        os.environ |= wanted
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def load_peers(options: argparse.Namespace) -> dict[str, ModuleType]:
    """The peers that are wanted and installed; says in a line which are not."""
    found = {}
    for name in options.peers.split(","):
        try:
            if name:
                found[name] = importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name:
                raise
            print(f"{name} is not installed and left out; to compare with it: pip install {name}")
    if torch := found.get("torch"):
        torch.set_num_threads(options.threads)
    return found


# ---- measuring ----------------------------------------------------------------------------------


def check_agreement(row: Row) -> None:
    """Stop unless all sides give the same as the last one, a peer's."""
    results = [(s.label, [np.asarray(r, np.float64) for r in s.result()]) for s in row.sides]
    expected_label, expected = results[-1]
    for label, outputs in results[:-1]:
        for a, b in zip(outputs, expected, strict=True):
            scale = float(np.max(np.abs(b), initial=0.0)) or 1.0
            gap = (
                float(np.max(np.abs(a - b), initial=0.0)) / scale if a.shape == b.shape else np.inf
            )
            if not gap <= row.tolerance:
                raise SystemExit(
                    f"{row.name}: {label} {a.shape} and {expected_label} {b.shape} differ by "
                    f"{gap:.1e} of the largest element, more than {row.tolerance:.0e}; nothing was "
                    "timed"
                )


def measure(row: Row, rounds: int, sample_seconds: float) -> list[Measured]:
    """Take samples of all sides in turn."""
    timers = [timeit.Timer(side.statement, globals=side.names) for side in row.sides]
    counts = []
    for side, timer in zip(row.sides, timers, strict=True):
        side.reset()
        counts.append(_count_for(timer, sample_seconds))
    measured = [Measured(side.label) for side in row.sides]
    for r in range(rounds):
        for i in range(len(row.sides)):
            at = (i + r) % len(row.sides)
            side, timer, count = row.sides[at], timers[at], counts[at]
            side.reset()
            time.sleep(0.002)  # until the threads of the side before have stopped spinning
            if count > 1:
                timer.timeit(max(1, count // 10))  # wakes our own, and warms caches
            measured[at].samples.append(timer.timeit(count) / count / side.calls)
    return measured


def _count_for(timer: timeit.Timer, seconds: float) -> int:
    """How often to run, so that a sample takes about that long."""
    timer.timeit(3)  # compilation, first touch, plans
    count = 1
    while True:
        took = timer.timeit(count)
        if took < 4 * seconds:
            took = min(took, timer.timeit(count), timer.timeit(count))
        if took >= seconds / 4:
            return max(1, round(count * seconds / took))
        count *= 4


def introduce(options: argparse.Namespace, peers: Iterable[str]) -> dict[str, Any]:
    """Say on what is measured, and how."""
    versions = {"pyneuro": device.version()} | {
        name: importlib.metadata.version(name) for name in peers
    }
    about = {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "processor": device.cpu_name(),
        "cores": len(os.sched_getaffinity(0)),
        "isa": device.kernel_isa(),
        "threads": options.threads,
        "malloc": options.malloc,
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": versions,
        "load before": os.getloadavg()[0],
    }
    print("; ".join(f"{key} {_plain(value)}" for key, value in about.items()))
    if about["load before"] > about["cores"] - options.threads + 0.5:
        print(
            "This machine is busy: threads wait for cores, those of some frameworks far longer "
            "than those of others."
        )
    print(flush=True)
    return about


def write_json(options: argparse.Namespace, about: dict[str, Any], **found: Any) -> None:
    """Where a file was asked for; with the load at the end."""
    about["load after"] = os.getloadavg()[0]
    if options.json is not None:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps({"about": about, **found}, indent=1))


def run(rows: Iterable[Row], options: argparse.Namespace, peers: dict[str, ModuleType]) -> None:
    """Measure rows one after the other, print each as it is done, and write all of them as JSON."""
    about = introduce(options, peers)
    print(_line("work", "by", "median", "spread", "rate", "pyneuro is faster"))
    print(_line("---", "---", "--:", "--:", "--:", "--:"), flush=True)
    done: list[tuple[Row, list[Measured]]] = []
    for row in rows:
        check_agreement(row)
        measured = measure(row, options.rounds, options.sample_ms / 1e3)
        for m in measured:
            print(_text(row, m, measured[0]), flush=True)
        row.sides.clear()  # they hold the arrays
        done.append((row, measured))
    summaries = [
        _summary(name, [pair for pair in done if pair[0].group == name])
        for name in dict.fromkeys(row.group for row, m in done if row.group and len(m) > 1)
    ]
    if summaries:
        print("\nHow many times as long the fastest of the others takes:\n")
        print("| rows | number | sum of times | geometric mean | least |")
        print("| --- | --: | --: | --: | --: |")
        for summary in summaries:
            numbers = "{number} | {sum:.2f}x | {mean:.2f}x | {least:.2f}x: {least of}"
            print(f"| {summary['rows']} | {numbers.format_map(summary)} |")
    rows_json = [_as_json(row, measured) for row, measured in done]
    write_json(options, about, rows=rows_json, groups=summaries)
    print(f"\nload before {about['load before']:.1f}, after {about['load after']:.1f}")


# ---- text and JSON ------------------------------------------------------------------------------


def ratios(side: Measured, ours: Measured) -> list[float]:
    """How many times as long as ours, round by round."""
    return [a / b for a, b in zip(side.samples, ours.samples, strict=True)]


def ratio_to_fastest(measured: Sequence[Measured]) -> float:
    """How many times as long as the first side the fastest of the others takes."""
    fastest = min(measured[1:], key=lambda m: m.median)
    return statistics.median(ratios(fastest, measured[0]))


def _summary(name: str, pairs: Sequence[tuple[Row, list[Measured]]]) -> dict[str, Any]:
    found = [(ratio_to_fastest(measured), row.name) for row, measured in pairs]
    ours = sum(row.repeats * m[0].median for row, m in pairs)
    theirs = sum(row.repeats * min(side.median for side in m[1:]) for row, m in pairs)
    least, least_of = min(found)
    return {
        "rows": name,
        "number": len(pairs),
        "sum": theirs / ours,
        "mean": statistics.geometric_mean([value for value, _ in found]),
        "least": least,
        "least of": least_of,
    }


def _text(row: Row, side: Measured, ours: Measured) -> str:
    low, high = side.quartiles
    rate = f"{row.amount / side.median / 1e9:.3g} {row.unit}" if row.unit else ""
    faster = ""
    if side is not ours:
        of_rounds = ratios(side, ours)
        faster = "{:.2f}x ({:.2f}-{:.2f})".format(
            statistics.median(of_rounds), *quartiles(of_rounds)
        )
    name = row.name if side is ours else ""
    return _line(
        name, side.label, _duration(side.median), f"{(high - low) / side.median:.0%}", rate, faster
    )


def _line(name: str, label: str, *numbers: str) -> str:
    widths = (10, 6, 13, 19)
    padded = " | ".join(n.rjust(width) for n, width in zip(numbers, widths, strict=True))
    return f"| {name:68} | {label:21} | {padded} |"


def _duration(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return (
                f"{seconds / size:.3g} {unit}"
                if seconds / size < 100
                else f"{seconds / size:.0f} {unit}"
            )
    return f"{seconds * 1e9:.0f} ns"


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{k}={v}" for k, v in value.items())
    return f"{value:.1f}" if isinstance(value, float) else str(value)


def _as_json(row: Row, measured: list[Measured]) -> dict[str, Any]:
    sides = [
        {
            "label": m.label,
            "median": m.median,
            "least": min(m.samples),
            "quartiles": m.quartiles,
            "ratio": statistics.median(ratios(m, measured[0])),
            "samples": m.samples,
        }
        for m in measured
    ]
    return {
        "name": row.name,
        "group": row.group,
        "unit": row.unit,
        "amount": row.amount,
        "sides": sides,
    }
