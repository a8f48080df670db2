"""Every check, for every row of `cases.py`; and the proof that planted faults would be caught."""

import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any

import checks
import pytest
from cases import CASES
from cases_composed import COMPOSED
from rows import Case

from pyneuro import autograd, device

ALL = (*CASES, *COMPOSED)
PAIRS = [(case, dtype) for case in ALL for dtype in case.dtypes]
SMOOTH = [case for case in ALL if case.differentiable]
LARGE = [(case, dtype) for case, dtype in PAIRS if case.large and dtype in ("float32", "int64")]


def name(case: Case) -> str:
    return f"cast-{case.result}" if case.op == "cast" else case.op


def each(items: list[Any]) -> Any:
    """Parametrize by rows, or by pairs of a row and a dtype."""
    if isinstance(items[0], Case):
        return pytest.mark.parametrize("case", items, ids=map(name, items))
    ids = [f"{name(case)}-{dtype}" for case, dtype in items]
    return pytest.mark.parametrize(("case", "dtype"), items, ids=ids)


@pytest.fixture(params=device.kernel_isas())
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    with device.set_kernel_isa(request.param):
        yield request.param


def test_every_op_has_a_row() -> None:
    assert {case.op for case in CASES} == set(device.op_names())


@each(PAIRS)
def test_reference(case: Case, dtype: str, isa: str) -> None:
    checks.check_reference(case, dtype)


@each(
    [
        (case, d)
        for case, d in PAIRS
        if case.large and d in ("float32", "float64", "bfloat16", "int32")
    ]
)
def test_reference_of_large(case: Case, dtype: str, isa: str) -> None:
    checks.check_reference(case, dtype, [case.large])


@each([(case, d) for case, d in PAIRS if case.awkward and d in checks.FLOATS])
def test_awkward(case: Case, dtype: str, isa: str) -> None:
    checks.check_awkward(case, dtype)


@each(PAIRS)
def test_strided(case: Case, dtype: str) -> None:
    checks.check_strided(case, dtype)


@each(PAIRS)
def test_meta(case: Case, dtype: str) -> None:
    checks.check_meta(case, dtype)


@each(LARGE)
def test_threads(case: Case, dtype: str) -> None:
    checks.check_threads(case, dtype)


@each([(case, dtype) for case, dtype in LARGE if case.rows])
def test_rows(case: Case, dtype: str, isa: str) -> None:
    checks.check_rows(case, dtype)


@each([(case, case.dtypes[-1]) for case in ALL])
def test_replay(case: Case, dtype: str) -> None:
    checks.check_replay(case, dtype)


@each([case for case in ALL if case.bad])
def test_bad_calls(case: Case) -> None:
    checks.check_bad(case)


@each(SMOOTH)
def test_gradient(case: Case) -> None:
    checks.check_gradient(case)


@each([case for case in SMOOTH if case.second])
def test_second_gradient(case: Case) -> None:
    checks.check_second_gradient(case)


# ---- planted faults: each kind of wrong is caught by the checks above ---------------------------

TABLE = {row["name"]: row for row in device.op_table()}
BY_OP = {case.op: case for case in CASES}  # of the casts, the one to float64
WITH_KERNEL = [c for c in BY_OP.values() if not (c.writes or TABLE[c.op]["aliases"])]
NO_SHAPE = ("host_call", "sum_of_squares")  # it is given, or always ()
WITH_SHAPE = [c for c in BY_OP.values() if not (c.writes or c.op in NO_SHAPE)]
RULES = [(c, i) for c in BY_OP.values() for i in c.differentiable]
CURVED = ("multiply", "divide", "power", "exp", "gelu", "tanh_grad", "prod", "matmul", "conv",
          "softmax", "crossentropy", "log_softmax_grad", "sparse_crossentropy")  # fmt: skip


def wide(case: Case) -> str:
    return "float64" if "float64" in case.dtypes else case.dtypes[-1]


@each(WITH_KERNEL)
def test_a_wrong_kernel_is_caught(case: Case) -> None:
    with device._plant_fault("kernel", case.op), pytest.raises(AssertionError, match="expected"):
        checks.check_reference(case, wide(case))


@each(list(COMPOSED))
def test_a_wrong_composition_is_caught(case: Case) -> None:
    def wrong(*args: Any, **fields: Any) -> Any:
        outputs = checks.call(case, *args, **fields)
        several = isinstance(outputs, tuple)
        changed = [y * 2 + 1 for y in checks.as_list(outputs)]
        return tuple(changed) if several else changed[0]

    with pytest.raises(AssertionError, match="expected"):
        checks.check_reference(dataclasses.replace(case, call=wrong), wide(case))


@each([case for case in CASES if case.writes])
def test_a_wrong_write_is_caught(case: Case) -> None:
    def wrong(*args: Any, **fields: Any) -> Any:
        return tuple(value + 1e-3 for value in case.reference(*args, **fields))

    with pytest.raises(AssertionError, match="expected"):
        checks.check_reference(dataclasses.replace(case, reference=wrong), wide(case))


@each(WITH_SHAPE)
def test_a_wrong_shape_rule_is_caught(case: Case) -> None:
    with device._plant_fault("shape", case.op), pytest.raises(AssertionError):
        checks.check_meta(case, wide(case))


def replace_rule(monkeypatch: pytest.MonkeyPatch, op: str, change: Callable[..., Any]) -> None:
    """Let `change(rule, node, g)` answer for every rule of an op, as a list for a variadic one."""
    if op in autograd._variadic:
        rule = autograd._variadic[op]

        def changed(node: Any, g: Any) -> list[Any]:
            found = rule(node, g)
            return [x if x is None else change(lambda *_, x=x: x, node, g) for x in found]

        monkeypatch.setitem(autograd._variadic, op, changed)
        return
    rules = autograd._per_input[op]
    partials = tuple(rule and functools.partial(change, rule) for rule in rules)
    monkeypatch.setitem(autograd._per_input, op, partials)


@pytest.mark.parametrize(("case", "i"), RULES, ids=[f"{case.op}-{i}" for case, i in RULES])
def test_a_wrong_gradient_is_caught(case: Case, i: int, monkeypatch: pytest.MonkeyPatch) -> None:
    replace_rule(monkeypatch, case.op, lambda rule, node, g: rule(node, g) * 1.001 + 1e-3)
    with pytest.raises(AssertionError, match="gradient of input"):
        checks.check_gradient(dataclasses.replace(case, differentiable=(i,)))


class Detached:
    """A node with its tensors off the tape: first gradients right, second ones wrong."""

    def __init__(self, node: Any) -> None:
        self._node = node

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._node, name)
        if name == "output":
            return value.detach()
        return tuple(x.detach() for x in value) if name in ("inputs", "outputs") else value


@each([BY_OP[op] for op in CURVED])
def test_a_wrong_second_gradient_is_caught(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    replace_rule(monkeypatch, case.op, lambda rule, node, g: rule(Detached(node), g))
    checks.check_gradient(case)
    with pytest.raises(AssertionError, match="second"):
        checks.check_second_gradient(case)
