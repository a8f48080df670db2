"""The tape and the walk backward: what accumulates, what is kept, freed, refused."""

import gc
import math
import threading
import weakref

import numpy as np
import pytest

from pyneuro import autograd, errors, ops
from pyneuro.autograd import enable_grad, grad, is_grad_enabled, no_grad, value_and_grad
from pyneuro.device import memory_stats
from pyneuro.tensor import Tensor, convert
from pyneuro.variable import Variable


def leaf(value: object, dtype: str = "float64") -> Tensor:
    x = convert(np.array(value, dtype))
    x.requires_grad = True
    return x


# ---- backward ------------------------------------------------------------------------------------


def test_backward_fills_and_accumulates() -> None:
    w = Variable([1.0, 2.0])
    ops.sum(w * w).backward()
    assert w.grad.tolist() == [2.0, 4.0]
    ops.sum(w * 3.0).backward()
    assert w.grad.tolist() == [5.0, 7.0]
    w.grad = None
    ops.sum(w).backward()
    assert w.grad.tolist() == [1.0, 1.0]
    assert w.grad.dtype == "float32"


def test_a_value_used_twice_gets_both_gradients() -> None:
    x = leaf(3.0)
    y = x * x
    (y * y + y).backward()  # x**4 + x**2
    assert x.grad.item() == 4 * 27.0 + 6.0


def test_backward_from_any_shape_needs_a_gradient() -> None:
    w = Variable([1.0, 2.0])
    (w * w).backward(np.array([1.0, 10.0]))
    assert w.grad.tolist() == [2.0, 40.0]
    with pytest.raises(errors.GradientError, match=r"only from a single number.*shape \(2,\)"):
        (w * w).backward()
    with pytest.raises(errors.ShapeError, match="gradient has shape \\(3,\\)"):
        (w * w).backward(np.ones(3))


def test_what_depends_on_nothing_cannot_go_backward() -> None:
    w = Variable([1.0])
    for out in (convert(2.0) * 3.0, ops.stop_gradient(w), w.detach() * 2.0, ops.argmax(w)):
        with pytest.raises(errors.GradientError, match="does not depend on anything"):
            ops.sum(out).backward()
    frozen = Variable([1.0], trainable=False)
    with pytest.raises(errors.GradientError, match="does not depend on anything"):
        ops.sum(frozen * 2.0).backward()


def test_the_tape_is_freed_unless_retained() -> None:
    x = leaf([1.0, 2.0])
    y = ops.sum(ops.exp(x))
    y.backward(retain_graph=True)
    y.backward()
    np.testing.assert_allclose(x.grad.numpy(), 2 * np.exp([1.0, 2.0]))
    with pytest.raises(errors.GradientError, match=r"sum: backward .*retain_graph=True"):
        y.backward()


def test_a_variable_assigned_before_backward_is_noticed() -> None:
    v = Variable([1.0, 2.0])
    y = ops.sum(v * v)
    v.assign([3.0, 4.0])
    with pytest.raises(errors.GradientError, match=r"multiply: .*assigned before backward"):
        y.backward()
    z = ops.sum(v.value * v.value)
    v.assign([5.0, 6.0])
    z.backward()
    assert v.grad.tolist() == [6.0, 8.0]
    assert ops.sum(v + 1.0).requires_grad
    ops.sum(v + 1.0).backward()  # add keeps nothing


def test_gradients_of_broadcasts_are_summed() -> None:
    a, b, c = leaf(np.ones((3, 1, 2))), leaf(np.ones((4, 1))), leaf(2.0)
    grads = grad(ops.sum(a * b * c), [a, b, c])
    assert [g.shape for g in grads] == [(3, 1, 2), (4, 1), ()]
    assert [g.numpy().flat[0] for g in grads] == [8.0, 12.0, 24.0]


def test_gradients_have_the_dtype_of_their_input() -> None:
    half, single = leaf([1.0, 2.0], "float16"), leaf([3.0, 4.0], "float32")
    out = half * single
    assert out.dtype == "float32"
    grads = grad(ops.sum(out), [half, single])
    assert [g.dtype for g in grads] == ["float16", "float32"]
    whole = convert(np.array([2, 3]))
    assert grad(ops.sum(half * whole), half).tolist() == [2.0, 3.0]


