"""Capture: run a function once or twice in Python, and from then on replay what it did natively.

A replay is one native call: no Python per op, no shape rule, no tape, temporaries in one arena. It
is chosen by signature: shapes, dtypes and structure of the arguments, and the values of those that
are no tensors. Python state that no tensor shows (counters, `numpy.random`, attributes that are
looked at in an `if`) is not seen; a function that depends on it must get it as an argument.
"""

from __future__ import annotations

import functools
import sys
import types
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, Generic, ParamSpec, TypeVar

import numpy as np

from . import _core, tree
from .autograd import is_grad_enabled
from .errors import CaptureError
from .tensor import Tensor, convert
from .variable import Variable

__all__ = ["Captured", "Recorded", "capture", "record"]

P = ParamSpec("P")
R = TypeVar("R")

_MAX_PLANS = 32
_MAX_RECORDINGS = 4


class Recorded:
    """A function's ops as a list that can be replayed on other inputs of the same shapes."""

    def __init__(self, program: Any, structure: Any, slots: list[int | None], single: bool) -> None:
        self._executor = _core.Executor(program)
        self._single = single  # one tensor and nothing around it: the commonest result
        self._structure = structure
        self._slots = slots

    def replay(self, inputs: Sequence[Any]) -> Any:
        """Run the list on these inputs.

        Args:
            inputs: tensors or arrays with the shapes and dtypes of the recording.

        Returns:
            What the function gave, with new tensors in it.

        Raises:
            CaptureError: if a shape or dtype differs.
        """
        return self.replay_tensors([convert(x) for x in inputs])

    def replay_tensors(self, inputs: list[Tensor]) -> Any:
        """`replay` for a list of tensors, without converting them."""
        tensors = self._executor.replay(inputs)
        if self._single:
            return tensors[0]
        leaves = [
            leaf if slot is None else tensors[slot]
            for leaf, slot in zip(tree.flatten(self._structure), self._slots, strict=True)
        ]
        return tree.pack_sequence_as(self._structure, leaves)

    @property
    def ops(self) -> list[str]:
        """The names of the ops, in order."""
        return list(self._executor.program.ops)

    @property
    def arena_bytes(self) -> int:
        """The memory that all temporaries share."""
        return int(self._executor.arena_bytes)

    @property
    def kept_bytes(self) -> int:
        """Bytes of memory for other forms of weights, kept while these are unchanged."""
        return int(self._executor.kept_bytes)

    def __str__(self) -> str:
        return str(self._executor.program)


class _Run:
    """One recorded run: its result, and its program if nothing spoiled it."""

    def __init__(
        self, function: Callable[..., Any], call: Callable[[list[Tensor]], Any], inputs:
        list[Tensor], strict: bool,
    ) -> None:  # fmt: skip
        fresh = [_fresh(x) for x in inputs]
        recorder = _core.Recorder(fresh, strict)
        recorder.start()
        try:
            self.result = call(fresh)
        finally:
            recorder.stop()
        leaves = tree.flatten(self.result)
        tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
        self.poisoned = recorder.poisoned or any(t.device != "cpu" for t in tensors)
        self.program: Any = None
        if not self.poisoned:
            owned = [t.value if isinstance(t, Variable) else t for t in tensors]
            self.program = recorder.finish(owned)
        numbers = iter(range(len(tensors)))
        self.slots = [next(numbers) if isinstance(leaf, Tensor) else None for leaf in leaves]
        self.others = [leaf for leaf in leaves if not isinstance(leaf, Tensor)]

    def recorded(self) -> Recorded:
        structure = tree.map_structure(
            lambda leaf: 0 if isinstance(leaf, Tensor) else leaf, self.result
        )
        return Recorded(self.program, structure, self.slots, isinstance(self.result, Tensor))


def _fresh(x: Tensor) -> Tensor:
    """An input with memory of its own identity: dense, off the tape, not a Variable's."""
    return _core.apply("copy", x).detach() if x.is_state or not x._dense else _core.alias(x)


def record(function: Callable[..., Any], inputs: Sequence[Any]) -> Recorded:
    """Run a function once and give what it did as a list of ops to replay.

    Args:
        function: takes the inputs as tensors.
        inputs: tensors or arrays.

    Returns:
        A `Recorded`.

    Raises:
        CaptureError: if the function looks at values that it computes.

    Example:
        >>> import pyneuro as pn
        >>> program = record(lambda x: pn.ops.exp(x) + 1.0, [pn.ops.zeros((2,))])
        >>> program.ops
        ['fused']
        >>> program.replay([[0.0, 0.0]])
        Tensor([2., 2.])
    """
    tensors = [convert(x) for x in inputs]
    return _Run(function, lambda given: function(*given), tensors, strict=True).recorded()


class _Plan:
    """What is known for one signature: nothing yet, a recording to compare with, or a plan."""

    __slots__ = ("last", "reason", "recorded", "recordings")

    def __init__(self) -> None:
        self.last: _Run | None = None
        self.recorded: Recorded | None = None
        self.recordings = 0
        self.reason: str | None = None


