"""What layers cost, forward and with gradients, beside PyTorch in each of its configurations.

    python bench/python/layers.py --threads 2 --json build/layers.json

Rows end in "forward" or "forward + backward": `--rows "layer norm"`, `--rows "+ backward"`. At the
end stands for each kind of row how pyneuro compares with the fastest configuration of each row.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import convolutions
import harness
import numpy as np
import twins
from harness import Row, Side
from twins import Given, Twins, numbers, random

import pyneuro
from pyneuro import ops


def row_twins(elements: int) -> Iterator[Twins]:
    """Softmax, layer normalization and gelu on rows of several lengths."""
    from torch.nn import functional

    for length in (256, 1000, 4096, 32768):
        count = max(1, elements // length)

        def x(shape: tuple[int, int] = (count, length)) -> list[Given]:
            return [random(*shape)]

        def scaled(shape: tuple[int, int] = (count, length)) -> list[Given]:
            return [random(*shape), random(shape[1]), random(shape[1], scale=0.1)]

        def their_norm(x: Any, gamma: Any, beta: Any) -> Any:
            return functional.layer_norm(x, gamma.shape, gamma, beta, 1e-3)

        def our_norm(x: Any, gamma: Any, beta: Any) -> Any:
            return ops.layer_normalization(x, gamma, beta, epsilon=1e-3)

        def our_gelu(x: Any) -> Any:
            return ops.gelu(x, approximate=False)

        def their_softmax(x: Any) -> Any:
            return functional.softmax(x, -1)

        size = f"{count} x {length}"
        group = "softmax, layer norm, gelu"
        yield Twins(f"softmax, {size}", ops.softmax, their_softmax, x, group=group)
        yield Twins(f"layer norm, {size}", our_norm, their_norm, scaled, group=group)
        yield Twins(f"gelu, {size}", our_gelu, functional.gelu, x, group=group)


def chain_twins(elements: int) -> Iterator[Twins]:
    """Six elementwise ops; pyneuro records and replays them."""
    import torch

    def ours(a: Any, b: Any) -> Any:
        return ops.relu(ops.tanh(a * b + a) * b - a)

    def theirs(a: Any, b: Any) -> Any:
        return torch.relu(torch.tanh(a * b + a) * b - a)

    for count in (elements // 64, 4 * elements):

        def given(count: int = count) -> list[Given]:
            return [random(count), Given(random(1, count).values[0])]

        name = f"chain of 6 ops, {count} elements"
        yield Twins(name, ours, theirs, given, replayed=True, group="chain of 6 ops")


def norm_twins(reduced: bool) -> Iterator[Twins]:
    """Batch normalization in training."""
    from torch.nn import functional

    def ours(x: Any, gamma: Any, beta: Any) -> Any:
        return ops.batch_moments_normalization(x, -1, beta, gamma, 1e-3)[0]

    def theirs(x: Any, gamma: Any, beta: Any) -> Any:
        return functional.batch_norm(x, None, None, gamma, beta, True, 0.0, 1e-3)

    shapes = ((32, 56, 56, 64), (32, 7, 7, 2048))
    for shape in ((2, 7, 7, 16), (2, 3, 3, 64)) if reduced else shapes:

        def given(shape: tuple[int, ...] = shape) -> list[Given]:
            gamma, beta = random(shape[-1]), random(shape[-1], scale=0.1)
            return [random(*shape, layout="image"), gamma, beta]

        yield Twins(f"batch norm, {text(shape)}", ours, theirs, given, "image", group="batch norm")


def image_twins(reduced: bool) -> Iterator[Twins]:
    """Pooling and resizing."""
    from torch.nn import functional

    shape = (2, 9, 9, 8) if reduced else (8, 113, 113, 64)

    def given() -> list[Given]:
        return [random(*shape, layout="image")]

    pools = (
        ("max", ops.max_pool, functional.max_pool2d),
        ("average", ops.average_pool, functional.avg_pool2d),
    )
    for kind, our_pool, their_pool in pools:
        for window in (2, 3):

            def ours(x: Any, pool: Any = our_pool, window: int = window) -> Any:
                return pool(x, window, 2)

            def theirs(x: Any, pool: Any = their_pool, window: int = window) -> Any:
                return pool(x, window, 2)

            name = f"{kind} pool {window}x{window}, strides 2, {text(shape)}"
            yield Twins(name, ours, theirs, given, "image", group="pooling")

    def our_resize(x: Any) -> Any:
        return ops.image.resize(x, (2 * x.shape[1], 2 * x.shape[2]))

    def their_resize(x: Any) -> Any:
        return functional.interpolate(x, scale_factor=2.0, mode="bilinear")

    yield Twins(f"resize x 2, {text(shape)}", our_resize, their_resize, given, "image")


def text(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def attention_twins(reduced: bool) -> Iterator[Twins]:
    """(batch, positions, heads, size of a head)."""
    from torch.nn import functional

    shapes = ((8, 256, 8, 32), (4, 1024, 8, 64))
    for shape in ((2, 16, 2, 8),) if reduced else shapes:
        for causal in (False, True):

            def given(shape: tuple[int, ...] = shape) -> list[Given]:
                draw = np.random.default_rng(4)
                return [Given(draw.standard_normal(shape, np.float32)) for _ in range(3)]

            def ours(q: Any, k: Any, v: Any, causal: bool = causal) -> Any:
                return ops.dot_product_attention(q, k, v, is_causal=causal)

            def theirs(q: Any, k: Any, v: Any, causal: bool = causal) -> Any:
                heads_first = (x.transpose(1, 2) for x in (q, k, v))
                y = functional.scaled_dot_product_attention(*heads_first, is_causal=causal)
                return y.transpose(1, 2)

            name = f"attention, {text(shape)}{', causal' if causal else ''}"
            n, t, h, d = shape
            flops = 4.0 * n * h * t * t * d / (2 if causal else 1)
            yield Twins(name, ours, theirs, given, flops=flops, group="attention")


def other_twins(elements: int, reduced: bool) -> Iterator[Twins]:
    """Embedding, cross-entropy, dropout."""
    from torch.nn import functional

    rows, width = (100, 16) if reduced else (30000, 256)

    def embedded() -> list[Given]:
        return [random(rows, width), numbers(rows, 32, 128)]

    def our_embedding(table: Any, ids: Any) -> Any:
        return ops.take(table, ids, axis=0)

    def their_embedding(table: Any, ids: Any) -> Any:
        return functional.embedding(ids, table)

    yield Twins(
        f"embedding, 32 x 128 of {rows} x {width}", our_embedding, their_embedding, embedded
    )

    def our_loss(logits: Any, labels: Any) -> Any:
        return ops.mean(ops.sparse_categorical_crossentropy(labels, logits, from_logits=True))

    for classes in (1000, 32768):
        count = max(1, elements // classes)

        def given(count: int = count, classes: int = classes) -> list[Given]:
            return [random(count, classes), numbers(classes, count)]

        name = f"cross-entropy, {count} x {classes}"
        yield Twins(name, our_loss, functional.cross_entropy, given, group="cross-entropy")

    def share(y: np.ndarray) -> list[float]:
        return [float(np.mean(y != 0))]  # how much is kept

    yield Twins(
        f"dropout, {elements} elements", lambda x: pyneuro.random.dropout(x, 0.5),
        lambda x: functional.dropout(x, 0.5), lambda: [random(elements)],
        tolerance=0.1, digest=share,
    )  # fmt: skip


def half_row(torch: ModuleType, n: int) -> Row:
    """A product in bfloat16; ops.py has those in float32."""
    given = [random(n, n).values, random(n, n, scale=0.5).values]
    row = Row(f"matmul bfloat16, {n} cubed", [], 2e-2, 2.0 * n**3, "GFLOP/s", "matmul bfloat16")
    for label, put in (
        ("pyneuro", lambda x: ops.cast(x, "bfloat16")),
        ("torch", lambda x: torch.from_numpy(x).bfloat16()),
    ):
        names = dict(zip("ab", map(put, given), strict=True))

        def result(names: dict[str, Any] = names, ours: bool = label == "pyneuro") -> list[Any]:
            y = names["a"] @ names["b"]
            return [np.asarray(ops.cast(y, "float32") if ours else y.float())]

        row.sides.append(Side(label, "a @ b", names, result))
    return row


def dense_row(torch: ModuleType, rows: int, inputs: int, units: int, compiled: bool) -> Row:
    """A dense layer with relu whose weights stay: as in `predict`, pyneuro's is replayed."""
    x, kernel = random(rows, inputs).values, random(inputs, units, scale=0.1).values
    bias = random(units).values
    weights = pyneuro.Variable(kernel), pyneuro.Variable(bias)

    def ours(x: Any) -> Any:
        return ops.relu(ops.matmul(x, weights[0], bias=weights[1]))

    linear = torch.nn.Linear(inputs, units)
    linear.load_state_dict({"weight": torch.from_numpy(kernel.T), "bias": torch.from_numpy(bias)})
    theirs = torch.nn.Sequential(linear, torch.nn.ReLU()).eval()
    sides = {"pyneuro": (pyneuro.capture(ours), ops.convert_to_tensor(x))}
    sides["torch"] = theirs, torch.from_numpy(x)
    if compiled:
        torch._inductor.config.freezing = True  # packs weights; only where they stay
        sides["torch compiled"] = torch.compile(theirs), torch.from_numpy(x)
    row = Row(
        f"dense, {rows} x {inputs} to {units}, weights unchanged", [], 1e-5,
        2.0 * rows * inputs * units, "GFLOP/s", "dense, weights unchanged",
    )  # fmt: skip
    for label, (f, given) in sides.items():
        call = f if label == "pyneuro" else torch.inference_mode()(f)

        def result(call: Any = call, given: Any = given) -> list[Any]:
            return [np.asarray(call(given)) for _ in range(3)]

        row.sides.append(Side(label, "f(x)", {"f": call, "x": given}, result))
    return row


