"""einsum against NumPy: every kind of equation, gradients by differences, plans kept."""

import numpy as np
import pytest

import pyneuro
from pyneuro import ops
from pyneuro.errors import ArgumentError, ShapeError
from pyneuro.tensor import convert

RNG = np.random.default_rng(5)

EQUATIONS = (
    ("i->i", (3,)),
    ("i->", (3,)),
    ("ij->ji", (2, 3)),
    ("ij", (2, 3)),
    ("ba", (2, 3)),
    ("ii->i", (3, 3)),
    ("ii", (3, 3)),
    ("iij->ji", (3, 3, 2)),
    ("iii->i", (2, 2, 2)),
    ("i,i->", (4,), (4,)),
    ("i,j->ij", (2,), (3,)),
    ("i,i->i", (3,), (3,)),
    ("ij,jk->ik", (2, 3), (3, 4)),
    ("ij,jk", (2, 3), (3, 4)),
    ("ij,jk->ki", (2, 3), (3, 4)),
    ("ij,kj->ik", (2, 3), (4, 3)),
    ("bij,bjk->bik", (2, 3, 4), (2, 4, 5)),
    ("bij,bjk->ikb", (2, 3, 4), (2, 4, 5)),
    ("bhqd,bhkd->bhqk", (2, 3, 4, 5), (2, 3, 6, 5)),
    ("bqhd,bkhd->bhqk", (2, 4, 3, 5), (2, 6, 3, 5)),
    ("abc,cd,def->abef", (2, 3, 4), (4, 5), (5, 2, 3)),
    ("a,b,c->cab", (2,), (3,), (4,)),
    ("ij,j,i->", (2, 3), (3,), (2,)),
    ("...ij,...jk->...ik", (2, 3, 4), (4, 5)),
    ("...ij,...jk->...ik", (2, 1, 3, 4), (5, 4, 2)),
    ("i...,i...->...", (3, 2), (3, 2)),
    ("...,...->...", (2, 3), (3,)),
    ("...i->...", (2, 3, 4)),
    ("b...,b->...", (2, 3, 4), (2,)),
    ("ij,ij->ij", (2, 1), (2, 3)),
    ("ij,kl->", (2, 3), (4, 5)),
    ("ijk,ijk->k", (2, 3, 4), (2, 3, 4)),
    ("ab,ab,ab->a", (2, 3), (2, 3), (2, 3)),
    ("ij,jk->ik", (0, 3), (3, 2)),
    ("ij,jk->ik", (2, 0), (0, 3)),
    (" i j , j k -> i k ", (2, 3), (3, 4)),
    ("aB,Bc->ac", (2, 3), (3, 4)),
)


def operands(shapes: tuple[tuple[int, ...], ...], dtype: str = "float64") -> list[np.ndarray]:
    return [RNG.uniform(-2, 2, shape).astype(dtype) for shape in shapes]


@pytest.mark.parametrize(("equation", "shapes"), [(e, s) for e, *s in EQUATIONS])
def test_values(equation: str, shapes: list[tuple[int, ...]]) -> None:
    xs = operands(tuple(shapes))
    want = np.einsum(equation, *xs)
    got = ops.einsum(equation, *xs)
    assert got.shape == want.shape
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("equation", "shapes"), [(e, s) for e, *s in EQUATIONS])
def test_gradients(equation: str, shapes: list[tuple[int, ...]]) -> None:
    xs = operands(tuple(shapes))
    weight = RNG.uniform(-1, 1, np.einsum(equation, *xs).shape)
    given = [pyneuro.Variable(x, dtype="float64") for x in xs]
    ops.sum(ops.einsum(equation, *given) * weight).backward()
    for i, (x, v) in enumerate(zip(xs, given, strict=True)):
        way = RNG.uniform(-1, 1, x.shape)
        ends = []
        for step in (1e-6, -1e-6):
            moved = [a + step * way if j == i else a for j, a in enumerate(xs)]
            ends.append((np.einsum(equation, *moved) * weight).sum())
        grad = np.zeros(x.shape) if v.grad is None else v.grad.numpy()
        np.testing.assert_allclose((grad * way).sum(), (ends[0] - ends[1]) / 2e-6, atol=1e-7)


def test_dtypes_meet() -> None:
    x = np.ones((2, 3), "float32")
    assert ops.einsum("ij->j", x).dtype == "float32"
    assert ops.einsum("ij,j->i", x, np.ones(3)).dtype == "float64"
    assert ops.einsum("ij,j->i", np.ones((2, 3), "int32"), np.ones(3, "int32")).tolist() == [3, 3]
    half = ops.einsum("ij,jk->ik", convert(x, "bfloat16"), convert(x.T, "bfloat16"))
    assert half.dtype == "bfloat16"
    assert half.tolist() == [[3, 3], [3, 3]]


def test_symbolic_shapes() -> None:
    x, y = pyneuro.KerasTensor((None, 4, 5)), pyneuro.KerasTensor((None, 5, 3))
    assert ops.einsum("bij,bjk->bik", x, y).shape == (None, 4, 3)


@pytest.mark.parametrize(
    ("equation", "shapes", "error", "says"),
    [
        ("ij,jk->ik", ((2, 3),), ArgumentError, "2 operands, but 1 came"),
        ("i1->i", ((2, 3),), ArgumentError, "cannot read"),
        ("ij->ii", ((2, 3),), ArgumentError, "once"),
        ("ij->k", ((2, 3),), ArgumentError, "'k'"),
        ("i->i", ((2, 3),), ShapeError, "2 axes"),
        ("ij,jk->ik", ((2, 3), (4, 5)), ShapeError, "'j' has the sizes 3 and 4"),
    ],
)
def test_bad_equations(
    equation: str, shapes: tuple[tuple[int, ...], ...], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        ops.einsum(equation, *operands(shapes))


def test_other_arguments_are_refused() -> None:
    assert ops.einsum("i->", np.ones(3), optimize=True).item() == 3
    with pytest.raises(ArgumentError, match="order"):
        ops.einsum("i->", np.ones(3), order="C")
