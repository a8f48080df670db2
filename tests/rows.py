"""What a row of the op tests is made of: Case, Sample, In, Bad. No row is written here."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from references import FLOATS, SIGNED, UNSIGNED, numpy_dtype

INTEGERS = SIGNED + UNSIGNED


def wide(dtype: str) -> str:
    """What a dtype is computed in: halves in float32."""
    return "float32" if dtype in ("float16", "bfloat16") else dtype


@dataclass(frozen=True)
class In:
    """One input: its shape and the range of its values; `dtype` where it is not the one tested,
    "wide" for what that is computed in."""

    shape: tuple[int, ...] = ()
    low: float = -3.0
    high: float = 3.0
    dtype: str | None = None
    values: Any = None

    def draw(self, rng: np.random.Generator, tested: str) -> np.ndarray:
        name = wide(tested) if self.dtype == "wide" else self.dtype or tested
        if self.values is not None:
            return np.array(self.values).astype(numpy_dtype(name))
        if name == "bool":
            return np.asarray(rng.random(self.shape) < 0.5)
        if name in INTEGERS:
            low = max(math.ceil(self.low), 0 if name in UNSIGNED else -100)
            high = min(math.floor(self.high), 100)
            return np.asarray(rng.integers(low, high + 1, self.shape)).astype(name)
        return np.asarray(rng.uniform(self.low, self.high, self.shape)).astype(numpy_dtype(name))


@dataclass(frozen=True)
class Sample:
    """One call: inputs and fields."""

    inputs: tuple[In, ...]
    fields: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Bad:
    """A call that must fail: error class, and what its message must say."""

    inputs: tuple[Any, ...]
    fields: dict[str, Any]
    error: str
    says: str


@dataclass(frozen=True)
class Case:
    """A row. The tolerance is `ulp` last places of the dtype computed in, of the result or of
    `floor`, whichever is larger; 16-bit results may be half a last place off on top."""

    op: str
    samples: tuple[Sample, ...]
    reference: Callable[..., Any]
    dtypes: tuple[str, ...] = FLOATS
    # The result's dtype, or each one's; None: that of the inputs, "wide": what that is computed in,
    # "sum": as ops.sum has it.
    result: str | tuple[str | None, ...] | None = None
    ulp: float = 4.0
    floor: float | Callable[..., Any] = 0.0
    differentiable: tuple[int, ...] = ()  # inputs
    auxiliary: tuple[int, ...] = ()  # outputs that only a gradient reads, and that have none
    second: bool = True  # whether it has second derivatives
    awkward: tuple[Sample, ...] = ()  # with NaN, infinities, signed zeros, extremes
    signed_zeros: bool = True  # whether awkward zeros have NumPy's sign
    large: Sample | None = None  # enough for several threads
    rows: tuple[int, ...] = ()  # inputs whose first axis is a batch that the op treats row by row
    writes: Callable[[dict[str, Any], int], list[int]] | None = None  # inputs that are Variables
    dtype_field: bool = False
    bad: tuple[Bad, ...] = ()
    call: Callable[..., Any] | None = None  # a public function made of several ops, not a single op


def sample(*shapes: tuple[int, ...], low: float = -3.0, high: float = 3.0, **fields: Any) -> Sample:
    return Sample(tuple(In(shape, low, high) for shape in shapes), fields)


def awkward_sample(*inputs: Any, **fields: Any) -> Sample:
    return Sample(tuple(In(values=values) for values in inputs), fields)
