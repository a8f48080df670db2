"""Data: what users have, as batches of NumPy arrays."""

import numpy as np
import pytest

from pyneuro import data, ops

X = np.arange(10.0, dtype="float32").reshape(10, 1)
Y = np.arange(10)


def firsts(epochs: data.Epochs, epoch: int) -> list[list[float]]:
    return [x.ravel().tolist() for x, _, _ in epochs.batches(epoch)]


def test_batches_in_order_are_views() -> None:
    source = data.make_data(X, Y, batch_size=4)
    batches = list(source.epoch(0))
    assert [len(x) for x, _, _ in batches] == [4, 4, 2]
    assert source.num_batches == 3
    assert batches[0][0].base is X or np.shares_memory(batches[0][0], X)
    assert batches[0][2] is None


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    def order(seed: int, epoch: int) -> list[float]:
        source = data.make_data(X, Y, batch_size=4, shuffle=True, seed=seed)
        return [v for x, y, _ in source.epoch(epoch) for v in x.ravel() if (x.ravel() == y).all()]

    assert order(1, 0) == order(1, 0) != order(1, 1)
    assert order(1, 0) != order(2, 0)
    assert sorted(order(1, 0)) == X.ravel().tolist()


def test_whole_batches_can_be_shuffled() -> None:
    source = data.make_data(X, batch_size=3, shuffle="batch", seed=1)
    batches = [x.ravel().tolist() for x, _, _ in source.epoch(0)]
    assert sorted(batches[:3]) == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    assert batches[3] == [9]


def test_everything_becomes_numpy_and_float64_becomes_floatx() -> None:
    class Frame:
        def to_numpy(self) -> np.ndarray:
            return np.ones((2, 1))

    structure = {"a": [1.5, 2.5], "t": ops.ones((2,)), "f": Frame(), "i": np.arange(2)}
    arrays = data.to_arrays(structure, "float32")
    assert {k: v.dtype.name for k, v in arrays.items()} == {
        "a": "float32", "t": "float32", "f": "float32", "i": "int64",
    }  # fmt: skip
    assert data.to_arrays([[1, 2], [3, 4]]).shape == (2, 2)
    assert isinstance(data.to_arrays([X, X]), list)


@pytest.mark.parametrize("bad", [np.array(["a"]), np.array([{}]), object(), ["a", "b"]])
def test_what_holds_no_numbers_is_refused(bad: object) -> None:
    with pytest.raises(TypeError, match="numbers"):
        data.ArrayData(bad)


def test_structures_are_cut_together() -> None:
    source = data.make_data({"a": X, "b": [Y]}, (Y, X), batch_size=4)
    x, y, _ = next(iter(source.epoch(0)))
    assert x["b"][0].tolist() == [0, 1, 2, 3]
    assert y[1].shape == (4, 1)
    with pytest.raises(ValueError, match=r"\[10, 9\]"):
        data.make_data(X, Y[:9])
    with pytest.raises(ValueError, match="no samples"):
        data.make_data(X[:0])
    with pytest.raises(ValueError, match="batch_size"):
        data.make_data(X, batch_size=0)


def test_memory_maps_are_not_read_as_a_whole(tmp_path: object) -> None:
    mapped = np.memmap(f"{tmp_path}/x", dtype="float64", mode="w+", shape=(6, 2))
    mapped[:] = 3
    source = data.make_data(mapped, batch_size=4, floatx="float32")
    assert isinstance(source.data[0], np.memmap)
    assert [x.dtype.name for x, _, _ in source.epoch(0)] == ["float32", "float32"]


def test_splitting_cuts_the_end_off() -> None:
    (x, y, _), (vx, vy, _) = data.train_validation_split((X, Y, None), 0.25)
    assert len(x) == 7
    assert vy.tolist() == [7, 8, 9]
    assert len(vx) == 3
    assert len(y) == 7
    for share in (0.0, 1.0):
        with pytest.raises(ValueError, match="neither may be empty"):
            data.train_validation_split((X, Y, None), share)


def test_class_weights() -> None:
    one_hot = np.eye(3)[[0, 2, 1]]
    for y in (np.array([0, 2, 1]), np.array([[0.0], [2.0], [1.0]]), one_hot):
        assert data.class_weights(y, {0: 5.0, 1: 0.5}).tolist() == [5.0, 1.0, 0.5]
    with pytest.raises(ValueError, match="same time"):
        data.make_data(X, Y, np.ones(10), class_weight={0: 1.0})
    with pytest.raises(ValueError, match="targets"):
        data.make_data(X, class_weight={0: 1.0})


class Halves(data.PyDataset):
    def __init__(self) -> None:
        super().__init__()
        self.ended = 0

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        return X[index * 5 : index * 5 + 5], Y[index * 5 : index * 5 + 5]

    def on_epoch_end(self) -> None:
        self.ended += 1


def test_sequences() -> None:
    halves = Halves()
    epochs = data.Epochs(data.make_data(halves))
    assert epochs.steps == 2
    assert [b[0] for b in firsts(epochs, 0)] == [0.0, 5.0]
    assert halves.ended == 1
    weighted = data.make_data(halves, class_weight={7: 3.0})
    assert [w.max() for _, _, w in weighted.epoch(0)] == [1.0, 3.0]
    with pytest.raises(ValueError, match="y cannot be given"):
        data.make_data(halves, Y)
    with pytest.raises(ValueError, match="workers"):
        data.PyDataset(workers=0)


def test_generators_go_on_where_they_were() -> None:
    epochs = data.Epochs(data.make_data((X[i : i + 1], Y[i : i + 1]) for i in range(5)), steps=2)
    assert firsts(epochs, 0) == [[0.0], [1.0]]
    assert firsts(epochs, 1) == [[2.0], [3.0]]
    with pytest.warns(UserWarning, match="ended after 1 of 2"):
        assert firsts(epochs, 2) == [[4.0]]
    assert epochs.ended


def test_iterables_begin_again() -> None:
    epochs = data.Epochs(data.make_data(Batches()), steps=3)
    assert firsts(epochs, 0) == [[0, 1, 2], [3, 4, 5], [0, 1, 2]]
    assert firsts(epochs, 1) == [[3, 4, 5], [0, 1, 2], [3, 4, 5]]


class Batches:
    def __iter__(self) -> object:
        return iter([X[:3], X[3:6]])


def test_what_is_no_data_is_refused() -> None:
    with pytest.raises(TypeError, match="PyDataset"):
        data.make_data(5)
    with pytest.raises(ValueError, match="tuple of 4"):
        data.unpack_x_y_sample_weight((1, 2, 3, 4))
    assert data.pack_x_y_sample_weight([1], None) == ([1],)
