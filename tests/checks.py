"""What is checked of a row: each function raises AssertionError where the op is wrong.

Functions rather than tests, so that planted faults can be shown to be caught by these very checks.
"""

import contextlib
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from ml_dtypes import finfo
from references import FLOATS, numpy_dtype
from rows import INTEGERS, Case, Sample

import pyneuro.ops  # noqa: F401 - brings the gradient rules
from pyneuro import autograd, device, errors
from pyneuro.capture import record
from pyneuro.tensor import Tensor, apply, convert
from pyneuro.variable import Variable

HALVES = ("float16", "bfloat16")
STEP, TOLERANCE = 1e-5, 1e-6  # of central differences, in float64
MANY = 40  # elements from which on differences are taken along a few directions only


# ---- running a sample ----------------------------------------------------------------------------


def rng_of(case: Case, *parts: object) -> np.random.Generator:
    return np.random.default_rng([ord(c) for c in f"{case.op} {parts}"])


def draw(case: Case, sample: Sample, dtype: str, again: int = 0) -> list[np.ndarray]:
    rng = rng_of(case, dtype, again)
    with quiet():
        return [spec.draw(rng, dtype) for spec in sample.inputs]


def fields_of(case: Case, sample: Sample, dtype: str) -> dict[str, Any]:
    return {**sample.fields, "dtype": dtype} if case.dtype_field else sample.fields


def written(case: Case, sample: Sample, n: int) -> list[int]:
    return case.writes(sample.fields, n) if case.writes else []


def tensors(case: Case, sample: Sample, arrays: Sequence[Any]) -> list[Tensor]:
    given = [convert(a) for a in arrays]
    for i in written(case, sample, len(given)):
        given[i] = Variable(given[i], dtype=given[i].dtype)
    return given


def as_list(outputs: Any) -> list[Tensor]:
    return [] if outputs is None else list(outputs) if isinstance(outputs, tuple) else [outputs]


def run(case: Case, sample: Sample, arrays: Sequence[Any], dtype: str) -> list[np.ndarray]:
    """The outputs, or what the variables hold afterwards."""
    given = tensors(case, sample, arrays)
    outputs = as_list(apply(case.op, *given, **fields_of(case, sample, dtype)))
    state = [given[i] for i in written(case, sample, len(given))]
    return [np.array(t.numpy()) for t in (state or outputs)]


def exact(array: np.ndarray) -> np.ndarray:
    """As the references want it: float64, int64 or bool."""
    if array.dtype == bool:
        return array
    return array.astype("int64" if array.dtype.name in INTEGERS else "float64")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """NumPy's warnings about the very values that are being tested."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def expect(case: Case, sample: Sample, arrays: Sequence[Any], dtype: str) -> list[np.ndarray]:
    with quiet():
        wanted = case.reference(*map(exact, arrays), **fields_of(case, sample, dtype))
    return [np.asarray(w) for w in (wanted if isinstance(wanted, tuple) else (wanted,))]


def result_dtype(case: Case, sample: Sample, dtype: str, output: int = 0) -> str | None:
    if isinstance(case.result, tuple):
        return case.result[output] or dtype
    if case.result == "sum":
        small = dtype in ("bool", "int8", "int16")
        return "int32" if small else "uint32" if dtype in ("uint8", "uint16") else dtype
    if case.result == "field":
        return str(sample.fields["dtype"])
    return case.result or dtype


def compare(
    case: Case, got: np.ndarray, want: np.ndarray, floor: Any, what: str, zeros: bool = False
) -> None:
    """Within the row's tolerance; with `zeros`, the sign of a zero counts."""
    assert got.shape == want.shape, f"{what}: shape {got.shape}, expected {want.shape}"
    name = got.dtype.name
    with quiet():
        if name not in FLOATS:
            rounded = want.astype(got.dtype)
            assert np.array_equal(got, rounded), f"{what}: {got}, expected {rounded}"
            return
        limit = want.astype(got.dtype).astype("float64")  # beyond the dtype's range lies infinity
        got = got.astype("float64")
        computed = "float32" if name in HALVES else name
        info = finfo(name)
        share = case.ulp * np.finfo(computed).eps + (
            0.51 * float(info.eps) if name in HALVES else 0
        )
        # A kernel may lose what lies below the normal numbers of the dtype it computes in.
        tiny = float(np.finfo(computed).tiny) + float(info.smallest_subnormal)
        allowed = share * np.maximum(np.abs(want), floor) + tiny
        same = (got == limit) | (np.isnan(got) & np.isnan(want))
        near = np.isfinite(got) & np.isfinite(limit) & (np.abs(got - want) <= allowed)
        right = same | near
        if zeros:
            right &= (got != 0) | (limit != 0) | (np.signbit(got) == np.signbit(limit))
    if not right.all():
        i = tuple(int(k[0]) for k in np.nonzero(~right)) if got.ndim else ()
        raise AssertionError(
            f"{what}: {(~right).sum()} of {right.size} wrong, first at {i}: {got[i]!r}, "
            f"expected {want[i]!r}"
        )


