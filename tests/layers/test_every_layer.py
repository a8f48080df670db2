"""Every layer there is, by name: configs, symbolic shapes, files, dtypes, gradients.

What a layer computes is tested beside its family; here is tested that none was forgotten.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from layer_checks import check_config, check_dtypes, check_file, check_gradients, check_symbolic

from pyneuro import layers

DRAW = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray:
    return DRAW.normal(size=shape).astype("float32")


FLAT, SERIES, PICTURE = normal(3, 4), normal(3, 6, 4), normal(2, 6, 6, 4)
VOLUME, CODES = normal(2, 4, 4, 4, 2), DRAW.integers(0, 9, (3, 5)).astype("int32")
BY_RANK = {"1D": SERIES, "2D": PICTURE, "3D": VOLUME}
ROWS: dict[str, tuple[Callable[[], Any], Any]] = {
    "Activation": (lambda: layers.Activation("gelu"), FLAT),
    "ActivityRegularization": (lambda: layers.ActivityRegularization(0.1), FLAT),
    "AlphaDropout": (lambda: layers.AlphaDropout(0.3), FLAT),
    "BatchNormalization": (layers.BatchNormalization, PICTURE),
    "Bidirectional": (lambda: layers.Bidirectional(layers.GRU(3)), SERIES),
    "CenterCrop": (lambda: layers.CenterCrop(3, 4), PICTURE),
    "Dense": (lambda: layers.Dense(3), FLAT),
    "Dropout": (lambda: layers.Dropout(0.3), FLAT),
    "ELU": (layers.ELU, FLAT),
    "EinsumDense": (lambda: layers.EinsumDense("abc,cd->abd", (None, 3), bias_axes="d"), SERIES),
    "Embedding": (lambda: layers.Embedding(9, 4), CODES),
    "Flatten": (layers.Flatten, PICTURE),
    "GRU": (lambda: layers.GRU(3), SERIES),
    "GaussianDropout": (lambda: layers.GaussianDropout(0.3), FLAT),
    "GaussianNoise": (lambda: layers.GaussianNoise(0.3), FLAT),
    "GroupNormalization": (lambda: layers.GroupNormalization(2), PICTURE),
    "Identity": (layers.Identity, FLAT),
    "LSTM": (lambda: layers.LSTM(3), SERIES),
    "LayerNormalization": (layers.LayerNormalization, SERIES),
    "LeakyReLU": (layers.LeakyReLU, FLAT),
    "Masking": (layers.Masking, SERIES),
    "Normalization": (lambda: layers.Normalization(mean=0.5, variance=2.0), FLAT),
    "PReLU": (layers.PReLU, FLAT),
    "Permute": (lambda: layers.Permute((2, 1)), SERIES),
    "RMSNormalization": (layers.RMSNormalization, SERIES),
    "RNN": (lambda: layers.RNN(layers.LSTMCell(3)), SERIES),
    "ReLU": (layers.ReLU, FLAT),
    "RepeatVector": (lambda: layers.RepeatVector(3), FLAT),
    "Rescaling": (lambda: layers.Rescaling(0.5, 1.0), FLAT),
    "Reshape": (lambda: layers.Reshape((2, 2)), FLAT),
    "Resizing": (lambda: layers.Resizing(4, 3), PICTURE),
    "SimpleRNN": (lambda: layers.SimpleRNN(3), SERIES),
    "Softmax": (layers.Softmax, FLAT),
    "TimeDistributed": (lambda: layers.TimeDistributed(layers.Dense(3)), SERIES),
    "UnitNormalization": (layers.UnitNormalization, FLAT),
    **{
        name: (getattr(layers, name), [FLAT, normal(3, 4)])
        for name in ("Add", "Average", "Concatenate", "Maximum", "Minimum", "Multiply", "Subtract")
    },
    "Dot": (lambda: layers.Dot(1), [FLAT, normal(3, 4)]),
    "Attention": (layers.Attention, [SERIES, normal(3, 5, 4)]),
    "AdditiveAttention": (layers.AdditiveAttention, [SERIES, normal(3, 5, 4)]),
    **{
        f"{kind}{rank}": (partial(getattr(layers, f"{kind}{rank}"), *a), x)
        for rank, x in BY_RANK.items()
        for kind, a in {
            "AveragePooling": (2,), "Conv": (3, 2), "Cropping": (1,), "GlobalAveragePooling": (),
            "GlobalMaxPooling": (), "MaxPooling": (2,), "SpatialDropout": (0.3,),
            "UpSampling": (2,), "ZeroPadding": (1,), "DepthwiseConv": (3,),
            "SeparableConv": (3, 2),
        }.items()
        if hasattr(layers, f"{kind}{rank}")
    },
    **{
        f"Conv{rank}Transpose": (partial(getattr(layers, f"Conv{rank}Transpose"), 3, 2), x)
        for rank, x in BY_RANK.items()
    },
}  # fmt: skip
# Tested by themselves: abstract ones, cells, and those with inputs of another form.
ELSEWHERE = {
    "GRUCell", "GroupedQueryAttention", "InputLayer", "LSTMCell", "Lambda", "Layer",
    "MultiHeadAttention", "SimpleRNNCell", "StackedRNNCells", "Wrapper",
}  # fmt: skip
AROUND = {"Bidirectional", "RNN", "TimeDistributed"}  # their dtype is that of the layers within


def test_no_layer_was_forgotten() -> None:
    there = {
        found.__name__
        for found in (getattr(layers, name) for name in layers.__all__)
        if isinstance(found, type) and issubclass(found, layers.Layer)
    }
    assert there == set(ROWS) | ELSEWHERE


@pytest.mark.parametrize("name", ROWS)
def test_every_layer(name: str, tmp_path: Path) -> None:
    make, x = ROWS[name]
    check_config(make, x)
    check_symbolic(make, x)
    check_file(make, x, tmp_path)
    if name not in AROUND:
        check_dtypes(make, x)
    check_gradients(make, x)
