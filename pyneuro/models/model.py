"""Model: a layer that can be trained, saved and summarized, each of which is a room of its own."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np

from .. import naming, symbolic, tree
from ..errors import ArgumentError, unknown_name
from ..layers.base import Layer
from ..registry import (
    built_in,
    deserialize_keras_object,
    is_built_in,
    serialize_keras_object,
)
from ..saving.archive import (
    describe_model,
    load_weights,
    rebuild_model,
    save_model,
    save_weights,
)
from ..saving.weights import load_state, named_weights
from ..symbolic import KerasTensor
from .summary import print_summary
from .trainer import Trainer

__all__ = ["Model"]


def _is_functional(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether these are the arguments of a model made from symbolic inputs and outputs."""
    if "inputs" in kwargs or "outputs" in kwargs:
        return True
    return len(args) >= 2 and any(isinstance(leaf, KerasTensor) for leaf in tree.flatten(args[:2]))


@built_in("model", module="pyneuro")
class Model(Trainer, Layer):
    """A layer that can be trained and saved.

    Either give symbolic inputs and outputs, `Model(inputs, outputs)`; or subclass it, make layers
    in `__init__` and call them in `call`.

    Args:
        inputs: symbolic inputs, in any structure.
        outputs: symbolic outputs that come from them, in any structure.
        name: a name.
        **kwargs: trainable, dtype, as for every layer.

    Example:
        >>> import numpy as np
        >>> from pyneuro import layers
        >>> class Line(Model):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.dense = layers.Dense(1)
        ...     def call(self, inputs):
        ...         return self.dense(inputs)
        >>> model = Line()
        >>> model.compile("sgd", "mse")
        >>> x = np.arange(4.0).reshape(4, 1)
        >>> history = model.fit(x, 2 * x, epochs=2, verbose=0)
        >>> len(history.history["loss"])
        2
    """

    _functional_class: ClassVar[Any] = None  # set by functional.py
    _untracked = Layer._untracked | {"history"}

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """A functional model where symbolic inputs and outputs are given, else a plain one."""
        if cls is Model and _is_functional(args, kwargs):
            return super().__new__(cls._functional_class, *args, **kwargs)
        if (
            cls is not Model
            and not issubclass(cls, cls._functional_class or ())
            and _is_functional(args, kwargs)
        ):
            return super().__new__(_functional_variant(cls), *args, **kwargs)
        return super().__new__(cls, *args, **kwargs)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        functional = self._functional_class
        if _is_functional(args, kwargs) and functional is not None:
            if not isinstance(self, functional):
                self.__class__ = _functional_variant(type(self))
            functional.__init__(self, *args, **kwargs)
            return
        if args:
            raise ArgumentError(
                f"{type(self).__name__}: got {len(args)} arguments that are no symbolic tensors; "
                "Model(inputs, outputs) takes what Input() and layers give"
            )
        super().__init__(**kwargs)
        self._start_trainer()

    # -- layers -----------------------------------------------------------------------------------

    @staticmethod
    def _named_children(layers: list[Any]) -> Iterator[tuple[str, Any]]:
        """Names for layers by class and position, which do not depend on how they were named."""
        counts: dict[str, int] = {}
        for layer in layers:
            name = naming.to_snake_case(type(layer).__name__)
            number = counts.get(name, 0)
            counts[name] = number + 1
            yield (f"{name}_{number}" if number else name), layer

    @property
    def layers(self) -> list[Any]:
        """The layers held directly."""
        result: list[Any] = self._child_layers()
        return result

    def get_layer(self, name: str | None = None, index: int | None = None) -> Any:
        """A layer, by name or by its position in `layers`.

        Args:
            name: its name.
            index: its position; give one of both.

        Returns:
            The layer.

        Raises:
            ArgumentError: both or none given, or no such position.
            UnknownNameError: no such name; suggests the nearest.
        """
        if (name is None) == (index is None):
            raise ArgumentError("get_layer: give either a name or an index")
        found = self.layers
        if index is not None:
            if not -len(found) <= index < len(found):
                raise ArgumentError(f"get_layer: there is no layer {index} of {len(found)}")
            return found[index]
        for layer in found:
            if layer.name == name:
                return layer
        raise unknown_name(f"layer in {self.name!r} named", name, [layer.name for layer in found])

    def build(self, input_shape: Any) -> None:
        """Build all layers by calling the model on shapes alone.

        Args:
            input_shape: the shape of the input with the batch axis, or a structure of shapes.
        """
        inputs = tree.map_shape_structure(
            lambda shape: KerasTensor(tuple(shape), dtype=self.compute_dtype), input_shape
        )
        symbolic.compute_spec(self._call_cast, (inputs,), {})

    def _build_for(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """A model without a `build` of its own is built by its first call."""
        if type(self).build is not Model.build:
            super()._build_for(args, kwargs)
            return
        if args and all(hasattr(leaf, "shape") for leaf in tree.flatten(args[0])):
            shapes = tree.map_structure(lambda x: (None, *x.shape[1:]), args[0])
            self.__dict__["_build_shapes"] = {"input_shape": shapes}
        self.__dict__["built"] = True

    # -- looking at it ----------------------------------------------------------------------------

    def summary(
        self,
        line_length: int | None = None,
        positions: list[float] | None = None,
        print_fn: Any = None,
        expand_nested: bool = False,
        show_trainable: bool = False,
        layer_range: tuple[str, str] | None = None,
    ) -> None:
        """Print a table of the layers, their output shapes and numbers of weights.

        Args:
            line_length: the width of the table in characters.
            positions: where the columns end, as shares of the width.
            print_fn: called with the text instead of printing it.
            expand_nested: show the layers of nested models too.
            show_trainable: show which layers are trained.
            layer_range: two patterns; show only from the first layer whose name the first matches
                to the last one whose name the second matches.
        """
        print_summary(
            self, line_length, positions, print_fn, expand_nested, show_trainable, layer_range
        )

    # -- weights ----------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, np.ndarray]:
        """Copies of all weights by name.

        Returns:
            Names such as "dense/kernel", from attributes or layer classes -> arrays.
        """
        return {name: np.array(v.numpy()) for name, v in named_weights(self).items()}

    def load_state_dict(self, state_dict: dict[str, Any], strict: bool = True) -> None:
        """Set weights by name.

        Args:
            state_dict: what `state_dict` gives.
            strict: whether the names must be exactly those of the model.

        Raises:
            UnknownNameError: a name that the model does not have; nothing is changed.
            ArgumentError: a name is missing; nothing is changed.
            ShapeError: an array of another shape; nothing is changed.
        """
        load_state(named_weights(self), state_dict, strict=strict)

    def parameters(self) -> Iterator[Any]:
        """The weights that an optimizer changes, one after another."""
        return iter(self.trainable_weights)

    def zero_grad(self) -> None:
        """Clear the `grad` of all weights."""
        for variable in self.weights:
            variable.grad = None

    # -- files ------------------------------------------------------------------------------------

    def save(
        self,
        filepath: str | os.PathLike[str],
        overwrite: bool = True,
        zipped: bool | None = None,
        **kwargs: Any,
    ) -> None:
        """Save the model: architecture, weights, what `compile` chose, and the optimizer's state.

        The file is written beside its place and moved there when it is whole.

        Args:
            filepath: where to; ends with ".pyneuro".
            overwrite: whether a file that is there may be replaced.
            zipped: only `None`: the file is never a zip archive.
            **kwargs: `include_optimizer=False` leaves out what `compile` chose.

        Raises:
            ArgumentError: another suffix, or something in the model that cannot be written down.
            FileExistsError: there is a file, and `overwrite` is `False`.
        """
        save_model(self, filepath, overwrite=overwrite, zipped=zipped, **kwargs)

    def save_weights(
        self,
        filepath: str | os.PathLike[str],
        overwrite: bool = True,
        max_shard_size: None = None,
    ) -> None:
        """Save the weights alone.

        Args:
            filepath: where to; ends with ".pyneuro" or ".safetensors".
            overwrite: whether a file that is there may be replaced.
            max_shard_size: only `None`: there is always one file.

        Raises:
            ArgumentError: another suffix.
            FileExistsError: there is a file, and `overwrite` is `False`.
        """
        save_weights(self, filepath, overwrite=overwrite, max_shard_size=max_shard_size)

    def load_weights(
        self, filepath: str | os.PathLike[str], skip_mismatch: bool = False, **kwargs: Any
    ) -> None:
        """Set the weights from a file of `save_weights` or `save`.

        Args:
            filepath: the file.
            skip_mismatch: leave weights alone that are missing or of another shape in the file.
            **kwargs: none.

        Raises:
            FileFormatError: the file is broken.
            ArgumentError: weights are missing; nothing is changed.
            ShapeError: a weight of another shape; nothing is changed.
        """
        if kwargs:
            raise ArgumentError(f"load_weights: unknown arguments {sorted(kwargs)}")
        load_weights(self, filepath, skip_mismatch=skip_mismatch)

    def to_json(self, **kwargs: Any) -> str:
        """The architecture as JSON, without weights, for `models.model_from_json`.

        Args:
            **kwargs: passed to `json.dumps`.

        Returns:
            A string.
        """
        return json.dumps(serialize_keras_object(self), **kwargs)

    # -- configs ----------------------------------------------------------------------------------

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """Make a model from `get_config()`'s result.

        Args:
            config: the constructor's arguments, or the layers and calls of a functional model.
            custom_objects: name -> class or function.

        Returns:
            A new model with new weights.
        """
        functional = cls._functional_class
        if {"layers", "input_layers", "output_layers"} <= config.keys():
            target = functional if cls is Model else cls
            return functional.from_config.__func__(target, config)
        return super().from_config(config)

    def get_compile_config(self) -> dict[str, Any] | None:
        """What `compile` chose, as plain values; `None` if it was not called."""
        if self.recipe is None:
            return None
        given = {**self.recipe.given, "optimizer": self.optimizer}
        return {name: serialize_keras_object(value) for name, value in given.items()}

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile again from `get_compile_config()`'s result.

        Args:
            config: what `compile` chose.
        """
        if type(self).compile is not Model.compile:
            return  # its own arguments are not in the config
        self.compile(**deserialize_keras_object(config))

    # -- copies -----------------------------------------------------------------------------------

    def __reduce__(self) -> Any:
        """Copying and pickling go the way of files, with the classes of the layers by reference."""
        kinds = {type(layer) for layer in self._flatten_layers()}
        declared = {vars(kind).get("_declared_class", kind) for kind in kinds}
        custom = {kind.__name__: kind for kind in declared if not is_built_in(kind)}
        info, arrays = describe_model(self)
        return rebuild_model, (info, arrays, True, custom)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        rebuild, arguments = self.__reduce__()
        return rebuild(*arguments)


_variants: dict[type, type] = {}


def _functional_variant(cls: type) -> type:
    """The subclass of a user's model class for models made from symbolic inputs and outputs."""
    if cls not in _variants:
        body = {"__module__": cls.__module__, "__qualname__": cls.__qualname__,
                "__doc__": cls.__doc__, "_declared_class": cls}  # fmt: skip
        _variants[cls] = type(cls.__name__, (cls, Model._functional_class), body)
    return _variants[cls]
