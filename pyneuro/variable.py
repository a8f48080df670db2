"""Variable: a named Tensor that persists and can be assigned. StateScope: writes that wait.

A Variable's memory is its own and keeps its identity; assignment writes into it and raises its
version, so that a tape that still needs the old elements notices.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from . import _core, config, naming
from .errors import ArgumentError, DTypeError, ShapeError
from .tensor import Tensor, _text, apply, convert

__all__ = [
    "StateScope",
    "Variable",
    "assign_all",
    "only_where",
    "structure_changed",
    "structure_version",
    "write",
]

_FLOATS = ("float16", "bfloat16", "float32", "float64")


class _Structure:
    """Stands for how things are; another object after each change."""

    version: object = object()


def structure_changed() -> None:
    """Say that something has changed which no tensor shows: recordings made before do not hold."""
    _Structure.version = object()


def structure_version() -> object:
    """An object that stays the same as long as nothing has changed in that way."""
    return _Structure.version


class _Scopes(threading.local):
    """The StateScopes of this thread, innermost last, and on what its writes depend."""

    def __init__(self) -> None:
        self.open: list[StateScope] = []
        self.condition: Tensor | None = None


_scopes = _Scopes()


@contextmanager
def only_where(condition: Tensor) -> Iterator[None]:
    """A region in which Variables are written only where a condition holds.

    What is computed inside is computed in any case, so a recorded step replays either way.

    Args:
        condition: a bool tensor without axes.

    Example:
        >>> v = Variable(1.0)
        >>> with only_where(v > 2.0):
        ...     _ = v.assign(5.0)
        >>> float(v)
        1.0
    """
    outer = _scopes.condition
    _scopes.condition = condition if outer is None else apply("logical_and", outer, condition)
    try:
        yield
    finally:
        _scopes.condition = outer


def write(op: str, *inputs: Any, **fields: Any) -> None:
    """Run an op that writes to Variables, under the condition of `only_where`.

    Args:
        op: its name; it has a field `conditional`.
        *inputs: its inputs.
        **fields: its other fields.
    """
    condition = _scopes.condition
    if condition is None:
        apply(op, *inputs, **fields)
    else:
        apply(op, *inputs, condition, conditional=True, **fields)


class StateScope:
    """A region in which assignments to Variables wait until `commit()`.

    Inside, a Variable that was assigned reads as its new value, while its memory is untouched.
    `commit()` writes all new values at once; leaving without it drops them. A training step uses
    this to keep *forward, backward, checks* free of writes.

    Example:
        >>> v = Variable(1.0)
        >>> with StateScope() as scope:
        ...     _ = v.assign(2.0)
        ...     inside = float(v)
        >>> inside, float(v)
        (2.0, 1.0)
    """

    def __init__(self) -> None:
        self._waiting: dict[int, tuple[Variable, Tensor | None]] = {}

    def __enter__(self) -> StateScope:
        _scopes.open.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        _scopes.open.remove(self)
        for variable, outer in self._waiting.values():
            variable._pending = outer
        self._waiting.clear()

    def put(self, variable: Variable, value: Tensor) -> None:
        """Let `variable` read as `value` from here on."""
        if id(variable) not in self._waiting:
            self._waiting[id(variable)] = (variable, variable._pending)
        variable._pending = value

    def commit(self) -> None:
        """Write all waiting values: to the memory, or to the scope around this one."""
        pairs = [(v, v._pending) for v, _ in self._waiting.values()]
        for variable, outer in self._waiting.values():
            variable._pending = outer
        self._waiting.clear()
        depth = _scopes.open.index(self) if self in _scopes.open else len(_scopes.open)
        if depth > 0:
            for variable, value in pairs:
                _scopes.open[depth - 1].put(variable, value)
        elif pairs:
            write("assign", *(v for v, _ in pairs), *(value for _, value in pairs))


class Variable(Tensor):
    """A Tensor with a name that persists and can be assigned: weights, counters, statistics.

    Args:
        initializer: the first value, or a function of `(shape, dtype=...)` that gives it.
        shape: the shape, needed if and only if `initializer` is a function.
        dtype: name of the dtype. Defaults to that of the value if it is an array, else `floatx`.
        trainable: whether optimizers change it and `backward()` fills its `grad`.
        autocast: whether layers may read it in their compute dtype.
        aggregation: how replicas of it are combined: "none", "mean", "sum" or "only_first_replica".
        synchronization: kept for Keras; copies never differ here.
        name: its name, without "/". Chosen if it is `None`.

    Raises:
        ArgumentError: a function without a shape, or another bad argument.

    Example:
        >>> v = Variable([1.0, 2.0], name="v")
        >>> v.assign_add([1.0, 1.0])
        Variable(name='v', value=[2., 3.])
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Variable:  # noqa: D102
        return _core.Array.__new__(cls)  # type: ignore[no-any-return]

    def __init__(
        self,
        initializer: Any,
        shape: Any = None,
        dtype: str | None = None,
        trainable: bool = True,
        autocast: bool = True,
        aggregation: str = "none",
        synchronization: str = "auto",
        name: str | None = None,
    ) -> None:
        if aggregation not in ("none", "mean", "sum", "only_first_replica"):
            raise ArgumentError(
                f"Variable: aggregation must be 'none', 'mean', 'sum' or 'only_first_replica', got "
                f"{aggregation!r}"
            )
        self.name = (
            naming.auto_name("variable") if name is None else naming.check_name("Variable", name)
        )
        scope = naming.current_path()
        self.path = f"{scope}/{self.name}" if scope else self.name
        self.autocast = autocast
        self.aggregation = aggregation
        self.synchronization = synchronization
        self.regularizer: Any = None
        self.constraint: Any = None
        self.overwrite_with_gradient = False
        _core.adopt_state(self, _first_value(initializer, shape, dtype, self.name))
        self.trainable = trainable

    # ---- what it is ------------------------------------------------------------------------------

    @property
    def trainable(self) -> bool:
        """Whether optimizers change it and gradients are computed for it."""
        return self._trainable

    @trainable.setter
    def trainable(self, on: bool) -> None:
        if bool(on) != self.__dict__.get("_trainable", bool(on)):
            structure_changed()
        self._trainable = bool(on)
        self.requires_grad = self._trainable and self.dtype in _FLOATS

    @property
    def value(self) -> Tensor:
        """The value as it is now: a copy, on the tape, that later assignments do not change."""
        return apply("copy", self)

    # ---- writing ---------------------------------------------------------------------------------

    def assign(self, value: Any) -> Variable:
        """Set the value.

        Args:
            value: anything of this shape (a number only for a Variable without dimensions).

        Returns:
            The Variable.

        Raises:
            ShapeError: if the shape differs; the Variable is unchanged.
        """
        new = convert(value)
        if new.shape != self.shape:
            raise ShapeError(
                f"variable {self.path!r} has shape {self.shape}, but a value of shape {new.shape} "
                "was assigned"
            )
        if "complex" in new.dtype and "complex" not in self.dtype:
            raise DTypeError(
                f"variable {self.path!r} is {self.dtype}, but the value is {new.dtype}"
            )
        if _scopes.open:
            new = new.astype(self.dtype)
            if _scopes.condition is not None:
                new = apply("where", _scopes.condition, new, self.detach())
            _scopes.open[-1].put(self, new.detach())
        else:
            write("assign", self, new)
        return self

    def assign_add(self, value: Any) -> Variable:
        """Add `value` to the value."""
        return self.assign(self.detach() + convert(value, self.dtype))

    def assign_sub(self, value: Any) -> Variable:
        """Subtract `value` from the value."""
        return self.assign(self.detach() - convert(value, self.dtype))

    def __setitem__(self, key: Any, value: Any) -> None:
        """Write to a part of the Variable."""
        copy = self.detach() + 0 if self.dtype != "bool" else apply("copy", self).detach()
        copy[key] = value
        self.assign(copy)

    def zero_grad(self) -> None:
        """Forget the gradient that `backward()` left."""
        self.grad = None

    # ---- Python's protocols ----------------------------------------------------------------------

    def __repr__(self) -> str:
        text = _text(self, "value").removeprefix("value(").removesuffix(")")
        return f"Variable(name={self.name!r}, value={text})"

    def __copy__(self) -> Variable:
        return self.__deepcopy__({})

    def __deepcopy__(self, memo: dict[int, Any]) -> Variable:
        twin = Variable.__new__(type(self))
        memo[id(self)] = twin
        twin.__dict__.update(self.__dict__)
        _core.adopt_state(twin, self.detach())
        twin.trainable = self._trainable
        return twin

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickle, (np.array(self.numpy()), dict(self.__dict__))


