"""Helpers of utils: padding, windows of series."""

import numpy as np
import pytest

import pyneuro as keras
from pyneuro import layers, utils
from pyneuro.errors import ArgumentError, ShapeError


def test_pad_sequences() -> None:
    rows = [[1], [2, 3], [4, 5, 6], []]
    assert utils.pad_sequences(rows).tolist() == [[0, 0, 1], [0, 2, 3], [4, 5, 6], [0, 0, 0]]
    post = utils.pad_sequences(rows, maxlen=2, padding="post", truncating="post", value=9)
    assert post.tolist() == [[1, 9], [2, 3], [4, 5], [9, 9]]
    vectors = utils.pad_sequences([np.ones((1, 2)), np.ones((3, 2))], dtype="float32")
    assert vectors.shape == (2, 3, 2)
    assert vectors[0, :2].sum() == 0
    assert utils.pad_sequences([["a"], ["b", "c"]], dtype=object, value="").tolist()[0] == ["", "a"]
    assert utils.pad_sequences([[1, 2]], maxlen=0).shape == (1, 0)
    with pytest.raises(ArgumentError, match="padding"):
        utils.pad_sequences(rows, padding="left")
    with pytest.raises(ArgumentError, match="expected sequences"):
        utils.pad_sequences([1, 2])
    with pytest.raises(ArgumentError, match="dtype=object"):
        utils.pad_sequences(rows, value="x")
    with pytest.raises(ShapeError, match="sequence 1"):
        utils.pad_sequences([np.ones((1, 2)), np.ones((1, 3))])


def test_windows_of_a_series() -> None:
    series = np.arange(20)
    windows = utils.timeseries_dataset_from_array(
        series, series[6:], sequence_length=3, sequence_stride=2, sampling_rate=2, batch_size=4
    )
    x = np.concatenate([windows[i][0] for i in range(len(windows))])
    y = np.concatenate([windows[i][1] for i in range(len(windows))])
    assert x.tolist() == [[s, s + 2, s + 4] for s in range(0, 14, 2)]
    np.testing.assert_array_equal(y, x[:, 0] + 6)
    assert [len(windows[i][0]) for i in range(len(windows))] == [4, 3]
    bounded = utils.timeseries_dataset_from_array(
        series, None, 3, start_index=5, end_index=10, batch_size=None
    )
    assert [bounded[i].tolist() for i in range(len(bounded))] == [[5, 6, 7], [6, 7, 8], [7, 8, 9]]
    shuffled = utils.timeseries_dataset_from_array(series, None, 2, shuffle=True, seed=1)
    assert sorted(shuffled[0][:, 0]) == list(range(19))
    assert shuffled[0][:, 0].tolist() != list(range(19))
    with pytest.raises(IndexError):
        shuffled[1]
    for options in ({"sequence_length": 0}, {"sequence_length": 2, "end_index": 21}):
        with pytest.raises(ArgumentError):
            utils.timeseries_dataset_from_array(series, None, **options)
    model = keras.Sequential([keras.Input((3,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    data = utils.timeseries_dataset_from_array(series / 20.0, series[3:] / 20.0, 3, batch_size=4)
    assert len(model.fit(data, epochs=2, verbose=0).history["loss"]) == 2