# ---- values --------------------------------------------------------------------------------------


def check_reference(
    case: Case, dtype: str, samples: Sequence[Sample] | None = None, zeros: bool = False
) -> None:
    """The values, shape and dtype are those of the NumPy reference."""
    for sample in case.samples if samples is None else samples:
        arrays = draw(case, sample, dtype)
        wanted = expect(case, sample, arrays, dtype)
        got = run(case, sample, arrays, dtype)
        what = f"{case.op} {dtype} {[a.shape for a in arrays]} {sample.fields}"
        assert len(got) == len(wanted), what
        floor = case.floor
        if callable(floor):
            with quiet():
                floor = floor(*map(exact, arrays), **sample.fields)
        for i, (g, w) in enumerate(zip(got, wanted, strict=True)):
            expected = result_dtype(case, sample, dtype, i)
            assert g.dtype == numpy_dtype(expected), f"{what}: {g.dtype}, expected {expected}"
            compare(case, g, w, floor, what, zeros)


def check_awkward(case: Case, dtype: str) -> None:
    """NaN, infinities, signed zeros and extremes give what NumPy gives."""
    check_reference(case, dtype, case.awkward, case.signed_zeros)


def bits(arrays: Sequence[np.ndarray]) -> list[tuple[Any, ...]]:
    return [(a.shape, a.dtype, a.tobytes()) for a in arrays]


def layouts(array: np.ndarray) -> Iterator[np.ndarray]:
    """The same elements lying otherwise in memory."""
    if array.ndim == 0:
        yield from (array, array, array)
        return
    yield np.asfortranarray(array)
    yield np.ascontiguousarray(array[(slice(None, None, -1),) * array.ndim])[
        (slice(None, None, -1),) * array.ndim
    ]
    wide = np.zeros(tuple(2 * n + 1 for n in array.shape), array.dtype)
    part = wide[tuple(slice(1, 2 * n + 1, 2) for n in array.shape)]
    part[...] = array
    yield part


def check_strided(case: Case, dtype: str) -> None:
    """Inputs that do not lie row-major give the same bits as those that do."""
    for sample in case.samples:
        arrays = draw(case, sample, dtype)
        dense = run(case, sample, arrays, dtype)
        for strided in zip(*map(layouts, arrays), strict=True):
            got = run(case, sample, strided, dtype)
            assert bits(got) == bits(dense), f"{case.op} {dtype} {sample}: strided differs"


def check_threads(case: Case, dtype: str) -> None:
    """Any number of threads gives the same bits."""
    assert case.large is not None
    arrays = draw(case, case.large, dtype)
    before = device.num_threads()
    try:
        device.set_num_threads(1)
        alone = bits(run(case, case.large, arrays, dtype))
        for threads in (2, 3, 4):
            device.set_num_threads(threads)
            got = bits(run(case, case.large, arrays, dtype))
            assert got == alone, f"{case.op} {dtype}: {threads} threads differ from one"
    finally:
        device.set_num_threads(before)


def check_rows(case: Case, dtype: str) -> None:
    """A row alone gives the bits that it has in a batch."""
    assert case.large is not None
    arrays = draw(case, case.large, dtype)
    whole = run(case, case.large, arrays, dtype)[0]
    for row in (0, 1, 17, whole.shape[0] - 1):
        part = [a[row : row + 1] if i in case.rows else a for i, a in enumerate(arrays)]
        alone = run(case, case.large, part, dtype)[0]
        assert bits([alone[0]]) == bits([whole[row]]), f"{case.op} {dtype}: row {row} differs alone"


