"""MultiHeadAttention and GroupedQueryAttention: projections around dot-product attention.

With dropout, with scores asked for, or along other axes than one, the weights are computed here;
otherwise `ops.dot_product_attention` does it.
"""

from __future__ import annotations

import math
import string
from collections.abc import Sequence
from typing import Any

from .. import constraints, initializers, ops, regularizers
from ..errors import ArgumentError, ShapeError
from ..masks import get_mask
from ..registry import built_in
from .base import Layer
from .core import Softmax, positive_int
from .dropout import Dropout, _share
from .einsum_dense import EinsumDense

__all__ = ["GroupedQueryAttention", "MultiHeadAttention"]


class _HeadAttention(Layer):
    """What both layers share: projections, masks, and the attention between them."""

    def __init__(
        self,
        heads: int,
        key_heads: int,
        key_dim: int,
        value_dim: int,
        options: dict[str, Any],
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        kind = type(self).__name__
        self.supports_masking = True
        self._heads, self._key_heads = heads, key_heads
        self._key_size, self._value_size = key_dim, value_dim
        self._axes: tuple[int, ...] | None = None
        self._sizes_out: tuple[int, ...] | None = None
        self.dropout = _share(kind, "dropout", options["dropout"])
        self.use_bias, self.use_gate = options["use_bias"], options["use_gate"]
        window = options["sliding_window"]
        self.sliding_window = (
            None if window is None else positive_int(kind, "sliding_window", window)
        )
        self.flash_attention, self.seed = options["flash_attention"], options["seed"]
        if self.flash_attention and self.dropout > 0:
            raise ArgumentError(f"{kind}: flash_attention=True goes with dropout=0 only")
        self.kernel_initializer = initializers.get(options["kernel_initializer"])
        self.bias_initializer = initializers.get(options["bias_initializer"])
        self.kernel_regularizer = regularizers.get(options["kernel_regularizer"])
        self.bias_regularizer = regularizers.get(options["bias_regularizer"])
        self.kernel_constraint = constraints.get(options["kernel_constraint"])
        self.bias_constraint = constraints.get(options["bias_constraint"])
        self._penalty = regularizers.get(options["activity_regularizer"])  # of the projections

    # -- building ---------------------------------------------------------------------------------

    def build(  # type: ignore[override]
        self, query_shape: Any, value_shape: Any, key_shape: Any = None
    ) -> None:
        """Make the projections of query, key and value, the gate's, and the output's."""
        kind = type(self).__name__
        key_shape = value_shape if key_shape is None else key_shape
        if tuple(value_shape[1:-1]) != tuple(key_shape[1:-1]):
            raise ShapeError(
                f"{kind}: value and key must agree in all but their last size, got "
                f"{value_shape} and {key_shape}"
            )
        rank = len(query_shape)
        if not rank == len(value_shape) == len(key_shape) or rank < 3:
            raise ShapeError(
                f"{kind}: query, value and key must have one number of axes, at least 3, got "
                f"{query_shape}, {value_shape} and {key_shape}"
            )
        given = range(1, rank - 1) if self._axes is None else self._axes
        axes = tuple(axis if axis >= 0 else rank + axis for axis in given)
        if any(not 0 < axis < rank - 1 for axis in axes) or len(set(axes)) != len(axes):
            raise ShapeError(
                f"{kind}: attention_axes {self._axes} do not fit {rank} axes, of which the first "
                "is the batch and the last the features"
            )
        if self.flash_attention and rank != 3:
            raise ArgumentError(
                f"{kind}: flash_attention=True attends along the one axis of (batch, positions, "
                f"features), but query is {query_shape}"
            )
        self._along = axes
        heads, key_heads = self._heads, self._key_heads
        self._query_dense = self._project("query", query_shape, (heads, self._key_size))
        self._key_dense = self._project("key", key_shape, (key_heads, self._key_size))
        if self.use_gate:
            self._gate_dense = self._project(
                "gate", query_shape, (heads, self._value_size), "sigmoid"
            )
        self._value_dense = self._project("value", value_shape, (key_heads, self._value_size))
        self._softmax = Softmax(
            axis=tuple(range(-len(axes), 0)), dtype=self.dtype_policy, name="softmax"
        )
        self._dropout_layer = Dropout(
            self.dropout, seed=self.seed, dtype=self.dtype_policy, name="dropout"
        )
        sizes = (query_shape[-1],) if self._sizes_out is None else self._sizes_out
        self._output_dense = self._project(
            "attention_output", (*query_shape[:-1], heads, self._value_size), sizes, summed=2
        )

    def _project(
        self, name: str, shape: Any, sizes: Sequence[int], activation: Any = None, summed: int = 1
    ) -> EinsumDense:
        """A projection of the last `summed` axes of a shape to axes of the given sizes."""
        letters = string.ascii_letters
        given, made = letters[: len(shape)], letters[len(shape) : len(shape) + len(sizes)]
        kept = given[: len(given) - summed]
        layer = EinsumDense(
            f"{given},{given[len(kept) :]}{made}->{kept}{made}",
            (*(None,) * (len(kept) - 1), *sizes),
            activation=activation,
            bias_axes=made if self.use_bias else None,
            # An initializer with a seed draws the same each time: each projection has its own.
            kernel_initializer=_twin(self.kernel_initializer),
            bias_initializer=_twin(self.bias_initializer),
            kernel_regularizer=self.kernel_regularizer,
            bias_regularizer=self.bias_regularizer,
            kernel_constraint=self.kernel_constraint,
            bias_constraint=self.bias_constraint,
            activity_regularizer=self._penalty,
            dtype=self.dtype_policy,
            name=name,
        )
        layer.build(tuple(shape))
        return layer

    # -- calling ----------------------------------------------------------------------------------

    def call(
        self,
        query: Any,
        value: Any,
        key: Any = None,
        query_mask: Any = None,
        value_mask: Any = None,
        key_mask: Any = None,
        attention_mask: Any = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
        use_causal_mask: bool = False,
    ) -> Any:
        """Attend.

        Args:
            query: a tensor (batch, queries, features), or with more axes.
            value: a tensor (batch, keys, features).
            key: a tensor (batch, keys, features); `value` if not given.
            query_mask: bool (batch, queries), true where a query counts.
            value_mask: bool (batch, keys), true where a value may be attended to.
            key_mask: the same, of the keys.
            attention_mask: bool (batch, queries, keys), or with an axis of heads before queries.
            return_attention_scores: whether the attention weights are given too.
            training: whether dropout is active.
            use_causal_mask: whether query i may attend to keys up to i only.

        Returns:
            A tensor like `query` with its last axis projected; with `return_attention_scores` a
            pair of it and the weights (batch, heads, queries, keys).
        """
        if self.flash_attention and return_attention_scores:
            raise ArgumentError(
                f"{type(self).__name__}: flash_attention=True gives no attention scores"
            )
        query_mask = get_mask(query) if query_mask is None else query_mask
        value_mask = get_mask(value) if value_mask is None else value_mask
        if key is None:
            key = value
        elif key_mask is None:
            key_mask = get_mask(key)
        window = self._window(query.shape[1], value.shape[1])
        mask = _merge(query_mask, value_mask, key_mask, window, attention_mask)
        gate = self._gate_dense(query) if self.use_gate else None
        q, k, v = self._query_dense(query), self._key_dense(key), self._value_dense(value)
        shares = None
        dropping = self.dropout > 0 and training
        if q.ndim == 4 and not dropping and not return_attention_scores:
            outputs = ops.dot_product_attention(
                q, k, v, mask=None if mask is None else _with_heads(mask, 4, 1),
                is_causal=use_causal_mask, flash_attention=self.flash_attention,
            )  # fmt: skip
        else:
            if use_causal_mask:
                causal = ops.tri(query.shape[1], value.shape[1], dtype="bool")
                mask = causal if mask is None else ops.logical_and(mask, causal)
            outputs, shares = self._attend(q, k, v, mask, training)
        outputs = self._output_dense(outputs if gate is None else outputs * gate)
        return (outputs, shares) if return_attention_scores else outputs

    def _attend(self, q: Any, k: Any, v: Any, mask: Any, training: bool | None) -> tuple[Any, Any]:
        """The mixed values, and the weights (batch axes, heads, query axes, key axes)."""
        groups = self._heads // self._key_heads
        if groups > 1:
            k, v = ops.repeat(k, groups, axis=-2), ops.repeat(v, groups, axis=-2)
        rank, along = q.ndim, self._along
        free = [i for i in range(rank - 1) if i not in along]  # batch axes, then heads
        order = [*free, *along, rank - 1]
        lead = [q.shape[i] for i in free]
        to, since = [q.shape[i] for i in along], [k.shape[i] for i in along]
        rows, columns = math.prod(to), math.prod(since)
        q = ops.reshape(ops.transpose(q, order), (*lead, rows, self._key_size))
        k = ops.reshape(ops.transpose(k, order), (*lead, columns, self._key_size))
        v = ops.reshape(ops.transpose(v, order), (*lead, columns, self._value_size))
        logits = ops.matmul(q * (1.0 / math.sqrt(self._key_size)), ops.swapaxes(k, -2, -1))
        logits = ops.reshape(logits, (*lead, *to, *since))
        if mask is not None:
            mask = _with_heads(mask, logits.ndim, len(along))
        shares = self._softmax(logits, mask=mask)
        kept = self._dropout_layer(shares, training=training) if self.dropout else shares
        mixed = ops.matmul(ops.reshape(kept, (*lead, rows, columns)), v)
        mixed = ops.reshape(mixed, (*lead, *to, self._value_size))
        return ops.transpose(mixed, [order.index(i) for i in range(rank)]), shares

    def _window(self, queries: int, keys: int) -> Any:
        """Which keys are near enough to a query; `None` where all are."""
        if self.sliding_window is None:
            return None
        distance = ops.expand_dims(ops.arange(queries), -1) - ops.arange(keys)
        return ops.less(ops.abs(distance), self.sliding_window)

    # -- configs ----------------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "dropout": self.dropout,
            "use_bias": self.use_bias,
            "sliding_window": self.sliding_window,
            "flash_attention": self.flash_attention,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
            "activity_regularizer": regularizers.serialize(self._penalty),
            "kernel_constraint": constraints.serialize(self.kernel_constraint),
            "bias_constraint": constraints.serialize(self.bias_constraint),
            "use_gate": self.use_gate,
            "seed": self.seed,
        }


