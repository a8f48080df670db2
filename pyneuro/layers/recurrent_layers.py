"""SimpleRNN, LSTM and GRU over sequences: the layers with the cells of those names."""

from __future__ import annotations

from typing import Any

from ..registry import built_in
from .recurrent import RNN
from .recurrent_cells import GRUCell, LSTMCell, SimpleRNNCell, settings_of

__all__ = ["GRU", "LSTM", "SimpleRNN"]

_OF_LAYER = (
    "return_sequences",
    "return_state",
    "go_backwards",
    "stateful",
    "unroll",
    "zero_output_for_mask",
    "activity_regularizer",
    "use_cudnn",
)


class _Layer(RNN):
    """An RNN that makes its cell itself; a subclass says of which class."""

    cell_class: Any

    def _start(self, units: int, settings: dict[str, Any], kwargs: dict[str, Any]) -> None:
        of_layer = {name: settings.pop(name) for name in _OF_LAYER if name in settings}
        self_use = of_layer.pop("use_cudnn", "auto")
        zero = kwargs.pop("zero_output_for_mask", False)
        of_cell = {k: kwargs[k] for k in ("dtype", "trainable") if k in kwargs}
        cell = self.cell_class(units, **settings, **of_cell)
        RNN.__init__(self, cell, zero_output_for_mask=zero, **of_layer, **kwargs)
        self.use_cudnn = self_use
        self.input_spec = self.input_spec.__class__(ndim=3)

    @property
    def units(self) -> int:
        """The cell's."""
        return int(self.cell.units)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        own = super().get_config()
        of_cell = self.cell.get_config()
        for name in ("name", "dtype", "trainable"):
            of_cell.pop(name, None)
        return {**own, **of_cell}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """Make a layer from `get_config()`'s result."""
        return cls(**config)


@built_in("layer")
class SimpleRNN(_Layer):
    """A recurrent layer whose output is its state: `tanh` of products of input and state.

    Args:
        units: size of the state and of the output.
        activation: of the output.
        use_bias: whether a bias is added.
        kernel_initializer: first value of the kernel (features, units).
        recurrent_initializer: first value of the recurrent kernel (units, units).
        bias_initializer: first value of the bias.
        kernel_regularizer: penalty of the kernel.
        recurrent_regularizer: penalty of the recurrent kernel.
        bias_regularizer: penalty of the bias.
        activity_regularizer: penalty of the output.
        kernel_constraint: applied to the kernel after each update.
        recurrent_constraint: applied to the recurrent kernel after each update.
        bias_constraint: applied to the bias after each update.
        dropout: the share of inputs that is dropped while training, the same in all steps.
        recurrent_dropout: the share of the state that is dropped while training.
        seed: of the dropout.
        return_sequences: whether to return all outputs rather than the last one.
        return_state: whether to return the last states as well.
        go_backwards: whether to go from the last step to the first.
        stateful: whether a batch begins with the states that the one before ended with.
        unroll: accepted for Keras's signature; it changes nothing.
        **kwargs: `zero_output_for_mask`, and name, dtype, trainable, as for every layer.

    Raises:
        ArgumentError: an argument outside its range.
        ShapeError: on call, an input that is not (N, T, features).

    Example:
        >>> import numpy as np
        >>> SimpleRNN(4)(np.ones((2, 5, 3), "float32")).shape
        (2, 4)
    """

    cell_class = SimpleRNNCell

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
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        **kwargs: Any,
    ) -> None:
        self._start(units, settings_of(locals()), kwargs)


@built_in("layer")
class LSTM(_Layer):
    """Long short-term memory over a sequence.

    After Hochreiter and Schmidhuber 1997.

    Args:
        units: size of the state and of the output.
        activation: of candidate and output.
        recurrent_activation: of the gates.
        use_bias: whether a bias is added.
        kernel_initializer: first value of the kernel (features, 4 units).
        recurrent_initializer: first value of the recurrent kernel (units, 4 units).
        bias_initializer: first value of the bias.
        unit_forget_bias: whether the forget gate's bias begins at 1.
        kernel_regularizer: penalty of the kernel.
        recurrent_regularizer: penalty of the recurrent kernel.
        bias_regularizer: penalty of the bias.
        activity_regularizer: penalty of the output.
        kernel_constraint: applied to the kernel after each update.
        recurrent_constraint: applied to the recurrent kernel after each update.
        bias_constraint: applied to the bias after each update.
        dropout: the share of inputs that is dropped while training, the same in all steps.
        recurrent_dropout: the share of the state that is dropped while training.
        seed: of the dropout.
        return_sequences: whether to return all outputs rather than the last one.
        return_state: whether to return the last states as well.
        go_backwards: whether to go from the last step to the first.
        stateful: whether a batch begins with the states that the one before ended with.
        unroll: whether to run step by step, slower and with derivatives of any order, rather than
            by the native op, which has first ones.
        use_cudnn: accepted for Keras's signature; it changes nothing.
        **kwargs: `zero_output_for_mask`, and name, dtype, trainable, as for every layer.

    Raises:
        ArgumentError: an argument outside its range.
        ShapeError: on call, an input that is not (N, T, features).

    Example:
        >>> import numpy as np
        >>> LSTM(4)(np.ones((2, 5, 3), "float32")).shape
        (2, 4)
    """

    cell_class = LSTMCell

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
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        use_cudnn: Any = "auto",
        **kwargs: Any,
    ) -> None:
        self._start(units, settings_of(locals()), kwargs)


@built_in("layer")
class GRU(_Layer):
    """Gated recurrent units over a sequence.

    After Cho et al. 2014.

    Args:
        units: size of the state and of the output.
        activation: of candidate.
        recurrent_activation: of the gates.
        use_bias: whether a bias is added.
        kernel_initializer: first value of the kernel (features, 3 units).
        recurrent_initializer: first value of the recurrent kernel (units, 3 units).
        bias_initializer: first value of the bias.
        kernel_regularizer: penalty of the kernel.
        recurrent_regularizer: penalty of the recurrent kernel.
        bias_regularizer: penalty of the bias.
        activity_regularizer: penalty of the output.
        kernel_constraint: applied to the kernel after each update.
        recurrent_constraint: applied to the recurrent kernel after each update.
        bias_constraint: applied to the bias after each update.
        dropout: the share of inputs that is dropped while training, the same in all steps.
        recurrent_dropout: the share of the state that is dropped while training.
        seed: of the dropout.
        return_sequences: whether to return all outputs rather than the last one.
        return_state: whether to return the last states as well.
        go_backwards: whether to go from the last step to the first.
        stateful: whether a batch begins with the states that the one before ended with.
        unroll: whether to run step by step, slower and with derivatives of any order, rather than
            by the native op, which has first ones.
        reset_after: whether the reset gate works on the product of state and recurrent kernel.
        use_cudnn: accepted for Keras's signature; it changes nothing.
        **kwargs: `zero_output_for_mask`, and name, dtype, trainable, as for every layer.

    Raises:
        ArgumentError: an argument outside its range.
        ShapeError: on call, an input that is not (N, T, features).

    Example:
        >>> import numpy as np
        >>> GRU(4)(np.ones((2, 5, 3), "float32")).shape
        (2, 4)
    """

    cell_class = GRUCell

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
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        reset_after: bool = True,
        use_cudnn: Any = "auto",
        **kwargs: Any,
    ) -> None:
        self._start(units, settings_of(locals()), kwargs)
