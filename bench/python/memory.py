"""The most memory that steps of training take, each framework in a process of its own.

    python bench/python/memory.py --threads 2 --json build/memory.json

The figure is what the operating system calls the largest resident set. It includes the framework
itself, whose size after its import stands beside. Weights are the framework's own random ones.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "pyneuro": {},
    "torch": {},
    "torch channels_last": {"channels_last": True},
}
FIELDS = ("imported", "model", "peak")


def most_memory() -> float:
    """In MB, until now."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def train(label: str, key: str, batch: int, steps: int, reduced: bool, threads: int) -> None:
    """Runs in a process of its own, where nothing of the other framework is loaded."""
    import architectures

    found = []
    if label == "pyneuro":
        from networks_pyneuro import Trained
    else:
        import torch
        from networks_torch import Trained

        torch.set_num_threads(threads)
    found.append(most_memory())
    problem = architectures.problem(key, batch, reduced)
    trained = Trained(problem, **CONFIGURATIONS[label])
    batches = [trained.put(*pair) for pair in problem.batches(1)]
    found.append(most_memory())
    for _ in range(steps):
        trained.step(*batches[0])
    found.append(most_memory())
    print(json.dumps(dict(zip(FIELDS, found, strict=True))))


def main() -> None:
    import harness  # here, as it loads pyneuro; and PyTorch is not loaded here at all, as a child's
    # figure begins with what its parent had

    def add(parser: argparse.ArgumentParser) -> None:
        harness.add_torch_options(parser)
        parser.add_argument("--network", default="vgg16", help="%(default)s")
        parser.add_argument("--batch", type=int, default=4, help="%(default)s")
        parser.add_argument("--steps", type=int, default=5, help="%(default)s")

    options = harness.start(__doc__.splitlines()[0], add)
    about = harness.introduce(options, [])
    found = []
    print(f"| {options.network}, batch {options.batch}, MB | {' | '.join(FIELDS)} |")
    print("| --- | --: | --: | --: |")
    for label in CONFIGURATIONS:
        if importlib.util.find_spec(label.split()[0]) is None:
            print(f"{label} is not installed and left out")
            continue
        code = (
            f"import memory; memory.train({label!r}, {options.network!r}, {options.batch}, "
            f"{options.steps}, {options.reduced}, {options.threads})"
        )
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=Path(__file__).parent,
            stdout=subprocess.PIPE,
            check=True,
        )
        figures = json.loads(done.stdout)
        print(f"| {label} | {' | '.join(f'{figures[f]:.0f}' for f in FIELDS)} |", flush=True)
        found.append({"by": label} | figures)
    harness.write_json(options, about, network=options.network, batch=options.batch, peaks=found)


if __name__ == "__main__":
    main()
