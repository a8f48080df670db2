"""Walk nested structures of lists, tuples, named tuples and dicts: `keras.tree`'s names and rules.

A leaf is whatever is none of these, `None` included. Dict entries are visited in the order of their
sorted keys (an `OrderedDict` in its own order), so that a structure means the same however it was
built. Imports nothing: every floor may use it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

__all__ = [
    "MAP_TO_NONE",
    "assert_same_paths",
    "assert_same_structure",
    "flatten",
    "flatten_with_path",
    "is_nested",
    "lists_to_tuples",
    "map_shape_structure",
    "map_structure",
    "map_structure_up_to",
    "pack_sequence_as",
    "traverse",
]


class MAP_TO_NONE:  # noqa: N801 - the public name of `keras.tree`
    """What a function given to `traverse` returns to put `None` in a place."""


def is_nested(structure: Any) -> bool:
    """Tell whether `structure` is a list, tuple or dict, and not a leaf.

    Args:
        structure: any object.

    Returns:
        `True` for lists, tuples, named tuples and dicts, empty ones included.

    Example:
        >>> is_nested([1, 2]), is_nested(1), is_nested(None)
        (True, False, False)
    """
    return isinstance(structure, (list, tuple, dict))


def _is_namedtuple(value: Any) -> bool:
    return isinstance(value, tuple) and hasattr(type(value), "_fields")


def _keys(mapping: dict[Any, Any]) -> Iterable[Any]:
    if isinstance(mapping, OrderedDict):
        return mapping.keys()
    try:
        return sorted(mapping)
    except TypeError:  # keys of several types have no order of their own
        return sorted(mapping, key=lambda key: (type(key).__name__, str(key)))


def _children(structure: Any) -> list[Any]:
    if isinstance(structure, dict):
        return [structure[key] for key in _keys(structure)]
    return list(structure)


def _entries(structure: Any) -> list[tuple[Any, Any]]:
    """The (key, child) pairs of one level: a dict's keys, a named tuple's fields, or positions."""
    if isinstance(structure, dict):
        return [(key, structure[key]) for key in _keys(structure)]
    if _is_namedtuple(structure):
        return list(zip(structure._fields, structure, strict=True))
    return list(enumerate(structure))


def _rebuild(structure: Any, children: Sequence[Any]) -> Any:
    """Put `children` in the places of `structure`'s own, keeping its type and a dict's order."""
    if isinstance(structure, dict):
        values = dict(zip(_keys(structure), children, strict=True))
        ordered = {key: values[key] for key in structure}
        return OrderedDict(ordered) if isinstance(structure, OrderedDict) else ordered
    if _is_namedtuple(structure):
        return type(structure)(*children)
    return tuple(children) if isinstance(structure, tuple) else list(children)


def flatten(structure: Any) -> list[Any]:
    """List the leaves of a nested structure from left to right.

    Args:
        structure: a leaf, or lists, tuples and dicts of such.

    Returns:
        A flat list; a leaf alone gives a list of one.

    Example:
        >>> flatten({"b": [1, (2, None)], "a": 0})
        [0, 1, 2, None]
    """
    if not isinstance(structure, (list, tuple, dict)):
        return [structure]
    leaves: list[Any] = []
    _flatten_into(structure, leaves)
    return leaves


def _flatten_into(structure: Any, leaves: list[Any]) -> None:
    children = _children(structure) if isinstance(structure, dict) else structure
    for child in children:
        if isinstance(child, (list, tuple, dict)):
            _flatten_into(child, leaves)
        else:
            leaves.append(child)


def flatten_with_path(structure: Any) -> list[tuple[tuple[Any, ...], Any]]:
    """List the leaves with the path of keys and positions that leads to each.

    Args:
        structure: a leaf, or lists, tuples and dicts of such.

    Returns:
        A list of `(path, leaf)`; `path` is a tuple, empty for a leaf alone.

    Example:
        >>> flatten_with_path({"a": [1, 2]})
        [(('a', 0), 1), (('a', 1), 2)]
    """
    return list(_walk_paths((), structure))


def _walk_paths(path: tuple[Any, ...], structure: Any) -> Iterator[tuple[tuple[Any, ...], Any]]:
    if not is_nested(structure):
        yield path, structure
        return
    for key, child in _entries(structure):
        yield from _walk_paths((*path, key), child)


def map_structure(func: Callable[..., Any], *structures: Any, none_is_leaf: bool = True) -> Any:
    """Call `func` on each leaf and give the results in the same structure.

    Args:
        func: takes as many leaves as there are structures.
        *structures: one or more structures that nest alike.
        none_is_leaf: whether `None` is given to `func`; otherwise it stays as it is.

    Returns:
        A structure like the first one.

    Raises:
        ValueError: the structures do not nest alike.

    Example:
        >>> map_structure(lambda a, b: a + b, {"x": [1, 2]}, {"x": [10, 20]})
        {'x': [11, 22]}
    """
    if not callable(func):
        raise TypeError(f"map_structure: func must be callable, got {type(func).__name__}")
    if not structures:
        raise ValueError("map_structure: at least one structure is needed, got none")
    if len(structures) == 1:
        return _map_one(func, structures[0], none_is_leaf)
    for other in structures[1:]:
        assert_same_structure(structures[0], other)
    return _map_many(func, structures, none_is_leaf)


def _map_one(func: Callable[..., Any], structure: Any, none_is_leaf: bool) -> Any:
    if isinstance(structure, (list, tuple, dict)):
        return _rebuild(structure, [_map_one(func, c, none_is_leaf) for c in _children(structure)])
    if structure is None and not none_is_leaf:
        return None
    return func(structure)


def _map_many(func: Callable[..., Any], structures: Sequence[Any], none_is_leaf: bool) -> Any:
    first = structures[0]
    if isinstance(first, (list, tuple, dict)):
        columns = zip(*(_children(s) for s in structures), strict=True)
        return _rebuild(first, [_map_many(func, column, none_is_leaf) for column in columns])
    if not none_is_leaf and all(s is None for s in structures):
        return None
    return func(*structures)


def map_structure_up_to(shallow_structure: Any, func: Callable[..., Any], *structures: Any) -> Any:
    """Call `func` on the parts of `structures` that stand where `shallow_structure` has leaves.

    Args:
        shallow_structure: says how deep to go.
        func: takes one part of each structure.
        *structures: structures that nest at least as deep as `shallow_structure`.

    Returns:
        A structure like `shallow_structure`.

    Raises:
        ValueError: a structure is shallower than `shallow_structure`.

    Example:
        >>> map_structure_up_to([0, 0], sum, [[1, 2], [3, 4]])
        [3, 7]
    """
    if not is_nested(shallow_structure):
        return func(*structures)
    for structure in structures:
        _assert_same_level(shallow_structure, structure, ())
    columns = zip(*(_children(s) for s in structures), strict=True)
    return _rebuild(
        shallow_structure,
        [
            map_structure_up_to(shallow, func, *column)
            for shallow, column in zip(_children(shallow_structure), columns, strict=True)
        ],
    )


def pack_sequence_as(structure: Any, flat_sequence: Sequence[Any]) -> Any:
    """Put the items of a flat sequence in the places of a structure's leaves: undoes `flatten`.

    Args:
        structure: the structure to imitate.
        flat_sequence: as many items as `structure` has leaves.

    Returns:
        A structure like `structure` with the given items.

    Raises:
        ValueError: the number of items and of leaves differ.

    Example:
        >>> pack_sequence_as({"a": 0, "b": (0, 0)}, [1, 2, 3])
        {'a': 1, 'b': (2, 3)}
    """
    leaves = len(flatten(structure))
    if leaves != len(flat_sequence):
        raise ValueError(
            f"pack_sequence_as: the structure has {leaves} leaves but {len(flat_sequence)} items "
            "were given"
        )
    items = iter(flat_sequence)
    return _map_one(lambda _: next(items), structure, True)


def traverse(func: Callable[[Any], Any], structure: Any, top_down: bool = True) -> Any:
    """Visit every level of a structure, replacing each part for which `func` returns something.

    Args:
        func: called with each substructure and leaf; `None` means "leave it", `MAP_TO_NONE` puts
            `None` there, anything else takes its place.
        structure: the structure to walk.
        top_down: visit a level before its children (which are then not visited if it was
            replaced), else after.

    Returns:
        The structure with the replacements.

    Example:
        >>> traverse(lambda v: tuple(v) if isinstance(v, list) else None, [1, [2]], top_down=False)
        (1, (2,))
    """

    def visit(value: Any) -> Any:
        if top_down:
            replaced = func(value)
            if replaced is not None:
                return None if replaced is MAP_TO_NONE else replaced
        if is_nested(value):
            value = _rebuild(value, [visit(child) for child in _children(value)])
        if not top_down:
            replaced = func(value)
            if replaced is not None:
                return None if replaced is MAP_TO_NONE else replaced
        return value

    return visit(structure)


def lists_to_tuples(structure: Any) -> Any:
    """Turn every list of a structure into a tuple.

    Args:
        structure: the structure to walk.

    Returns:
        The same structure without lists.

    Example:
        >>> lists_to_tuples({"a": [1, [2]]})
        {'a': (1, (2,))}
    """
    return traverse(lambda v: tuple(v) if isinstance(v, list) else None, structure, top_down=False)


def is_shape(value: Any) -> bool:
    """Tell whether `value` is a list or tuple of sizes (ints or `None`), such as `(None, 28, 28)`.

    Args:
        value: any object.

    Returns:
        `True` for a shape, the empty one included.

    Example:
        >>> is_shape((None, 3)), is_shape([(2,), (3,)]), is_shape("ab")
        (True, False, False)
    """
    return isinstance(value, (list, tuple)) and all(
        size is None or (isinstance(size, int) and not isinstance(size, bool)) for size in value
    )


def map_shape_structure(func: Callable[[Any], Any], structure: Any) -> Any:
    """Call `func` on each shape of a structure of shapes, a shape being a leaf here.

    Args:
        func: takes a tuple or list of ints and `None`.
        structure: a shape, or lists, tuples and dicts of shapes.

    Returns:
        The same structure with `func`'s results in place of the shapes.

    Raises:
        ValueError: a leaf is no shape.

    Example:
        >>> map_shape_structure(len, {"a": (2, 3), "b": [(4,)]})
        {'a': 2, 'b': [1]}
    """
    if is_shape(structure):
        return func(structure)
    if is_nested(structure):
        return _rebuild(structure, [map_shape_structure(func, c) for c in _children(structure)])
    raise ValueError(f"map_shape_structure: expected a shape of ints and None, got {structure!r}")


def assert_same_structure(a: Any, b: Any, check_types: bool | None = None) -> None:
    """Raise unless two structures nest alike.

    Args:
        a: a structure.
        b: a structure.
        check_types: accepted for older callers and without effect: the kinds of containers must
            always agree (list, tuple or dict), their exact subclasses never.

    Raises:
        ValueError: they nest differently; says where.

    Example:
        >>> assert_same_structure([1, (2, 3)], [4, (5, 6)])
    """
    _assert_same(a, b, ())


def _where(path: tuple[Any, ...]) -> str:
    return "at the top" if not path else "at " + "".join(f"[{key!r}]" for key in path)


def _kind(value: Any) -> type | None:
    for kind in (dict, list, tuple):
        if isinstance(value, kind):
            return kind
    return None


def _assert_same_level(a: Any, b: Any, path: tuple[Any, ...]) -> None:
    if _kind(a) is not _kind(b):
        raise ValueError(
            f"the structures differ {_where(path)}: {type(a).__name__} against {type(b).__name__}"
        )
    keys_a, keys_b = [k for k, _ in _entries(a)], [k for k, _ in _entries(b)]
    if set(keys_a) != set(keys_b):
        raise ValueError(f"the structures differ {_where(path)}: {keys_a} against {keys_b}")


def _assert_same(a: Any, b: Any, path: tuple[Any, ...]) -> None:
    if not is_nested(a) and not is_nested(b):
        return
    _assert_same_level(a, b, path)
    for (key, child_a), child_b in zip(_entries(a), _children(b), strict=True):
        _assert_same(child_a, child_b, (*path, key))


def assert_same_paths(a: Any, b: Any) -> None:
    """Raise unless two structures have the same paths, whatever containers they use.

    Args:
        a: a structure.
        b: a structure.

    Raises:
        ValueError: a path is in one of them only.

    Example:
        >>> assert_same_paths([1, 2], (3, 4))
    """
    paths_a = {path for path, _ in flatten_with_path(a)}
    paths_b = {path for path, _ in flatten_with_path(b)}
    if paths_a != paths_b:
        only_a = sorted(map(str, paths_a - paths_b))
        only_b = sorted(map(str, paths_b - paths_a))
        raise ValueError(
            f"the paths differ: only in the first {only_a}, only in the second {only_b}"
        )
