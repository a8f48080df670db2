"""Attention with projections: multi-head and grouped."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .. import constraints, initializers, ops, random, regularizers
from ..errors import ArgumentError, ShapeError
from ..ops.attention import attention_scores, weighted_values
from ..registry import built_in
from .base import Layer
from .core import positive_int
from .einsum_dense import EinsumDense

__all__ = ["GroupQueryAttention", "MultiHeadAttention"]

_KINDS = (
    ("initializer", initializers),
    ("regularizer", regularizers),
    ("constraint", constraints),
)


class _Projected(Layer):
    """What the layers with projections share: how these are set up and written down."""

    _query_dense: Any
    _key_dense: Any
    _value_dense: Any

    def _take(self, use_bias: bool, dropout: float, seed: int | None, given: Any) -> None:
        self.use_bias = bool(use_bias)
        self.dropout, self.seed = dropout, seed
        for name, values in given.items():
            for (suffix, module), value in zip(_KINDS, values, strict=True):
                setattr(self, f"{name}_{suffix}", module.get(value))
        self.seed_generator = random.SeedGenerator(seed)
        self.supports_masking = True

    def _projection(self, equation: str, shape: tuple[Any, ...], axes: str, name: str) -> Any:
        settings: dict[str, Any] = {}
        for part in ("kernel", "bias"):
            for suffix, module in _KINDS:
                value = getattr(self, f"{part}_{suffix}")
                # Each projection draws for itself.
                settings[f"{part}_{suffix}"] = (
                    module.get(module.serialize(value)) if suffix == "initializer" else value
                )
        return EinsumDense(
            equation,
            output_shape=shape,
            bias_axes=axes if self.use_bias else None,
            dtype=self.dtype_policy,
            name=name,
            **settings,
        )

    def _written(self) -> dict[str, Any]:
        config = {"use_bias": self.use_bias, "dropout": self.dropout, "seed": self.seed}
        for part in ("kernel", "bias"):
            for suffix, module in _KINDS:
                config[f"{part}_{suffix}"] = module.serialize(getattr(self, f"{part}_{suffix}"))
        return {**super().get_config(), **config}

    def _attend(self, q: Any, k: Any, v: Any, mask: Any, training: bool | None) -> tuple[Any, Any]:
        """(N, T, heads, size) of query, key and value to the output and the scores."""
        if mask is not None:
            mask = ops.expand_dims(mask, 1)  # the same for all heads
        scores = attention_scores(q, k, None, mask, None, False, None)
        used = scores
        if training and self.dropout > 0:
            used = random.dropout(scores, self.dropout, seed=self.seed_generator)
        return ops.cast(weighted_values(used, v), q.dtype), scores


def all_masks(masks: list[Any]) -> Any:
    """What all masks allow; `None` where there are none."""
    found = [ops.cast(mask, "bool") for mask in masks if mask is not None]
    if not found:
        return None
    total = found[0]
    for mask in found[1:]:
        total = ops.logical_and(total, mask)
    return total


def causal_mask(queries: int, keys: int) -> Any:
    rows = ops.reshape(ops.arange(queries), (1, queries, 1))
    return ops.less_equal(ops.reshape(ops.arange(keys), (1, 1, keys)), rows)


@built_in("layer")
class MultiHeadAttention(_Projected):
    """Projects query, key and value for several heads, attends, and projects the heads' outputs.

    After Vaswani et al. 2017, Attention Is All You Need.

    Args:
        num_heads: how many heads.
        key_dim: size of query and key in each head.
        value_dim: size of value in each head; default `key_dim`.
        dropout: the share of scores that is dropped while training.
        use_bias: whether the projections add a bias.
        output_shape: sizes of the output's last axes; default the query's last one.
        attention_axes: the axes of queries that attention goes over; default all but the first and
            the last.
        flash_attention: accepted for Keras's signature.
        kernel_initializer: first value of the projections' kernels.
        bias_initializer: first value of their biases.
        kernel_regularizer: penalty of the kernels.
        bias_regularizer: penalty of the biases.
        activity_regularizer: penalty of the output.
        kernel_constraint: applied to the kernels after each update.
        bias_constraint: applied to the biases after each update.
        seed: of the dropout.
        **kwargs: name, dtype, trainable, as for every layer.

    Raises:
        ArgumentError: a size that is not a whole number above zero.
        ShapeError: on call, shapes that do not fit.

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
        flash_attention: bool | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        kind = "MultiHeadAttention"
        self.num_heads = positive_int(kind, "num_heads", num_heads)
        self.key_dim = positive_int(kind, "key_dim", key_dim)
        given = key_dim if value_dim is None else value_dim
        self.value_dim = positive_int(kind, "value_dim", given)
        sizes = (output_shape,) if isinstance(output_shape, int) else output_shape
        self._output_sizes = None if sizes is None else tuple(int(size) for size in sizes)
        axes = (attention_axes,) if isinstance(attention_axes, int) else attention_axes
        self.attention_axes = None if axes is None else tuple(int(axis) for axis in axes)
        self.flash_attention = flash_attention
        self._take(
            use_bias,
            dropout,
            seed,
            {
                "kernel": (kernel_initializer, kernel_regularizer, kernel_constraint),
                "bias": (bias_initializer, bias_regularizer, bias_constraint),
            },
        )

    def build(  # type: ignore[override]
        self, query_shape: Any, value_shape: Any, key_shape: Any = None
    ) -> None:
        """Make the projections: query, key, value, output."""
        key_shape = value_shape if key_shape is None else key_shape
        if query_shape[-1] is None:
            raise ShapeError(
                f"MultiHeadAttention {self.name!r}: the last axis of the query must have a known "
                f"size, got the shape {query_shape}"
            )
        heads = self.num_heads
        for name, shape, size in (
            ("query", query_shape, self.key_dim),
            ("key", key_shape, self.key_dim),
            ("value", value_shape, self.value_dim),
        ):
            layer = self._projection("...x,xhk->...hk", (heads, size), "hk", name)
            setattr(self, f"_{name}_dense", layer)
            layer.build(shape)
        sizes = self._output_sizes or (int(query_shape[-1]),)
        letters = "abcdefg"[: len(sizes)]
        self._output_dense = self._projection(
            f"...hk,hk{letters}->...{letters}", sizes, letters, "attention_output"
        )
        self._output_dense.build((*query_shape[:-1], heads, self.value_dim))

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
            query: (N, T, size), or with more axes between.
            value: (N, S, size).
            key: (N, S, size); default `value`.
            query_mask: (N, T), `True` for what counts.
            value_mask: (N, S).
            key_mask: (N, S).
            attention_mask: (N, T, S), or (N, 1, T, S), `True` where a query may look at a key.
            return_attention_scores: whether to return the scores (N, heads, T, S) as well.
            training: whether to drop scores.
            use_causal_mask: whether queries look at no later keys.

        Returns:
            (N, T, output size), and the scores if they are asked for.
        """
        key = value if key is None else key
        rank = len(query.shape)
        axes = self._axes(rank)
        rest = tuple(i for i in range(1, rank - 1) if i not in axes)
        order = (0, *rest, *axes)

        q, outer = self._as_sequence(self._query_dense(query), order, len(axes))
        k, _ = self._as_sequence(self._key_dense(key), order, len(axes))
        v, _ = self._as_sequence(self._value_dense(value), order, len(axes))
        mask = self._mask(
            (query_mask, value_mask, key_mask), attention_mask, use_causal_mask,
            q.shape[1], k.shape[1],
        )  # fmt: skip
        if mask is not None and rest:
            times = math.prod(outer[1 : 1 + len(rest)])
            mask = ops.repeat(ops.broadcast_to(mask, (outer[0], *mask.shape[1:])), times, axis=0)
        y, scores = self._attend(q, k, v, mask, training)
        back = [order.index(i) for i in range(rank - 1)]
        y = ops.reshape(y, (*outer, self.num_heads, self.value_dim))
        y = ops.transpose(y, (*back, rank - 1, rank))
        outputs = self._output_dense(y)
        return (outputs, scores) if return_attention_scores else outputs

    def _axes(self, rank: int) -> tuple[int, ...]:
        if self.attention_axes is None:
            return tuple(range(1, rank - 1))
        axes = tuple(sorted(axis % rank for axis in self.attention_axes))
        if 0 in axes or rank - 1 in axes:
            raise ArgumentError(
                f"MultiHeadAttention {self.name!r}: attention_axes {self.attention_axes} must "
                f"leave out the first and the last of {rank} axes"
            )
        return axes

    def _as_sequence(
        self, x: Any, order: tuple[int, ...], attended: int
    ) -> tuple[Any, tuple[int, ...]]:
        """(N', length, heads, size), and the sizes of the axes in that order."""
        rank = len(x.shape)
        x = ops.transpose(x, (*order, rank - 2, rank - 1))
        outer = tuple(x.shape[: rank - 2])
        cut = len(outer) - attended
        shape = (math.prod(outer[:cut]), math.prod(outer[cut:]), *x.shape[rank - 2 :])
        return ops.reshape(x, shape), outer

    def _mask(
        self, masks: tuple[Any, Any, Any], attention: Any, causal: bool, queries: int, keys: int
    ) -> Any:
        """(N or 1, T, S), or `None`."""
        query, value, key = masks
        found = [causal_mask(queries, keys) if causal else None]
        if query is not None:
            found.append(ops.reshape(query, (query.shape[0], queries, 1)))
        found += [ops.reshape(m, (m.shape[0], 1, keys)) for m in (value, key) if m is not None]
        if attention is not None:
            shape = attention.shape
            if len(shape) == 4 and shape[1] == 1:
                attention = ops.squeeze(attention, 1)
            elif math.prod(shape[1:]) not in (queries * keys, keys):
                raise ShapeError(
                    f"MultiHeadAttention {self.name!r}: attention_mask {tuple(shape)} does not "
                    f"fit {queries} queries and {keys} keys; it must be (N, T, S)"
                )
            shape = attention.shape
            rows = queries if math.prod(shape[1:]) == queries * keys else 1
            found.append(ops.reshape(attention, (shape[0], rows, keys)))
        return all_masks(found)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **self._written(),
            "num_heads": self.num_heads,
            "key_dim": self.key_dim,
            "value_dim": self.value_dim,
            "output_shape": self._output_sizes,
            "attention_axes": self.attention_axes,
            "flash_attention": self.flash_attention,
        }


