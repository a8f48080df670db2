"""How far convolutions in float32 are from float64, on VGG16's layers; PyTorch's for comparison.

    python bench/python/accuracy.py --threads 2 --json build/accuracy.json

The relative L2 error, |ours - exact| / |exact|, of results, of the input's gradient and of the
kernel's; exact is PyTorch's convolution of the same numbers in float64. Images are smaller than
VGG16's, as float64 is slow; `--size 224 --batch 4` has all of them.
"""

from __future__ import annotations

import argparse
from types import ModuleType

import convolutions
import harness
import numpy as np
import sweep
import twins
from convolutions import Shape
from twins import Given, Twins

WHAT = ("forward", "input gradient", "kernel gradient")


def relative(x: np.ndarray, exact: np.ndarray) -> float:
    return float(np.linalg.norm(x - exact) / np.linalg.norm(exact))


def outputs(work: Twins, torch: ModuleType) -> dict[str, list[np.ndarray]]:
    """Result and gradients by each side, and exactly."""
    given = work.given()
    wide = [Given(g.values.astype(np.float64), g.layout) for g in given]
    found: dict[str, list[np.ndarray]] = {"pyneuro": [], "torch": [], "exact": []}
    start = twins.first_gradient(work, given)
    for first in (None, start):
        sides = [
            twins.our_side(work, given, first),
            *twins.torch_sides(work, given, first, torch, compiled=False),
        ]
        exact = first and Given(first.values.astype(np.float64), first.layout, tracked=False)
        results = [side.result() for side in sides[:2]]
        results.append(next(twins.torch_sides(work, wide, exact, torch, compiled=False)).result())
        for label, arrays in zip(found, results, strict=True):
            found[label] += arrays
    return found


def main() -> None:
    def add(parser: argparse.ArgumentParser) -> None:
        harness.add_torch_options(parser)
        parser.add_argument("--size", type=int, default=28, help="of images: %(default)s")
        parser.add_argument("--batch", type=int, default=2, help="%(default)s")

    options = harness.start(__doc__.splitlines()[0], add)
    torch = sweep.torch_of(options)
    about = harness.introduce(options, ["torch"])
    part = 16 if options.reduced else 1
    worst = {by: [0.0] * len(WHAT) for by in ("pyneuro", "torch")}
    lines = []
    print(f"| layer | by | {' | '.join(WHAT)} |\n| --- | --- | --: | --: | --: |")
    for size, channels, filters, _ in convolutions.VGG16:
        inner, outer = max(1, channels // part), max(1, filters // part)
        shape = Shape(options.batch, min(size, options.size), inner, outer, 3)
        if options.rows not in shape.name:
            continue
        found = outputs(convolutions.convolution(shape), torch)
        for by, so_far in worst.items():
            pairs = zip(found[by], found["exact"], strict=True)
            errors = [relative(x, exact) for x, exact in pairs]
            worst[by] = [max(pair) for pair in zip(so_far, errors, strict=True)]
            figures = " | ".join(f"{error:.2e}" for error in errors)
            print(f"| {shape.name} | {by} | {figures} |", flush=True)
            lines.append({"layer": shape.name, "by": by} | dict(zip(WHAT, errors, strict=True)))
    for by, errors in worst.items():
        print(f"| the largest | {by} | {' | '.join(f'{error:.2e}' for error in errors)} |")
    harness.write_json(options, about, layers=lines)


if __name__ == "__main__":
    main()