def adam_row(torch: ModuleType, elements: int, tensors: int) -> Row:
    """A step of Adam over weights of many sizes; as in `fit`, pyneuro's is replayed."""
    draw = np.random.default_rng(5)
    shares = np.exp(draw.uniform(0, 8, tensors))
    sizes = np.maximum(1, shares / shares.sum() * elements).astype(int)
    weights = [draw.standard_normal(n, np.float32) for n in sizes]
    gradients = [draw.standard_normal(n, np.float32) for n in sizes]
    epsilon = 1e-30  # the two add it at other places

    ours = [pyneuro.Variable(w) for w in weights]
    optimizer = pyneuro.optimizers.Adam(1e-3, epsilon=epsilon)
    optimizer.build(ours)
    put = pyneuro.ops.convert_to_tensor
    step = pyneuro.capture(lambda grads: optimizer.apply(grads, ours))
    names = {"step": step, "grads": [put(g) for g in gradients]}
    steps = 3  # are compared

    def our_result() -> list[np.ndarray]:
        for _ in range(steps):
            step(names["grads"])
        return [np.array(v.numpy()) for v in ours]

    row = Row(f"Adam, {tensors} tensors of {elements} elements", [], 1e-4)
    row.sides.append(Side("pyneuro", "step(grads)", names, our_result))
    for label, options in (("torch foreach", {"foreach": True}), ("torch fused", {"fused": True})):
        theirs = [torch.from_numpy(w.copy()).requires_grad_() for w in weights]
        for p, g in zip(theirs, gradients, strict=True):
            p.grad = torch.from_numpy(g)
        adam = torch.optim.Adam(theirs, 1e-3, eps=epsilon, **options)

        def result(adam: Any = adam, theirs: list[Any] = theirs) -> list[np.ndarray]:
            for _ in range(steps):
                adam.step()
            return [p.detach().numpy().copy() for p in theirs]

        row.sides.append(Side(label, "adam.step()", {"adam": adam}, result))
    return row


