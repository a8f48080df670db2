"""What a layer holds: its weights, the layers inside it, its random and metric state, its losses.

State is found where the user put it: in attributes, and in lists, tuples and dicts held by
attributes. How a layer is called is another room (base.py).
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from .. import constraints, initializers, naming, regularizers, tree
from ..errors import ArgumentError, ShapeError
from ..random import SeedGenerator
from ..registry import claim_weight
from ..tensor import Tensor
from ..variable import Variable, structure_changed

__all__ = ["Tracker"]

_CONTAINERS = (list, tuple, dict)


class _CallContext(threading.local):
    """What the layer calls of this thread share, from the outermost call inwards."""

    def __init__(self) -> None:
        self.training: bool | None = None  # what the caller further out said
        self.token: object | None = None  # stands for the outermost call; None outside of calls


call_context = _CallContext()


def unique(items: Iterable[Any]) -> list[Any]:
    """The items in order, each once, told apart by identity."""
    return list({id(item): item for item in items}.values())


def _leaves(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """The tracked things in an attribute and its containers, with the path that leads to each."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(f"{name}/{key}", item)
    elif isinstance(value, (list, tuple)):
        for position, item in enumerate(value):
            yield from _leaves(f"{name}/{position}", item)
    elif isinstance(value, _TRACKED) or hasattr(type(value), "tracked_metric"):
        yield name, value


def _collect(container: Any, found: list[Any]) -> None:
    """Append the tracked things in a container."""
    for item in container.values() if isinstance(container, dict) else container:
        if isinstance(item, _CONTAINERS):
            _collect(item, found)
        elif isinstance(item, _TRACKED) or hasattr(type(item), "tracked_metric"):
            found.append(item)


