"""Attention without projections: of dot products, and of sums."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import ops, random
from ..errors import ArgumentError
from ..registry import built_in
from .attention import all_masks, causal_mask
from .base import Layer

__all__ = ["AdditiveAttention", "Attention"]


class _Plain(Layer):
    """What attention without projections shares: inputs in a list, masks, dropout of scores."""

    def _take(self, dropout: float, seed: int | None) -> None:
        self.dropout, self.seed = dropout, seed
        self.seed_generator = random.SeedGenerator(seed)
        self.supports_masking = True

    def _logits(self, query: Any, key: Any) -> Any:
        raise NotImplementedError

    def call(
        self,
        inputs: Sequence[Any],
        mask: Any = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
        use_causal_mask: bool = False,
    ) -> Any:
        """Attend.

        Args:
            inputs: [query (N, T, size), value (N, S, size)], and key (N, S, size) if it is another.
            mask: [query mask (N, T), value mask (N, S)], `True` for what counts, each or `None`.
            return_attention_scores: whether to return the scores (N, T, S) as well.
            training: whether to drop scores.
            use_causal_mask: whether queries look at no later keys.

        Returns:
            (N, T, value size), and the scores if they are asked for.
        """
        kind = type(self).__name__
        if not isinstance(inputs, (list, tuple)) or len(inputs) not in (2, 3):
            raise ArgumentError(f"{kind}: inputs must be [query, value] or [query, value, key]")
        query, value = inputs[:2]
        key = inputs[2] if len(inputs) == 3 else value
        of_query, of_value = [*mask, None, None][:2] if mask is not None else (None, None)
        logits = self._logits(query, key)
        seen = all_masks(
            [
                None if of_value is None else ops.expand_dims(of_value, 1),
                causal_mask(query.shape[1], key.shape[1]) if use_causal_mask else None,
            ]
        )
        if seen is not None:
            logits = ops.where(seen, logits, -1e30 if logits.dtype != "float16" else -6e4)
        scores = used = ops.softmax(logits, axis=-1)
        if training and self.dropout > 0:
            used = random.dropout(scores, self.dropout, seed=self.seed_generator)
        y = ops.matmul(used, value)
        if of_query is not None:
            y = y * ops.cast(ops.expand_dims(of_query, -1), y.dtype)
        return (y, scores) if return_attention_scores else y

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The query's."""
        return None if mask is None else mask[0]


@built_in("layer")
class Attention(_Plain):
    """Attention by dot products, without projections (Luong, Pham, Manning 2015).

    Args:
        use_scale: whether to multiply the logits by a number that is learned.
        score_mode: "dot", or "concat" for `sum(tanh(query + key))` times a learned number.
        dropout: the share of scores that is dropped while training.
        seed: of the dropout.
        **kwargs: name, dtype, trainable, as for every layer.

    Raises:
        ArgumentError: another score mode, or inputs that are no list.

    Example:
        >>> import numpy as np
        >>> Attention()([np.ones((2, 3, 4), "float32"), np.ones((2, 5, 4), "float32")]).shape
        (2, 3, 4)
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
        if score_mode not in ("dot", "concat"):
            raise ArgumentError(
                f"Attention: score_mode must be 'dot' or 'concat', got {score_mode!r}"
            )
        self.use_scale, self.score_mode = bool(use_scale), score_mode
        self._take(dropout, seed)

    def build(self, input_shape: Any) -> None:
        """Make the learned numbers."""
        self.scale = self.add_weight((), "ones", name="scale") if self.use_scale else None
        concat = self.score_mode == "concat"
        self.concat_score_weight = (
            self.add_weight((), "ones", name="concat_score_weight") if concat else None
        )

    def _logits(self, query: Any, key: Any) -> Any:
        if self.score_mode == "dot":
            logits = ops.matmul(query, ops.transpose(key, (0, 2, 1)))
            return logits if self.scale is None else logits * self.cast_weight(self.scale)
        pairs = ops.expand_dims(query, 2) + ops.expand_dims(key, 1)
        if self.scale is not None:
            pairs = pairs * self.cast_weight(self.scale)
        return ops.sum(ops.tanh(pairs), axis=-1) * self.cast_weight(self.concat_score_weight)

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
class AdditiveAttention(_Plain):
    """Attention by `sum(scale * tanh(query + key))` (Bahdanau, Cho, Bengio 2014).

    Args:
        use_scale: whether to learn a factor for each feature.
        dropout: the share of scores that is dropped while training.
        seed: of the dropout.
        **kwargs: name, dtype, trainable, as for every layer.

    Raises:
        ArgumentError: inputs that are no list.

    Example:
        >>> import numpy as np
        >>> layer = AdditiveAttention()
        >>> layer([np.ones((2, 3, 4), "float32"), np.ones((2, 5, 4), "float32")]).shape
        (2, 3, 4)
    """

    def __init__(
        self,
        use_scale: bool = True,
        dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.use_scale = bool(use_scale)
        self._take(dropout, seed)

    def build(self, input_shape: Any) -> None:
        """Make the factors."""
        size = input_shape[0][-1]
        self.scale = (
            self.add_weight((size,), "glorot_uniform", name="scale") if self.use_scale else None
        )

    def _logits(self, query: Any, key: Any) -> Any:
        y = ops.tanh(ops.expand_dims(query, 2) + ops.expand_dims(key, 1))
        return ops.sum(y if self.scale is None else y * self.cast_weight(self.scale), axis=-1)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "use_scale": self.use_scale,
            "dropout": self.dropout,
            "seed": self.seed,
        }