def _unpickle(array: Any, state: dict[str, Any]) -> Variable:
    variable = Variable.__new__(Variable)
    _core.adopt_state(variable, convert(array))
    variable.__dict__.update(state)
    variable.trainable = state["_trainable"]
    return variable


def _first_value(initializer: Any, shape: Any, dtype: str | None, name: str) -> Tensor:
    if not callable(initializer) or isinstance(initializer, Tensor):
        value = convert(
            initializer, dtype or (None if hasattr(initializer, "dtype") else config.floatx())
        )
        if shape is not None and tuple(shape) != value.shape:
            raise ShapeError(
                f"variable {name!r}: shape {tuple(shape)} was given, but the value has "
                f"{value.shape}"
            )
        return value.detach()
    if shape is None:
        raise ArgumentError(f"variable {name!r}: an initializer that is a function needs shape=")
    dtype = dtype or config.floatx()
    value = convert(initializer(tuple(shape), dtype=dtype), dtype)
    if value.shape != tuple(shape):
        raise ShapeError(
            f"variable {name!r}: the initializer gave {value.shape} for shape {tuple(shape)}"
        )
    return value.detach()


def assign_all(variables: list[Variable], values: list[Any]) -> None:
    """Assign many Variables at once: either all are written, or on an error none.

    Args:
        variables: the Variables.
        values: a value of the same shape for each.

    Raises:
        ShapeError: if a shape differs, naming the Variable.
    """
    with StateScope() as scope:
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        scope.commit()