@built_in("layer")
class MultiHeadAttention(_HeadAttention):
    """Multi-head attention (Vaswani et al. 2017).

    The weights are, in order: query kernel (features, heads, key_dim) and bias (heads, key_dim);
    the same for key, for the gate if there is one, and for value (with value_dim); output kernel
    (heads, value_dim, features) and bias (features,). A query that may attend to nothing gets the
    mean of all values.

    Args:
        num_heads: the number of heads.
        key_dim: the size of a head's queries and keys.
        value_dim: the size of a head's values; `key_dim` if not given.
        dropout: the share of the attention weights that is dropped while training.
        use_bias: whether the projections add a bias.
        output_shape: the size or sizes that replace the query's last axis; default: its own.
        attention_axes: the axis or axes along which is attended; default: all but batch and last.
        sliding_window: keys this far from a query or further are not attended to.
        flash_attention: as for `ops.dot_product_attention`.
        kernel_initializer: first value of the projections' kernels.
        bias_initializer: first value of their biases.
        kernel_regularizer: penalty of the kernels.
        bias_regularizer: penalty of the biases.
        activity_regularizer: penalty of the projections' outputs.
        kernel_constraint: applied to the kernels after each update.
        bias_constraint: applied to the biases after each update.
        use_gate: whether a sigmoid projection of the query scales what the heads give
            (Qiu et al. 2025).
        seed: a whole number for a repeatable sequence of dropout masks; `None` for any.
        **kwargs: name, dtype, trainable, as for every layer.

    Raises:
        ArgumentError: a size that is not a whole number above zero.
        ShapeError: on call, inputs that do not fit each other.

    Example:
        >>> import numpy as np
        >>> x = np.ones((2, 5, 8), "float32")
        >>> MultiHeadAttention(num_heads=2, key_dim=4)(x, x, use_causal_mask=True).shape
        (2, 5, 8)
    """

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        value_dim: int | None = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        output_shape: int | Sequence[int] | None = None,
        attention_axes: int | Sequence[int] | None = None,
        sliding_window: int | None = None,
        flash_attention: bool | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        use_gate: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        kind = type(self).__name__
        heads = positive_int(kind, "num_heads", num_heads)
        key_dim = positive_int(kind, "key_dim", key_dim)
        value_dim = key_dim if value_dim is None else positive_int(kind, "value_dim", value_dim)
        options = {
            "dropout": dropout,
            "use_bias": use_bias,
            "sliding_window": sliding_window,
            "seed": seed,
            "flash_attention": flash_attention,
            "kernel_initializer": kernel_initializer,
            "bias_initializer": bias_initializer,
            "kernel_regularizer": kernel_regularizer,
            "bias_regularizer": bias_regularizer,
            "activity_regularizer": activity_regularizer,
            "kernel_constraint": kernel_constraint,
            "bias_constraint": bias_constraint,
            "use_gate": use_gate,
        }
        super().__init__(heads, heads, key_dim, value_dim, options, **kwargs)
        self.num_heads, self.key_dim, self.value_dim = heads, key_dim, value_dim
        if output_shape is not None:
            sizes = (output_shape,) if isinstance(output_shape, int) else output_shape
            self._sizes_out = tuple(positive_int(kind, "output_shape", n) for n in sizes)
        if attention_axes is not None:
            axes = (attention_axes,) if isinstance(attention_axes, int) else attention_axes
            self._axes = tuple(axes)

    @property
    def attention_axes(self) -> tuple[int, ...] | None:
        """The axes along which is attended, `None` for all but batch and last."""
        return self._axes

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "key_dim": self.key_dim,
            "value_dim": self.value_dim,
            "output_shape": self._sizes_out,
            "attention_axes": self._axes,
        }


