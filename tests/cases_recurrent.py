"""Rows of LSTM and GRU over a sequence, and of their gradients. The references go step by step."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
from rows import Bad, Case, In, Sample, awkward_sample

# ---- the references ------------------------------------------------------------------------------


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-x))


def order(steps: int, reverse: bool) -> list[int]:
    return list(range(steps))[:: -1 if reverse else 1]


def all_true(x: np.ndarray) -> np.ndarray:
    return np.ones(x.shape[:2], bool)


def given(before: np.ndarray | None, out: np.ndarray, rows: np.ndarray, zero: bool) -> np.ndarray:
    """What a step gives out: where it is masked, 0 or the output before."""
    kept = np.zeros_like(out) if zero or before is None else before
    return np.where(rows, out, kept)


def lstm(
    x: np.ndarray, kernel: np.ndarray, h: np.ndarray, c: np.ndarray, mask: Any = None,
    reverse: bool = False, zero_masked: bool = False, keep: bool = True,
) -> tuple[np.ndarray, ...]:  # fmt: skip
    n, steps = x.shape[:2]
    units = kernel.shape[0]
    mask = all_true(x) if mask is None else mask
    y, cells, before = (np.zeros((n, steps, units)) for _ in range(3))
    gates = np.zeros((n, steps, 4 * units))
    for s, t in enumerate(order(steps, reverse)):
        i, f, g, o = np.split(x[:, t] + h @ kernel, 4, axis=1)
        i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
        gates[:, t], cells[:, t], before[:, t] = np.concatenate([i, f, g, o], 1), c, h
        new = f * c + i * g
        out, rows = o * np.tanh(new), mask[:, t, None]
        y[:, s] = given(y[:, s - 1] if s else None, out, rows, zero_masked)
        h, c = np.where(rows, out, h), np.where(rows, new, c)
    return (y, h, c, gates, cells, before) if keep else (y, h, c)


def gru(
    x: np.ndarray, kernel: np.ndarray, bias: np.ndarray, h: np.ndarray, mask: Any = None,
    reverse: bool = False, zero_masked: bool = False, reset_after: bool = True, keep: bool = True,
) -> tuple[np.ndarray, ...]:  # fmt: skip
    n, steps = x.shape[:2]
    units = kernel.shape[0]
    mask = all_true(x) if mask is None else mask
    y, before = np.zeros((n, steps, units)), np.zeros((n, steps, units))
    trace = np.zeros((n, steps, 4 * units))
    for s, t in enumerate(order(steps, reverse)):
        (z, r, g), inner = np.split(x[:, t], 3, axis=1), np.split(h @ kernel + bias, 3, axis=1)
        z, r = sigmoid(z + inner[0]), sigmoid(r + inner[1])
        if reset_after:
            product = inner[2]
            g = np.tanh(g + r * product)
        else:
            product = r * h
            g = np.tanh(g + product @ kernel[:, 2 * units :] + bias[2 * units :])
        trace[:, t], before[:, t] = np.concatenate([z, r, g, product], 1), h
        out, rows = z * h + (1 - z) * g, mask[:, t, None]
        y[:, s] = given(y[:, s - 1] if s else None, out, rows, zero_masked)
        h = np.where(rows, out, h)
    return (y, h, trace, before) if keep else (y, h)


class Outputs:
    """The gradients that come to the outputs, from the last step to the first."""

    def __init__(self, g_y: np.ndarray, mask: Any, reverse: bool, zero_masked: bool) -> None:
        self.g_y, self.zero = g_y, zero_masked
        self.mask = all_true(g_y) if mask is None else mask
        self.steps = list(enumerate(order(g_y.shape[1], reverse)))[::-1]
        self.later = np.zeros_like(g_y[:, 0]) if g_y.shape[1] else None

    def of(self, s: int, rows: np.ndarray) -> np.ndarray:
        """What step s gave out itself; a masked one repeated what an earlier step gave out."""
        g = self.g_y[:, s] + self.later
        repeated = np.zeros_like(g) if self.zero else g
        self.later = np.where(rows, 0, repeated)
        return g


def lstm_grad(
    kernel: np.ndarray, gates: np.ndarray, cells: np.ndarray, g_y: np.ndarray, g_h: np.ndarray,
    g_c: np.ndarray, mask: Any = None, reverse: bool = False, zero_masked: bool = False,
) -> tuple[np.ndarray, ...]:  # fmt: skip
    dx = np.zeros(gates.shape)
    outputs = Outputs(g_y, mask, reverse, zero_masked)
    for s, t in outputs.steps:
        rows = outputs.mask[:, t, None]
        (i, f, g, o), c = np.split(gates[:, t], 4, axis=1), cells[:, t]
        dh = g_h + outputs.of(s, rows)
        y = np.tanh(f * c + i * g)
        dc = g_c + dh * o * (1 - y**2)
        di, df = dc * g * i * (1 - i), dc * c * f * (1 - f)
        dg, do = dc * i * (1 - g**2), dh * y * o * (1 - o)
        dx[:, t] = np.where(rows, np.concatenate([di, df, dg, do], 1), 0)
        g_h, g_c = np.where(rows, dx[:, t] @ kernel.T, g_h), np.where(rows, dc * f, g_c)
    return dx, g_h, g_c


def gru_grad(
    kernel: np.ndarray, trace: np.ndarray, before: np.ndarray, g_y: np.ndarray, g_h: np.ndarray,
    mask: Any = None, reverse: bool = False, zero_masked: bool = False, reset_after: bool = True,
) -> tuple[np.ndarray, ...]:  # fmt: skip
    dx = np.zeros((*trace.shape[:2], kernel.shape[1]))
    inner = np.zeros_like(dx)
    outputs = Outputs(g_y, mask, reverse, zero_masked)
    for s, t in outputs.steps:
        rows = outputs.mask[:, t, None]
        z, r, g, product = np.split(trace[:, t], 4, axis=1)
        dh = g_h + outputs.of(s, rows)
        dz, dg = dh * (before[:, t] - g) * z * (1 - z), dh * (1 - z) * (1 - g**2)
        units = kernel.shape[0]
        if reset_after:
            dr, d_product = dg * product * r * (1 - r), dg * r
            past = dh * z + d_product @ kernel[:, 2 * units :].T
        else:
            d_left, d_product = dg @ kernel[:, 2 * units :].T, dg
            dr, past = d_left * before[:, t] * r * (1 - r), dh * z + d_left * r
        dx[:, t] = np.where(rows, np.concatenate([dz, dr, dg], 1), 0)
        inner[:, t] = np.where(rows, np.concatenate([dz, dr, d_product], 1), 0)
        of_gates = inner[:, t, : 2 * units] @ kernel[:, : 2 * units].T
        g_h = np.where(rows, of_gates + past, g_h)
    return dx, g_h, inner


# ---- samples -------------------------------------------------------------------------------------

Sizes = tuple[int, int, int]  # N, T, units
PATTERN = [[1, 1, 1, 1], [0, 1, 0, 1], [0, 0, 0, 0], [1, 0, 0, 1], [1, 1, 0, 0]]
SIZES: tuple[Sizes, ...] = (
    (1, 1, 1), (2, 3, 3), (3, 2, 17), (2, 0, 3), (0, 2, 3), (2, 2, 0), (7, 3, 8),
)  # fmt: skip
LARGE = (67, 9, 40)
WIDE = (5, 2, 270)  # more than one block of k backward
FEW = (19, 2, 270)  # samples of a layer so wide that units are cut, not samples


def shapes(kind: str, n: int, steps: int, units: int) -> tuple[tuple[int, ...], ...]:
    state, every = (n, units), (n, steps, units)
    return {
        "lstm": ((n, steps, 4 * units), (units, 4 * units), state, state),
        "gru": ((n, steps, 3 * units), (units, 3 * units), (3 * units,), state),
        "lstm_grad": ((units, 4 * units), (n, steps, 4 * units), every, every, state, state),
        "gru_grad": ((units, 3 * units), (n, steps, 4 * units), every, every, state),
    }[kind]


def call(kind: str, sizes: Sizes, mask: Any = None, bound: float = 1.0, **fields: Any) -> Sample:
    inputs = [In(s, -bound, bound) for s in shapes(kind, *sizes)]
    if mask == "drawn":
        inputs.append(In(sizes[:2], dtype="bool"))
    elif mask is not None:
        inputs.append(In(values=mask, dtype="bool"))
    return Sample(tuple(inputs), fields)


def calls(kind: str) -> tuple[Sample, ...]:
    masked = (5, 4, 3)
    return (
        *(call(kind, sizes) for sizes in SIZES),
        call(kind, (3, 4, 5), reverse=True),
        call(kind, masked, PATTERN),
        call(kind, masked, PATTERN, zero_masked=True),
        call(kind, masked, PATTERN, reverse=True),
        call(kind, (2, 0, 3), "drawn"),
    )


def awkward(kind: str) -> Sample:
    """Every special value in every gate, one sample each; two steps."""
    x, *rest = shapes(kind, 1, 2, 1)
    special = np.array([math.nan, math.inf, -math.inf, -0.0, 1e4, -1e4, 88.0, -104.0])
    gates = np.eye(x[2])[None, :, None, :] * np.array([1.0, 0.0])[None, None, :, None]
    with np.errstate(invalid="ignore"):
        drawn = np.where(gates != 0, special[:, None, None, None] * gates, 0.5)
    samples = drawn.reshape(-1, *x[1:])
    others = [np.full((len(samples), 1) if s == (1, 1) else s, 0.25) for s in rest[1:]]
    return awkward_sample(samples, np.full(rest[0], 0.5), *others)


def bad_calls(kind: str, kernel: int, sequence: int, state: int) -> tuple[Bad, ...]:
    good = [np.ones(s) for s in shapes(kind, 2, 3, 4)]
    names = {"lstm": "c", "gru": "h", "lstm_grad": "g_c", "gru_grad": "g_h"}

    def but(at: int, other: np.ndarray) -> tuple[np.ndarray, ...]:
        return tuple(other if i == at else a for i, a in enumerate(good))

    return (
        Bad(but(kernel, np.ones((4, 5))), {}, "ShapeError", f"{kind}: recurrent_kernel must be"),
        Bad(but(sequence, np.ones((2, 4))), {}, "ShapeError", f"{kind}: .*\\(N, T, "),
        Bad(but(state, np.ones((3, 4))), {}, "ShapeError", f"{kind}: {names[kind]} has shape"),
        Bad(but(state, np.ones((2, 4), "float32")), {}, "DTypeError", f"{kind}: .*float32.*cast"),
        Bad((*good, np.ones((3, 2), bool)), {}, "ShapeError", f"{kind}: mask has shape"),
        Bad((*good, np.ones((2, 3))), {}, "DTypeError", f"{kind}: mask is float64"),
        Bad(but(kernel, np.ones(shapes(kind, 2, 3, 4)[kernel], "int32")), {}, "DTypeError", kind),
    )


def forward(kind: str, reference: Any) -> Case:
    return Case(
        kind,
        (*calls(kind), call(kind, WIDE, bound=0.3)),
        reference,
        ulp=32,
        floor=1.0,
        differentiable=(0, 1, 2, 3),
        auxiliary=(3, 4, 5) if kind == "lstm" else (2, 3),
        second=False,
        large=call(kind, LARGE, "drawn", 0.3),
        rows=(0, 2, 3, 4) if kind == "lstm" else (0, 3, 4),
        awkward=(awkward(kind),),
        bad=bad_calls(kind, 1, 0, 3),
    )


def backward(kind: str, reference: Any) -> Case:
    return Case(
        kind,
        (*calls(kind), call(kind, WIDE, bound=0.3)),
        reference,
        ulp=64,
        floor=4.0,
        large=call(kind, LARGE, "drawn", 0.3),
        rows=(1, 2, 3, 4, 5, 6) if kind == "lstm_grad" else (1, 2, 3, 4, 5),
        bad=bad_calls(kind, 0, 1, 5 if kind == "lstm_grad" else 4),
    )


def others(case: Case, **fields: Any) -> Case:
    """The same op where units are cut, and without gradients."""
    large = call(case.op, FEW, "drawn", 0.1, **fields)
    masked = call(case.op, (5, 4, 3), PATTERN, **fields)
    return replace(case, samples=(masked,), large=large, differentiable=(), bad=())


def before(case: Case) -> Case:
    """GRU with the reset gate before the product."""

    def of(sample: Sample) -> Sample:
        return replace(sample, fields={**sample.fields, "reset_after": False})

    return replace(
        case,
        samples=tuple(map(of, case.samples)),
        awkward=tuple(map(of, case.awkward)),
        large=of(case.large),
        bad=(),
    )


FORWARD = (forward("lstm", lstm), forward("gru", gru))
BACKWARD = (backward("lstm_grad", lstm_grad), backward("gru_grad", gru_grad))
RECURRENT = (
    *(others(case, keep=False) for case in FORWARD),
    *(others(case) for case in BACKWARD),
    *(others(case, reset_after=False) for case in (FORWARD[1], BACKWARD[1])),
    before(FORWARD[1]),
    before(BACKWARD[1]),
    *FORWARD,
    *BACKWARD,
)
