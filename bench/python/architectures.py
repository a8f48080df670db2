"""Well-known networks, written once: `net` makes their layers in one framework or another.

A layer is known by its name, so that a framework can make it when it is first asked for, and two
frameworks can be given the same weights. No framework is imported here: memory.py runs each in a
process of its own. `Problem` is what networks.py and memory.py train: a network, with data.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

MOMENTUM = 0.9
EPSILON = 1e-8  # of Adam: small, as Keras and PyTorch add it at different places


def vgg16(net: Any, x: Any, width: int = 64, hidden: int = 4096, classes: int = 1000) -> Any:
    for block, (count, times) in enumerate(((2, 1), (2, 2), (3, 4), (3, 8), (3, 8))):
        for i in range(count):
            x = net.conv(x, f"conv{block}_{i}", times * width, 3, bias=True, relu=True)
        x = net.max_pool(x, 2)
    x = net.flatten(x)
    for i in range(2):
        x = net.dense(x, f"hidden{i}", hidden, "relu")
    return net.dense(x, "logits", classes)


def resnet50(
    net: Any, x: Any, width: int = 64, counts: tuple[int, ...] = (3, 4, 6, 3), classes: int = 1000
) -> Any:
    """As in Keras: images are padded alike on both sides, the first of three layers has strides."""

    def normalized(x: Any, name: str, filters: int, window: int, strides: int, relu: bool) -> Any:
        x = net.norm(net.conv(x, name, filters, window, strides), f"{name}_norm")
        return net.relu(x) if relu else x

    x = net.relu(net.norm(net.conv(x, "stem", width, 7, 2, pad=3), "stem_norm"))
    x = net.max_pool(x, 3, pad=1)
    for stage, count in enumerate(counts):
        filters = width << stage
        for i in range(count):
            name, strides = f"block{stage}_{i}", 2 if stage and not i else 1
            shortcut = x if i else normalized(x, f"{name}_s", 4 * filters, 1, strides, False)
            y = normalized(x, f"{name}_a", filters, 1, strides, True)
            y = normalized(y, f"{name}_b", filters, 3, 1, True)
            y = normalized(y, f"{name}_c", 4 * filters, 1, 1, False)
            x = net.relu(net.add(shortcut, y))
    return net.dense(net.average(x), "logits", classes)


def mobilenet(net: Any, x: Any, width: int = 32, classes: int = 1000) -> Any:
    """MobileNet's 13 blocks: a depthwise convolution and one of 1x1, both normalized."""
    x = net.relu(net.norm(net.conv(x, "stem", width, 3, 2), "stem_norm"))
    for i, (times, strides) in enumerate(
        [(2, 1), (4, 2), (4, 1), (8, 2), (8, 1), (16, 2), *[(16, 1)] * 5, (32, 2), (32, 1)]
    ):
        x = net.relu(net.norm(net.depthwise(x, f"depth{i}", 3, strides), f"depth{i}_norm"))
        x = net.relu(net.norm(net.conv(x, f"point{i}", times * width, 1), f"point{i}_norm"))
    return net.dense(net.average(x), "logits", classes)


def gpt(net: Any, x: Any, blocks: int = 4, width: int = 256, heads: int = 8) -> Any:
    """Blocks of causal attention and a hidden layer, over bytes."""
    x = net.positions(net.embedding(x, "bytes", 256, width), "positions")
    for i in range(blocks):
        y = net.attention(net.layer_norm(x, f"block{i}_norm0"), f"block{i}_attention", heads)
        x = net.add(x, y)
        y = net.dense(net.layer_norm(x, f"block{i}_norm1"), f"block{i}_wide", 4 * width, "gelu")
        x = net.add(x, net.dense(y, f"block{i}_narrow", width))
    return net.dense(net.layer_norm(x, "norm"), "logits", 256)


def recurrent(net: Any, x: Any, kind: str = "lstm", units: int = 128, classes: int = 10) -> Any:
    return net.dense(net.recurrent(x, "cell", kind, units), "logits", classes)


@dataclass(frozen=True)
class Problem:
    """A network, and what it is trained with.

    Attributes:
        name: for people.
        network: one of the functions above.
        batch: samples in a batch.
        shape: of a sample.
        classes: labels are below it.
        options: what the network is called with.
        optimizer: "sgd", which has momentum, or "adam".
        rate: of learning; so low that rounding is not blown up in the first steps.
        tokens: samples are byte numbers, and there is a label for each.
        mirrored: PyTorch must see images and kernels flipped; networks_torch.py says why.
    """

    name: str
    network: Callable[..., Any]
    batch: int
    shape: tuple[int, ...]
    classes: int = 1000
    options: dict[str, Any] = field(default_factory=dict)
    optimizer: str = "sgd"
    rate: float = 3e-5
    tokens: bool = False
    mirrored: bool = False

    def batches(self, count: int = 4) -> list[tuple[np.ndarray, np.ndarray]]:
        """Random samples and labels."""
        draw = np.random.default_rng(6)
        shape = (count, self.batch, *self.shape)
        if self.tokens:
            x = draw.integers(0, 256, shape).astype(np.int32)
            return list(zip(x, draw.integers(0, self.classes, shape), strict=True))
        x = draw.standard_normal(shape, np.float32)
        return list(zip(x, draw.integers(0, self.classes, shape[:2]), strict=True))


IMAGE = (224, 224, 3)
PROBLEMS = {
    "vgg16": Problem("VGG16", vgg16, 4, IMAGE),
    "resnet50": Problem("ResNet50", resnet50, 4, IMAGE),
    "mobilenet": Problem("MobileNet", mobilenet, 8, IMAGE, mirrored=True),
    "gpt": Problem("GPT, 4 blocks of 256", gpt, 8, (256,), 256, {}, "adam", tokens=True),
    "lstm": Problem("LSTM(128), 100 steps", recurrent, 32, (100, 128), 10, {}, "adam"),
    "gru": Problem("GRU(128), 100 steps", recurrent, 32, (100, 128), 10, {"kind": "gru"}, "adam"),
}
# The same at sizes for a glance.
REDUCED_OPTIONS: dict[str, dict[str, Any]] = {
    "vgg16": {"width": 4, "hidden": 16},
    "resnet50": {"width": 4, "counts": (1, 1)},
    "mobilenet": {"width": 4},
    "gpt": {"blocks": 1, "width": 16, "heads": 2},
    "lstm": {"units": 8},
    "gru": {"units": 8},
}


def problem(key: str, batch: int | None = None, reduced: bool = False) -> Problem:
    """One of `PROBLEMS`, at another batch size or small."""
    found = PROBLEMS[key]
    if reduced:
        shape = {3: (64, 64, 3), 2: (5, 8), 1: (8,)}[len(found.shape)]
        options = found.options | REDUCED_OPTIONS[key]
        name = f"reduced {found.name.partition('(')[0].partition(',')[0]}"
        found = replace(found, name=name, batch=4, shape=shape, options=options)
    return found if batch is None else replace(found, batch=batch)
