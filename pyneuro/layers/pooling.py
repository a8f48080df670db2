"""Pooling layers: windows, and whole pictures or sequences, as their largest or mean element."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import ops
from ..errors import ArgumentError
from ..ops.arguments import layout, whole_numbers
from ..registry import built_in
from .base import InputSpec, Layer
from .conv_base import Sizes

__all__ = [
    "AveragePooling1D",
    "AveragePooling2D",
    "AveragePooling3D",
    "GlobalAveragePooling1D",
    "GlobalAveragePooling2D",
    "GlobalAveragePooling3D",
    "GlobalMaxPooling1D",
    "GlobalMaxPooling2D",
    "GlobalMaxPooling3D",
    "MaxPooling1D",
    "MaxPooling2D",
    "MaxPooling3D",
]


class _Pooling(Layer):
    """What the layers with windows share; they say their rank and function."""

    rank: int
    function: Callable[..., Any]

    def __init__(
        self,
        pool_size: Sizes = 2,
        strides: Sizes | None = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        kind, rank = type(self).__name__, self.rank
        self.pool_size = whole_numbers(kind, "pool_size", pool_size, rank)
        given = self.pool_size if strides is None else strides
        self.strides = whole_numbers(kind, "strides", given, rank)
        self.padding = str(padding).lower()
        if self.padding not in ("valid", "same"):
            raise ArgumentError(f"{kind}: padding must be 'valid' or 'same', got {padding!r}")
        self.data_format = layout(kind, data_format)
        self.input_spec = InputSpec(ndim=rank + 2)
        self.built = True

    def call(self, inputs: Any) -> Any:
        """Pool (N, space..., C), or (N, C, space...) if the data format says so."""
        pool = type(self).function
        return pool(inputs, self.pool_size, self.strides, self.padding, self.data_format)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "pool_size": self.pool_size,
            "strides": self.strides,
            "padding": self.padding,
            "data_format": self.data_format,
        }


class _GlobalPooling(Layer):
    """What the layers without windows share; they say their rank and function."""

    rank: int
    function: Callable[..., Any]

    def __init__(
        self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.data_format = layout(type(self).__name__, data_format)
        self.keepdims = bool(keepdims)
        self.input_spec = InputSpec(ndim=self.rank + 2)
        self.built = True

    @property
    def _axes(self) -> tuple[int, ...]:
        first = 1 if self.data_format == "channels_last" else 2
        return tuple(range(first, first + self.rank))

    def call(self, inputs: Any) -> Any:
        """Reduce all spatial axes."""
        return type(self).function(inputs, axis=self._axes, keepdims=self.keepdims)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "data_format": self.data_format,
            "keepdims": self.keepdims,
        }


@built_in("layer")
class MaxPooling1D(_Pooling):
    """The largest element of each window of a sequence, channel by channel.

    Args:
        pool_size: size of the window.
        strides: steps from one window to the next; default `pool_size`.
        padding: "valid", or "same" for input size / strides (rounded up) results.
        data_format: "channels_last" for (N, T, C), "channels_first" for (N, C, T); `None` for the
            configured one.
        **kwargs: name, dtype, as for every layer.

    Raises:
        ArgumentError: an argument outside its range.

    Example:
        >>> import numpy as np
        >>> MaxPooling1D(2)(np.ones((1, 6, 3), "float32")).shape
        (1, 3, 3)
    """

    rank = 1
    function = staticmethod(ops.max_pool)


@built_in("layer")
class MaxPooling2D(_Pooling):
    """The largest element of each window of a picture, channel by channel.

    Args:
        pool_size: size of the window, one number or two.
        strides: positions from one window to the next; default `pool_size`.
        padding: "valid", or "same" for input size / strides (rounded up) results.
        data_format: "channels_last" for (N, H, W, C), "channels_first" for (N, C, H, W); `None` for
            the configured one.
        **kwargs: name, dtype, as for every layer.

    Raises:
        ArgumentError: an argument outside its range.

    Example:
        >>> import numpy as np
        >>> MaxPooling2D(2)(np.ones((1, 6, 6, 3), "float32")).shape
        (1, 3, 3, 3)
    """

    rank = 2
    function = staticmethod(ops.max_pool)


@built_in("layer")
class MaxPooling3D(_Pooling):
    """The largest element of each window of a volume, channel by channel.

    Args:
        pool_size: size of the window, one number or three.
        strides: positions from one window to the next; default `pool_size`.
        padding: "valid", or "same" for input size / strides (rounded up) results.
        data_format: "channels_last" for (N, D, H, W, C), "channels_first" for (N, C, D, H, W);
            `None` for the configured one.
        **kwargs: name, dtype, as for every layer.

    Raises:
        ArgumentError: an argument outside its range.

    Example:
        >>> import numpy as np
        >>> MaxPooling3D(2)(np.ones((1, 4, 4, 4, 3), "float32")).shape
        (1, 2, 2, 2, 3)
    """

    rank = 3
    function = staticmethod(ops.max_pool)


@built_in("layer")
class AveragePooling1D(_Pooling):
    """The mean of each window of a sequence, channel by channel; padding is not counted.

    Args:
        pool_size: size of the window.
        strides: steps from one window to the next; default `pool_size`.
        padding: "valid", or "same" for input size / strides (rounded up) results.
        data_format: "channels_last" for (N, T, C), "channels_first" for (N, C, T); `None` for the
            configured one.
        **kwargs: name, dtype, as for every layer.

    Raises:
        ArgumentError: an argument outside its range.

    Example:
        >>> import numpy as np
        >>> AveragePooling1D(2)(np.ones((1, 6, 3), "float32")).shape
        (1, 3, 3)
    """

    rank = 1
    function = staticmethod(ops.average_pool)


@built_in("layer")
class AveragePooling2D(_Pooling):
    """The mean of each window of a picture, channel by channel; padding is not counted.

    Args:
        pool_size: size of the window, one number or two.
        strides: positions from one window to the next; default `pool_size`.
        padding: "valid", or "same" for input size / strides (rounded up) results.
        data_format: "channels_last" for (N, H, W, C), "channels_first" for (N, C, H, W); `None` for
            the configured one.
        **kwargs: name, dtype, as for every layer.

    Raises:
        ArgumentError: an argument outside its range.

    Example:
        >>> import numpy as np
        >>> AveragePooling2D(2)(np.ones((1, 6, 6, 3), "float32")).shape
        (1, 3, 3, 3)
    """

    rank = 2
    function = staticmethod(ops.average_pool)


@built_in("layer")
class AveragePooling3D(_Pooling):
    """The mean of each window of a volume, channel by channel; padding is not counted.

    Args:
        pool_size: size of the window, one number or three.
        strides: positions from one window to the next; default `pool_size`.
        padding: "valid", or "same" for input size / strides (rounded up) results.
        data_format: "channels_last" for (N, D, H, W, C), "channels_first" for (N, C, D, H, W);
            `None` for the configured one.
        **kwargs: name, dtype, as for every layer.

    Raises:
        ArgumentError: an argument outside its range.

    Example:
        >>> import numpy as np
        >>> AveragePooling3D(2)(np.ones((1, 4, 4, 4, 3), "float32")).shape
        (1, 2, 2, 2, 3)
    """

    rank = 3
    function = staticmethod(ops.average_pool)


@built_in("layer")
class GlobalMaxPooling1D(_GlobalPooling):
    """The largest element of a sequence, channel by channel.

    Args:
        data_format: "channels_last" for (N, T, C), "channels_first" for (N, C, T); `None` for the
            configured one.
        keepdims: whether to keep the reduced axis, with size 1.
        **kwargs: name, dtype, as for every layer.

    Example:
        >>> import numpy as np
        >>> GlobalMaxPooling1D()(np.ones((2, 6, 3), "float32")).shape
        (2, 3)
    """

    rank = 1
    function = staticmethod(ops.max)


@built_in("layer")
class GlobalMaxPooling2D(_GlobalPooling):
    """The largest element of a picture, channel by channel.

    Args:
        data_format: "channels_last" for (N, H, W, C), "channels_first" for (N, C, H, W); `None` for
            the configured one.
        keepdims: whether to keep the reduced axes, with size 1.
        **kwargs: name, dtype, as for every layer.

    Example:
        >>> import numpy as np
        >>> GlobalMaxPooling2D()(np.ones((2, 4, 4, 3), "float32")).shape
        (2, 3)
    """

    rank = 2
    function = staticmethod(ops.max)


@built_in("layer")
class GlobalMaxPooling3D(_GlobalPooling):
    """The largest element of a volume, channel by channel.

    Args:
        data_format: "channels_last" for (N, D, H, W, C), "channels_first" for (N, C, D, H, W);
            `None` for the configured one.
        keepdims: whether to keep the reduced axes, with size 1.
        **kwargs: name, dtype, as for every layer.

    Example:
        >>> import numpy as np
        >>> GlobalMaxPooling3D(keepdims=True)(np.ones((2, 4, 4, 4, 3), "float32")).shape
        (2, 1, 1, 1, 3)
    """

    rank = 3
    function = staticmethod(ops.max)


@built_in("layer")
class GlobalAveragePooling1D(_GlobalPooling):
    """The mean of a sequence, channel by channel; of the steps that its mask counts, if it has one.

    Args:
        data_format: "channels_last" for (N, T, C), "channels_first" for (N, C, T); `None` for the
            configured one.
        keepdims: whether to keep the reduced axis, with size 1.
        **kwargs: name, dtype, as for every layer.

    Example:
        >>> import numpy as np
        >>> x = np.array([[[1.0], [3.0], [9.0]]], "float32")
        >>> GlobalAveragePooling1D()(x, mask=np.array([[True, True, False]])).tolist()
        [[2.0]]
    """

    rank = 1
    function = staticmethod(ops.mean)

    def __init__(
        self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(data_format, keepdims, **kwargs)
        self.supports_masking = True

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        """No steps are left that a mask could count."""
        return

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Reduce the steps; `mask` (N, T) says which count."""
        if mask is None:
            return super().call(inputs)
        counts = ops.cast(mask, inputs.dtype)
        counts = ops.expand_dims(counts, 2 if self.data_format == "channels_last" else 1)
        total = ops.sum(inputs * counts, axis=self._axes, keepdims=self.keepdims)
        return total / ops.sum(counts, axis=self._axes, keepdims=self.keepdims)


@built_in("layer")
class GlobalAveragePooling2D(_GlobalPooling):
    """The mean of a picture, channel by channel.

    Args:
        data_format: "channels_last" for (N, H, W, C), "channels_first" for (N, C, H, W); `None` for
            the configured one.
        keepdims: whether to keep the reduced axes, with size 1.
        **kwargs: name, dtype, as for every layer.

    Example:
        >>> import numpy as np
        >>> GlobalAveragePooling2D()(np.ones((2, 4, 4, 3), "float32")).shape
        (2, 3)
    """

    rank = 2
    function = staticmethod(ops.mean)


@built_in("layer")
class GlobalAveragePooling3D(_GlobalPooling):
    """The mean of a volume, channel by channel.

    Args:
        data_format: "channels_last" for (N, D, H, W, C), "channels_first" for (N, C, D, H, W);
            `None` for the configured one.
        keepdims: whether to keep the reduced axes, with size 1.
        **kwargs: name, dtype, as for every layer.

    Example:
        >>> import numpy as np
        >>> GlobalAveragePooling3D()(np.ones((2, 4, 4, 4, 3), "float32")).shape
        (2, 3)
    """

    rank = 3
    function = staticmethod(ops.mean)
