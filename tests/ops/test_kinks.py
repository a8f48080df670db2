"""Gradients where a function has a corner or a pole: what is documented is what happens."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pyneuro import autograd, ops
from pyneuro.tensor import Tensor, convert


def slopes(function: Callable[..., Tensor], *values: Any) -> list[Any]:
    xs = [convert(np.array(v, "float64")) for v in values]
    for x in xs:
        x.requires_grad = True
    return [g.tolist() for g in autograd.grad(ops.sum(function(*xs)), xs)]


@pytest.mark.parametrize("function", [ops.maximum, ops.minimum])
def test_equal_operands_take_half_each(function: Callable[..., Tensor]) -> None:
    assert slopes(function, [1.0, 2.0], [1.0, 2.0]) == [[0.5, 0.5], [0.5, 0.5]]


def test_nan_takes_the_gradient_of_both() -> None:
    assert slopes(ops.maximum, [math.nan], [1.0]) == [[1.0], [1.0]]


@pytest.mark.parametrize("function", [ops.max, ops.min])
def test_equal_extremes_share(function: Callable[..., Tensor]) -> None:
    assert slopes(function, [2.0, 2.0, 2.0, 2.0]) == [[0.25] * 4]
    got = slopes(lambda x: function(x, axis=1), [[1.0, 1.0], [3.0, 4.0]])[0]
    assert got[0] == [0.5, 0.5]
    assert sorted(got[1]) == [0.0, 1.0]


def test_corners_at_zero() -> None:
    assert slopes(ops.relu, [0.0, -0.0]) == [[0.0, 0.0]]
    assert slopes(ops.absolute, [0.0]) == [[0.0]]
    assert slopes(ops.elu, [0.0]) == [[1.0]]
    assert slopes(ops.selu, [0.0])[0][0] == pytest.approx(1.7580993408473766)
    assert slopes(ops.celu, [0.0]) == [[1.0]]
    assert slopes(lambda x: ops.clip(x, 0.0, 1.0), [0.0, 1.0]) == [[0.5, 0.5]]


def test_large_arguments_leave_no_nan() -> None:
    big = [1e4, -1e4]
    for function in (
        ops.elu,
        ops.selu,
        ops.celu,
        ops.softplus,
        ops.log_sigmoid,
        ops.sigmoid,
        ops.gelu,
    ):
        assert np.isfinite(slopes(function, big)).all(), function


def test_power_at_a_zero_base() -> None:
    assert slopes(ops.power, [0.0, 0.0, 0.0, 2.0], [0.0, 1.0, 2.0, 0.0]) == [
        [0.0, 1.0, 0.0, 0.0],
        [0.0, 0.0, 0.0, math.log(2.0)],
    ]
    first, second = slopes(ops.power, [0.0], [-1.0])
    assert first == [-math.inf]
    assert second == [-math.inf]


def test_product_with_zeros() -> None:
    rows = [[2.0, 3.0, 4.0], [0.0, 3.0, 4.0], [0.0, 3.0, 0.0]]
    want = [[12.0, 8.0, 6.0], [12.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    assert slopes(lambda x: ops.prod(x, axis=1), rows) == [want]


def test_second_gradient_of_a_product_with_two_zeros() -> None:
    x = convert(np.array([0.0, 3.0, 0.0]))
    x.requires_grad = True
    first = autograd.grad(ops.prod(x), x, create_graph=True)
    assert autograd.grad(first, x, [np.array([1.0, 0.0, 0.0])]).tolist() == [0.0, 0.0, 3.0]


def test_division_without_nan_has_none_in_its_gradient() -> None:
    assert slopes(ops.divide_no_nan, [1.0, 4.0], [0.0, 2.0]) == [[0.0, 0.5], [0.0, -1.0]]


def test_where_keeps_the_other_side_out() -> None:
    got = slopes(lambda x: ops.where(x > 0.0, ops.sqrt(x), 0.0), [-1.0, 4.0])
    assert math.isnan(got[0][0])  # 0 times the NaN of the side not chosen: replace the argument,
    safe = slopes(
        lambda x: ops.where(x > 0.0, ops.sqrt(ops.where(x > 0.0, x, 1.0)), 0.0), [-1.0, 4.0]
    )
    assert safe == [[0.0, 0.25]]  # as here


def test_flat_functions_have_zero_gradients() -> None:
    for function in (ops.sign, ops.floor, ops.ceil, ops.round, ops.trunc):
        assert slopes(function, [0.3, -1.7]) == [[0.0, 0.0]]
    assert slopes(ops.floor_divide, [7.0], [2.0]) == [[0.0], [0.0]]


def test_relu_twice_is_zero_not_missing() -> None:
    x = convert(np.array([1.0, -1.0]))
    x.requires_grad = True
    first = autograd.grad(ops.sum(ops.relu(x)), x, create_graph=True)
    assert autograd.grad(ops.sum(first), x).tolist() == [0.0, 0.0]