class Captured(Generic[P, R]):
    """A function that is replayed natively once it is known. Made by `capture`."""

    def __init__(self, function: Callable[P, R], strict: bool = True) -> None:
        functools.update_wrapper(self, function)
        self._function = function
        self._strict = strict
        self._plans: OrderedDict[Any, _Plan] = OrderedDict()
        self.recordings = self.replays = 0  # how many calls were recorded, and replayed

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:  # noqa: D102
        leaves = tree.flatten((args, kwargs))
        inputs: list[Tensor] = []
        key: list[Any] = []
        for leaf in leaves:
            if isinstance(leaf, (Tensor, np.ndarray)) and not isinstance(leaf, Variable):
                tensor = leaf if isinstance(leaf, Tensor) else convert(leaf)
                inputs.append(tensor)
                key.append((tensor.shape, tensor.dtype, tensor.device))
            else:
                key.append((type(leaf), leaf if _plain(leaf) else id(leaf)))
        if any(t.device == "meta" or (t.requires_grad and is_grad_enabled()) for t in inputs):
            return self._function(*args, **kwargs)  # shapes alone, or to go on the tape
        signature = (_form(args), _form(kwargs), tuple(key), is_grad_enabled())
        plan = self._plans.get(signature)
        if plan is None:
            plan = self._plans[signature] = _Plan()
            if len(self._plans) > _MAX_PLANS:
                self._plans.popitem(last=False)
        if plan.recorded is not None:
            self.replays += 1
            result: R = plan.recorded.replay_tensors(inputs)
            return result
        if plan.reason is not None:
            return self._function(*args, **kwargs)
        recorded: R = self._record(plan, args, kwargs, leaves, inputs)
        return recorded

    def _record(
        self, plan: _Plan, args: Any, kwargs: Any, leaves: list[Any], inputs: list[Tensor]
    ) -> Any:
        def call(given: list[Tensor]) -> Any:
            fresh = iter(given)
            swapped = [
                next(fresh)
                if isinstance(leaf, (Tensor, np.ndarray)) and not isinstance(leaf, Variable)
                else leaf
                for leaf in leaves
            ]
            new_args, new_kwargs = tree.pack_sequence_as((args, kwargs), swapped)
            return self._function(*new_args, **new_kwargs)

        run = _Run(self._function, call, inputs, self._strict)
        plan.recordings += 1
        self.recordings += 1
        if run.poisoned:
            plan.reason = "it looked at a value that it had computed"
        else:
            before, plan.last = plan.last, run
            why = (
                "it was recorded once" if before is None else before.program.difference(run.program)
            )
            if before is not None and not why and before.others != run.others:
                why = "it gave other results that are no tensors"
            if before is not None and not why:
                plan.recorded = run.recorded()
                plan.last = None
            elif plan.recordings == _MAX_RECORDINGS:
                plan.reason = f"its runs differ: {why}"
                plan.last = None
        if plan.reason is not None and self._strict:
            raise CaptureError(
                f"capture: {getattr(self, '__name__', 'the function')} cannot be replayed: "
                f"{plan.reason}. Whatever changes from call to call must be an argument or a "
                "Variable"
            )
        return run.result

    @property
    def plans(self) -> list[Recorded]:
        """The plans that calls are replayed by."""
        return [plan.recorded for plan in self._plans.values() if plan.recorded is not None]

    @property
    def reasons(self) -> list[str]:
        """Why some signatures are not replayed."""
        return [plan.reason for plan in self._plans.values() if plan.reason is not None]


def _plain(leaf: Any) -> bool:
    return leaf is None or isinstance(leaf, (bool, int, float, str, bytes))


def _form(structure: Any) -> Any:
    """The structure of nested lists, tuples and dicts, without leaves, as a hashable."""
    if isinstance(structure, dict):
        return tuple((key, _form(value)) for key, value in structure.items())
    if isinstance(structure, (list, tuple)):
        return (type(structure), *(_form(value) for value in structure))
    return None


def capture(function: Callable[P, R], *, strict: bool = True) -> Captured[P, R]:
    """Replay a function natively from its third call with the same signature on.

    The first two calls run in Python and are recorded; if they did the same, later calls replay.
    The results have the same bits either way.

    Args:
        function: takes tensors, arrays and plain values in any structure. Variables that it reads
        or
            assigns are found by themselves.
        strict: raise if the function cannot be replayed; else go on calling it in Python.

    Returns:
        A callable with the function's arguments.

    Raises:
        CaptureError: on a call, if the function looks at a value that it has computed (`float(t)`,
            `t.numpy()`, `if t:`), at that line; or if its runs differ.

    Example:
        >>> import pyneuro as pn
        >>> double = capture(lambda x: x * 2.0)
        >>> [float(double(pn.ops.array(float(i)))) for i in range(4)]
        [0.0, 2.0, 4.0, 6.0]
        >>> len(double.plans)
        1
    """
    return Captured(function, strict)


class _CallableModule(types.ModuleType):
    """Makes `pyneuro.capture`, which is this module once imported, the public function too."""

    def __call__(self, function: Callable[P, R], *, strict: bool = True) -> Captured[P, R]:
        return capture(function, strict=strict)


sys.modules[__name__].__class__ = _CallableModule
