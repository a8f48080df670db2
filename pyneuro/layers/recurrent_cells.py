"""Cells of recurrent networks: one step of SimpleRNN, LSTM and GRU.

A cell multiplies its input by `kernel` (project) and its state by `recurrent_kernel` (step); apart
from each other, so that a layer can project all steps of a sequence at once.
"""

from __future__ import annotations

from typing import Any

from .. import activations, constraints, initializers, ops, random, regularizers
from ..errors import ArgumentError, ShapeError
from ..ops.recurrent import project
from ..registry import built_in
from .base import Layer
from .core import positive_int

__all__ = ["Cell", "GRUCell", "LSTMCell", "SimpleRNNCell"]

_PARTS = ("kernel", "recurrent", "bias")
_KINDS = (
    ("initializer", initializers),
    ("regularizer", regularizers),
    ("constraint", constraints),
)


class Cell(Layer):
    """What the three cells share: weights, dropout, and a step from projected inputs.

    Args:
        units: size of the state and of the output.
        settings: the other arguments by name, as a subclass takes them.
        **kwargs: name, dtype, trainable, as for every layer.

    Raises:
        ArgumentError: `units` is not a whole number above zero, or a share is not in [0, 1].
    """

    gates: int

    def __init__(self, units: int, settings: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        kind = type(self).__name__
        self.units = positive_int(kind, "units", units)
        self.activation = activations.get(settings["activation"])
        if "recurrent_activation" in settings:
            self.recurrent_activation = activations.get(settings["recurrent_activation"])
        self.use_bias = bool(settings["use_bias"])
        for part in _PARTS:
            for suffix, module in _KINDS:
                name = f"{part}_{suffix}"
                setattr(self, name, module.get(settings[name]))
        for name in ("dropout", "recurrent_dropout"):
            share = settings[name]
            if isinstance(share, bool) or not 0 <= share <= 1:
                raise ArgumentError(f"{kind}: {name} must be a number in [0, 1], got {share!r}")
            setattr(self, name, float(share))
        self.seed = settings["seed"]
        self.seed_generator = random.SeedGenerator(self.seed)
        self.state_size: Any = self.units
        self.output_size = self.units
        self.bias: Any = None

    dropout: float
    recurrent_dropout: float
    bias_initializer: Any
    bias_regularizer: Any
    bias_constraint: Any

    def build(self, input_shape: Any) -> None:
        """Make the kernel (features, gates * units), the recurrent kernel and the bias."""
        features = input_shape[-1]
        if features is None:
            raise ShapeError(
                f"{type(self).__name__} {self.name!r}: the last axis of the input must have a "
                f"known size, got the shape {input_shape}"
            )
        wide = self.gates * self.units
        self.kernel = self._make((features, wide), "kernel", "kernel")
        self.recurrent_kernel = self._make((self.units, wide), "recurrent", "recurrent_kernel")
        if self.use_bias:
            self.bias = self._make(self._bias_shape(), "bias", "bias")

    def _make(self, shape: tuple[int, ...], part: str, name: str) -> Any:
        return self.add_weight(
            shape,
            getattr(self, f"{part}_initializer"),
            regularizer=getattr(self, f"{part}_regularizer"),
            constraint=getattr(self, f"{part}_constraint"),
            name=name,
        )

    def _bias_shape(self) -> tuple[int, ...]:
        return (self.gates * self.units,)

    def get_initial_state(self, batch_size: int) -> list[Any]:
        """Zeros for each part of the state.

        Args:
            batch_size: how many samples.

        Returns:
            A list of tensors (batch_size, units).
        """
        parts = self.state_size if isinstance(self.state_size, list) else [self.state_size]
        return [ops.zeros((batch_size, size), dtype=self.compute_dtype) for size in parts]

    def masks(self, batch_size: int, features: int, training: bool | None) -> tuple[Any, Any]:
        """What dropout multiplies inputs and state by in all steps; `None` for nothing."""

        def draw(share: float, size: int) -> Any:
            if not training or share == 0.0:
                return None
            ones = ops.ones((batch_size, size), dtype=self.compute_dtype)
            return random.dropout(ones, share, seed=self.seed_generator)

        return draw(self.dropout, features), draw(self.recurrent_dropout, self.units)

    def project(self, inputs: Any) -> Any:
        """(..., features) to (..., gates * units): the input's share of the gates."""
        return project(inputs, self.cast_weight(self.kernel), self._input_bias())

    def _input_bias(self) -> Any:
        return None if self.bias is None else self.cast_weight(self.bias)

    def step(self, z: Any, states: list[Any], mask: Any) -> tuple[Any, list[Any]]:
        """The output and the new states, from projected inputs and what dropout leaves of h."""
        raise NotImplementedError(f"{type(self).__name__} must define step(z, states, mask)")

    def sequence(
        self, z: Any, states: list[Any], mask: Any, go_backwards: bool, zero_output_for_mask: bool
    ) -> tuple[Any, list[Any]] | None:
        """All outputs and the last states by a native op; `None` where this cell has none.

        `z` (N, T, gates * units) holds the projected inputs.
        """
        return None

    def _is_standard(self, cell: Any, z: Any, states: list[Any]) -> bool:
        """Whether it steps as `cell` does, with the activations that the native ops know."""
        return (
            type(self).step is cell.step
            and self.activation is activations.tanh
            and self.recurrent_activation is activations.sigmoid
            and all(state.dtype == z.dtype for state in states)
        )

    def call(
        self, inputs: Any, states: Any, training: bool | None = False
    ) -> tuple[Any, list[Any]]:
        """One step.

        Args:
            inputs: (N, features).
            states: a list of tensors (N, units).
            training: whether to drop.

        Returns:
            The output (N, units), and the new states.
        """
        states = list(states) if isinstance(states, (list, tuple)) else [states]
        of_input, of_state = self.masks(inputs.shape[0], inputs.shape[-1], training)
        if of_input is not None:
            inputs = inputs * of_input
        return self.step(self.project(inputs), states, of_state)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        config: dict[str, Any] = {
            "units": self.units,
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "dropout": self.dropout,
            "recurrent_dropout": self.recurrent_dropout,
            "seed": self.seed,
        }
        if self.gates > 1:
            config["recurrent_activation"] = activations.serialize(self.recurrent_activation)
        for part in _PARTS:
            for suffix, module in _KINDS:
                config[f"{part}_{suffix}"] = module.serialize(getattr(self, f"{part}_{suffix}"))
        return {**super().get_config(), **config}


def _kept(h: Any, mask: Any) -> Any:
    return h if mask is None else h * mask


@built_in("layer")
class SimpleRNNCell(Cell):
    """`h' = activation(x @ kernel + bias + h @ recurrent_kernel)`.

    Args:
        units: size of the state and of the output.
        activation: of the output.
        use_bias: whether a bias is added.
        kernel_initializer: first value of the kernel (features, units).
        recurrent_initializer: first value of the recurrent kernel (units, units).
        bias_initializer: first value of the bias (units,).
        kernel_regularizer: penalty of the kernel.
        recurrent_regularizer: penalty of the recurrent kernel.
        bias_regularizer: penalty of the bias.
        kernel_constraint: applied to the kernel after each update.
        recurrent_constraint: applied to the recurrent kernel after each update.
        bias_constraint: applied to the bias after each update.
        dropout: the share of inputs that is dropped while training.
        recurrent_dropout: the share of the state that is dropped while training.
        seed: of the dropout.
        **kwargs: name, dtype, trainable, as for every layer.

    Raises:
        ArgumentError: an argument outside its range.

    Example:
        >>> import numpy as np
        >>> y, states = SimpleRNNCell(4)(np.ones((2, 3), "float32"), [np.zeros((2, 4), "float32")])
        >>> y.shape
        (2, 4)
    """

    gates = 1

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(units, settings_of(locals()), **kwargs)

    def step(self, z: Any, states: list[Any], mask: Any) -> tuple[Any, list[Any]]:
        """One step from projected inputs."""
        h = _kept(states[0], mask)
        h = self.activation(z + ops.matmul(h, self.cast_weight(self.recurrent_kernel)))
        return h, [h]


@built_in("layer")
class LSTMCell(Cell):
    """Long short-term memory; gates in Keras's order: input, forget, candidate, output.

    After Hochreiter and Schmidhuber 1997.

    Args:
        units: size of the state and of the output.
        activation: of candidate and output.
        recurrent_activation: of the gates.
        use_bias: whether a bias is added.
        kernel_initializer: first value of the kernel (features, 4 units).
        recurrent_initializer: first value of the recurrent kernel (units, 4 units).
        bias_initializer: first value of the bias (4 units,).
        unit_forget_bias: whether the forget gate's bias begins at 1 (Jozefowicz et al. 2015).
        kernel_regularizer: penalty of the kernel.
        recurrent_regularizer: penalty of the recurrent kernel.
        bias_regularizer: penalty of the bias.
        kernel_constraint: applied to the kernel after each update.
        recurrent_constraint: applied to the recurrent kernel after each update.
        bias_constraint: applied to the bias after each update.
        dropout: the share of inputs that is dropped while training.
        recurrent_dropout: the share of the state that is dropped while training.
        seed: of the dropout.
        **kwargs: name, dtype, trainable, as for every layer.

    Raises:
        ArgumentError: an argument outside its range.

    Example:
        >>> import numpy as np
        >>> zeros = np.zeros((2, 4), "float32")
        >>> y, (h, c) = LSTMCell(4)(np.ones((2, 3), "float32"), [zeros, zeros])
        >>> y.shape
        (2, 4)
    """

    gates = 4

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(units, settings_of(locals()), **kwargs)
        self.unit_forget_bias = bool(unit_forget_bias)
        self.state_size = [self.units, self.units]

    def _make(self, shape: tuple[int, ...], part: str, name: str) -> Any:
        if part != "bias" or not self.unit_forget_bias:
            return super()._make(shape, part, name)
        return self.add_weight(
            shape,
            self._first_bias,
            regularizer=self.bias_regularizer,
            constraint=self.bias_constraint,
            name=name,
        )

    def _first_bias(self, shape: tuple[int, ...], dtype: Any = None) -> Any:
        """Of the forget gate 1, of the others as `bias_initializer` has it."""
        draw = self.bias_initializer
        parts = [
            draw((self.units,), dtype=dtype),
            ops.ones((self.units,), dtype=dtype),
            draw((2 * self.units,), dtype=dtype),
        ]
        return ops.concatenate(parts)

    def step(self, z: Any, states: list[Any], mask: Any) -> tuple[Any, list[Any]]:
        """One step from projected inputs."""
        h, c = _kept(states[0], mask), states[1]
        z = z + ops.matmul(h, self.cast_weight(self.recurrent_kernel))
        i, f, candidate, o = ops.split(z, 4, axis=-1)
        gate = self.recurrent_activation
        c = gate(f) * c + gate(i) * self.activation(candidate)
        h = gate(o) * self.activation(c)
        return h, [h, c]

    def sequence(
        self, z: Any, states: list[Any], mask: Any, go_backwards: bool, zero_output_for_mask: bool
    ) -> tuple[Any, list[Any]] | None:
        """All steps by `ops.lstm`."""
        if not self._is_standard(LSTMCell, z, states):
            return None
        kernel = self.cast_weight(self.recurrent_kernel)
        h, c = states
        y, h, c = ops.lstm(z, kernel, h, c, mask, go_backwards, zero_output_for_mask)
        return y, [h, c]

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "unit_forget_bias": self.unit_forget_bias}


