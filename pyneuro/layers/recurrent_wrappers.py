"""Bidirectional and TimeDistributed: other layers over sequences."""

from __future__ import annotations

from typing import Any

from .. import ops, tree
from ..errors import ArgumentError, ShapeError
from ..registry import built_in, deserialize_keras_object, serialize_keras_object
from .base import InputSpec, Layer
from .wrapper import Wrapper

__all__ = ["Bidirectional", "TimeDistributed"]

_MODES = ("sum", "mul", "concat", "ave", None)


@built_in("layer")
class Bidirectional(Layer):
    """A recurrent layer, and another one that goes backwards, side by side.

    Args:
        layer: the forward layer, such as an LSTM.
        merge_mode: how outputs come together: "concat", "sum", "mul", "ave", or `None` for both.
        weights: first values of all weights, forward before backward.
        backward_layer: the backward layer; default one with the forward layer's config.
        **kwargs: name, dtype, trainable, as for every layer.

    Raises:
        ArgumentError: another merge mode, or layers that do not go together.

    Example:
        >>> import numpy as np
        >>> from pyneuro import layers
        >>> Bidirectional(layers.LSTM(4))(np.ones((2, 5, 3), "float32")).shape
        (2, 8)
    """

    def __init__(
        self,
        layer: Any,
        merge_mode: str | None = "concat",
        weights: Any = None,
        backward_layer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not isinstance(layer, Layer) or not hasattr(layer, "go_backwards"):
            raise ArgumentError(f"Bidirectional: layer must be a recurrent layer, got {layer!r}")
        if merge_mode not in _MODES:
            raise ArgumentError(
                f"Bidirectional: merge_mode must be one of {_MODES}, got {merge_mode!r}"
            )
        self.merge_mode = merge_mode
        self.forward_layer = self._copy(layer, f"forward_{layer.name}", layer.go_backwards)
        given = layer if backward_layer is None else backward_layer
        backwards = not layer.go_backwards if backward_layer is None else given.go_backwards
        self.backward_layer = self._copy(given, f"backward_{given.name}", backwards)
        self._own_backward = backward_layer is not None
        for name in ("return_sequences", "return_state", "stateful"):
            if getattr(self.forward_layer, name) != getattr(self.backward_layer, name):
                raise ArgumentError(f"Bidirectional: {name} of layer and backward_layer differ")
        if self.forward_layer.go_backwards == self.backward_layer.go_backwards:
            raise ArgumentError("Bidirectional: layer and backward_layer go the same way")
        self.return_sequences = self.forward_layer.return_sequences
        self.return_state = self.forward_layer.return_state
        self.supports_masking = True
        self.input_spec = InputSpec(min_ndim=3)
        self._first_weights = weights

    @staticmethod
    def _copy(layer: Any, name: str, go_backwards: bool) -> Any:
        config = {**layer.get_config(), "name": name, "go_backwards": go_backwards}
        return type(layer).from_config(config)

    def build(self, sequences_shape: Any, initial_state_shape: Any = None) -> None:
        """Build both layers."""
        for layer in (self.forward_layer, self.backward_layer):
            if not layer.built:
                layer.build(sequences_shape)
        if self._first_weights is not None:
            self.set_weights(self._first_weights)

    def call(
        self,
        sequences: Any,
        initial_state: Any = None,
        mask: Any = None,
        training: bool | None = None,
    ) -> Any:
        """Run both layers.

        Args:
            sequences: (N, T, ...).
            initial_state: the first states of the forward layer, then of the backward layer.
            mask: (N, T), `True` for steps that count.
            training: whether cells drop.

        Returns:
            The merged outputs; and all last states, if they are asked for.
        """
        given = [] if initial_state is None else list(tree.flatten(initial_state))
        half = len(given) // 2
        results = []
        for layer, states in (
            (self.forward_layer, given[:half]), (self.backward_layer, given[half:])
        ):  # fmt: skip
            more = {"initial_state": states} if states else {}
            results.append(layer(sequences, mask=mask, training=training, **more))
        states = []
        if self.return_state:
            states = [*results[0][1:], *results[1][1:]]
            results = [results[0][0], results[1][0]]
        forward, backward = results
        if self.return_sequences:  # both in the order of the input
            if self.forward_layer.go_backwards:
                forward = ops.flip(forward, axis=1)
            else:
                backward = ops.flip(backward, axis=1)
        outputs = self._merged(forward, backward)
        if not states:
            return outputs
        return [*(outputs if isinstance(outputs, list) else [outputs]), *states]

    def _merged(self, forward: Any, backward: Any) -> Any:
        if self.merge_mode == "concat":
            return ops.concatenate([forward, backward], axis=-1)
        if self.merge_mode == "sum":
            return forward + backward
        if self.merge_mode == "ave":
            return (forward + backward) / 2.0
        return forward * backward if self.merge_mode == "mul" else [forward, backward]

    def compute_mask(self, sequences: Any, previous_mask: Any = None) -> Any:
        """The mask goes on with all outputs; the last one has none."""
        mask = previous_mask if self.return_sequences else None
        outputs = [mask, mask] if self.merge_mode is None else [mask]
        if self.return_state:
            sizes = tree.flatten(self.forward_layer.state_size)
            outputs += [None] * (2 * len(sizes))
        return outputs if len(outputs) > 1 else mask

    def reset_state(self) -> None:
        """Set the states that stateful layers keep to zero."""
        self.forward_layer.reset_state()
        self.backward_layer.reset_state()

    reset_states = reset_state

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        config = {**super().get_config(), "merge_mode": self.merge_mode}
        config["layer"] = self._written(self.forward_layer, "forward_")
        if self._own_backward:
            config["backward_layer"] = self._written(self.backward_layer, "backward_")
        return config

    @staticmethod
    def _written(layer: Any, prefix: str) -> Any:
        written = serialize_keras_object(layer)
        written.pop("build_config", None)  # what it makes is copied, and built then
        written["config"]["name"] = written["config"]["name"].removeprefix(prefix)
        return written

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """Make a layer from `get_config()`'s result."""
        config = dict(config)
        for name in ("layer", "backward_layer"):
            if config.get(name) is not None:
                config[name] = deserialize_keras_object(config[name])
        return cls(**config)


@built_in("layer")
class TimeDistributed(Wrapper):
    """Applies a layer to each step of a sequence.

    Args:
        layer: the layer; it sees all steps at once, as (N * T, ...).
        **kwargs: name, dtype, trainable, as for every layer.

    Raises:
        ArgumentError: something that is no layer.
        ShapeError: on call, an input that is not (N, T, ...).

    Example:
        >>> import numpy as np
        >>> from pyneuro import layers
        >>> TimeDistributed(layers.Dense(4))(np.ones((2, 5, 3), "float32")).shape
        (2, 5, 4)
    """

    def __init__(self, layer: Any, **kwargs: Any) -> None:
        super().__init__(layer, **kwargs)
        self.supports_masking = True

    def build(self, input_shape: Any = None) -> None:
        """Build the layer for one step."""
        if len(input_shape) < 3:
            raise ShapeError(
                f"TimeDistributed {self.name!r}: the input must be (N, T, ...), got {input_shape}"
            )
        if not self.layer.built:
            self.layer.build((input_shape[0], *input_shape[2:]))
            self.layer.__dict__["built"] = True

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """(N, T, ...) to (N, T, ...)."""
        batch, steps = inputs.shape[:2]
        flat = ops.reshape(inputs, (batch * steps, *inputs.shape[2:]))
        more = {"training": training} if self.layer._call_signature.training else {}
        outputs = self.layer(flat, **more)
        return tree.map_structure(lambda y: ops.reshape(y, (batch, steps, *y.shape[1:])), outputs)
