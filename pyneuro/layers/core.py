"""The layers of every model: Dense, Embedding, Activation, Lambda and the simplest ones."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from .. import activations, constraints, initializers, ops, regularizers
from ..errors import ArgumentError, DTypeError, ShapeError
from ..registry import built_in, deserialize_keras_object, serialize_keras_object
from .base import InputSpec, Layer

__all__ = ["Activation", "Dense", "Embedding", "Identity", "Lambda", "ReLU", "Softmax"]


def positive_int(layer: str, argument: str, value: Any) -> int:
    """Give back a whole number above zero, or raise ArgumentError naming layer and argument."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or value <= 0:
        raise ArgumentError(f"{layer}: {argument} must be a whole number > 0, got {value!r}")
    return int(value)


def no_extras(layer: str, **arguments: Any) -> None:
    """Raise where an argument is given that Keras has for low-rank or quantized weights."""
    for name, value in arguments.items():
        if value is not None:
            raise ArgumentError(
                f"{layer}: {name}={value!r} belongs to low-rank adaptation or quantization, which "
                "pyneuro does not have; leave it out"
            )


@built_in("layer")
class Dense(Layer):
    """`activation(inputs @ kernel + bias)` along the last axis.

    Args:
        units: the size of the output's last axis.
        activation: a name or callable; linear by default.
        use_bias: whether a bias is added.
        kernel_initializer: first value of the kernel (inputs, units).
        bias_initializer: first value of the bias (units,).
        kernel_regularizer: penalty of the kernel.
        bias_regularizer: penalty of the bias.
        activity_regularizer: penalty of the output.
        kernel_constraint: applied to the kernel after each update.
        bias_constraint: applied to the bias after each update.
        lora_rank: only `None`.
        lora_alpha: only `None`.
        quantization_config: only `None`.
        **kwargs: name, dtype, trainable, as for every layer.

    Raises:
        ArgumentError: `units` is not a whole number above zero.
        ShapeError: on call, an input without or with another last axis.

    Example:
        >>> import numpy as np
        >>> Dense(4, activation="relu")(np.ones((2, 3), "float32")).shape
        (2, 4)
    """

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        lora_rank: None = None,
        lora_alpha: None = None,
        quantization_config: None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        no_extras("Dense", lora_rank=lora_rank, lora_alpha=lora_alpha,
                  quantization_config=quantization_config)  # fmt: skip
        self.units = positive_int("Dense", "units", units)
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.bias: Any = None
        self.input_spec = InputSpec(min_ndim=2)
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        """Make the kernel (inputs, units) and the bias (units,)."""
        size = _last_axis("Dense", self.name, input_shape)
        self.kernel = self.add_weight(
            (size, self.units),
            self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
            name="kernel",
        )
        if self.use_bias:
            self.bias = self.add_weight(
                (self.units,),
                self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
                name="bias",
            )
        self.input_spec = InputSpec(min_ndim=2, axes={-1: size})

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Compute the output; `inputs` is (..., size), the output (..., units)."""
        bias = None if self.bias is None else self.cast_weight(self.bias)
        outputs = ops.matmul(inputs, self.cast_weight(self.kernel), bias=bias)
        if self.activation is activations.linear:
            return outputs
        return self.activation(outputs)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "units": self.units,
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
            "kernel_constraint": constraints.serialize(self.kernel_constraint),
            "bias_constraint": constraints.serialize(self.bias_constraint),
        }


def _last_axis(kind: str, name: str, input_shape: Any) -> int:
    """The size of the last axis of an input's shape, which must be known."""
    if not input_shape or input_shape[-1] is None:
        raise ShapeError(
            f"{kind} {name!r}: the last axis of the input must have a known size to make the "
            f"kernel, got the shape {input_shape}"
        )
    return int(input_shape[-1])


