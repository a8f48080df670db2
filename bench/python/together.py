"""Two libraries in one program, each with a team of threads: what does one cost the other?

    python bench/python/together.py --threads 2 --json build/together.json

Products by one library and by the other, *by turns* in one thread, and *at once* in two threads of
Python. Beside each stands the sum of the times that both take alone: 1.00x is a program that loses
nothing, more is cores taken by threads that spin. At once, less than 1.00x means that there
were cores for both, or that one used the gaps of the other. The pairs without pyneuro show what is
usual.
"""

from __future__ import annotations

import itertools
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import harness
import numpy as np

import pyneuro as pn

Work = Callable[[], Any]
SIZES = (128, 512, 1024)
KINDS = ("by turns", "at once")


def products(n: int, peers: dict[str, ModuleType]) -> dict[str, Work]:
    """A product of n x n matrices by each library, over the same numbers."""
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, n, n), np.float32)
    ours = pn.ops.array(a), pn.ops.array(b)
    found: dict[str, Work] = {
        "pyneuro": lambda: pn.ops.matmul(*ours),
        "numpy": lambda: np.matmul(a, b),
    }
    if torch := peers.get("torch"):
        theirs = torch.from_numpy(a), torch.from_numpy(b)
        found["torch"] = lambda: torch.matmul(*theirs)
    return found


def timed(work: Work) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def repeat(work: Work, count: int) -> None:
    for _ in range(count):
        work()


def by_turns(works: Sequence[Work], counts: Sequence[int]) -> None:
    """All of the first one's calls, spread among the second one's."""
    many, few = sorted(zip(counts, works, strict=True), key=lambda pair: -pair[0])
    for i in range(few[0]):
        repeat(many[1], (i + 1) * many[0] // few[0] - i * many[0] // few[0])
        few[1]()


def at_once(works: Sequence[Work], counts: Sequence[int]) -> None:
    threads = [
        threading.Thread(target=repeat, args=pair) for pair in zip(works, counts, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def count_for(work: Work, seconds: float) -> int:
    """How often to call it, so that it takes about that long alone."""
    repeat(work, 3)
    return max(1, round(seconds / statistics.median(timed(work) for _ in range(9))))


def measure(works: Sequence[Work], rounds: int, seconds: float) -> dict[str, list[float]]:
    """By kind, the times of both together as shares of the sum of their times alone."""
    counts = [count_for(work, seconds) for work in works]
    found: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for _ in range(rounds):
        alone = 0.0
        for work, count in zip(works, counts, strict=True):
            time.sleep(0.01)  # until the threads of the one before have stopped spinning
            alone += timed(lambda work=work, count=count: repeat(work, count))
        for kind, together in zip(KINDS, (by_turns, at_once), strict=True):
            time.sleep(0.01)
            found[kind].append(timed(lambda do=together: do(works, counts)) / alone)
    return found


def main() -> None:
    options = harness.start(__doc__.splitlines()[0], harness.add_torch_options)
    peers = harness.load_peers(options)
    about = harness.introduce(options, peers)
    print("| product of | by | by turns | at once |")
    print("| --- | --- | --: | --: |")
    pairs = []
    for n in SIZES[:1] if options.reduced else SIZES:
        for one, other in itertools.combinations(works := products(n, peers), 2):
            shares = measure(
                [works[one], works[other]], options.rounds, 2 * options.sample_ms / 1e3
            )
            medians = {kind: statistics.median(shares[kind]) for kind in KINDS}
            print(
                f"| {n} x {n} | {one} and {other} | "
                f"{' | '.join(f'{medians[kind]:.2f}x' for kind in KINDS)} |",
                flush=True,
            )
            pairs.append({"size": n, "by": [one, other], "medians": medians, "shares": shares})
    harness.write_json(options, about, pairs=pairs)


if __name__ == "__main__":
    main()
