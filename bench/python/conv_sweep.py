"""Convolutions of random geometry, forward and backward, against PyTorch's two layouts.

    python bench/python/conv_sweep.py --threads 2 --json build/conv_sweep.json

As in sweep.py: sizes that lose are measured again, and the geometric mean and the 5th percentile
count, here of the ratios to the faster layout.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator

import convolutions
import harness
import numpy as np
import sweep
import twins
from convolutions import Shape


def shapes(count: int, seed: int, channels: int, size: int, logarithmic: bool) -> Iterator[Shape]:
    """One in four is grouped or depthwise, one in five dilated, one in four has strides."""
    draw = np.random.default_rng(seed)

    def number(most: int) -> int:
        if logarithmic:
            return round(math.exp(draw.uniform(0, math.log(most))))
        return int(draw.integers(1, most + 1))

    def share(part: float) -> bool:
        return bool(draw.random() < part)

    for _ in range(count):
        inner, outer = number(channels), number(channels)
        groups = 1
        if share(0.25):
            groups = int(draw.choice([2, 4, 8, inner]))
            outer = inner if groups == inner else outer
            inner, outer = (max(groups, n // groups * groups) for n in (inner, outer))
        window, strides, dilation = int(draw.choice([1, 3, 3, 3, 5, 7])), 1, 1
        if share(0.25):
            strides = 2
        elif window > 1 and share(0.27):
            dilation = 2
        length = int(draw.integers(7, size + 1))
        batch = int(draw.integers(1, 9))
        covered = dilation * (window - 1) + 1
        padding = "valid" if covered <= length and share(0.3) else "same"
        if padding == "same" and strides > 1:
            length -= 1 - length % 2  # PyTorch pads both sides alike
        yield Shape(batch, length, inner, outer, window, strides, dilation, groups, padding)


def main() -> None:
    def add(parser: argparse.ArgumentParser) -> None:
        sweep.add_options(parser)
        harness.add_torch_options(parser)
        parser.add_argument("--channels", type=int, default=512, help="at most: %(default)s")
        parser.add_argument("--size", type=int, default=64, help="at most: %(default)s")
        parser.set_defaults(count=100)

    options = harness.start(__doc__.splitlines()[0], add)
    if options.reduced:
        options.count, options.channels, options.size = min(options.count, 10), 12, 9
    torch = sweep.torch_of(options)
    drawn = shapes(options.count, options.seed, options.channels, options.size, options.logarithmic)
    wanted = options.rows or "forward + backward"
    rows = (
        row
        for shape in drawn
        for row in twins.rows(convolutions.convolution(shape), torch, options.compile, wanted)
    )
    sweep.sweep(rows, options)


if __name__ == "__main__":
    main()
