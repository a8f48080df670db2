"""RNN: a cell run over the steps of a sequence; and cells stacked on each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import ops, tree
from ..errors import ArgumentError, ShapeError
from ..registry import built_in, deserialize_keras_object, serialize_keras_object
from .base import InputSpec, Layer
from .recurrent_cells import Cell

__all__ = ["RNN", "StackedRNNCells"]


@built_in("layer")
class RNN(Layer):
    """Runs a cell over the steps of a sequence.

    A cell is a layer whose `call(inputs, states)` gives `(output, new_states)`, and that has a
    `state_size`: a size, or a list of sizes. A list of cells is stacked.

    Args:
        cell: the cell, or a list of cells.
        return_sequences: whether to return all outputs rather than the last one.
        return_state: whether to return the last states as well.
        go_backwards: whether to go from the last step to the first; outputs come in that order.
        stateful: whether a batch begins with the states that the one before ended with.
        unroll: whether to run step by step where a native op runs the whole sequence otherwise
            (an LSTMCell or GRUCell with tanh, sigmoid and no `recurrent_dropout`). It is slower,
            and has derivatives of any order; the native op has first ones.
        zero_output_for_mask: whether outputs of masked steps are 0 rather than the one before.
        **kwargs: name, dtype, trainable, as for every layer.

    Raises:
        ArgumentError: a cell without `call` or `state_size`.
        ShapeError: on call, an input that is not (N, T, ...).

    Example:
        >>> import numpy as np
        >>> from pyneuro import layers
        >>> layer = RNN(layers.GRUCell(4), return_sequences=True)
        >>> layer(np.ones((2, 5, 3), "float32")).shape
        (2, 5, 4)
    """

    def __init__(
        self,
        cell: Any,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if isinstance(cell, (list, tuple)):
            cell = StackedRNNCells(list(cell))
        if not callable(getattr(cell, "call", None)) or not hasattr(cell, "state_size"):
            raise ArgumentError(
                "RNN: cell must be a layer with call(inputs, states) and a "
                f"state_size, got {cell!r}"
            )
        self.cell = cell
        self.return_sequences, self.return_state = bool(return_sequences), bool(return_state)
        self.go_backwards, self.stateful = bool(go_backwards), bool(stateful)
        self.unroll = bool(unroll)
        self.zero_output_for_mask = bool(zero_output_for_mask)
        self.supports_masking = True
        self.input_spec = InputSpec(min_ndim=3)
        self.states: Any = None

    @property
    def state_size(self) -> Any:
        """The cell's."""
        return self.cell.state_size

    def build(self, sequences_shape: Any, initial_state_shape: Any = None) -> None:
        """Build the cell for one step, and the states that are kept."""
        if not self.cell.built:
            self.cell.build((sequences_shape[0], *sequences_shape[2:]))
            self.cell.__dict__["built"] = True
        if self.stateful:
            if sequences_shape[0] is None:
                raise ShapeError(
                    f"{type(self).__name__} {self.name!r}: a stateful layer must know the batch "
                    "size; give Input(batch_shape=(N, T, size))"
                )
            self.states = tree.map_structure(
                lambda state: self.add_weight(
                    tuple(state.shape), "zeros", trainable=False, autocast=False, name="state"
                ),
                self.get_initial_state(int(sequences_shape[0])),
            )

    def get_initial_state(self, batch_size: int) -> Any:
        """Zeros for each part of the state.

        Args:
            batch_size: how many samples.

        Returns:
            A list of tensors (batch_size, size).
        """
        return _zeros(self.cell, batch_size, self.compute_dtype)

    def reset_state(self) -> None:
        """Set the states that a stateful layer keeps to zero."""
        if self.states is not None:
            for state in tree.flatten(self.states):
                state.assign(ops.zeros_like(state))

    reset_states = reset_state

    def call(
        self,
        sequences: Any,
        initial_state: Any = None,
        mask: Any = None,
        training: bool | None = False,
    ) -> Any:
        """Run the cell over all steps.

        Args:
            sequences: (N, T, ...).
            initial_state: the first states; default those of the batch before for a stateful
                layer, and else zeros.
            mask: (N, T), `True` for steps that count; the others keep states and output.
            training: whether cells drop.

        Returns:
            The last output (N, ...), or all outputs (N, T, ...); and the last states, each by
            itself, if they are asked for.
        """
        states = self._first_states(sequences, initial_state)
        if mask is not None:
            mask = ops.cast(mask, "bool")
        result, states = self._whole(sequences, states, mask, training)
        if self.stateful:
            for kept, state in zip(tree.flatten(self.states), tree.flatten(states), strict=True):
                kept.assign(ops.cast(state, kept.dtype).detach())
        return [result, *tree.flatten(states)] if self.return_state else result

    def _whole(self, sequences: Any, states: Any, mask: Any, training: bool | None) -> Any:
        """The result and the last states: by one native op where the cell has one."""
        cell = self.cell
        if not isinstance(cell, Cell):
            return self._loop(self._steps(sequences, training), states, mask)
        of_input, of_state = cell.masks(sequences.shape[0], sequences.shape[-1], training)
        if of_input is not None:
            sequences = sequences * ops.expand_dims(of_input, 1)
        z = cell.project(sequences)
        whole = mask is None or tuple(mask.shape) == tuple(z.shape[:2])
        if not self.unroll and of_state is None and whole:
            found = cell.sequence(z, states, mask, self.go_backwards, self.zero_output_for_mask)
            if found is not None:
                outputs, states = found
                if not self.return_sequences:  # where nothing is masked, a state too
                    outputs = states[0] if mask is None else outputs[:, -1]
                return outputs, states
        steps = [lambda now, x=x: cell.step(x, now, of_state) for x in ops.unstack(z, axis=1)]
        return self._loop(steps, states, mask)

    def _loop(self, steps: list[Any], states: Any, mask: Any) -> Any:
        """The result and the last states, step by step."""
        masks = None if mask is None else ops.unstack(mask, axis=1)
        order = range(len(steps))
        outputs, last = [], None
        for t in reversed(order) if self.go_backwards else order:
            output, new = steps[t](states)
            if masks is not None:
                output, states = self._masked(masks[t], output, last, new, states)
                last = output[1]
                output = output[0]
            else:
                states, last = new, output
            if self.return_sequences:
                outputs.append(output)
        return ops.stack(outputs, axis=1) if self.return_sequences else output, states

    def _first_states(self, sequences: Any, initial_state: Any) -> Any:
        if sequences.shape[1] == 0:
            raise ShapeError(
                f"{type(self).__name__} {self.name!r}: the input {tuple(sequences.shape)} has no "
                "steps"
            )
        zeros = self.get_initial_state(sequences.shape[0])
        if initial_state is None:
            if not self.stateful:
                return zeros
            initial_state = [ops.cast(s, z.dtype) for s, z in zip(
                tree.flatten(self.states), tree.flatten(zeros), strict=True)]  # fmt: skip
        given = tree.flatten(initial_state)
        expected = tree.flatten(zeros)
        if len(given) != len(expected) or any(
            tuple(g.shape) != tuple(z.shape) for g, z in zip(given, expected, strict=False)
        ):
            raise ShapeError(
                f"{type(self).__name__} {self.name!r}: initial_state has the shapes "
                f"{[tuple(g.shape) for g in given]}, but the cell needs "
                f"{[tuple(z.shape) for z in expected]}"
            )
        return tree.pack_sequence_as(zeros, given)

    def _steps(self, sequences: Any, training: bool | None) -> list[Any]:
        """For each step a function from states to a foreign cell's output and new states."""
        cell = self.cell
        return [
            lambda states, x=x: (
                cell(x, states, training=training) if _takes_training(cell) else cell(x, states)
            )
            for x in ops.unstack(sequences, axis=1)
        ]

    def _masked(
        self, mask: Any, output: Any, last: Any, new: Any, states: Any
    ) -> tuple[tuple[Any, Any], Any]:
        """What is given out and what is remembered as the output; and the states."""

        def choose(now: Any, before: Any) -> Any:
            rows = ops.reshape(mask, (-1, *(1 for _ in now.shape[1:])))
            return ops.where(rows, now, before)

        zeros = ops.zeros_like(output)
        kept = choose(output, zeros if last is None else last)
        given = choose(output, zeros) if self.zero_output_for_mask else kept
        return (given, kept), tree.map_structure(choose, list(new), list(states))

    def compute_mask(self, sequences: Any, previous_mask: Any = None) -> Any:
        """The mask goes on with all outputs; the last one has none."""
        if isinstance(previous_mask, (list, tuple)):
            previous_mask = previous_mask[0]
        mask = previous_mask if self.return_sequences else None
        return [mask, *(None for _ in tree.flatten(self.state_size))] if self.return_state else mask

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        config = {
            "return_sequences": self.return_sequences,
            "return_state": self.return_state,
            "go_backwards": self.go_backwards,
            "stateful": self.stateful,
            "unroll": self.unroll,
            "zero_output_for_mask": self.zero_output_for_mask,
        }
        if type(self) is RNN:
            config["cell"] = serialize_keras_object(self.cell)
        return {**super().get_config(), **config}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """Make a layer from `get_config()`'s result."""
        if "cell" in config:
            config = {**config, "cell": deserialize_keras_object(config["cell"])}
        return cls(**config)


