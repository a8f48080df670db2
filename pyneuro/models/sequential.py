"""Sequential: a model that is a list of layers, each called on what the one before gave."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .. import tree
from ..errors import ArgumentError, DeviceError
from ..layers.base import Layer
from ..layers.input import InputLayer
from ..registry import built_in, deserialize_keras_object, serialize_keras_object
from ..symbolic import KerasTensor, compute_spec
from .graph import fit_input
from .model import Model

__all__ = ["Sequential"]


@built_in("model", module="pyneuro")
class Sequential(Model):
    """A list of layers, each called on the output of the one before.

    Args:
        layers: the layers; may begin with an `Input` or `InputLayer`, which gives the input's
            shape.
        trainable: whether optimizers change the weights.
        name: a name.

    Raises:
        ArgumentError: something that is no layer, or two layers of one name.

    Example:
        >>> from pyneuro import Input, layers
        >>> model = Sequential([Input((4,)), layers.Dense(2), layers.ReLU()])
        >>> model.output_shape
        (None, 2)
    """

    _stack: list[Any]  # the layers, an InputLayer first if there is one
    _tensors: list[Any]  # the symbolic input, then each layer's output, once the shape is known

    def __init__(
        self, layers: Iterable[Any] | None = None, trainable: bool = True, name: str | None = None
    ) -> None:
        super().__init__(trainable=trainable, name=name)
        state = self.__dict__
        state["_stack"] = []
        state[
            "_tensors"
        ] = []  # the symbolic input, then each layer's output, once the shape is known
        for layer in layers or ():
            self.add(layer)

    # -- the list ---------------------------------------------------------------------------------

    def add(self, layer: Any, rebuild: bool = True) -> None:
        """Put a layer at the end.

        Args:
            layer: a layer, or the tensor of an `Input` as the first.
            rebuild: accepted for Keras's signature.

        Raises:
            ArgumentError: no layer, or another layer has its name.
        """
        if isinstance(layer, KerasTensor):
            record = layer.record
            if record is None or not isinstance(getattr(record, "layer", None), InputLayer):
                raise ArgumentError("Sequential: only the tensor of an Input() can be added")
            layer = record.layer
        if not isinstance(layer, Layer):
            hint = "; make an instance of it" if isinstance(layer, type) else ""
            raise ArgumentError(f"Sequential: expected a layer, got {layer!r}{hint}")
        stack = self._stack
        if isinstance(layer, InputLayer) and stack:
            raise ArgumentError(
                f"Sequential: the input {layer.name!r} must come first, before {stack[0].name!r}"
            )
        if any(other.name == layer.name for other in stack):
            raise ArgumentError(
                f"Sequential: there is a layer named {layer.name!r} already; give each its own name"
            )
        if not stack and not isinstance(layer, InputLayer):
            self._add_input(layer)
        stack.append(layer)
        if isinstance(layer, InputLayer):
            self.__dict__["_tensors"] = [layer.output]
        elif self._tensors:
            self._extend(layer)

    def _add_input(self, layer: Any) -> None:
        """Put an input before a first layer that says the shape of its own."""
        shape, dtype = layer._input_shape_argument, layer.compute_dtype
        if shape is None and hasattr(layer, "inputs"):  # a model that is built
            if not tree.is_shape(layer.input_shape):
                return
            shape, dtype = layer.input_shape, layer.inputs[0].dtype
        if shape is not None:
            self.add(InputLayer(batch_shape=shape, dtype=dtype))

    def pop(self, rebuild: bool = True) -> Any:
        """Take the last layer away.

        Args:
            rebuild: accepted for Keras's signature.

        Returns:
            The layer.
        """
        if not self._stack:
            raise ArgumentError("Sequential: there is no layer to take away")
        layer = self._stack.pop()
        if self._tensors:
            self._tensors.pop()
            if layer._inbound_nodes:
                layer._inbound_nodes.pop()
        self.__dict__["built"] = bool(self._tensors) and len(self._stack) > 0
        return layer

    def _extend(self, layer: Any) -> None:
        """Call a new last layer on the symbolic output so far."""
        try:
            self._tensors.append(layer(self._tensors[-1]))
        except DeviceError:  # it looks at values, so its shapes are known only with data
            self._tensors.clear()
            self.__dict__["built"] = False
            return
        self.__dict__["built"] = True

    def _child_items(self) -> Any:
        yield from self._named_children(self._stack)
        yield from super()._child_items()

    def _held(self) -> list[Any]:
        return [*self._stack, *super()._held()]

    @property
    def layers(self) -> list[Any]:
        """The layers, without an `InputLayer`."""
        return [layer for layer in self._stack if not isinstance(layer, InputLayer)]

    # -- building and calling ---------------------------------------------------------------------

    def build(self, input_shape: Any = None) -> None:
        """Build all layers.

        Args:
            input_shape: the shape with the batch axis; not needed after an `Input`.
        """
        if self._tensors or not self._stack:
            return
        if not tree.is_shape(
            input_shape
        ):  # several inputs: the first layer knows what to do with them
            return
        tensor = InputLayer(batch_shape=(None, *input_shape[1:]), dtype=self._input_dtype()).output
        self.__dict__["_tensors"] = [tensor]
        for layer in self.layers:
            self._extend(layer)
            if not self._tensors:
                return

    def _input_dtype(self) -> str:
        """The dtype of inputs that no `Input` declares: what came first, else the compute dtype."""
        dtype: str = self.__dict__.get("_first_dtype") or self.layers[0].compute_dtype
        return dtype

    def _build_for(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        first = args[0] if args else kwargs.get("inputs")
        self.__dict__["_first_dtype"] = getattr(first, "dtype", None)
        super()._build_for(args, kwargs)

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Call the layers one after another.

        Args:
            inputs: the first layer's input.
            training: given to the layers by the call.
            mask: the mask of the input; it goes with the input itself.

        Returns:
            The last layer's output.
        """
        stack = self._stack
        if stack and isinstance(stack[0], InputLayer):
            if not tree.is_nested(inputs):
                inputs = fit_input(self.name, inputs, stack[0].output)
            stack = stack[1:]
        for layer in stack:
            inputs = layer(inputs)
        return inputs

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """Shape and dtype of the output for a symbolic input."""
        kwargs.pop("training", None)
        if not self.built:
            self._build_for(args, kwargs)
        return compute_spec(self._call_cast, args, kwargs)

    def _symbolic(self, what: str, position: int) -> Any:
        if not self._tensors:
            raise AttributeError(
                f"{self.name!r} has no {what} yet: its input's shape is not known; begin it with "
                "an Input, or call it on data"
            )
        return self._tensors[position]

    @property
    def input(self) -> Any:
        """The symbolic input."""
        return self._symbolic("input", 0)

    @property
    def output(self) -> Any:
        """The symbolic output."""
        return self._symbolic("output", -1)

    @property
    def inputs(self) -> list[Any]:
        """The symbolic input in a list."""
        return [self.input]

    @property
    def outputs(self) -> list[Any]:
        """The symbolic output in a list."""
        return [self.output]

    @property
    def input_shape(self) -> Any:
        """The shape of the input."""
        return self._symbolic("input_shape", 0).shape

    @property
    def output_shape(self) -> Any:
        """The shape of the output."""
        return self._symbolic("output_shape", -1).shape

    # -- configs ----------------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """The layers as plain values."""
        config: dict[str, Any] = {
            "name": self.name,
            "trainable": self.trainable,
            "layers": [serialize_keras_object(layer) for layer in self._stack],
        }
        if self._tensors and not isinstance(self._stack[0], InputLayer):
            config["build_input_shape"] = list(self._tensors[0].shape)
            config["build_input_dtype"] = self._tensors[0].dtype
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """Make the model again from `get_config()`'s result."""
        config = dict(config)
        layers = [deserialize_keras_object(c, custom_objects) for c in config.pop("layers")]
        shape, dtype = config.pop("build_input_shape", None), config.pop("build_input_dtype", None)
        config.pop("dtype", None)
        trainable = config.pop("trainable", True)
        model = cls(**config)
        for layer in layers:
            model.add(layer)
        if shape is not None and not model.built:
            model.__dict__["_first_dtype"] = dtype
            model.build(tuple(shape))
        if not trainable:
            model.trainable = False
        return model

    def get_build_config(self) -> None:
        """Nothing: the config says the input's shape."""
        return
