"""Nested structures: order, round trips, and where they differ."""

from collections import OrderedDict, namedtuple

import pytest

from pyneuro import tree

Point = namedtuple("Point", "x y")


def test_flatten_visits_dicts_by_sorted_key_and_keeps_none() -> None:
    assert tree.flatten({"b": [1, None], "a": (2, {"z": 3})}) == [2, 3, 1, None]
    assert tree.flatten(OrderedDict(b=1, a=2)) == [1, 2]
    assert tree.flatten(5) == [5]
    assert tree.flatten({}) == []


def test_pack_undoes_flatten_and_keeps_types_and_dict_order() -> None:
    structure = {"b": [1, (2,)], "a": Point(3, {"k": 4})}
    packed = tree.pack_sequence_as(structure, tree.flatten(structure))
    assert packed == structure
    assert list(packed) == ["b", "a"]
    assert isinstance(packed["a"], Point)


def test_pack_with_the_wrong_number_of_items_says_both_numbers() -> None:
    with pytest.raises(ValueError, match="2 leaves but 1 items"):
        tree.pack_sequence_as([0, 0], [1])


def test_map_structure_over_several() -> None:
    assert tree.map_structure(lambda a, b: a * b, [1, {"x": 2}], [3, {"x": 4}]) == [3, {"x": 8}]
    assert tree.map_structure(lambda x: x, [None], none_is_leaf=False) == [None]
    assert tree.map_structure(lambda x: 0, [None]) == [0]


@pytest.mark.parametrize("other", [[1], (1, 2), {"a": 1}, [1, [2]]])
def test_structures_that_differ_raise(other: object) -> None:
    with pytest.raises(ValueError, match="differ"):
        tree.map_structure(lambda a, b: a, [1, 2], other)


def test_same_paths_ignore_the_kind_of_container() -> None:
    tree.assert_same_paths([1, (2, 3)], (4, [5, 6]))
    with pytest.raises(ValueError, match="paths differ"):
        tree.assert_same_paths([1, 2], [1])


def test_up_to_stops_at_the_shallow_leaves() -> None:
    assert tree.map_structure_up_to({"a": 0}, len, {"a": [1, 2, 3]}) == {"a": 3}
    with pytest.raises(ValueError, match="differ"):
        tree.map_structure_up_to([0, 0], len, 5)


def test_traverse_replaces_top_down_and_bottom_up() -> None:
    assert tree.traverse(lambda v: len(v) if isinstance(v, tuple) else None, [(1, 2), 3]) == [2, 3]
    nothing = tree.traverse(lambda v: tree.MAP_TO_NONE if v == 1 else None, [1, 2])
    assert nothing == [None, 2]
    assert tree.lists_to_tuples([1, [2, {"a": [3]}]]) == (1, (2, {"a": (3,)}))


def test_shapes_are_leaves() -> None:
    assert tree.map_shape_structure(len, [(1, None), {"a": (2,)}]) == [2, {"a": 1}]
    assert tree.is_shape(())
    assert not tree.is_shape([(1,)])
    with pytest.raises(ValueError, match="expected a shape"):
        tree.map_shape_structure(len, "ab")
