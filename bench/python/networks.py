"""Whole networks: steps of training, and inference, beside PyTorch in each of its configurations.

    python bench/python/networks.py --threads 2 --json build/networks.json

All sides begin with the same weights and must find the same losses in the first steps. PyTorch's
optimizers are fused; pyneuro's step is that of `fit`, recorded and replayed. Both read the loss.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator
from typing import Any

import architectures
import harness
import networks_pyneuro
import sweep
from architectures import Problem
from harness import Row, Side

CHECKED_STEPS = 3


def sides_of(problem: Problem, compiled: bool) -> Iterator[tuple[str, Any]]:
    """Each framework's network in each configuration."""
    import networks_torch

    ours = networks_pyneuro.Trained(problem)
    yield "pyneuro", ours
    weights = ours.weights()
    yield "torch", networks_torch.Trained(problem, weights)
    images = len(problem.shape) == 3
    if images:
        yield "torch channels_last", networks_torch.Trained(problem, weights, channels_last=True)
    if compiled:
        options = {"channels_last": images, "compiled": True}
        yield "torch compiled", networks_torch.Trained(problem, weights, **options)


def training_row(problem: Problem, compiled: bool) -> Row:
    row = Row(f"{problem.name}, training step, batch {problem.batch}", [], 1e-3)
    for label, trained in sides_of(problem, compiled):
        batches = itertools.cycle([trained.put(*batch) for batch in problem.batches()])

        def result(trained: Any = trained, batches: Any = batches) -> list[Any]:
            return [[trained.step(*next(batches)) for _ in range(CHECKED_STEPS)]]

        names = {"step": trained.step, "batches": batches}
        row.sides.append(Side(label, "step(*next(batches))", names, result))
    return row


def inference_row(problem: Problem, compiled: bool) -> Row:
    row = Row(f"{problem.name}, inference, batch {problem.batch}", [], 1e-3)
    for label, trained in sides_of(problem, compiled):
        if label != "pyneuro":
            trained.net.eval()
        x, _ = trained.put(*problem.batches(1)[0])
        names = {"predict": trained.predict, "x": x}
        row.sides.append(
            Side(label, "predict(x)", names, lambda names=names: [names["predict"](names["x"])])
        )
    return row


def rows_of(options: argparse.Namespace) -> Iterator[Row]:
    """Networks are made only for rows that are wanted."""
    cases = [(training_row, "vgg16", batch) for batch in (4, 8)]
    cases += [(inference_row, "vgg16", batch) for batch in (1, 8)]
    cases += [(training_row, key, None) for key in architectures.PROBLEMS if key != "vgg16"]
    for make, key, batch in cases:
        problem = architectures.problem(key, batch, options.reduced)
        kind = "training step" if make is training_row else "inference"
        if options.rows in f"{problem.name}, {kind}, batch {problem.batch}":
            yield make(problem, options.compile)


def main() -> None:
    def add(parser: argparse.ArgumentParser) -> None:
        harness.add_torch_options(parser)
        parser.set_defaults(rounds=10)

    options = harness.start(__doc__.splitlines()[0], add)
    torch = sweep.torch_of(options)
    harness.run(rows_of(options), options, {"torch": torch})


if __name__ == "__main__":
    main()
