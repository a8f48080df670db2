"""Random sizes, where a library that is tuned for round ones shows it: products against PyTorch's.

    python bench/python/sweep.py --threads 2 --json build/sweep.json

Each size is measured in both, in turn. Sizes that lose are measured again, with twice the rounds.
What counts is the geometric mean of the ratios and their 5th percentile.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
from collections.abc import Iterator
from types import ModuleType

import harness
import numpy as np
from harness import Measured, Row, Side
from ops import host

import pyneuro


def sizes(count: int, largest: int, logarithmic: bool, seed: int) -> Iterator[tuple[int, int, int]]:
    draw = np.random.default_rng(seed)
    for _ in range(count):
        if logarithmic:
            m, k, n = np.exp(draw.uniform(0, math.log(largest), 3)).round().astype(int)
        else:
            m, k, n = draw.integers(1, largest + 1, 3)
        yield int(m), int(k), int(n)


def product(torch: ModuleType, m: int, k: int, n: int) -> Row:
    draw = np.random.default_rng(m * k + n)
    a = draw.standard_normal((m, k), np.float32)
    b = draw.standard_normal((k, n), np.float32)
    row = Row(f"{m} x {k} by {k} x {n}", [], 1e-5, 2.0 * m * k * n, "GFLOP/s")
    for label, put in (("pyneuro", pyneuro.ops.convert_to_tensor), ("torch", torch.from_numpy)):
        names = {"a": put(a), "b": put(b)}
        row.sides.append(Side(label, "a @ b", names, lambda x=names: [host(x["a"] @ x["b"])]))
    return row


def ratio(measured: list[Measured]) -> float:
    ours, theirs = measured
    return statistics.median(harness.ratios(theirs, ours))


def summary(ratios: list[float]) -> str:
    fifth = float(np.percentile(ratios, 5))
    lost = sum(r < 1 for r in ratios)
    return (
        f"{len(ratios)} sizes: pyneuro is {statistics.geometric_mean(ratios):.2f}x as fast in the "
        f"geometric mean, {fifth:.2f}x at the 5th percentile; {lost} are slower"
    )


def main() -> None:
    def add(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--count", type=int, default=200, help="how many: %(default)s")
        parser.add_argument("--largest", type=int, default=3000, help="m, k, n: %(default)s")
        parser.add_argument("--logarithmic", action="store_true", help="many small ones")
        parser.add_argument("--seed", type=int, default=0, help="of the sizes: %(default)s")
        parser.set_defaults(rounds=5, peers="torch")

    options = harness.start(__doc__.splitlines()[0], add)
    torch = harness.load_peers(options).get("torch")
    if torch is None:
        raise SystemExit("the sweep compares with PyTorch; to install it: pip install torch")
    found: list[tuple[float, str, list[Measured]]] = []
    for m, k, n in sizes(options.count, options.largest, options.logarithmic, options.seed):
        row = product(torch, m, k, n)
        harness.check_agreement(row)
        measured = harness.measure(row, options.rounds, options.sample_ms / 1e3)
        if ratio(measured) < 1:
            measured = harness.measure(row, 2 * options.rounds, options.sample_ms / 1e3)
        found.append((ratio(measured), row.name, measured))
        ours, theirs = (row.amount / m.median / 1e9 for m in measured)
        print(f"{ratio(measured):5.2f}x  {ours:7.1f} {theirs:7.1f} GFLOP/s  {row.name}", flush=True)
    print("\nthe slowest:")
    for value, name, _ in sorted(found, key=lambda entry: entry[0])[:10]:
        print(f"{value:5.2f}x  {name}")
    print(summary([value for value, _, _ in found]))
    if options.json is not None:
        rows = [
            {"name": name, "ratio": value, "seconds": {m.label: m.samples for m in measured}}
            for value, name, measured in found
        ]
        options.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
