"""Attention and AdditiveAttention: one head without projections, on [query, value, key]."""

from __future__ import annotations

from typing import Any

from .. import ops, random
from ..errors import ArgumentError, ShapeError
from ..random import SeedGenerator
from ..registry import built_in
from .base import Layer
from .dropout import _share

__all__ = ["AdditiveAttention", "Attention"]


@built_in("layer")
class Attention(Layer):
    """Dot-product attention (Luong et al. 2015) on `[query, value]` or `[query, value, key]`.

    Args:
        use_scale: whether scores are multiplied by a learnt number.
        score_mode: "dot" for the dot product of query and key, "concat" for the learnt multiple of
            sum(tanh(query + key)).
        dropout: the share of the weights that is dropped while training.
        seed: a whole number for a repeatable sequence of masks; `None` for any.
        **kwargs: name, dtype, as for every layer.

    Raises:
        ArgumentError: an unknown `score_mode`, or a share outside of [0, 1].
        ShapeError: on call, something other than a list of two or three inputs.

    Example:
        >>> import numpy as np
        >>> query, value = np.ones((1, 2, 4), "float32"), np.ones((1, 3, 4), "float32")
        >>> Attention()([query, value]).shape
        (1, 2, 4)
    """

    def __init__(
        self,
        use_scale: bool = False,
        score_mode: str = "dot",
        dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        kind = type(self).__name__
        if score_mode not in ("dot", "concat"):
            raise ArgumentError(f"{kind}: score_mode must be 'dot' or 'concat', got {score_mode!r}")
        self.use_scale, self.score_mode, self.seed = use_scale, score_mode, seed
        self.dropout = _share(kind, "dropout", dropout)
        if self.dropout > 0:
            self.seed_generator = SeedGenerator(seed)
        self.supports_masking = True
        self.scale: Any = None
        self.concat_score_weight: Any = None

    def build(self, input_shape: Any) -> None:
        """Make the scalars that the scores are multiplied by."""
        _two_or_three(self, input_shape)
        if self.use_scale:
            self.scale = self.add_weight((), "ones", name="scale")
        if self.score_mode == "concat":
            self.concat_score_weight = self.add_weight((), "ones", name="concat_score_weight")

    def _calculate_scores(self, query: Any, key: Any) -> Any:
        """Scores (batch, queries, keys)."""
        scale = None if self.scale is None else self.cast_weight(self.scale)
        if self.score_mode == "dot":
            scores = ops.matmul(query, ops.swapaxes(key, -2, -1))
            return scores if scale is None else scores * scale
        pairs = _pairs(query, key)
        pairs = ops.tanh(pairs if scale is None else scale * pairs)
        return self.cast_weight(self.concat_score_weight) * ops.sum(pairs, axis=-1)

    def call(
        self,
        inputs: Any,
        mask: Any = None,
        training: bool | None = False,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
    ) -> Any:
        """Attend; `mask` is a list of a mask of the queries and one of the values, or `None`s.

        Queries that are masked give zeros; values that are masked are not attended to.
        """
        _two_or_three(self, inputs)
        query, value = inputs[0], inputs[1]
        key = inputs[2] if len(inputs) > 2 else value
        query_mask, value_mask = (mask[0], mask[1]) if mask else (None, None)
        scores = self._calculate_scores(query, key)
        allowed = None if value_mask is None else ops.expand_dims(value_mask, -2)
        if use_causal_mask:
            causal = ops.tri(scores.shape[-2], scores.shape[-1], dtype="bool")
            allowed = causal if allowed is None else ops.logical_and(allowed, causal)
        if allowed is not None:
            far = 65504.0 if scores.dtype == "float16" else 1e9
            scores = ops.where(allowed, scores, scores - far)
        weights = ops.softmax(scores, axis=-1)
        if training and self.dropout > 0:
            weights = random.dropout(weights, self.dropout, seed=self.seed_generator)
        outputs: Any = ops.matmul(weights, value)
        if query_mask is not None:
            outputs = ops.where(ops.expand_dims(query_mask, -1), outputs, 0.0)
        return (outputs, weights) if return_attention_scores else outputs

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """The mask of the queries."""
        return None if previous_mask is None else previous_mask[0]

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "use_scale": self.use_scale,
            "score_mode": self.score_mode,
            "dropout": self.dropout,
            "seed": self.seed,
        }


@built_in("layer")
class AdditiveAttention(Attention):
    """Additive attention (Bahdanau et al. 2015): scores are sum(scale * tanh(query + key)).

    Args:
        use_scale: whether the summands are multiplied by learnt numbers, one for each feature.
        dropout: the share of the weights that is dropped while training.
        **kwargs: seed, name, dtype, as for `Attention`.

    Raises:
        ArgumentError: a share outside of [0, 1].
        ShapeError: on call, something other than a list of two or three inputs.

    Example:
        >>> import numpy as np
        >>> query, value = np.ones((1, 2, 4), "float32"), np.ones((1, 3, 4), "float32")
        >>> AdditiveAttention()([query, value]).shape
        (1, 2, 4)
    """

    def __init__(self, use_scale: bool = True, dropout: float = 0.0, **kwargs: Any) -> None:
        super().__init__(use_scale=use_scale, dropout=dropout, **kwargs)

    def build(self, input_shape: Any) -> None:
        """Make the scale (features,)."""
        _two_or_three(self, input_shape)
        if self.use_scale:
            size = input_shape[0][-1]
            if size is None:
                raise ShapeError(
                    f"AdditiveAttention: the last axis of the query must have a known size to make "
                    f"the scale, got {input_shape[0]}"
                )
            self.scale = self.add_weight((size,), "glorot_uniform", name="scale")

    def _calculate_scores(self, query: Any, key: Any) -> Any:
        pairs = ops.tanh(_pairs(query, key))
        return ops.sum(pairs if self.scale is None else self.cast_weight(self.scale) * pairs, -1)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        config = super().get_config()
        del config["score_mode"]
        return config


def _pairs(query: Any, key: Any) -> Any:
    """Sums of each query with each key: (batch, queries, keys, features)."""
    return ops.expand_dims(query, -2) + ops.expand_dims(key, -3)


def _two_or_three(layer: Layer, inputs: Any) -> None:
    if not isinstance(inputs, (list, tuple)) or len(inputs) not in (2, 3):
        raise ShapeError(
            f"{type(layer).__name__}: expected a list [query, value] or [query, value, key], "
            f"got {inputs!r}"
        )