class Tracker:
    """Base of `Layer` that knows the state held in its attributes."""

    # Attributes that hold layers for other reasons than owning them.
    _untracked: frozenset[str] = frozenset({"_init_args", "_inbound_nodes", "optimizer"})

    # Attributes that no computation depends on.
    _passing: frozenset[str] = frozenset(
        {"history", "stop_training", "stop_evaluating", "stop_predicting"}
    )

    name: str
    variable_dtype: str
    _own_trainable: list[Variable]
    _own_frozen: list[Variable]
    _children: dict[str, Any]
    _losses: list[Any]
    _loss_token: object | None
    _call_token: object | None
    _trainable: bool

    def _start_tracking(self) -> None:
        state = self.__dict__
        state["_own_trainable"], state["_own_frozen"] = [], []
        state["_children"], state["_losses"] = {}, []
        state["_loss_token"], state["_call_token"] = None, None
        state["_trainable"] = True

    # -- attributes -------------------------------------------------------------------------------

    def __setattr__(self, name: str, value: Any) -> None:
        state = self.__dict__
        if name not in self._untracked:
            if isinstance(value, (Variable, *_CONTAINERS, *_TRACKED)) or hasattr(
                type(value), "tracked_metric"
            ):
                self._track(name, value)
            elif "_children" in state and name in state["_children"]:
                del state["_children"][name]
            self._untrack_variable(state.get(name), value)
        if state.get("built") and name not in self._passing and state.get(name, self) is not value:
            structure_changed()
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        self.__dict__.get("_children", {}).pop(name, None)
        self._untrack_variable(self.__dict__.get(name), None)
        object.__delattr__(self, name)

    def _track(self, name: str, value: Any) -> None:
        if "_children" not in self.__dict__:
            if isinstance(value, _CONTAINERS):
                return
            raise RuntimeError(
                f"{type(self).__name__}: call super().__init__() before assigning {name!r}, so "
                "that the weights in it can be found"
            )
        if isinstance(value, Variable):
            self._track_variable(value)
        else:
            self.__dict__["_children"][name] = value

    def _track_variable(self, variable: Variable) -> None:
        if not any(variable is known for known in self._own_trainable + self._own_frozen):
            (self._own_trainable if variable.trainable else self._own_frozen).append(variable)

    def _untrack_variable(self, old: Any, new: Any) -> None:
        """Forget a Variable that an attribute no longer holds."""
        if isinstance(old, Variable) and old is not new:
            for held in (self._own_trainable, self._own_frozen):
                held[:] = [variable for variable in held if variable is not old]

    def _child_items(self) -> Iterator[tuple[str, Any]]:
        """Everything held directly, with a name that leads to it: what files know it by."""
        for name, value in self._children.items():
            yield from _leaves(name, value)

    def _held(self) -> list[Any]:
        """Everything held directly: layers, metrics, seed generators, Variables in containers."""
        found: list[Any] = []
        for value in self._children.values():
            if isinstance(value, _CONTAINERS):
                _collect(value, found)
            else:
                found.append(value)
        return found

    def _child_layers(self) -> list[Any]:
        """The layers held directly, in the order of their assignment."""
        return unique([item for item in self._held() if isinstance(item, Tracker)])

    def _flatten_layers(self, include_self: bool = True, recursive: bool = True) -> list[Any]:
        """This layer and the layers in it, outermost first, each once."""
        found: list[Any] = [self] if include_self else []
        for layer in self._child_layers():
            found.extend(layer._flatten_layers() if recursive else [layer])
        return unique(found)

    # -- weights ----------------------------------------------------------------------------------

    def add_weight(
        self,
        shape: Any = None,
        initializer: Any = None,
        dtype: Any = None,
        trainable: bool = True,
        autocast: bool = True,
        regularizer: Any = None,
        constraint: Any = None,
        aggregation: str = "none",
        overwrite_with_gradient: bool = False,
        name: str | None = None,
    ) -> Variable:
        """Make a weight that belongs to this layer.

        Args:
            shape: its shape; `()` by default.
            initializer: a name, a callable `(shape, dtype)` or an array; by default Glorot uniform
                for floats and zeros otherwise.
            dtype: its dtype; default the layer's `variable_dtype`.
            trainable: whether optimizers change it.
            autocast: whether it is cast to the compute dtype in mixed precision.
            regularizer: a name or callable whose penalty is added to the loss.
            constraint: a name or callable applied after each update.
            aggregation: how copies of it on several devices are combined.
            overwrite_with_gradient: replace the weight by its gradient instead of updating it.
            name: its name within the layer.

        Returns:
            The `Variable`.

        Raises:
            ArgumentError: the shape is not fully known.

        Example:
            >>> from pyneuro import layers
            >>> layers.Layer().add_weight((2, 3), name="kernel").shape
            (2, 3)
        """
        shape = () if shape is None else (shape,) if isinstance(shape, int) else tuple(shape)
        if any(size is None for size in shape):
            raise ArgumentError(
                f"add_weight: the weight {name!r} needs a fully known shape, got {shape}; give the "
                "layer's input a fixed size on that axis"
            )
        claim_weight(f"{naming.current_path()}/{name}", math.prod(shape))
        dtype = self.variable_dtype if dtype is None else str(dtype)
        if initializer is None:
            initializer = "glorot_uniform" if "float" in dtype else "zeros"
        variable = Variable(
            initializers.get(initializer),
            shape=shape,
            dtype=dtype,
            trainable=trainable,
            autocast=autocast,
            aggregation=aggregation,
            name=name,
        )
        variable.regularizer = regularizers.get(regularizer)
        variable.constraint = constraints.get(constraint)
        variable.overwrite_with_gradient = overwrite_with_gradient
        if not variable.path.startswith(naming.current_path()):
            variable.path = f"{naming.current_path()}/{variable.name}"
        self._track_variable(variable)
        return variable

    def _collect_weights(self, found: dict[int, Variable]) -> None:
        """Put own weights, then those of layers within, into a dict by identity."""
        for variable in self._own_trainable:
            found[id(variable)] = variable
        for variable in self._own_frozen:
            found[id(variable)] = variable
        held = self._held()
        for item in held:
            if isinstance(item, Variable):
                found[id(item)] = item
        for item in held:
            if isinstance(item, Tracker):
                item._collect_weights(found)

    @property
    def weights(self) -> list[Variable]:
        """All weights of this layer and of those in it."""
        found: dict[int, Variable] = {}
        self._collect_weights(found)
        return list(found.values())

    @property
    def trainable_weights(self) -> list[Variable]:
        """The weights that an optimizer changes."""
        return [v for v in self.weights if v.trainable] if self._trainable else []

    @property
    def non_trainable_weights(self) -> list[Variable]:
        """The weights that an optimizer leaves alone."""
        if not self._trainable:
            return self.weights
        return [v for v in self.weights if not v.trainable]

    @property
    def variables(self) -> list[Variable]:
        """The weights and the state of random generators."""
        held = self._held()
        found = [*self._own_trainable, *self._own_frozen]
        found += [item for item in held if isinstance(item, Variable)]
        for item in held:
            if isinstance(item, SeedGenerator):
                found.append(item.state)
            elif isinstance(item, Tracker):
                found.extend(item.variables)
        return unique(found)

    @property
    def trainable_variables(self) -> list[Variable]:
        """The same as `trainable_weights`."""
        return self.trainable_weights

    @property
    def non_trainable_variables(self) -> list[Variable]:
        """All of `variables` that no optimizer changes."""
        if not self._trainable:
            return self.variables
        return [v for v in self.variables if not v.trainable]

    @property
    def metrics_variables(self) -> list[Variable]:
        """The state of the metrics of this layer and of those in it."""
        return unique(v for metric in self.metrics for v in metric.variables)

    @property
    def metrics(self) -> list[Any]:
        """The metrics held by this layer and by those in it."""
        found: list[Any] = []
        for item in self._held():
            if hasattr(type(item), "tracked_metric"):
                found.append(item)
            elif isinstance(item, Tracker):
                found.extend(item.metrics)
        return unique(found)

    @property
    def trainable(self) -> bool:
        """Whether optimizers change the weights; setting it sets that of all weights and layers."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        value = bool(value)
        self.__dict__["_trainable"] = value
        for variable in self._own_trainable:
            variable.trainable = value
        for layer in self._child_layers():
            layer.trainable = value

    def count_params(self) -> int:
        """The number of scalars in all weights.

        Returns:
            A whole number.

        Raises:
            ArgumentError: the layer is not built, so that it has no weights yet.
        """
        if not getattr(self, "built", True):
            raise ArgumentError(
                f"count_params: {self.name!r} ({type(self).__name__}) is not built; call it on "
                "data or build it with an input shape first"
            )
        return sum(int(np.prod(v.shape, dtype=np.int64)) for v in self.weights)

    def get_weights(self) -> list[np.ndarray]:
        """Copies of all weights as NumPy arrays, in the order of `weights`."""
        return [np.array(v.numpy()) for v in self.weights]

    def set_weights(self, weights: list[Any]) -> None:
        """Set all weights.

        Args:
            weights: arrays in the order and of the shapes of `get_weights()`.

        Raises:
            ArgumentError: wrong number of arrays; nothing is changed.
            ShapeError: wrong shape of one; nothing is changed.
        """
        own = self.weights
        weights = list(weights)
        if len(own) != len(weights):
            raise ArgumentError(
                f"set_weights: {self.name!r} ({type(self).__name__}) has {len(own)} weights, but "
                f"{len(weights)} arrays were given"
            )
        arrays = [w if isinstance(w, Tensor) else np.asarray(w) for w in weights]
        for variable, array in zip(own, arrays, strict=True):
            if tuple(variable.shape) != tuple(array.shape):
                raise ShapeError(
                    f"set_weights: {variable.path!r} has the shape {tuple(variable.shape)}, but an "
                    f"array of shape {tuple(array.shape)} was given"
                )
        for variable, array in zip(own, arrays, strict=True):
            variable.assign(array)

    # -- losses -----------------------------------------------------------------------------------

    def add_loss(self, loss: Any) -> None:
        """Add scalars to the loss of the current call; the next call begins anew.

        Args:
            loss: a scalar tensor, or a structure of them.
        """
        token = call_context.token
        if self._loss_token is not token:
            self._losses.clear()
            self.__dict__["_loss_token"] = token
        for value in tree.flatten(loss):
            if value is not None and getattr(value, "device", None) != "meta":
                self._losses.append(value)

    @property
    def losses(self) -> list[Any]:
        """What `add_loss` collected in the last call, then the penalties of regularizers."""
        token = self._call_token
        found: list[Any] = []
        for layer in self._flatten_layers():
            if layer._loss_token is token or layer._loss_token is None:
                found.extend(layer._losses)
        for variable in self.trainable_weights:
            if variable.regularizer is not None:
                found.append(variable.regularizer(variable))
        return found


_TRACKED: tuple[type, ...] = (Tracker, SeedGenerator, Variable)