@built_in("layer")
class Embedding(Layer):
    """Rows of a table, looked up by whole numbers.

    Args:
        input_dim: the number of rows; inputs are below it.
        output_dim: the length of a row.
        embeddings_initializer: first value of the table.
        embeddings_regularizer: penalty of the table.
        embeddings_constraint: applied to the table after each update.
        mask_zero: whether 0 is padding: the output then carries a mask that layers and losses heed.
        weights: a first value of the table, as an array or a list of one.
        lora_rank: only `None`.
        lora_alpha: only `None`.
        quantization_config: only `None`.
        **kwargs: name, dtype, trainable, as for every layer.

    Raises:
        ArgumentError: a size that is not a whole number above zero.
        IndexOutOfRangeError: on call, an input that is not in [0, input_dim).

    Example:
        >>> import numpy as np
        >>> Embedding(10, 4)(np.array([[1, 2, 3]])).shape
        (1, 3, 4)
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        embeddings_constraint: Any = None,
        mask_zero: bool = False,
        weights: Any = None,
        lora_rank: None = None,
        lora_alpha: None = None,
        quantization_config: None = None,
        **kwargs: Any,
    ) -> None:
        input_length = kwargs.pop("input_length", None)
        if input_length is not None and "input_shape" not in kwargs:
            kwargs["input_shape"] = (input_length,)
        super().__init__(**kwargs)
        no_extras("Embedding", lora_rank=lora_rank, lora_alpha=lora_alpha,
                  quantization_config=quantization_config)  # fmt: skip
        self.input_dim = positive_int("Embedding", "input_dim", input_dim)
        self.output_dim = positive_int("Embedding", "output_dim", output_dim)
        if weights is not None:
            embeddings_initializer = weights[0] if isinstance(weights, (list, tuple)) else weights
        self.embeddings_initializer = initializers.get(embeddings_initializer)
        self.embeddings_regularizer = regularizers.get(embeddings_regularizer)
        self.embeddings_constraint = constraints.get(embeddings_constraint)
        self.mask_zero = mask_zero
        self.supports_masking = mask_zero
        self.__dict__["autocast"], self.__dict__["_cast_to"] = False, None

    def build(self, input_shape: Any = None) -> None:
        """Make the table (input_dim, output_dim)."""
        self.embeddings = self.add_weight(
            (self.input_dim, self.output_dim),
            self.embeddings_initializer,
            regularizer=self.embeddings_regularizer,
            constraint=self.embeddings_constraint,
            name="embeddings",
        )

    def call(self, inputs: Any) -> Any:
        """Look up; `inputs` has any shape, the output one axis more."""
        if "int" not in inputs.dtype:
            if "float" not in inputs.dtype:
                raise DTypeError(f"{self.name}: expected whole numbers, got {inputs.dtype}")
            inputs = ops.cast(inputs, "int32")
        return ops.take(self.cast_weight(self.embeddings), inputs, axis=0)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """`True` where the input is not the padding 0; `None` unless `mask_zero`."""
        return ops.not_equal(inputs, 0) if self.mask_zero else None

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "input_dim": self.input_dim,
            "output_dim": self.output_dim,
            "embeddings_initializer": initializers.serialize(self.embeddings_initializer),
            "embeddings_regularizer": regularizers.serialize(self.embeddings_regularizer),
            "embeddings_constraint": constraints.serialize(self.embeddings_constraint),
            "mask_zero": self.mask_zero,
        }


@built_in("layer")
class Activation(Layer):
    """An activation function as a layer.

    Args:
        activation: a name or callable.
        **kwargs: name, dtype, as for every layer.

    Example:
        >>> import numpy as np
        >>> Activation("relu")(np.array([-1.0, 2.0], "float32")).tolist()
        [0.0, 2.0]
    """

    def __init__(self, activation: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.activation = activations.get(activation)
        self.built = True

    def call(self, inputs: Any) -> Any:
        """Apply the function."""
        return self.activation(inputs)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "activation": activations.serialize(self.activation)}


@built_in("layer")
class ReLU(Layer):
    """The rectified linear unit as a layer.

    Args:
        max_value: the largest output; `None` for no limit.
        negative_slope: slope below the threshold.
        threshold: values below it are damped (or zero).
        **kwargs: name, dtype, as for every layer.

    Raises:
        ArgumentError: a negative argument.

    Example:
        >>> import numpy as np
        >>> ReLU(max_value=1.0)(np.array([-1.0, 2.0], "float32")).tolist()
        [0.0, 1.0]
    """

    def __init__(
        self,
        max_value: float | None = None,
        negative_slope: float = 0.0,
        threshold: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if (max_value is not None and max_value < 0) or negative_slope < 0 or threshold < 0:
            raise ArgumentError(
                "ReLU: max_value, negative_slope and threshold must be >= 0, got "
                f"{max_value!r}, {negative_slope!r} and {threshold!r}"
            )
        self.supports_masking = True
        self.max_value, self.negative_slope, self.threshold = max_value, negative_slope, threshold
        self.built = True

    def call(self, inputs: Any) -> Any:
        """Apply the function."""
        return activations.relu(
            inputs,
            negative_slope=self.negative_slope,
            max_value=self.max_value,
            threshold=self.threshold,
        )

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "max_value": self.max_value,
            "negative_slope": self.negative_slope,
            "threshold": self.threshold,
        }


@built_in("layer")
class Softmax(Layer):
    """Softmax along an axis as a layer; masked entries get no share.

    Args:
        axis: the axis, or several that are taken together.
        **kwargs: name, dtype, as for every layer.

    Example:
        >>> import numpy as np
        >>> Softmax()(np.zeros((1, 2), "float32")).tolist()
        [[0.5, 0.5]]
    """

    def __init__(self, axis: int | Sequence[int] = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis if isinstance(axis, int) else tuple(axis)
        self.supports_masking = True
        self.built = True

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Apply the function; `mask` (of the inputs' shape) is true where an entry counts."""
        if mask is not None:
            lowest = -3e4 if inputs.dtype == "float16" else -3e38  # finite: all masked gives no NaN
            inputs = ops.where(mask, inputs, lowest)
        return activations.softmax(inputs, axis=self.axis)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "axis": self.axis}


