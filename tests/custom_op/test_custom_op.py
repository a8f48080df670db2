"""A user's own ops: a C library built here against the installed header, and calls to Python."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import checks
import numpy as np
import pytest

from pyneuro import autograd, device, errors, ops
from pyneuro.__main__ import native_folder
from pyneuro.capture import capture, record
from pyneuro.tensor import Tensor, convert

SOURCE = Path(__file__).with_name("row_dot.c")


@pytest.fixture(scope="module")
def row_dot(tmp_path_factory: pytest.TempPathFactory) -> int:
    """The op's address, from a library that knows one header of pyneuro and links none of it."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    assert compiler, "a C compiler is needed"
    library = tmp_path_factory.mktemp("custom_op") / "row_dot.so"
    subprocess.run(
        [
            *(compiler, "-std=c99", "-O2", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared"),
            *("-I", native_folder() / "include", "-o", library, SOURCE),
        ],
        check=True,
    )
    return ops.load_custom_op(str(library), "row_dot_op")


def slopes(
    inputs: Sequence[Tensor], outputs: Sequence[Tensor], gradients: Sequence[Tensor | None]
) -> list[Tensor]:
    (x, y), (g,) = inputs, gradients
    assert g is not None
    return [ops.expand_dims(g, -1) * y, ops.expand_dims(g, -1) * x]


def values(*shape: int) -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    return [rng.uniform(-1, 1, shape) for _ in range(2)]


def test_it_runs(row_dot: int) -> None:
    x, y = values(40, 50, 7)
    got = ops.custom(row_dot, x, y)
    np.testing.assert_allclose(got.numpy(), (x * y).sum(-1), rtol=1e-13)
    flipped = ops.custom(row_dot, x[::-1, :, ::2], y[::-1, :, ::2])
    np.testing.assert_allclose(flipped.numpy(), (x * y)[::-1, :, ::2].sum(-1), rtol=1e-13)
    assert ops.custom(row_dot, np.ones((0, 3)), np.ones((0, 3))).shape == (0,)


def test_threads_do_not_change_its_bits(row_dot: int) -> None:
    x, y = values(3000, 70)
    before, seen = device.num_threads(), []
    try:
        for threads in (1, 2, 4):
            device.set_num_threads(threads)
            seen.append(ops.custom(row_dot, x, y).numpy().tobytes())
    finally:
        device.set_num_threads(before)
    assert seen[0] == seen[1] == seen[2]


def test_its_gradient_is_the_one_given(row_dot: int) -> None:
    arrays = values(3, 4)
    x, y = (convert(a) for a in arrays)
    x.requires_grad = y.requires_grad = True
    weights = np.array([1.0, -2.0, 0.5])

    def function(at: list[np.ndarray]) -> list[np.ndarray]:
        return [ops.custom(row_dot, *at).numpy()]

    out = ops.custom(row_dot, x, y, gradient=slopes)
    found = [g.numpy() for g in autograd.grad(out, [x, y], [weights])]
    rng = np.random.default_rng(4)
    checks.compare_slopes("row_dot", function, arrays, [weights], found, [0, 1], rng)
    first = autograd.grad(
        ops.custom(row_dot, x, y, gradient=slopes), x, [weights], create_graph=True
    )
    second = autograd.grad(ops.sum(first * 2.0), y)
    np.testing.assert_allclose(second.numpy(), np.repeat(2.0 * weights[:, None], 4, axis=1))


def test_an_op_has_one_gradient(row_dot: int) -> None:
    x, y = values(3, 4)
    ops.custom(row_dot, x, y, gradient=slopes)
    with pytest.raises(errors.ArgumentError, match="another gradient already"):
        ops.custom(row_dot, x, y, gradient=lambda *_: [None, None])


def test_it_is_a_step_of_a_plan(row_dot: int) -> None:
    def function(x: Tensor, y: Tensor) -> Tensor:
        return ops.custom(row_dot, x * 2.0, y) + 1.0

    x, y = values(3, 4)
    program = record(function, [x, y])
    assert program.ops == ["multiply", "custom", "add"]
    a, b = values(3, 4)[::-1]
    np.testing.assert_array_equal(program.replay([a, b]).numpy(), function(a, b).numpy())
    captured = capture(function)
    for _ in range(4):
        np.testing.assert_array_equal(captured(convert(x), convert(y)), function(x, y))
    assert len(captured.plans) == 1


def test_its_shape_rule_works_without_elements(row_dot: int) -> None:
    with device.device("meta"):
        out = ops.custom(row_dot, ops.zeros((5, 3), "float64"), ops.zeros((5, 3), "float64"))
    assert (out.shape, out.dtype, out.device) == ((5,), "float64", "meta")


def test_its_errors_are_typed(row_dot: int) -> None:
    x, y = values(3, 4)
    with pytest.raises(errors.ShapeError, match="row_dot: x and y differ along axis 1"):
        ops.custom(row_dot, x, y[:, :2])
    with pytest.raises(errors.ShapeError, match="row_dot: x and y must be float64"):
        ops.custom(row_dot, x.astype("float32"), y)
    with pytest.raises(errors.ArgumentError, match="row_dot: takes 2 inputs, but 1 were given"):
        ops.custom(row_dot, x)
    with pytest.raises(errors.ArgumentError, match=r"row_dot: x holds -1e\+10, which is too small"):
        ops.custom(row_dot, np.full((3, 4), -1e10), y)


def test_loading_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nowhere"):
        ops.load_custom_op(str(tmp_path / "nowhere.so"), "op")
    with pytest.raises(errors.ArgumentError, match="has no function 'no_such_op'"):
        ops.load_custom_op(str(native_folder() / "libpyneuro.so"), "no_such_op")


# ---- calls back to Python ------------------------------------------------------------------------


def sort_rows(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    order = np.argsort(x, axis=-1).astype("int32")
    return np.sort(x, axis=-1), order


def sort_slopes(
    inputs: Sequence[Tensor], outputs: Sequence[Tensor], gradients: Sequence[Tensor | None]
) -> list[Tensor | None]:
    g = gradients[0]
    if g is None:
        return [None]
    back = np.argsort(outputs[1].numpy(), axis=-1)
    return [convert(np.take_along_axis(g.numpy(), back, -1))]


def sort(x: Tensor, gradient: object = sort_slopes) -> tuple[Tensor, Tensor]:
    return ops.host_call(
        sort_rows, x, output_specs=[(x.shape, "float64"), (x.shape, "int32")], gradient=gradient
    )


def test_a_host_call() -> None:
    x = values(3, 4)[0]
    values_, order = sort(convert(x))
    np.testing.assert_array_equal(values_.numpy(), np.sort(x))
    np.testing.assert_array_equal(order.numpy(), np.argsort(x))
    single = ops.host_call(np.cumsum, x, output_specs=[((12,), "float64")])
    np.testing.assert_array_equal(single.numpy(), np.cumsum(x))


def test_a_host_call_has_a_gradient() -> None:
    x, g = values(3, 4)
    leaf = convert(x)
    leaf.requires_grad = True
    found = autograd.grad(sort(leaf)[0], leaf, [g]).numpy()
    rng = np.random.default_rng(5)
    checks.compare_slopes("sort", lambda at: [np.sort(at[0])], [x], [g], [found], [0], rng)


def test_a_call_without_a_gradient_says_so() -> None:
    leaf = convert(values(3, 4)[0])
    leaf.requires_grad = True
    out = ops.host_call(np.square, leaf, output_specs=[((3, 4), "float64")])
    with pytest.raises(errors.GradientError, match="host_call: this op has no gradient"):
        autograd.grad(ops.sum(out), leaf)


def test_a_host_call_is_a_step_of_a_plan() -> None:
    x, other = values(3, 4)
    program = record(lambda t: sort(t * 2.0)[0] + 1.0, [x])
    assert program.ops == ["multiply", "host_call", "add"]
    np.testing.assert_array_equal(program.replay([other]).numpy(), np.sort(other * 2.0) + 1.0)


def fail_on_negative(x: np.ndarray) -> np.ndarray:
    if (x < 0).any():
        raise LookupError("a negative number")
    return x


def test_errors_of_a_host_call() -> None:
    with pytest.raises(LookupError, match="a negative number"):
        ops.host_call(fail_on_negative, [-1.0], output_specs=[((1,), "float32")])
    with pytest.raises(errors.ShapeError, match="host_call: the function gave float32"):
        ops.host_call(fail_on_negative, [1.0], output_specs=[((2,), "float32")])
    with pytest.raises(errors.ArgumentError, match="gave 1 values, but 2 outputs"):
        ops.host_call(fail_on_negative, [1.0], output_specs=[((1,), "float32")] * 2)
    assert ops.host_call(fail_on_negative, [1.0], output_specs=[((1,), "float32")]).tolist() == [1]


def test_inputs_of_a_host_call_are_read_only() -> None:
    def write(x: np.ndarray) -> np.ndarray:
        x[0] = 5.0
        return x

    with pytest.raises(ValueError, match="read-only"):
        ops.host_call(write, [1.0], output_specs=[((1,), "float32")])