def all_twins(reduced: bool) -> Iterator[Twins]:
    elements = 1 << 12 if reduced else 1 << 22
    yield from row_twins(elements)
    yield from chain_twins(elements)
    yield from norm_twins(reduced)
    yield from image_twins(reduced)
    yield from attention_twins(reduced)
    yield from other_twins(elements, reduced)
    yield from convolutions.named(reduced)


def rows_of(torch: ModuleType, options: argparse.Namespace) -> Iterator[Row]:
    for pair in all_twins(options.reduced):
        yield from twins.rows(pair, torch, options.compile, options.rows)
    sizes = (256, 512, 1024, 2048)
    if not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        sizes = (256,)  # PyTorch then has no kernel for it, and takes a minute for 2048
    for n in (16, 24) if options.reduced else sizes:
        if options.rows in f"matmul bfloat16, {n} cubed":
            yield half_row(torch, n)
    dense = ((32, 784, 512), (32, 784, 128), (8, 1024, 1024), (32, 1024, 4096), (64, 4096, 1000))
    for shape in ((3, 8, 5),) if options.reduced else dense:
        if options.rows in "dense, {} x {} to {}, weights unchanged".format(*shape):
            yield dense_row(torch, *shape, options.compile)
    if options.rows in "Adam, 160 tensors":
        yield adam_row(torch, *((10_000, 16) if options.reduced else (25_000_000, 160)))


def main() -> None:
    options = harness.start(__doc__.splitlines()[0], harness.add_torch_options)
    peers = harness.load_peers(options)
    if "torch" not in peers:
        raise SystemExit("layers are compared with PyTorch; to install it: pip install torch")
    harness.run(rows_of(peers["torch"], options), options, peers)


if __name__ == "__main__":
    main()