@built_in("layer")
class GroupedQueryAttention(_HeadAttention):
    """Attention in which groups of query heads share a key and value head (Ainslie et al. 2023).

    The weights are in the order of `MultiHeadAttention`; those of key and value have
    num_key_value_heads in place of num_query_heads.

    Args:
        head_dim: the size of a head.
        num_query_heads: the number of query heads, a multiple of `num_key_value_heads`.
        num_key_value_heads: the number of key and value heads.
        dropout: the share of the attention weights that is dropped while training.
        use_bias: whether the projections add a bias.
        sliding_window: keys this far from a query or further are not attended to.
        flash_attention: as for `ops.dot_product_attention`.
        kernel_initializer: first value of the projections' kernels.
        bias_initializer: first value of their biases.
        kernel_regularizer: penalty of the kernels.
        bias_regularizer: penalty of the biases.
        activity_regularizer: penalty of the projections' outputs.
        kernel_constraint: applied to the kernels after each update.
        bias_constraint: applied to the biases after each update.
        use_gate: whether a sigmoid projection of the query scales what the heads give.
        seed: a whole number for a repeatable sequence of dropout masks; `None` for any.
        **kwargs: name, dtype, trainable, as for every layer.

    Raises:
        ArgumentError: sizes that are not whole numbers above zero, or heads that do not divide.
        ShapeError: on call, inputs that do not fit each other.

    Example:
        >>> import numpy as np
        >>> x = np.ones((2, 5, 8), "float32")
        >>> GroupedQueryAttention(4, num_query_heads=4, num_key_value_heads=2)(x, x).shape
        (2, 5, 8)
    """

    def __init__(
        self,
        head_dim: int,
        num_query_heads: int,
        num_key_value_heads: int,
        dropout: float = 0.0,
        use_bias: bool = True,
        sliding_window: int | None = None,
        flash_attention: bool | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        use_gate: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        kind = type(self).__name__
        size = positive_int(kind, "head_dim", head_dim)
        heads = positive_int(kind, "num_query_heads", num_query_heads)
        key_heads = positive_int(kind, "num_key_value_heads", num_key_value_heads)
        if heads % key_heads:
            raise ArgumentError(
                f"{kind}: num_query_heads must be a multiple of num_key_value_heads, "
                f"got {heads} and {key_heads}"
            )
        options = {
            "dropout": dropout,
            "use_bias": use_bias,
            "sliding_window": sliding_window,
            "seed": seed,
            "flash_attention": flash_attention,
            "kernel_initializer": kernel_initializer,
            "bias_initializer": bias_initializer,
            "kernel_regularizer": kernel_regularizer,
            "bias_regularizer": bias_regularizer,
            "activity_regularizer": activity_regularizer,
            "kernel_constraint": kernel_constraint,
            "bias_constraint": bias_constraint,
            "use_gate": use_gate,
        }
        super().__init__(heads, key_heads, size, size, options, **kwargs)
        self.head_dim, self.num_query_heads, self.num_key_value_heads = size, heads, key_heads

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "head_dim": self.head_dim,
            "num_query_heads": self.num_query_heads,
            "num_key_value_heads": self.num_key_value_heads,
        }


