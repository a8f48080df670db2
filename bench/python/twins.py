"""A function in pyneuro and in PyTorch's configurations: rows of it forward, and with gradients.

Arrays are made once, channels last, and each side gets them in its own layout: PyTorch's images as
(N, C, H, W), contiguous or in its memory format channels_last, its kernels as (O, I, H, W). Results
are brought back before they are compared. Gradients start from random numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from harness import Row, Side

import pyneuro
from pyneuro.autograd import grad

# The order of PyTorch's axes in ours.
LAYOUTS = {
    "plain": None,
    "image": (0, 3, 1, 2),
    "kernel": (3, 2, 0, 1),
    "depthwise": (2, 3, 0, 1),
}


@dataclass
class Given:
    """An argument: its shape or values, its layout, and whether its gradient is wanted."""

    values: np.ndarray
    layout: str = "plain"
    tracked: bool = True


def random(*shape: int, layout: str = "plain", scale: float = 1.0) -> Given:
    draw = np.random.default_rng([len(shape), round(1000 * scale)])
    values = draw.standard_normal(shape, np.float32)
    return Given(values * np.float32(scale), layout)


def numbers(below: int, *shape: int) -> Given:
    """Class numbers, or rows of a table."""
    return Given(np.random.default_rng(2).integers(0, below, shape), tracked=False)


@dataclass
class Twins:
    """The same function for pyneuro's tensors and for PyTorch's.

    Attributes:
        name: what it does, and on which sizes.
        ours: takes and gives pyneuro's tensors.
        theirs: takes and gives PyTorch's.
        given: makes the arguments; called when the rows are.
        gives: the layout of the result.
        tolerance: how far results may differ, as a share of the largest element.
        flops: of one call; gradients count twice as much again.
        replayed: whether pyneuro records its side and replays it.
        digest: what is compared instead of results, where those are random.
        group: rows that are summed up together; forward and backward apart.
        repeats: how often the work occurs in its group.
    """

    name: str
    ours: Callable[..., Any]
    theirs: Callable[..., Any]
    given: Callable[[], list[Given]]
    gives: str = "plain"
    tolerance: float = 1e-4
    flops: float = 0.0
    replayed: bool = False
    digest: Callable[[np.ndarray], Any] | None = None
    group: str = ""
    repeats: int = 1


def rows(twins: Twins, torch: ModuleType, compiled: bool, wanted: str) -> Iterator[Row]:
    """A row forward and one with gradients, as far as `wanted` is part of their names."""
    kinds = [kind for kind in ("forward", "forward + backward") if wanted in _name(twins, kind)]
    if not kinds:
        return
    given = twins.given()
    for kind in kinds:
        start = None if kind == "forward" else first_gradient(twins, given)
        sides = [our_side(twins, given, start), *torch_sides(twins, given, start, torch, compiled)]
        group = f"{twins.group}, {kind}" if twins.group else ""
        flops, unit = twins.flops * (3 if start else 1), "GFLOP/s" if twins.flops else ""
        name = _name(twins, kind)
        yield Row(name, sides, twins.tolerance, flops, unit, group, twins.repeats)


def _name(twins: Twins, kind: str) -> str:
    return f"{twins.name}, {kind}"


def first_gradient(twins: Twins, given: list[Given]) -> Given:
    """The gradient to begin with."""
    shape = twins.ours(*(pyneuro.ops.convert_to_tensor(g.values) for g in given)).shape
    values = np.random.default_rng(3).standard_normal(shape, np.float32)
    return Given(values, twins.gives, tracked=False)


def _side(label: str, work: Callable[[], Any], digest: Callable[[Any], list[Any]]) -> Side:
    return Side(label, "work()", {"work": work}, lambda: digest(work()))


def our_side(twins: Twins, given: list[Given], start: Given | None) -> Side:
    def put(g: Given) -> Any:
        tracked = start is not None and g.tracked
        if tracked and g.layout in ("kernel", "depthwise"):  # a weight, and what is kept for it
            return pyneuro.Variable(g.values)
        x = pyneuro.ops.convert_to_tensor(g.values)
        x.requires_grad = tracked
        return x

    arguments = [put(g) for g in given]
    tracked = [x for x, g in zip(arguments, given, strict=True) if g.tracked]
    function = twins.ours
    if start is not None:
        arguments.append(put(start))

        def function(*x: Any) -> Any:
            return grad(twins.ours(*x[:-1]), tracked, x[-1])

    if twins.replayed:
        function = pyneuro.capture(function)

    def digest(outputs: Any) -> list[Any]:
        outputs = outputs if isinstance(outputs, list) else [outputs]
        return [_digest(twins, np.asarray(x)) for x in outputs]

    return _side("pyneuro", lambda: function(*arguments), digest)


def torch_sides(
    twins: Twins, given: list[Given], start: Given | None, torch: ModuleType, compiled: bool
) -> Iterator[Side]:
    """Contiguous; channels_last where there are images; compiled, in the quicker of the two."""
    images = any(g.layout == "image" for g in given)
    yield _torch_side("torch", twins, given, start, torch, False, twins.theirs)
    if images:
        label = "torch channels_last"
        yield _torch_side(label, twins, given, start, torch, True, twins.theirs)
    if compiled:
        torch.compiler.reset()  # else it would look for code that fits all sizes so far
        function = torch.compile(twins.theirs, dynamic=False)
        yield _torch_side("torch compiled", twins, given, start, torch, images, function)


def _torch_side(
    label: str, twins: Twins, given: list[Given], start: Given | None, torch: ModuleType,
    channels_last: bool, function: Callable[..., Any],
) -> Side:  # fmt: skip
    form = torch.channels_last if channels_last else torch.contiguous_format

    def put(g: Given) -> Any:
        order = LAYOUTS[g.layout]
        values = g.values if order is None else g.values.transpose(order)
        x = torch.from_numpy(np.array(values, order="C"))
        x = x.contiguous(memory_format=form) if x.ndim == 4 and order is not None else x
        return x.requires_grad_() if start is not None and g.tracked else x

    arguments = [put(g) for g in given]
    layouts = [g.layout for g in given if g.tracked] if start is not None else [twins.gives]
    tracked = [x for x, g in zip(arguments, given, strict=True) if g.tracked]
    first = None if start is None else put(start)

    def work() -> Any:
        y = function(*arguments)
        return y if first is None else torch.autograd.grad(y, tracked, first)

    def digest(outputs: Any) -> list[Any]:
        outputs = outputs if isinstance(outputs, tuple) else [outputs]
        return [
            _digest(twins, _back(x.detach().numpy(), way))
            for x, way in zip(outputs, layouts, strict=True)
        ]

    return _side(label, work, digest)


def _back(x: np.ndarray, layout: str) -> np.ndarray:
    order = LAYOUTS[layout]
    return x if order is None else x.transpose(np.argsort(order))


def _digest(twins: Twins, x: np.ndarray) -> Any:
    return x if twins.digest is None else twins.digest(x)
