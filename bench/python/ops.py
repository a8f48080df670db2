"""What single operations cost: small ones, where the framework is the cost, products, large ones.

python bench/python/ops.py --json build/ops.json
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from types import ModuleType
from typing import Any

import harness
import numpy as np
from harness import Row, Side

import pyneuro

Names = dict[str, Any]

# Ten operations that every framework spells alike.
CHAIN = """
def chain(a, b):
    y = tanh(tanh(a * b) + a)
    y = (y * y - b) * a
    return sum(tanh(y @ b))
"""


class Framework:
    """What rows need to know of a framework: its arrays, and its functions by common names."""

    def __init__(
        self, label: str, array: Callable[[np.ndarray], Any], functions: Names, wait: str = "{}"
    ) -> None:
        self.label = label
        self.array = array
        self.functions = functions
        self.wait = wait  # how a statement waits for its result
        self.tracked: Callable[[np.ndarray], Any] | None = None  # an array whose gradient is wanted
        self.backward: Callable[[Names], tuple[str, Callable[[], Any]]] | None = None


def pyneuro_side() -> Framework:
    ops = pyneuro.ops
    side = Framework(
        "pyneuro",
        ops.convert_to_tensor,
        {
            "exp": ops.exp,
            "tanh": ops.tanh,
            "relu": ops.relu,
            "gelu": lambda x: ops.gelu(x, approximate=False),
            "softmax": ops.softmax,
            "sum": ops.sum,
            "sum_rows": lambda x: ops.sum(x, axis=0),
            "attention": ops.dot_product_attention,
            "causal": partial(ops.dot_product_attention, is_causal=True),
        },
    )
    side.tracked = pyneuro.Variable
    side.backward = backward_of_leaves
    return side


def torch_side(torch: ModuleType) -> Framework:
    def attention(*parts: Any, **options: Any) -> Any:
        by_head = (x.transpose(1, 2) for x in parts)
        return torch.nn.functional.scaled_dot_product_attention(*by_head, **options).transpose(1, 2)

    side = Framework(
        "torch",
        torch.from_numpy,
        {
            "exp": torch.exp,
            "tanh": torch.tanh,
            "relu": torch.relu,
            "gelu": torch.nn.functional.gelu,
            "softmax": lambda x: torch.softmax(x, -1),
            "sum": torch.sum,
            "sum_rows": lambda x: torch.sum(x, 0),
            "attention": attention,
            "causal": partial(attention, is_causal=True),
        },
    )
    side.tracked = lambda x: torch.from_numpy(x).requires_grad_()
    side.backward = backward_of_leaves
    return side


def numpy_side(_: ModuleType) -> Framework:
    functions = {
        "exp": np.exp,
        "tanh": np.tanh,
        "relu": lambda x: np.maximum(x, 0),
        "sum": np.sum,
        "sum_rows": lambda x: np.sum(x, axis=0),
    }
    return Framework("numpy", lambda x: x, functions)


def jax_side(jax: ModuleType) -> Framework:
    jnp = jax.numpy
    side = Framework(
        "jax",
        jnp.asarray,
        {
            "exp": jnp.exp,
            "tanh": jnp.tanh,
            "relu": jax.nn.relu,
            "gelu": lambda x: jax.nn.gelu(x, approximate=False),
            "softmax": jax.nn.softmax,
            "sum": jnp.sum,
            "sum_rows": lambda x: jnp.sum(x, axis=0),
            "attention": jax.nn.dot_product_attention,
            "causal": partial(jax.nn.dot_product_attention, is_causal=True),
        },
        wait="({}).block_until_ready()",
    )

    def backward(names: Names) -> tuple[str, Callable[[], Any]]:
        names["gradients"] = jax.grad(names["chain"], argnums=(0, 1))
        names["wait"] = jax.block_until_ready
        return "wait(gradients(a, b))", lambda: names["gradients"](names["a"], names["b"])

    side.tracked = jnp.asarray
    side.backward = backward
    return side


def tensorflow_side(tf: ModuleType) -> Framework:
    side = Framework(
        "tensorflow",
        tf.constant,
        {
            "exp": tf.exp,
            "tanh": tf.tanh,
            "relu": tf.nn.relu,
            "gelu": tf.nn.gelu,
            "softmax": tf.nn.softmax,
            "sum": tf.reduce_sum,
            "sum_rows": lambda x: tf.reduce_sum(x, axis=0),
        },
    )

    def backward(names: Names) -> tuple[str, Callable[[], Any]]:
        def gradients(a: Any, b: Any) -> Any:
            with tf.GradientTape() as tape:
                y = names["chain"](a, b)
            return tape.gradient(y, (a, b))

        names["gradients"] = gradients
        return "gradients(a, b)", lambda: gradients(names["a"], names["b"])

    side.tracked = tf.Variable
    side.backward = backward
    return side


def backward_of_leaves(names: Names) -> tuple[str, Callable[[], Any]]:
    """Where gradients gather in the leaves: pyneuro and PyTorch."""
    a, b = names["a"], names["b"]

    def result() -> Any:
        a.grad = b.grad = None
        names["chain"](a, b).backward()
        return a.grad, b.grad

    return "a.grad = b.grad = None; chain(a, b).backward()", result


SIDES = {"torch": torch_side, "numpy": numpy_side, "jax": jax_side, "tensorflow": tensorflow_side}


# ---- rows ---------------------------------------------------------------------------------------


def sample(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).standard_normal(shape, np.float32)


def host(x: Any) -> np.ndarray:
    """An output as a NumPy array, whatever made it."""
    return np.asarray(x.detach() if hasattr(x, "detach") else x)


def evaluated(statement: str, names: Names) -> list[np.ndarray]:
    return [host(eval(statement, names))]


def hosted(function: Callable[[], Any]) -> list[np.ndarray]:
    return [host(x) for x in function()]


def plain_row(
    sides: list[Framework], name: str, statement: str, arrays: dict[str, np.ndarray],
    tolerance: float = 1e-5, amount: float = 0.0, unit: str = "", tracked: bool = False,
) -> Row:  # fmt: skip
    """A row of one statement, for the sides that know the function in it."""
    function = statement.split("(")[0] if "(" in statement else None
    row = Row(name, [], tolerance, amount, unit)
    for side in sides:
        if function is not None and function not in side.functions:
            continue
        if tracked and side.backward is not backward_of_leaves:  # others track only under a tape
            continue
        put = side.tracked if tracked and side.tracked else side.array
        names = side.functions | {key: put(array) for key, array in arrays.items()}
        text = side.wait.format(statement)
        row.sides.append(Side(side.label, text, names, partial(evaluated, text, names)))
    return row


def chain_row(sides: list[Framework]) -> Row:
    row = Row("10 ops forward and backward, 4 x 4", [], 1e-4)
    for side in sides:
        if side.tracked is None or side.backward is None:
            continue
        names = side.functions | {
            "a": side.tracked(sample(4, 4)),
            "b": side.tracked(sample(4, 4) / 2),
        }
        exec(CHAIN, names)
        statement, gradients = side.backward(names)
        row.sides.append(Side(side.label, statement, names, partial(hosted, gradients)))
    return row


def small_rows(sides: list[Framework]) -> Iterator[Row]:
    small = {"a": sample(4, 4), "b": sample(4, 4)}
    for name, statement in (("add", "a + b"), ("matmul", "a @ b")):
        yield plain_row(sides, f"{name}, 4 x 4", statement, small)
        yield plain_row(sides, f"{name}, 4 x 4, on the tape", statement, small, tracked=True)
    yield chain_row(sides)


def product_rows(sides: list[Framework]) -> Iterator[Row]:
    sizes = [(n, n, n) for n in (128, 256, 512, 1024, 2048)] + [(32, 784, 512), (32, 784, 128)]
    for m, k, n in sizes:
        arrays = {"a": sample(m, k), "b": sample(k, n)}
        yield plain_row(
            sides,
            f"matmul, {m} x {k} by {k} x {n}",
            "a @ b",
            arrays,
            1e-5,
            2.0 * m * k * n,
            "GFLOP/s",
        )


def memory_rows(sides: list[Framework]) -> Iterator[Row]:
    """`moved`: how many arrays of the input's size are read and written."""
    kinds = (
        ("add", "a + b", 3),
        ("relu", "relu(a)", 2),
        ("exp", "exp(a)", 2),
        ("tanh", "tanh(a)", 2),
        ("gelu", "gelu(a)", 2),
        ("softmax", "softmax(a)", 2),
        ("sum of all", "sum(a)", 1),
        ("sum of each column", "sum_rows(a)", 1),
    )
    for rows in (64, 1024, 16384):
        shape = (rows, 1000)
        arrays = {"a": sample(*shape), "b": sample(*shape)}
        for name, statement, moved in kinds:
            yield plain_row(
                sides,
                f"{name}, {rows} x 1000",
                statement,
                arrays,
                1e-4,
                4.0e3 * rows * moved,
                "GB/s",
            )


def attention_rows(sides: list[Framework]) -> Iterator[Row]:
    for batch, length, heads, size in ((32, 32, 4, 16), (8, 256, 8, 32), (4, 1024, 8, 64)):
        arrays = {name: sample(batch, length, heads, size) for name in "abc"}
        for name in ("attention", "causal"):
            yield plain_row(
                sides,
                f"{name}, {batch} x {length} x {heads} x {size}",
                f"{name}(a, b, c)",
                arrays,
                1e-5,
                4.0 * batch * heads * length**2 * size,
                "GFLOP/s",
            )


def rows_of(sides: list[Framework]) -> Iterator[Row]:
    yield from small_rows(sides)
    yield from product_rows(sides)
    yield from memory_rows(sides)
    yield from attention_rows(sides)


def main() -> None:
    options: argparse.Namespace = harness.start(__doc__.splitlines()[0])
    peers = harness.load_peers(options)
    sides = [pyneuro_side(), *(SIDES[name](module) for name, module in peers.items())]
    rows = (row for row in rows_of(sides) if options.rows in row.name)
    harness.run(rows, options, peers)


if __name__ == "__main__":
    main()
