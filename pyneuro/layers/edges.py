"""Layers that frame, cut and repeat positions: padding, cropping, upsampling, resizing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import ops
from ..errors import ArgumentError, ShapeError
from ..ops.arguments import layout, whole_numbers
from ..registry import built_in
from .base import InputSpec, Layer
from .conv_base import Sizes

__all__ = [
    "CenterCrop",
    "Cropping1D",
    "Cropping2D",
    "Cropping3D",
    "Resizing",
    "UpSampling1D",
    "UpSampling2D",
    "UpSampling3D",
    "ZeroPadding1D",
    "ZeroPadding2D",
    "ZeroPadding3D",
]


def _pairs(layer: str, argument: str, value: Any, rank: int) -> tuple[tuple[int, int], ...]:
    """(before, after) for each dimension: from one number, one for each, or pairs."""
    if rank == 1 and isinstance(value, Sequence) and not isinstance(value[0], Sequence):
        value = (value,)
    rows = tuple(value) if isinstance(value, Sequence) else (value,) * rank
    pairs = [tuple(row) if isinstance(row, Sequence) else (row, row) for row in rows]
    numbers = [n for pair in pairs for n in pair]
    whole = all(hasattr(n, "__index__") and not isinstance(n, bool) and n >= 0 for n in numbers)
    if not whole or len(pairs) != rank or any(len(pair) != 2 for pair in pairs):
        raise ArgumentError(
            f"{layer}: {argument} must be a whole number >= 0, {rank} of them, or {rank} pairs "
            f"(before, after), got {value!r}"
        )
    return tuple((int(a), int(b)) for a, b in pairs)


class _Edges(Layer):
    """What padding and cropping share; a subclass says its rank and the argument's name."""

    rank: int
    argument: str

    def _take(self, value: Any, data_format: str | None) -> None:
        kind = type(self).__name__
        self._edges = _pairs(kind, self.argument, value, self.rank)
        self.data_format = layout(kind, data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)
        self.built = True

    def _first(self) -> int:
        return 1 if self.data_format == "channels_last" else 2

    def _pad(self, inputs: Any) -> Any:
        widths = [(0, 0)] * (self.rank + 2)
        widths[self._first() : self._first() + self.rank] = self._edges
        return ops.pad(inputs, widths)

    def _crop(self, inputs: Any) -> Any:
        key: list[Any] = [slice(None)] * (self.rank + 2)
        for i, (before, after) in enumerate(self._edges):
            axis = self._first() + i
            n = inputs.shape[axis]
            if before + after >= n:
                raise ShapeError(
                    f"{type(self).__name__} {self.name!r}: cropping {(before, after)} leaves "
                    f"nothing of axis {axis} of the input {tuple(inputs.shape)}"
                )
            key[axis] = slice(before, n - after)
        return inputs[tuple(key)]

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        own = self._edges[0] if self.rank == 1 else self._edges
        config = {**super().get_config(), self.argument: own}
        return (
            config
            if type(self).__name__ == "Cropping1D"
            else {**config, "data_format": self.data_format}
        )


class _UpSampling(Layer):
    """What the upsampling layers share; a subclass says its rank."""

    rank: int

    def _take(self, size: Sizes, data_format: str | None) -> None:
        kind = type(self).__name__
        self.size = whole_numbers(kind, "size", size, self.rank)
        self.data_format = layout(kind, data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)
        self.built = True

    def _repeat(self, inputs: Any) -> Any:
        first = 1 if self.data_format == "channels_last" else 2
        for i, times in enumerate(self.size):
            if times > 1:
                inputs = ops.repeat(inputs, times, axis=first + i)
        return inputs

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        size = self.size[0] if self.rank == 1 else self.size
        config = {**super().get_config(), "size": size}
        return config if self.rank == 1 else {**config, "data_format": self.data_format}


