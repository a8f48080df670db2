"""Random sizes, where a library that is tuned for round ones shows it: products against PyTorch's.

    python bench/python/sweep.py --threads 2 --json build/sweep.json

Each size is measured in both, in turn. Sizes that lose are measured again, with twice the rounds.
What counts is the geometric mean of the ratios and their 5th percentile.
"""

from __future__ import annotations

import argparse
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


def sweep(rows: Iterator[Row], options: argparse.Namespace) -> None:
    """Measure rows beside the fastest of their peers, those that lose again; print the figures."""
    about = harness.introduce(options, ["torch"])
    found: list[tuple[float, str, list[Measured]]] = []
    for row in rows:
        harness.check_agreement(row)
        measured = harness.measure(row, options.rounds, options.sample_ms / 1e3)
        if harness.ratio_to_fastest(measured) < 1:
            measured = harness.measure(row, 2 * options.rounds, options.sample_ms / 1e3)
        ratio = harness.ratio_to_fastest(measured)
        found.append((ratio, row.name, measured))
        rates = " ".join(f"{row.amount / m.median / 1e9:7.1f}" for m in measured)
        print(f"{ratio:5.2f}x  {rates} {row.unit}  {row.name}", flush=True)
    print("\nthe slowest:")
    for ratio, name, _ in sorted(found, key=lambda entry: entry[0])[:10]:
        print(f"{ratio:5.2f}x  {name}")
    print(summary([ratio for ratio, _, _ in found]))
    entries = [
        {"name": name, "ratio": ratio, "seconds": {m.label: m.samples for m in measured}}
        for ratio, name, measured in found
    ]
    harness.write_json(options, about, sizes=entries)


def summary(ratios: list[float]) -> str:
    fifth = float(np.percentile(ratios, 5))
    lost = sum(r < 1 for r in ratios)
    return (
        f"{len(ratios)} sizes: pyneuro is {statistics.geometric_mean(ratios):.2f}x as fast in the "
        f"geometric mean, {fifth:.2f}x at the 5th percentile; {lost} are slower"
    )


def add_options(parser: argparse.ArgumentParser) -> None:
    """What sweeps have in common."""
    parser.add_argument("--count", type=int, default=200, help="how many: %(default)s")
    parser.add_argument("--logarithmic", action="store_true", help="many small ones")
    parser.add_argument("--seed", type=int, default=0, help="of the sizes: %(default)s")
    parser.set_defaults(rounds=5, peers="torch")


def torch_of(options: argparse.Namespace) -> ModuleType:
    torch = harness.load_peers(options).get("torch")
    if torch is None:
        raise SystemExit("the sweep compares with PyTorch; to install it: pip install torch")
    return torch


def main() -> None:
    def add(parser: argparse.ArgumentParser) -> None:
        add_options(parser)
        parser.add_argument("--largest", type=int, default=3000, help="m, k, n: %(default)s")

    options = harness.start(__doc__.splitlines()[0], add)
    torch = torch_of(options)
    drawn = sizes(options.count, options.largest, options.logarithmic, options.seed)
    sweep((product(torch, *size) for size in drawn), options)


if __name__ == "__main__":
    main()
