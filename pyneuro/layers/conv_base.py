"""What all convolution layers share: the window, the layout, bias and activation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import activations, constraints, initializers, regularizers
from ..errors import ArgumentError, ShapeError
from ..ops.arguments import layout, whole_numbers
from .base import InputSpec, Layer

__all__ = ["Convolution", "Sizes"]

Sizes = int | Sequence[int]


class Convolution(Layer):
    """The base class of convolution layers.

    A subclass says its number of spatial dimensions (`rank`), the prefixes of its kernels'
    arguments (`kernels`), and which paddings it takes.

    Args:
        kernel_size: the window, one number or one for each dimension.
        strides: positions from one window to the next.
        padding: one of `paddings`.
        data_format: "channels_last" or "channels_first"; `None` for the configured one.
        dilation_rate: positions between the taps of a window; not together with strides.
        activation: a name or callable.
        use_bias: whether a bias is added.
        settings: initializers, regularizers and constraints by the argument's name.
        **kwargs: name, dtype, trainable, as for every layer.

    Raises:
        ArgumentError: an argument outside its range.
    """

    rank: int
    kernels: tuple[str, ...] = ("kernel",)
    paddings: tuple[str, ...] = ("valid", "same")

    def __init__(
        self,
        kernel_size: Sizes,
        strides: Sizes,
        padding: str,
        data_format: str | None,
        dilation_rate: Sizes,
        activation: Any,
        use_bias: bool,
        settings: dict[str, Any],
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        kind, rank = type(self).__name__, self.rank
        self.kernel_size = whole_numbers(kind, "kernel_size", kernel_size, rank)
        self.strides = whole_numbers(kind, "strides", strides, rank)
        self.dilation_rate = whole_numbers(kind, "dilation_rate", dilation_rate, rank)
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ArgumentError(
                f"{kind}: strides {self.strides} and dilation_rate {self.dilation_rate} cannot "
                "both be above 1; set one of them to 1, or call the function in pyneuro.ops"
            )
        self.padding = str(padding).lower()
        if self.padding not in self.paddings:
            raise ArgumentError(f"{kind}: padding must be one of {self.paddings}, got {padding!r}")
        self.data_format = layout(kind, data_format)
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        for name, value in settings.items():
            getter = next(get for suffix, (get, _) in _SETTINGS.items() if name.endswith(suffix))
            setattr(self, name, getter(value))
        self.bias: Any = None
        self.input_spec = InputSpec(ndim=rank + 2)

    def _channels(self, input_shape: Any) -> int:
        """The number of input channels, which must be known; from now on it is checked."""
        axis = -1 if self.data_format == "channels_last" else 1
        channels = input_shape[axis]
        if channels is None:
            raise ShapeError(
                f"{type(self).__name__} {self.name!r}: the channels of the input (axis {axis}, "
                f"{self.data_format}) must be known to make the kernel, got the shape {input_shape}"
            )
        self.input_spec = InputSpec(ndim=self.rank + 2, axes={axis: channels})
        return int(channels)

    def _make(self, prefix: str, shape: tuple[int, ...], name: str) -> Any:
        """A weight that is set up by the arguments `prefix`_initializer and so on."""
        return self.add_weight(
            shape,
            getattr(self, f"{prefix}_initializer"),
            regularizer=getattr(self, f"{prefix}_regularizer"),
            constraint=getattr(self, f"{prefix}_constraint"),
            name=name,
        )

    def _window(self) -> dict[str, Any]:
        """The arguments that all the functions share."""
        return {
            "strides": self.strides,
            "padding": self.padding,
            "data_format": self.data_format,
            "dilation_rate": self.dilation_rate,
        }

    def _cast_bias(self) -> Any:
        return None if self.bias is None else self.cast_weight(self.bias)

    def _activate(self, outputs: Any) -> Any:
        return outputs if self.activation is activations.linear else self.activation(outputs)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        settings = {
            f"{prefix}{suffix}": write(getattr(self, f"{prefix}{suffix}"))
            for prefix in (*self.kernels, "bias")
            for suffix, (_, write) in _SETTINGS.items()
        }
        return {
            **super().get_config(),
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "data_format": self.data_format,
            "dilation_rate": self.dilation_rate,
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            **settings,
        }


_SETTINGS: dict[str, tuple[Any, Any]] = {
    "_initializer": (initializers.get, initializers.serialize),
    "_regularizer": (regularizers.get, regularizers.serialize),
    "_constraint": (constraints.get, constraints.serialize),
}
