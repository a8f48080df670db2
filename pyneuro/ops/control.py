"""Control flow by Keras's names. Python decides, so conditions are read and loops are unrolled.

A recorded step therefore keeps the way that was taken while it was recorded only if no value was
read; `where` chooses without reading.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .. import tree
from ..errors import ArgumentError
from ..tensor import Tensor, apply
from .arguments import tensor
from .manipulation import stack

__all__ = [
    "associative_scan",
    "cond",
    "fori_loop",
    "map",
    "scan",
    "switch",
    "vectorize",
    "vectorized_map",
    "while_loop",
]


def cond(pred: Any, true_fn: Callable[[], Any], false_fn: Callable[[], Any]) -> Any:
    """What one of two functions gives.

    Args:
        pred: a bool, or a tensor of one; it is read.
        true_fn: called where it is true.
        false_fn: called where it is false.

    Returns:
        The function's result.

    Example:
        >>> cond(True, lambda: 1, lambda: 2)
        1
    """
    return true_fn() if bool(pred) else false_fn()


def switch(index: Any, branches: Sequence[Callable[..., Any]], *operands: Any) -> Any:
    """What one of several functions gives.

    Args:
        index: which one; brought into the range of `branches`.
        branches: functions of the operands.
        *operands: what it is called with.

    Returns:
        The function's result.

    Raises:
        ArgumentError: no branches.

    Example:
        >>> switch(1, [abs, float], 2)
        2.0
    """
    if not branches:
        raise ArgumentError("switch: at least one branch is needed")
    return branches[min(max(int(index), 0), len(branches) - 1)](*operands)


def while_loop(
    cond: Callable[..., Any],
    body: Callable[..., Any],
    loop_vars: Any,
    maximum_iterations: int | None = None,
) -> Any:
    """Call a function on its own results as long as a condition holds.

    Args:
        cond: a function of the variables that gives a bool; it is read.
        body: a function of the variables that gives new ones.
        loop_vars: a tuple or list of variables, or a single one.
        maximum_iterations: how often at most.

    Returns:
        The variables as the last call left them.

    Example:
        >>> while_loop(lambda i: i < 3, lambda i: i + 1, 0)
        3
    """
    several = isinstance(loop_vars, (tuple, list))
    state = tuple(loop_vars) if several else (loop_vars,)
    done = 0
    while (maximum_iterations is None or done < maximum_iterations) and bool(cond(*state)):
        new = body(*state)
        state = tuple(new) if isinstance(new, (tuple, list)) else (new,)
        done += 1
    if not several:
        return state[0]
    return list(state) if isinstance(loop_vars, list) else state


def fori_loop(lower: Any, upper: Any, body_fun: Callable[[Any, Any], Any], init_val: Any) -> Any:
    """Call a function of (i, value) for each whole number, on the value it gave before.

    Args:
        lower: the first number.
        upper: the end, excluded.
        body_fun: a function of (i, value).
        init_val: the first value.

    Returns:
        The last value.

    Example:
        >>> fori_loop(0, 4, lambda i, total: total + i, 0)
        6
    """
    value = init_val
    for i in range(int(lower), int(upper)):
        value = body_fun(i, value)
    return value


def _entry(xs: Any, i: int) -> Any:
    return tree.map_structure(lambda x: tensor(x)[i], xs)


def _length(xs: Any, length: int | None) -> int:
    leaves = [tensor(x) for x in tree.flatten(xs)]
    if any(x.ndim == 0 for x in leaves):
        raise ArgumentError("entries are taken along a first axis, but a leaf is a single number")
    sizes = {x.shape[0] for x in leaves}
    if length is not None:
        sizes.add(int(length))
    if len(sizes) != 1:
        raise ArgumentError(f"expected one length along the first axis, got {sorted(sizes)}")
    return sizes.pop()


def _stacked(results: list[Any]) -> Any:
    return tree.map_structure(lambda *parts: stack([tensor(p) for p in parts]), *results)


def scan(
    f: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    unroll: int | bool = 1,
) -> tuple[Any, Any]:
    """Carry a value along the entries of tensors.

    Args:
        f: a function of (carry, entry) that gives (new carry, output).
        init: the first carry.
        xs: tensors, or a structure of them, walked along their first axis; `None` for none.
        length: how many entries, where `xs` does not say.
        reverse: whether to walk from the last entry to the first.
        unroll: accepted for Keras's signature; loops are always unrolled.

    Returns:
        A pair (last carry, outputs stacked along a first axis).

    Raises:
        ArgumentError: the lengths differ, or there is none.

    Example:
        >>> from pyneuro.ops import array
        >>> carry, sums = scan(lambda c, x: (c + x, c + x), 0.0, array([1.0, 2.0]))
        >>> sums.tolist()
        [1.0, 3.0]
    """
    count = _length(xs, length)
    outputs: list[Any] = [None] * count
    carry = init
    for i in reversed(range(count)) if reverse else range(count):
        carry, outputs[i] = f(carry, None if xs is None else _entry(xs, i))
    if not outputs or all(o is None for o in outputs):
        return carry, None
    return carry, _stacked(outputs)


def map(f: Callable[[Any], Any], xs: Any) -> Any:
    """Call a function on each entry of tensors along their first axis.

    Args:
        f: a function of an entry.
        xs: a tensor, or a structure of them.

    Returns:
        The results, stacked along a first axis.

    Raises:
        ArgumentError: the lengths differ, or there are no entries.

    Example:
        >>> from pyneuro.ops import array
        >>> map(lambda x: x * 2, array([1, 2])).tolist()
        [2, 4]
    """
    count = _length(xs, None)
    if count == 0:
        raise ArgumentError("map: there are no entries, so the result's shape is not known")
    return _stacked([f(_entry(xs, i)) for i in range(count)])


def vectorized_map(function: Callable[[Any], Any], elements: Any) -> Any:
    """As `map`.

    Example:
        >>> from pyneuro.ops import array
        >>> vectorized_map(lambda x: x + 1, array([1, 2])).tolist()
        [2, 3]
    """
    return map(function, elements)


def associative_scan(
    f: Callable[[Any, Any], Any], elems: Any, reverse: bool = False, axis: int = 0
) -> Any:
    """All running results of an associative function, in log2(n) rounds of calls.

    Args:
        f: a function of two tensors, or structures, of several entries, which it combines entry by
            entry.
        elems: a tensor, or a structure of them.
        reverse: whether to begin at the end.
        axis: the axis to walk along.

    Returns:
        What `elems` is, with results in place of entries.

    Raises:
        ArgumentError: the lengths differ.

    Example:
        >>> from pyneuro.ops import array
        >>> associative_scan(lambda a, b: a + b, array([1, 2, 3])).tolist()
        [1, 3, 6]
    """
    leaves = [tensor(x) for x in tree.flatten(elems)]
    if any(x.ndim == 0 for x in leaves):
        raise ArgumentError("associative_scan: a leaf of elems is a single number")
    sizes = {x.shape[axis] for x in leaves}
    if len(sizes) != 1:
        raise ArgumentError(f"associative_scan: the lengths {sorted(sizes)} differ")
    count = sizes.pop()

    def part(x: Tensor, start: int, stop: int) -> Tensor:
        piece: Tensor = x[(*(slice(None),) * (axis % x.ndim), slice(start, stop))]
        return piece

    distance = 1
    while distance < count:
        # Hillis and Steele 1986: each entry takes in what ends just before its own stretch.
        near = [part(x, 0, count - distance) for x in leaves]
        far = [part(x, distance, count) for x in leaves]
        left, right = (far, near) if reverse else (near, far)
        joined = f(tree.pack_sequence_as(elems, left), tree.pack_sequence_as(elems, right))
        new = [tensor(x) for x in tree.flatten(joined)]
        leaves = [
            apply(
                "concatenate",
                *((y, part(x, count - distance, count)) if reverse else (part(x, 0, distance), y)),
                axis=axis,
            )
            for x, y in zip(leaves, new, strict=True)
        ]
        distance *= 2
    return tree.pack_sequence_as(elems, leaves)


def vectorize(
    pyfunc: Callable[..., Any], *, excluded: Any = None, signature: str | None = None
) -> Callable[..., Tensor]:
    """A function of numbers as a function of tensors, called for each element.

    Args:
        pyfunc: a function of tensors without axes.
        excluded: positions of arguments that are passed on as they are.
        signature: only `None`: functions of whole axes are called with `map`.

    Returns:
        A function of tensors, which broadcast.

    Raises:
        ArgumentError: a `signature` is given.

    Example:
        >>> vectorize(lambda a, b: a * b)([1, 2], 3).tolist()
        [3, 6]
    """
    if signature is not None:
        raise ArgumentError("vectorize: signature is not known here; use ops.map")
    left_out = set(excluded or ())

    def called(*args: Any) -> Tensor:
        own = [i for i in range(len(args)) if i not in left_out]
        total: Any = 0
        xs = {i: tensor(args[i]) for i in own}
        for x in xs.values():  # their shapes broadcast
            total = apply("full", shape=x.shape, value=0.0, dtype="float32") + total
        flat = {i: apply("broadcast_to", x, shape=total.shape).reshape(-1) for i, x in xs.items()}
        results = [
            tensor(pyfunc(*(flat[j][n] if j in flat else args[j] for j in range(len(args)))))
            for n in range(total.size)
        ]
        return apply("reshape", stack(results), shape=total.shape)

    return called
