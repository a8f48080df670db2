"""Small networks of every family, written once for `pyneuro` and for Keras.

A builder takes the module, `pyneuro` or `keras`; so what it builds is the same network, with its
weights in the same order.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

BATCH, CLASSES = 8, 5


def lenet(keras: ModuleType) -> Any:
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((16, 16, 2)),
            layers.Conv2D(6, 5, padding="same", activation="tanh"),
            layers.AveragePooling2D(2),
            layers.Conv2D(8, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(24, activation="relu"),
            layers.Dense(CLASSES),
        ]
    )


def residual(keras: ModuleType) -> Any:
    layers = keras.layers

    def normalized(x: Any, filters: int, size: int, strides: int = 1) -> Any:
        x = layers.Conv2D(filters, size, strides=strides, padding="same", use_bias=False)(x)
        return layers.BatchNormalization()(x)

    inputs = keras.Input((10, 10, 4))
    x = layers.Activation("relu")(normalized(inputs, 8, 3, strides=2))
    x = normalized(x, 8, 3)
    x = layers.Activation("relu")(layers.Add()([x, normalized(inputs, 8, 1, strides=2)]))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(CLASSES)(x))


def lstm(keras: ModuleType) -> Any:
    layers = keras.layers
    inputs = keras.Input((12, 6))
    x = layers.LSTM(10, return_sequences=True)(inputs)
    x = layers.LSTM(7)(x)
    return keras.Model(inputs, layers.Dense(CLASSES)(x))


def attention(keras: ModuleType) -> Any:
    layers = keras.layers
    inputs = keras.Input((9, 12))
    y = layers.LayerNormalization()(inputs)
    x = layers.Add()([inputs, layers.MultiHeadAttention(3, 4)(y, y)])
    y = layers.LayerNormalization()(x)
    y = layers.Dense(12)(layers.Dense(24, activation="silu")(y))
    x = layers.GlobalAveragePooling1D()(layers.Add()([x, y]))
    return keras.Model(inputs, layers.Dense(CLASSES)(x))


NETWORKS: dict[str, Callable[[ModuleType], Any]] = {
    "lenet": lenet,
    "residual": residual,
    "lstm": lstm,
    "attention": attention,
}


def batches(model: Any, steps: int, dtype: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """Samples of a few noisy classes, so that there is something to learn."""
    shape = tuple(model.inputs[0].shape[1:])
    draw = np.random.default_rng(3)
    centres = draw.normal(0, 1, (CLASSES, *shape))
    labels = draw.integers(0, CLASSES, (steps, BATCH))
    noise = draw.normal(0, 2.0, (steps, BATCH, *shape))
    return [((centres[y] + e).astype(dtype), y) for y, e in zip(labels, noise, strict=True)]