def check_meta(case: Case, dtype: str) -> None:
    """On the meta device the shapes and dtypes are those of the reference, without elements."""
    for sample in case.samples:
        arrays = draw(case, sample, dtype)
        wanted = expect(case, sample, arrays, dtype)
        fields = fields_of(case, sample, dtype)
        with device.device("meta"):
            given = [meta_like(convert(a)) for a in arrays]
            got = as_list(apply(case.op, *given, **fields))
        assert all(t.device == "meta" for t in got)
        expected = [result_dtype(case, sample, dtype, i) for i in range(len(wanted))]
        specs = [] if case.writes else [(w.shape, e) for w, e in zip(wanted, expected, strict=True)]
        assert [(t.shape, t.dtype) for t in got] == specs, f"{case.op} {dtype} {sample}"


def meta_like(x: Tensor) -> Tensor:
    return apply("full", shape=x.shape, value=0.0, dtype=x.dtype)


def check_replay(case: Case, dtype: str) -> None:
    """A recording replayed on other values gives the bits of an eager run on them."""
    for sample in case.samples:
        replay = replayed_writes if case.writes else replayed
        got, eager = replay(case, sample, dtype)
        assert bits(got) == bits(eager), f"{case.op} {dtype} {sample}: a replay differs"


def replayed(case: Case, sample: Sample, dtype: str) -> tuple[list[np.ndarray], list[np.ndarray]]:
    fields = fields_of(case, sample, dtype)
    program = record(lambda *xs: apply(case.op, *xs, **fields), draw(case, sample, dtype))
    others = draw(case, sample, dtype, again=1)
    outputs = as_list(program.replay(others))
    return [t.numpy() for t in outputs], run(case, sample, others, dtype)