def test_several_outputs_of_which_some_are_unused() -> None:
    x = leaf([1.0, 2.0, 3.0, 4.0])
    first, _, last = ops.split(x * x, [1, 3])
    assert grad(ops.sum(first) + ops.sum(last) * 10.0, x).tolist() == [2.0, 0.0, 0.0, 80.0]


def test_an_optional_input_may_be_absent() -> None:
    from pyneuro.tensor import apply

    a, b = leaf(np.ones((2, 3))), leaf(np.ones((3, 2)))
    for bias in ((), (None,)):
        grads = grad(ops.sum(apply("matmul", a, b, *bias)), [a, b])
        assert [g.numpy().tolist() for g in grads] == [[[2.0] * 3] * 2, [[2.0] * 2] * 3]


# ---- grad, value_and_grad, modes -----------------------------------------------------------------


def test_grad_leaves_no_trace() -> None:
    w = Variable(3.0)
    assert grad(w * w, w).item() == 6.0
    assert w.grad is None


def test_grad_of_inner_tensors_and_several_outputs() -> None:
    x = leaf(2.0)
    y = x * x
    z = y * 3.0
    assert grad(z, y).item() == 3.0
    assert [g.item() for g in grad([x * x, x * 5.0], [x], [None, convert(2.0)])] == [14.0]
    assert grad(x * x, [x])[0].item() == 4.0


def test_grad_says_which_input_has_no_part() -> None:
    x, y = leaf(1.0), leaf(2.0)
    with pytest.raises(errors.GradientError, match="input 1, of shape \\(\\), has no part"):
        grad(x * x, [x, y])
    assert grad(x * x, [x, y], allow_unused=True)[1] is None
    with pytest.raises(errors.GradientError, match="wants no gradient: use a Variable"):
        grad(x * x, convert(1.0))


def test_value_and_grad() -> None:
    w = Variable([1.0, 2.0])

    def loss(x: Tensor, scale: float = 1.0) -> Tensor:
        return ops.sum(x * x * w) * scale

    x = np.array([3.0, 4.0], "float32")
    value, g = value_and_grad(loss)(x, scale=2.0)
    assert (value.item(), g.tolist()) == (82.0, [12.0, 32.0])
    value, gs = value_and_grad(loss, variables=[w])(x)
    assert [g.tolist() for g in gs] == [[9.0, 16.0]]
    value, (gx,) = value_and_grad(lambda x: loss(x), argnums=(0,))(x)
    assert gx.tolist() == [6.0, 16.0]
    (value, extra), g = value_and_grad(lambda x: (ops.sum(x), "extra"), has_aux=True)(x)
    assert (extra, g.tolist()) == ("extra", [1.0, 1.0])


def test_modes_nest_and_are_of_their_thread() -> None:
    w = Variable(2.0)
    with no_grad():
        assert not (w * w).requires_grad
        with enable_grad():
            assert (w * w).requires_grad
        seen = []
        thread = threading.Thread(target=lambda: seen.append(is_grad_enabled()))
        thread.start()
        thread.join()
        assert seen == [True]
        assert not is_grad_enabled()
    assert is_grad_enabled()

    @no_grad()
    def double(x: Tensor) -> Tensor:
        return x * 2.0

    assert not double(w).requires_grad
    assert is_grad_enabled()


def test_an_error_leaves_the_mode_as_it_was() -> None:
    with pytest.raises(errors.ShapeError), no_grad():
        ops.reshape(np.ones(3), (2,))
    assert is_grad_enabled()


# ---- higher order --------------------------------------------------------------------------------


def test_derivatives_of_any_order() -> None:
    x = leaf(0.7)
    y, want = ops.sin(x), [math.cos(0.7), -math.sin(0.7), -math.cos(0.7), math.sin(0.7)]
    for value in want:
        y = grad(y, x, create_graph=True)
        assert y.item() == pytest.approx(value, rel=1e-14)