@built_in("layer")
class ZeroPadding1D(_Edges):
    """Puts zeros around a sequence.

    Args:
        padding: how many steps: one number, two for before and after.
        data_format: "channels_last" for (N, T, C), "channels_first" for (N, C, T); `None` for
            the configured one.
        **kwargs: name, dtype, as for every layer.

    Raises:
        ArgumentError: a number that is not whole or below 0.

    Example:
        >>> import numpy as np
        >>> ZeroPadding1D(1)(np.ones((2, 5, 3), "float32")).shape
        (2, 7, 3)
    """

    rank, argument = 1, "padding"

    def __init__(self, padding: Any = 1, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._take(padding, data_format)

    def call(self, inputs: Any) -> Any:
        """Pad (N, T, C)."""
        return self._pad(inputs)


@built_in("layer")
class ZeroPadding2D(_Edges):
    """Puts zeros around a picture.

    Args:
        padding: how many pixels: one number, 2 for the dimensions, or 2 pairs (before, after).
        data_format: "channels_last" for (N, H, W, C), "channels_first" for (N, C, H, W); `None` for
            the configured one.
        **kwargs: name, dtype, as for every layer.

    Raises:
        ArgumentError: a number that is not whole or below 0.

    Example:
        >>> import numpy as np
        >>> ZeroPadding2D(1)(np.ones((2, 5, 5, 3), "float32")).shape
        (2, 7, 7, 3)
    """

    rank, argument = 2, "padding"

    def __init__(self, padding: Any = 1, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._take(padding, data_format)

    def call(self, inputs: Any) -> Any:
        """Pad (N, H, W, C)."""
        return self._pad(inputs)


@built_in("layer")
class ZeroPadding3D(_Edges):
    """Puts zeros around a volume.

    Args:
        padding: how many voxels: one number, 3 for the dimensions, or 3 pairs (before, after).
        data_format: "channels_last" for (N, D, H, W, C), "channels_first" for (N, C, D, H, W);
            `None` for the configured one.
        **kwargs: name, dtype, as for every layer.

    Raises:
        ArgumentError: a number that is not whole or below 0.

    Example:
        >>> import numpy as np
        >>> ZeroPadding3D(1)(np.ones((2, 5, 5, 5, 3), "float32")).shape
        (2, 7, 7, 7, 3)
    """

    rank, argument = 3, "padding"

    def __init__(self, padding: Any = 1, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._take(padding, data_format)

    def call(self, inputs: Any) -> Any:
        """Pad (N, D, H, W, C)."""
        return self._pad(inputs)


@built_in("layer")
class Cropping1D(_Edges):
    """Cuts the edges off a sequence.

    Args:
        cropping: how many steps: one number, two for before and after.
        **kwargs: name, dtype, as for every layer.

    Raises:
        ArgumentError: a number that is not whole or below 0.
        ShapeError: on call, an input of which nothing would be left.

    Example:
        >>> import numpy as np
        >>> Cropping1D(1)(np.ones((2, 5, 3), "float32")).shape
        (2, 3, 3)
    """

    rank, argument = 1, "cropping"

    def __init__(self, cropping: Any = (1, 1), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._take(cropping, "channels_last")

    def call(self, inputs: Any) -> Any:
        """Crop (N, T, C)."""
        return self._crop(inputs)


@built_in("layer")
class Cropping2D(_Edges):
    """Cuts the edges off a picture.

    Args:
        cropping: how many pixels: one number, 2 for the dimensions, or 2 pairs (before, after).
        data_format: "channels_last" for (N, H, W, C), "channels_first" for (N, C, H, W); `None` for
            the configured one.
        **kwargs: name, dtype, as for every layer.

    Raises:
        ArgumentError: a number that is not whole or below 0.
        ShapeError: on call, an input of which nothing would be left.

    Example:
        >>> import numpy as np
        >>> Cropping2D(1)(np.ones((2, 5, 5, 3), "float32")).shape
        (2, 3, 3, 3)
    """

    rank, argument = 2, "cropping"

    def __init__(
        self, cropping: Any = ((0, 0), (0, 0)), data_format: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self._take(cropping, data_format)

    def call(self, inputs: Any) -> Any:
        """Crop (N, H, W, C)."""
        return self._crop(inputs)


@built_in("layer")
class Cropping3D(_Edges):
    """Cuts the edges off a volume.

    Args:
        cropping: how many voxels: one number, 3 for the dimensions, or 3 pairs (before, after).
        data_format: "channels_last" for (N, D, H, W, C), "channels_first" for (N, C, D, H, W);
            `None` for the configured one.
        **kwargs: name, dtype, as for every layer.

    Raises:
        ArgumentError: a number that is not whole or below 0.
        ShapeError: on call, an input of which nothing would be left.

    Example:
        >>> import numpy as np
        >>> Cropping3D(1)(np.ones((2, 5, 5, 5, 3), "float32")).shape
        (2, 3, 3, 3, 3)
    """

    rank, argument = 3, "cropping"

    def __init__(
        self,
        cropping: Any = ((1, 1), (1, 1), (1, 1)),
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._take(cropping, data_format)

    def call(self, inputs: Any) -> Any:
        """Crop (N, D, H, W, C)."""
        return self._crop(inputs)


@built_in("layer")
class UpSampling1D(_UpSampling):
    """Repeats the steps of a sequence.

    Args:
        size: how many times.
        **kwargs: name, dtype, as for every layer.

    Raises:
        ArgumentError: a number that is not whole or below 1.

    Example:
        >>> import numpy as np
        >>> UpSampling1D(2)(np.ones((2, 5, 3), "float32")).shape
        (2, 10, 3)
    """

    rank = 1

    def __init__(self, size: Sizes = 2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._take(size, "channels_last")

    def call(self, inputs: Any) -> Any:
        """Enlarge (N, T, C)."""
        return self._repeat(inputs)


@built_in("layer")
class UpSampling2D(_UpSampling):
    """Makes a picture larger.

    Args:
        size: how many times, one number or two.
        data_format: "channels_last" for (N, H, W, C), "channels_first" for (N, C, H, W); `None` for
            the configured one.
        interpolation: "nearest" to repeat pixels, or another one of `ops.image.resize`.
        **kwargs: name, dtype, as for every layer.

    Raises:
        ArgumentError: an argument outside its range.

    Example:
        >>> import numpy as np
        >>> UpSampling2D(2)(np.ones((2, 5, 5, 3), "float32")).shape
        (2, 10, 10, 3)
    """

    rank = 2

    def __init__(
        self,
        size: Sizes = (2, 2),
        data_format: str | None = None,
        interpolation: str = "nearest",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._take(size, data_format)
        known = ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5")
        if interpolation not in known:
            raise ArgumentError(
                f"UpSampling2D: interpolation must be one of {known}, got {interpolation!r}"
            )
        self.interpolation = interpolation

    def call(self, inputs: Any) -> Any:
        """Enlarge (N, H, W, C)."""
        if self.interpolation == "nearest":
            return self._repeat(inputs)
        first = 1 if self.data_format == "channels_last" else 2
        size = [
            n * times for n, times in zip(inputs.shape[first : first + 2], self.size, strict=True)
        ]
        return ops.image.resize(inputs, size, self.interpolation, data_format=self.data_format)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "interpolation": self.interpolation}


@built_in("layer")
class UpSampling3D(_UpSampling):
    """Repeats the voxels of a volume.

    Args:
        size: how many times, one number or three.
        data_format: "channels_last" for (N, D, H, W, C), "channels_first" for (N, C, D, H, W);
            `None` for the configured one.
        **kwargs: name, dtype, as for every layer.

    Raises:
        ArgumentError: a number that is not whole or below 1.

    Example:
        >>> import numpy as np
        >>> UpSampling3D(2)(np.ones((2, 5, 5, 5, 3), "float32")).shape
        (2, 10, 10, 10, 3)
    """

    rank = 3

    def __init__(
        self, size: Sizes = (2, 2, 2), data_format: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self._take(size, data_format)

    def call(self, inputs: Any) -> Any:
        """Enlarge (N, D, H, W, C)."""
        return self._repeat(inputs)


@built_in("layer")
class Resizing(Layer):
    """Brings pictures to one size.

    Args:
        height: of the results.
        width: of the results.
        interpolation: as for `ops.image.resize`.
        crop_to_aspect_ratio: whether to cut the middle part of the right shape out before.
        pad_to_aspect_ratio: whether to put a frame around before.
        fill_mode: of the frame; only "constant".
        fill_value: of the frame.
        antialias: whether to look at all pixels that fall into one where pictures shrink.
        data_format: "channels_last" or "channels_first"; `None` for the configured one.
        **kwargs: name, dtype, as for every layer.

    Raises:
        ArgumentError: on call, an argument outside its range.

    Example:
        >>> import numpy as np
        >>> Resizing(4, 6)(np.ones((2, 8, 8, 3), "float32")).shape
        (2, 4, 6, 3)
    """

    def __init__(
        self,
        height: int,
        width: int,
        interpolation: str = "bilinear",
        crop_to_aspect_ratio: bool = False,
        pad_to_aspect_ratio: bool = False,
        fill_mode: str = "constant",
        fill_value: float = 0.0,
        antialias: bool = False,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.height, self.width = height, width
        self._more: dict[str, Any] = {
            "interpolation": interpolation,
            "crop_to_aspect_ratio": crop_to_aspect_ratio,
            "pad_to_aspect_ratio": pad_to_aspect_ratio,
            "fill_mode": fill_mode,
            "fill_value": fill_value,
            "antialias": antialias,
            "data_format": layout("Resizing", data_format),
        }
        self.built = True

    def call(self, inputs: Any) -> Any:
        """Resize (N, H, W, C) or (H, W, C)."""
        return ops.image.resize(inputs, (self.height, self.width), **self._more)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "height": self.height, "width": self.width, **self._more}


@built_in("layer")
class CenterCrop(Layer):
    """Cuts the middle out of pictures; of smaller ones the middle after enlarging them.

    Args:
        height: of the results.
        width: of the results.
        data_format: "channels_last" or "channels_first"; `None` for the configured one.
        **kwargs: name, dtype, as for every layer.

    Example:
        >>> import numpy as np
        >>> CenterCrop(4, 6)(np.ones((2, 8, 8, 3), "float32")).shape
        (2, 4, 6, 3)
    """

    def __init__(
        self, height: int, width: int, data_format: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.height, self.width = height, width
        self.data_format = layout("CenterCrop", data_format)
        self.built = True

    def call(self, inputs: Any) -> Any:
        """Crop (N, H, W, C) or (H, W, C)."""
        rank = len(inputs.shape)
        first = rank - 3 if self.data_format == "channels_last" else rank - 2
        sizes = inputs.shape[first : first + 2]
        if sizes[0] < self.height or sizes[1] < self.width:
            return ops.image.resize(
                inputs, (self.height, self.width), crop_to_aspect_ratio=True,
                data_format=self.data_format,
            )  # fmt: skip
        key: list[Any] = [slice(None)] * rank
        for axis, (n, wanted) in enumerate(zip(sizes, (self.height, self.width), strict=True)):
            start = (n - wanted) // 2
            key[first + axis] = slice(start, start + wanted)
        return inputs[tuple(key)]

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        config = {"height": self.height, "width": self.width, "data_format": self.data_format}
        return {**super().get_config(), **config}
