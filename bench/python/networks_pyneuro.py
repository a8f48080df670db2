"""The networks of architectures.py in pyneuro's layers, as its users train them: `compile` and
`train_on_batch`, whose step is recorded and replayed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from architectures import EPSILON, MOMENTUM, Problem

import pyneuro
from pyneuro import layers


class Net:
    """Makes layers on symbolic tensors."""

    def conv(
        self, x: Any, name: str, filters: int, window: int, strides: int = 1, bias: bool = False,
        relu: bool = False, pad: int | None = None,
    ) -> Any:  # fmt: skip
        """Padded by `pad` on each side, or as "same" has it."""
        x = x if pad is None else layers.ZeroPadding2D(pad)(x)
        return layers.Conv2D(
            filters, window, strides, "same" if pad is None else "valid",
            activation="relu" if relu else None, use_bias=bias,
            kernel_initializer="he_normal", name=name,
        )(x)  # fmt: skip

    def depthwise(self, x: Any, name: str, window: int, strides: int) -> Any:
        return layers.DepthwiseConv2D(
            window, strides, "same", use_bias=False, depthwise_initializer="he_normal", name=name
        )(x)

    def norm(self, x: Any, name: str) -> Any:
        return layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=name)(x)

    def layer_norm(self, x: Any, name: str) -> Any:
        return layers.LayerNormalization(epsilon=1e-5, name=name)(x)

    def relu(self, x: Any) -> Any:
        return layers.ReLU()(x)

    def add(self, x: Any, y: Any) -> Any:
        return layers.Add()([x, y])

    def max_pool(self, x: Any, window: int, pad: int = 0) -> Any:
        """Of numbers that are not negative."""
        x = layers.ZeroPadding2D(pad)(x) if pad else x
        return layers.MaxPooling2D(window, 2)(x)

    def average(self, x: Any) -> Any:
        return layers.GlobalAveragePooling2D()(x)

    def flatten(self, x: Any) -> Any:
        return layers.Flatten()(x)

    def dense(self, x: Any, name: str, units: int, activation: str | None = None) -> Any:
        return layers.Dense(units, activation, name=name)(x)

    def embedding(self, x: Any, name: str, count: int, width: int) -> Any:
        return layers.Embedding(count, width, name=name)(x)

    def positions(self, x: Any, name: str) -> Any:
        return Positions(name=name)(x)

    def attention(self, x: Any, name: str, heads: int) -> Any:
        attention = layers.MultiHeadAttention(heads, x.shape[-1] // heads, name=name)
        return attention(x, x, use_causal_mask=True)

    def recurrent(self, x: Any, name: str, kind: str, units: int) -> Any:
        return {"lstm": layers.LSTM, "gru": layers.GRU}[kind](units, name=name)(x)


class Positions(layers.Layer):
    """Adds a learned vector for each position."""

    def build(self, shape: Any) -> None:
        self.table = self.add_weight(shape=shape[1:], initializer="uniform", name="embeddings")

    def call(self, x: Any) -> Any:
        return x + self.table


class Trained:
    """A compiled model."""

    def __init__(self, problem: Problem, batch: int | None = None) -> None:
        pyneuro.utils.set_random_seed(1)
        dtype = "int32" if problem.tokens else "float32"
        x = layers.Input(problem.shape, batch, dtype=dtype)
        self.model = pyneuro.Model(x, problem.network(Net(), x, **problem.options))
        optimizers = pyneuro.optimizers
        self.model.compile(
            optimizer=optimizers.Adam(problem.rate, epsilon=EPSILON)
            if problem.optimizer == "adam"
            else optimizers.SGD(problem.rate, MOMENTUM),
            loss=pyneuro.losses.SparseCategoricalCrossentropy(from_logits=True),
        )

    def weights(self) -> dict[str, np.ndarray]:
        """All that is trained, by layer and name."""
        return {v.path: np.array(v.numpy()) for v in self.model.trainable_variables}

    def put(self, x: np.ndarray, y: np.ndarray) -> tuple[Any, Any]:
        return x, y

    def step(self, x: Any, y: Any) -> float:
        """The loss before an update."""
        loss: float = self.model.train_on_batch(x, y)
        return loss

    def predict(self, x: Any) -> np.ndarray:
        outputs: np.ndarray = self.model.predict_on_batch(x)
        return outputs