@built_in("layer")
class GroupQueryAttention(_Projected):
    """Attention whose key and value have fewer heads than its query; each serves a group of them.

    After Ainslie et al. 2023, GQA.

    Args:
        head_dim: size of each head.
        num_query_heads: how many heads the query has.
        num_key_value_heads: how many key and value have; must divide those of the query.
        dropout: the share of scores that is dropped while training.
        use_bias: whether the projections add a bias.
        flash_attention: accepted for Keras's signature.
        kernel_initializer: first value of the projections' kernels.
        bias_initializer: first value of their biases.
        kernel_regularizer: penalty of the kernels.
        bias_regularizer: penalty of the biases.
        activity_regularizer: penalty of the output.
        kernel_constraint: applied to the kernels after each update.
        bias_constraint: applied to the biases after each update.
        seed: of the dropout.
        **kwargs: name, dtype, trainable, as for every layer.

    Raises:
        ArgumentError: a size that is not a whole number above zero, or heads that do not divide.

    Example:
        >>> import numpy as np
        >>> x = np.ones((2, 5, 8), "float32")
        >>> GroupQueryAttention(4, num_query_heads=4, num_key_value_heads=2)(x, x).shape
        (2, 5, 8)
    """

    def __init__(
        self,
        head_dim: int,
        num_query_heads: int,
        num_key_value_heads: int,
        dropout: float = 0.0,
        use_bias: bool = True,
        flash_attention: bool | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        kind = "GroupQueryAttention"
        self.head_dim = positive_int(kind, "head_dim", head_dim)
        self.num_query_heads = positive_int(kind, "num_query_heads", num_query_heads)
        self.num_key_value_heads = positive_int(kind, "num_key_value_heads", num_key_value_heads)
        if num_query_heads % num_key_value_heads:
            raise ArgumentError(
                f"{kind}: num_key_value_heads {num_key_value_heads} must divide num_query_heads "
                f"{num_query_heads}"
            )
        self.flash_attention = flash_attention
        self._take(
            use_bias,
            dropout,
            seed,
            {
                "kernel": (kernel_initializer, kernel_regularizer, kernel_constraint),
                "bias": (bias_initializer, bias_regularizer, bias_constraint),
            },
        )

    def build(  # type: ignore[override]
        self, query_shape: Any, value_shape: Any, key_shape: Any = None
    ) -> None:
        """Make the projections: query, key, value, output."""
        key_shape = value_shape if key_shape is None else key_shape
        for name, shape, heads in (
            ("query", query_shape, self.num_query_heads),
            ("key", key_shape, self.num_key_value_heads),
            ("value", value_shape, self.num_key_value_heads),
        ):
            layer = self._projection("...x,xhk->...hk", (heads, self.head_dim), "hk", name)
            setattr(self, f"_{name}_dense", layer)
            layer.build(shape)
        self._output_dense = self._projection(
            "...hk,hka->...a", (int(query_shape[-1]),), "a", "attention_output"
        )
        self._output_dense.build((*query_shape[:-1], self.num_query_heads, self.head_dim))

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
        """Attend: (N, T, size) and (N, S, size) to (N, T, size); masks as in MultiHeadAttention."""
        key = value if key is None else key
        queries, keys = query.shape[1], key.shape[1]
        masks = [causal_mask(queries, keys) if use_causal_mask else None]
        masks += [None if query_mask is None else ops.expand_dims(query_mask, -1)]
        masks += [None if m is None else ops.expand_dims(m, 1) for m in (value_mask, key_mask)]
        if attention_mask is not None and len(attention_mask.shape) == 2:
            attention_mask = ops.expand_dims(attention_mask, 1)
        y, scores = self._attend(
            self._query_dense(query), self._key_dense(key), self._value_dense(value),
            all_masks([*masks, attention_mask]), training,
        )  # fmt: skip
        outputs = self._output_dense(y)
        return (outputs, scores) if return_attention_scores else outputs

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **self._written(),
            "head_dim": self.head_dim,
            "num_query_heads": self.num_query_heads,
            "num_key_value_heads": self.num_key_value_heads,
            "flash_attention": self.flash_attention,
        }