def _zeros(cell: Any, batch_size: int, dtype: str) -> list[Any]:
    """A cell's first states."""
    if hasattr(cell, "get_initial_state"):
        states = cell.get_initial_state(batch_size=batch_size)
    else:
        states = tree.map_structure(
            lambda size: ops.zeros((batch_size, size), dtype=dtype), cell.state_size
        )
    return list(states) if isinstance(states, (list, tuple)) else [states]


def _takes_training(cell: Any) -> bool:
    return not isinstance(cell, Layer) or bool(cell._call_signature.training)


@built_in("layer")
class StackedRNNCells(Layer):
    """Cells on each other as one cell: the output of each is the input of the next.

    Args:
        cells: a list of cells.
        **kwargs: name, dtype, trainable, as for every layer.

    Raises:
        ArgumentError: something that is no cell.

    Example:
        >>> import numpy as np
        >>> from pyneuro import layers
        >>> cells = StackedRNNCells([layers.LSTMCell(4), layers.LSTMCell(2)])
        >>> RNN(cells)(np.ones((2, 5, 3), "float32")).shape
        (2, 2)
    """

    def __init__(self, cells: Sequence[Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for cell in cells:
            if not callable(getattr(cell, "call", None)) or not hasattr(cell, "state_size"):
                raise ArgumentError(
                    "StackedRNNCells: each cell must be a layer with call(inputs, states) and a "
                    f"state_size, got {cell!r}"
                )
        self.cells = list(cells)

    @property
    def state_size(self) -> list[Any]:
        """Those of all cells."""
        return [cell.state_size for cell in self.cells]

    @property
    def output_size(self) -> Any:
        """That of the last cell."""
        last = self.cells[-1]
        size = getattr(last, "output_size", None)
        return size if size is not None else tree.flatten(last.state_size)[0]

    def get_initial_state(self, batch_size: int) -> list[Any]:
        """Zeros for each part of each cell's state.

        Args:
            batch_size: how many samples.

        Returns:
            A list for each cell.
        """
        return [_zeros(cell, batch_size, self.compute_dtype) for cell in self.cells]

    def build(self, input_shape: Any) -> None:
        """Build the cells, each for the output of the one before."""
        for cell in self.cells:
            if not cell.built:
                cell.build(input_shape)
                cell.__dict__["built"] = True
            size = getattr(cell, "output_size", None)
            size = size if size is not None else tree.flatten(cell.state_size)[0]
            input_shape = (input_shape[0], size)

    def call(self, inputs: Any, states: Any, training: bool | None = False) -> Any:
        """One step of all cells."""
        new = []
        for cell, state in zip(self.cells, states, strict=True):
            more = {"training": training} if _takes_training(cell) else {}
            inputs, state = cell(inputs, list(state), **more)
            new.append(list(state))
        return inputs, new

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        cells = [serialize_keras_object(cell) for cell in self.cells]
        return {**super().get_config(), "cells": cells}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """Make a layer from `get_config()`'s result."""
        return cls(**{**config, "cells": [deserialize_keras_object(c) for c in config["cells"]]})