def _twin(initializer: Any) -> Any:
    """Another initializer of the same config; a plain function is itself."""
    if not hasattr(initializer, "get_config"):
        return initializer
    return type(initializer).from_config(initializer.get_config())


def _merge(query_mask: Any, value_mask: Any, key_mask: Any, window: Any, attention: Any) -> Any:
    """All masks together, (batch, queries, keys) or broadcasting to it; `None` if there is none."""
    parts = [
        None if query_mask is None else ops.expand_dims(query_mask, -1),
        None if value_mask is None else ops.expand_dims(value_mask, -2),
        None if key_mask is None else ops.expand_dims(key_mask, -2),
        window,
    ]
    merged = None
    for part in parts:
        if part is not None:
            part = ops.cast(part, "bool")
            merged = part if merged is None else ops.logical_and(merged, part)
    if attention is None:
        return merged
    attention = ops.cast(attention, "bool")
    if merged is None:
        return attention
    if attention.ndim == 4 and merged.ndim == 3:  # a mask for each head
        merged = ops.expand_dims(merged, 1)
    return ops.logical_and(attention, merged)


def _with_heads(mask: Any, rank: int, axes: int) -> Any:
    """A mask with axes of size 1 for heads, and what else it lacks before its attention axes."""
    while mask.ndim < rank:
        mask = ops.expand_dims(mask, max(-2 * axes - 1, -mask.ndim - 1))
    return mask