@built_in("layer")
class GRUCell(Cell):
    """The gated recurrent unit; gates in Keras's order: update, reset, candidate.

    After Cho et al. 2014; with `reset_after`, the reset gate works on the product of state and
    recurrent kernel, as in PyTorch.

    Args:
        units: size of the state and of the output.
        activation: of the candidate.
        recurrent_activation: of the gates.
        use_bias: whether biases are added.
        kernel_initializer: first value of the kernel (features, 3 units).
        recurrent_initializer: first value of the recurrent kernel (units, 3 units).
        bias_initializer: first value of the bias (2, 3 units), or (3 units,) without `reset_after`.
        kernel_regularizer: penalty of the kernel.
        recurrent_regularizer: penalty of the recurrent kernel.
        bias_regularizer: penalty of the bias.
        kernel_constraint: applied to the kernel after each update.
        recurrent_constraint: applied to the recurrent kernel after each update.
        bias_constraint: applied to the bias after each update.
        dropout: the share of inputs that is dropped while training.
        recurrent_dropout: the share of the state that is dropped while training.
        reset_after: where the reset gate works.
        seed: of the dropout.
        **kwargs: name, dtype, trainable, as for every layer.

    Raises:
        ArgumentError: an argument outside its range.

    Example:
        >>> import numpy as np
        >>> y, (h,) = GRUCell(4)(np.ones((2, 3), "float32"), [np.zeros((2, 4), "float32")])
        >>> y.shape
        (2, 4)
    """

    gates = 3

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        reset_after: bool = True,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(units, settings_of(locals()), **kwargs)
        self.reset_after = bool(reset_after)

    def _bias_shape(self) -> tuple[int, ...]:
        wide = 3 * self.units
        return (2, wide) if self.reset_after else (wide,)

    def _input_bias(self) -> Any:
        if self.bias is None:
            return None
        bias = self.cast_weight(self.bias)
        return bias[0] if self.reset_after else bias

    def step(self, z: Any, states: list[Any], mask: Any) -> tuple[Any, list[Any]]:
        """One step from projected inputs."""
        h, gate = _kept(states[0], mask), self.recurrent_activation
        recurrent = self.cast_weight(self.recurrent_kernel)
        of_z, of_r, of_h = ops.split(z, 3, axis=-1)
        if self.reset_after:
            inner = ops.matmul(h, recurrent)
            if self.bias is not None:
                inner = inner + self.cast_weight(self.bias)[1]
            inner_z, inner_r, inner_h = ops.split(inner, 3, axis=-1)
            update, reset = gate(of_z + inner_z), gate(of_r + inner_r)
            candidate = self.activation(of_h + reset * inner_h)
        else:
            two, one = ops.split(recurrent, [2 * self.units], axis=-1)
            inner_z, inner_r = ops.split(ops.matmul(h, two), 2, axis=-1)
            update, reset = gate(of_z + inner_z), gate(of_r + inner_r)
            candidate = self.activation(of_h + ops.matmul(reset * h, one))
        h = update * h + (1.0 - update) * candidate
        return h, [h]

    def sequence(
        self, z: Any, states: list[Any], mask: Any, go_backwards: bool, zero_output_for_mask: bool
    ) -> tuple[Any, list[Any]] | None:
        """All steps by `ops.gru`."""
        if not self._is_standard(GRUCell, z, states):
            return None
        kernel = self.cast_weight(self.recurrent_kernel)
        if self.bias is None or not self.reset_after:
            bias = ops.zeros((3 * self.units,), dtype=z.dtype)
        else:
            bias = self.cast_weight(self.bias)[1]
        y, h = ops.gru(
            z, kernel, bias, states[0], mask, go_backwards, zero_output_for_mask, self.reset_after
        )
        return y, [h]

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "reset_after": self.reset_after}


def settings_of(arguments: dict[str, Any]) -> dict[str, Any]:
    """A constructor's arguments without those that every layer has."""
    own = ("self", "units", "kwargs", "__class__")
    return {name: value for name, value in arguments.items() if name not in own}