@built_in("layer")
class Identity(Layer):
    """Gives back its input.

    Example:
        >>> import numpy as np
        >>> Identity()(np.ones((2,), "float32")).tolist()
        [1.0, 1.0]
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.built = True

    def call(self, inputs: Any) -> Any:
        """Give back `inputs`."""
        return inputs


@built_in("layer")
class Lambda(Layer):
    """A function as a layer.

    A file can only name the function: to save a model with it, define the function with a name and
    register it with `saving.register_keras_serializable()`.

    Args:
        function: takes the input, and `mask` and `training` if it names them.
        output_shape: accepted for Keras's signature; the shape is found by running on shapes alone.
        mask: the mask of the output, or a function of inputs and mask that gives it.
        arguments: further keyword arguments of the function.
        **kwargs: name, dtype, as for every layer.

    Raises:
        ArgumentError: `function` is not callable.

    Example:
        >>> import numpy as np
        >>> Lambda(lambda x: x * 2)(np.ones((2,), "float32")).tolist()
        [2.0, 2.0]
    """

    def __init__(
        self,
        function: Callable[..., Any],
        output_shape: Any = None,
        mask: Any = None,
        arguments: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not callable(function):
            raise ArgumentError(f"Lambda: function must be callable, got {function!r}")
        self.function, self.mask, self.output_shape = function, mask, output_shape
        self.arguments = dict(arguments or {})
        self.supports_masking = mask is not None
        names = inspect.signature(function).parameters
        self._takes = frozenset(name for name in ("mask", "training") if name in names)
        self.built = True

    def call(self, inputs: Any, mask: Any = None, training: bool | None = None) -> Any:
        """Call the function."""
        given = {"mask": mask, "training": training}
        extra = {name: given[name] for name in self._takes}
        return self.function(inputs, **{**self.arguments, **extra})

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """The mask given to the constructor, or its result."""
        return self.mask(inputs, previous_mask) if callable(self.mask) else self.mask

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "function": serialize_keras_object(self.function),
            "mask": serialize_keras_object(self.mask),
            "arguments": serialize_keras_object(self.arguments),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """Make a layer from `get_config()`'s result."""
        named = ("function", "mask", "arguments")
        return cls(
            **{k: deserialize_keras_object(v) if k in named else v for k, v in config.items()}
        )
