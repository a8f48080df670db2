"""Batches of a dataset made ahead by threads or processes, in the order that is asked for."""

from __future__ import annotations

import collections
import concurrent.futures as futures
import itertools
from collections.abc import Iterable, Iterator
from typing import Any

__all__ = ["fetch"]


class _Held:
    """The dataset of a worker process: sent once, when the process begins."""

    sequence: Any = None


def _hold(sequence: Any) -> None:
    _Held.sequence = sequence


def _get(index: int) -> Any:
    return _Held.sequence[index]


def fetch(sequence: Any, order: Iterable[int]) -> Iterator[Any]:
    """The batches of a dataset, made ahead where it asks for workers.

    Args:
        sequence: has `__getitem__`, and may have `workers`, `use_multiprocessing` and
            `max_queue_size`.
        order: the numbers of the batches.

    Yields:
        The batches in this order, whoever made them.

    Example:
        >>> list(fetch([10, 20, 30], [2, 0]))
        [30, 10]
    """
    workers = getattr(sequence, "workers", 1)
    processes = getattr(sequence, "use_multiprocessing", False)
    if workers <= 1 and not processes:
        for index in order:
            yield sequence[index]
        return
    pool: futures.Executor
    if processes:
        pool = futures.ProcessPoolExecutor(workers, initializer=_hold, initargs=(sequence,))
        make = _get
    else:
        pool = futures.ThreadPoolExecutor(workers, thread_name_prefix="pyneuro-data")
        make = sequence.__getitem__
    ahead = max(getattr(sequence, "max_queue_size", 10), workers)
    numbers = iter(order)
    try:
        waiting = collections.deque(
            pool.submit(make, index) for index in itertools.islice(numbers, ahead)
        )
        while waiting:
            batch = waiting.popleft().result()
            waiting.extend(pool.submit(make, index) for index in itertools.islice(numbers, 1))
            yield batch
    finally:  # also where the training ends before the data do
        pool.shutdown(wait=True, cancel_futures=True)