def test_a_hessian() -> None:
    rng = np.random.default_rng(1)
    a, x0 = rng.uniform(-1, 1, (4, 4)), rng.uniform(-1, 1, 4)
    x = leaf(x0)
    value = ops.sum(ops.tanh(ops.matmul(a, x)) * x)
    g = grad(value, x, create_graph=True)
    rows = [grad(g, x, np.eye(4)[i], retain_graph=True).numpy() for i in range(4)]
    t = np.tanh(a @ x0)
    d1, d2 = 1 - t * t, -2 * t * (1 - t * t)
    want = a.T * d1 + (a.T * d1).T + (a.T * (d2 * x0)) @ a
    np.testing.assert_allclose(rows, want, rtol=1e-12, atol=1e-14)


def test_a_gradient_penalty_reaches_the_weights() -> None:
    rng = np.random.default_rng(2)
    w = Variable(rng.uniform(-1, 1, (3, 4)), dtype="float64")
    x = leaf(rng.uniform(-1, 1, (5, 3)))

    def penalty() -> Tensor:
        out = ops.sum(ops.relu(ops.matmul(x, w)))
        return ops.sum(ops.square(grad(out, x, create_graph=True)))

    penalty().backward()
    found, step, base = w.grad.numpy(), 1e-6, w.numpy()
    numeric = np.zeros_like(base)
    for i in np.ndindex(*base.shape):
        for sign in (1, -1):
            moved = base.copy()
            moved[i] += sign * step
            w.assign(moved)
            numeric[i] += sign * penalty().item() / (2 * step)
    np.testing.assert_allclose(found, numeric, rtol=1e-6, atol=1e-8)


# ---- depth, memory, coverage ---------------------------------------------------------------------


def test_deep_tapes_need_no_recursion() -> None:
    x = leaf(1.0)
    y = x
    for _ in range(20_000):
        y = y + 1e-6
    y.backward()
    assert x.grad.item() == 1.0
    y = x
    for _ in range(20_000):
        y = y * 1.0
    del y  # freed without recursion, too


def test_wide_sharing_is_walked_once() -> None:
    x = leaf(1.0)
    y = x
    for _ in range(60):  # 2**60 paths
        y = y + y
    assert grad(y, x).item() == 2.0**60


def test_no_cycles_hold_the_tape() -> None:
    gc.collect()
    gc.disable()
    try:
        x = leaf(np.ones(1000))
        y = ops.exp(x) * 2.0
        gone = [weakref.ref(t) for t in (x, y)]
        ops.sum(y).backward()
        del x, y
        assert [r() for r in gone] == [None, None]
        w = Variable(np.ones((64, 64)))

        def step() -> None:
            loss = ops.mean(ops.square(ops.tanh(ops.matmul(w, w))))
            (g,) = grad(loss, [w])
            w.assign_sub(g * 0.1)

        step()
        before = memory_stats()["allocated"]
        for _ in range(50):
            step()
        assert memory_stats()["allocated"] == before
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_backward_frees_as_it_goes() -> None:
    n = 1_000_000
    x = leaf(np.ones(n), "float32")
    y = x
    for _ in range(10):
        y = ops.exp(y * 1e-3)
    before = memory_stats()["allocated"]
    total = ops.sum(y)
    del y
    total.backward()
    assert memory_stats()["allocated"] < before - 8 * n * 4


def test_an_op_without_a_rule_is_refused_not_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(autograd._per_input, "exp")
    with pytest.raises(errors.GradientError, match="exp has no gradient rule"):
        grad(ops.exp(leaf(1.0)), leaf(1.0))


def test_a_rule_of_the_wrong_shape_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    x = leaf([1.0, 2.0])
    monkeypatch.setitem(autograd._per_input, "exp", (lambda node, g: ops.ones(3, "float64"),))
    with pytest.raises(errors.GradientError, match="gradient of shape \\(3,\\) came for an input"):
        grad(ops.sum(ops.exp(x)), x)
