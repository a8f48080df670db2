"""Convolutions as twins: any geometry, and the shapes of well-known networks.

Not a script: layers.py measures the named shapes, conv_sweep.py random ones, accuracy.py compares
VGG16's with float64.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import twins
from twins import Given, Twins

from pyneuro import ops


@dataclass(frozen=True)
class Shape:
    """A convolution over images; `groups` equal to `channels` is a depthwise one."""

    batch: int
    size: int
    channels: int
    filters: int
    window: int
    strides: int = 1
    dilation: int = 1
    groups: int = 1
    padding: str = "same"

    @property
    def name(self) -> str:
        channels = self.channels if self.depthwise else f"{self.channels}->{self.filters}"
        text = f"{self.window}x{self.window}, {channels} at {self.size}, batch {self.batch}"
        for key in ("strides", "dilation", "groups"):
            if (value := getattr(self, key)) != 1 and not (key == "groups" and self.depthwise):
                text += f", {key} {value}"
        return ("depthwise " if self.depthwise else "conv ") + text

    @property
    def depthwise(self) -> bool:
        return 1 < self.groups == self.channels == self.filters

    @property
    def pad(self) -> int:
        """On each side; "same" pads both sides alike only where the size allows it."""
        if self.padding == "valid":
            return 0
        if self.strides > 1 and self.size % 2 == 0 and self.window > 1:
            raise ValueError(f"{self.name}: an even size is padded on one side more")
        return self.dilation * (self.window - 1) // 2

    @property
    def size_out(self) -> int:
        covered = self.dilation * (self.window - 1) + 1
        return (self.size + 2 * self.pad - covered) // self.strides + 1

    @property
    def flops(self) -> float:
        taps = self.window**2 * self.channels // self.groups
        return 2.0 * self.batch * self.size_out**2 * self.filters * taps


def convolution(shape: Shape, group: str = "", repeats: int = 1, tolerance: float = 1e-4) -> Twins:
    import torch

    depthwise = shape.depthwise

    def given() -> list[Given]:
        n, size, k = shape.batch, shape.size, shape.window
        inner = 1 if depthwise else shape.channels // shape.groups
        window = (k, k, shape.channels, 1) if depthwise else (k, k, inner, shape.filters)
        layout = "depthwise" if depthwise else "kernel"
        return [
            twins.random(n, size, size, shape.channels, layout="image"),
            twins.random(*window, layout=layout, scale=(2 / (k * k * inner)) ** 0.5),
        ]

    def ours(x: Any, kernel: Any) -> Any:
        function = ops.depthwise_conv if depthwise else ops.conv
        return function(x, kernel, shape.strides, shape.padding, None, shape.dilation)

    def theirs(x: Any, kernel: Any) -> Any:
        strides, dilation = shape.strides, shape.dilation
        return torch.conv2d(x, kernel, None, strides, shape.pad, dilation, shape.groups)

    return Twins(
        shape.name, ours, theirs, given, "image", tolerance, shape.flops, group=group,
        repeats=repeats,
    )  # fmt: skip


# VGG16's layers: size, channels, filters, how often.
VGG16 = (
    (224, 3, 64, 1),
    (224, 64, 64, 1),
    (112, 64, 128, 1),
    (112, 128, 128, 1),
    (56, 128, 256, 1),
    (56, 256, 256, 2),
    (28, 256, 512, 1),
    (28, 512, 512, 2),
    (14, 512, 512, 3),
)
# ResNet50's 1x1 layers, one of each size and direction: size, channels, filters.
POINTWISE = ((56, 64, 256), (56, 256, 64), (28, 512, 128), (14, 256, 1024), (7, 2048, 512))
# Batch, size, channels.
DEPTHWISE = ((8, 112, 64), (8, 56, 128), (8, 28, 256), (8, 14, 512))


def named(reduced: bool) -> Iterator[Twins]:
    """VGG16's layers at batch 4, ResNet50's 1x1 layers and stem, depthwise ones."""
    part = 8 if reduced else 1

    def small(number: int) -> int:
        return max(1, number // part)

    for size, channels, filters, repeats in VGG16:
        shape = Shape(4, small(size), small(channels), small(filters), 3)
        yield convolution(shape, "convolutions 3x3 of VGG16", repeats)
    for size, channels, filters in POINTWISE:
        shape = Shape(4, small(size), small(channels), small(filters), 1)
        yield convolution(shape, "convolutions 1x1")
    yield convolution(Shape(4, small(230), 3, small(64), 7, strides=2, padding="valid"))
    for batch, size, channels in DEPTHWISE:
        channels = small(channels)
        shape = Shape(batch, small(size), channels, channels, 3, groups=channels)
        yield convolution(shape, "depthwise convolutions")