def replayed_writes(
    case: Case, sample: Sample, dtype: str
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Two steps: recorded and replayed, and both eagerly, from the same state."""
    arrays, fields = draw(case, sample, dtype), fields_of(case, sample, dtype)
    one, two = tensors(case, sample, arrays), tensors(case, sample, arrays)
    record(lambda: apply(case.op, *one, **fields), []).replay([])
    for _ in range(2):
        apply(case.op, *two, **fields)
    places = written(case, sample, len(arrays))
    return [one[i].numpy() for i in places], [two[i].numpy() for i in places]


def check_bad(case: Case) -> None:
    """Bad calls raise the typed error, whose message names the op and what came."""
    for bad in case.bad:
        said = error_of(lambda b=bad: apply(case.op, *b.inputs, **b.fields))
        assert type(said) is getattr(errors, bad.error), f"{case.op} {bad}: {said!r}"
        assert re.search(bad.says, str(said)), f"{case.op} {bad}: {said}"
        assert len(str(said)) <= 600, f"{case.op} {bad}: {said}"


def error_of(call: Callable[[], Any]) -> Exception | None:
    try:
        call()
    except Exception as error:
        return error
    return None


# ---- gradients -----------------------------------------------------------------------------------

Function = Callable[[list[np.ndarray]], list[np.ndarray]]


def gradients(
    case: Case, sample: Sample, arrays: Sequence[Any], starts: Sequence[np.ndarray], wrt: list[int]
) -> list[np.ndarray]:
    """The gradients of the sum of outputs times starts."""
    given = tensors(case, sample, arrays)
    for i in wrt:
        given[i].requires_grad = True
    outputs = as_list(apply(case.op, *given, **fields_of(case, sample, "float64")))
    floating = [i for i, y in enumerate(outputs) if y.dtype == "float64"]
    found = autograd.grad(
        [outputs[i] for i in floating],
        [given[i] for i in wrt],
        [convert(starts[i]) for i in floating],
        allow_unused=True,
    )
    return [zero_or(g, arrays[i].shape) for g, i in zip(found, wrt, strict=True)]


def zero_or(g: Tensor | None, shape: tuple[int, ...]) -> np.ndarray:
    if g is None:
        return np.zeros(shape)
    assert g.shape == shape, f"gradient of shape {g.shape} for {shape}"
    assert g.dtype == "float64"
    return np.array(g.numpy())


def directions(shape: tuple[int, ...], rng: np.random.Generator) -> Iterator[np.ndarray]:
    n = int(np.prod(shape))
    if n > MANY:
        yield from (rng.uniform(-1, 1, shape) for _ in range(3))
    else:
        yield from np.eye(n).reshape(n, *shape)


def compare_slopes(
    what: str,
    function: Function,
    at: list[np.ndarray],
    weights: list[np.ndarray],
    found: list[np.ndarray],
    places: list[int],
    rng: np.random.Generator,
) -> None:
    """`found[k]`, the gradient for `at[places[k]]`, against central differences of the function."""

    def value(i: int, moved: np.ndarray) -> float:
        outputs = function([moved if j == i else a for j, a in enumerate(at)])
        return float(sum((o * w).sum() for o, w in zip(outputs, weights, strict=True)))

    for g, i in zip(found, places, strict=True):
        for d in directions(at[i].shape, rng):
            slope = (value(i, at[i] + STEP * d) - value(i, at[i] - STEP * d)) / (2 * STEP)
            claimed = float((g * d).sum())
            assert abs(claimed - slope) <= TOLERANCE * max(1.0, abs(slope)), (
                f"{what}: gradient of input {i} is {claimed!r}, differences say {slope!r}"
            )


def check_gradient(case: Case, samples: Sequence[Sample] | None = None) -> None:
    """First gradients against central differences, in float64."""
    for sample in case.samples if samples is None else samples:
        rng, arrays = rng_of(case, "gradient"), draw(case, sample, "float64")
        wrt = [i for i in case.differentiable if i < len(arrays)]
        if not wrt:
            continue
        starts = [rng.uniform(-1, 1, o.shape) for o in run(case, sample, arrays, "float64")]
        for others in starts[case.outputs :] if case.outputs is not None else ():
            others[...] = 0
        found = gradients(case, sample, arrays, starts, wrt)
        compare_slopes(
            f"{case.op} {sample}",
            lambda at, s=sample: run(case, s, at, "float64"),
            arrays, starts, found, wrt, rng,
        )  # fmt: skip


def second_gradients(
    case: Case, sample: Sample, arrays: list[Any], starts: list[np.ndarray],
    weights: list[np.ndarray], wrt: list[int],
) -> list[np.ndarray]:  # fmt: skip
    """The gradients, for the inputs and the starts, of the first gradients times the weights."""
    given, begin = tensors(case, sample, arrays), [convert(s) for s in starts]
    targets = [given[i] for i in wrt] + begin
    for t in targets:
        t.requires_grad = True
    outputs = as_list(apply(case.op, *given, **fields_of(case, sample, "float64")))
    floating = [i for i, y in enumerate(outputs) if y.dtype == "float64"]
    first = autograd.grad(
        [outputs[i] for i in floating],
        targets[: len(wrt)],
        [begin[i] for i in floating],
        create_graph=True,
        allow_unused=True,
    )
    tracked = [
        (g, convert(w))
        for g, w in zip(first, weights, strict=True)
        if g is not None and g.requires_grad
    ]
    if not tracked:
        return [np.zeros(t.shape) for t in targets]
    found = autograd.grad(
        [g for g, _ in tracked], targets, [w for _, w in tracked], allow_unused=True
    )
    return [zero_or(g, t.shape) for g, t in zip(found, targets, strict=True)]


def check_second_gradient(case: Case, samples: Sequence[Sample] | None = None) -> None:
    """Second gradients against central differences of the first, in float64."""
    for sample in case.samples if samples is None else samples:
        rng, arrays = rng_of(case, "second"), draw(case, sample, "float64")
        wrt = [i for i in case.differentiable if i < len(arrays)]
        if not wrt:
            continue
        starts = [rng.uniform(-1, 1, o.shape) for o in run(case, sample, arrays, "float64")]
        weights = [rng.uniform(-1, 1, arrays[i].shape) for i in wrt]
        found = second_gradients(case, sample, arrays, starts, weights, wrt)
        n = len(arrays)
        compare_slopes(
            f"second {case.op} {sample}",
            lambda at, s=sample, n=n, wrt=wrt: gradients(case, s, at[:n], at[n:], wrt),
            [*arrays, *starts], weights, found, [*wrt, *range(n, n + len(starts))], rng,
        )  # fmt: skip
