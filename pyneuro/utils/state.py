"""The process-wide state: random seeds and automatic names."""

from __future__ import annotations

import random as python_random

import numpy as np

from .. import naming
from ..errors import ArgumentError
from ..random import reset_global_seed_generator

__all__ = ["clear_session", "set_random_seed"]


def set_random_seed(seed: int) -> None:
    """Seed all random numbers: pyneuro's, NumPy's and Python's.

    With the same seed the same program gives the same weights, batches and results, bit by bit.

    Args:
        seed: a whole number in [0, 2**32).

    Raises:
        ArgumentError: no such number.

    Example:
        >>> from pyneuro import random
        >>> set_random_seed(1)
        >>> first = random.uniform((2,)).tolist()
        >>> set_random_seed(1)
        >>> random.uniform((2,)).tolist() == first
        True
    """
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**32:
        raise ArgumentError(f"set_random_seed: expected a whole number in [0, 2**32), got {seed!r}")
    seed = int(seed)
    python_random.seed(seed)
    np.random.seed(seed)
    reset_global_seed_generator(seed)


def clear_session(free_memory: bool = True) -> None:
    """Begin the numbering of automatic names anew.

    Args:
        free_memory: accepted for Keras's signature; memory is freed when models are let go.
    """
    naming.clear_session()
