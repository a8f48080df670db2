"""Files: what is written is read again, whole or not at all, and nothing in a file can do harm."""

import json
import os
import struct
from collections.abc import Callable

import numpy as np
import pytest
import safetensors.numpy

import pyneuro
from pyneuro import Input, Model, Sequential, layers, losses, models, ops, optimizers
from pyneuro.errors import ArgumentError, FileFormatError, ShapeError, UnknownNameError
from pyneuro.saving import weights as files

RNG = np.random.default_rng(0)
X = RNG.normal(size=(12, 4)).astype("float32")
LABELS = RNG.integers(0, 3, 12)


def trained() -> Sequential:
    hidden = layers.Dense(5, activation="relu")
    dropout = layers.Dropout(0.3, seed=1)
    model = Sequential([Input((4,)), hidden, dropout, layers.Dense(3)], name="net")
    rate = optimizers.schedules.CosineDecay(0.01, 100)
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizers.Adam(rate), loss, metrics=["accuracy"])
    model.fit(X, LABELS, batch_size=4, epochs=2, verbose=0)
    return model


@pytest.fixture
def path(tmp_path: object) -> str:
    return f"{tmp_path}/model.pyneuro"


def test_a_loaded_model_goes_on_as_if_nothing_had_happened(path: str) -> None:
    model = trained()
    model.save(path)
    again = models.load_model(path)
    np.testing.assert_array_equal(model.predict(X, verbose=0), again.predict(X, verbose=0))
    assert again.evaluate(X, LABELS, verbose=0) == model.evaluate(X, LABELS, verbose=0)
    assert again.name == "net"
    assert again.optimizer.iterations.item() == 6
    for m in (model, again):
        m.fit(X, LABELS, batch_size=4, shuffle=False, epochs=2, verbose=0)
    for a, b in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_equal_models_make_equal_bytes(path: str, tmp_path: object) -> None:
    model = trained()
    model.save(path)
    model.save(f"{tmp_path}/other.pyneuro")
    with open(path, "rb") as a, open(f"{tmp_path}/other.pyneuro", "rb") as b:
        assert a.read() == b.read()


def test_a_file_is_plain_safetensors(path: str) -> None:
    model = trained()
    model.save(path)
    arrays = safetensors.numpy.load_file(path)
    assert {"weights/dense/kernel", "weights/dense_1/bias", "random/dropout/seed_generator",
            "optimizer/0"} <= set(arrays)  # fmt: skip
    np.testing.assert_array_equal(arrays["weights/dense/kernel"], model.get_weights()[0])


def test_functional_nested_and_shared_models(path: str) -> None:
    x = Input((4,), name="x")
    inner = Sequential([Input((4,)), layers.Dense(4)], name="inner")
    shared = layers.Dense(4, name="shared")
    y = ops.argmax(inner(shared(x)) + shared(x) * 2, axis=-1)
    model = Model(x, {"y": y, "z": ops.reshape(shared(x), (-1, 2, 2))})
    model.save(path)
    again = models.load_model(path)
    for key, value in model.predict(X, verbose=0).items():
        np.testing.assert_array_equal(value, again.predict(X, verbose=0)[key])


class Net(Model):
    def __init__(self, units: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.blocks = [layers.Dense(units), layers.Dense(units)]
        self.scale = self.add_weight((), "ones", name="scale")

    def call(self, inputs: object) -> object:
        for block in self.blocks:
            inputs = block(inputs)
        return inputs * self.scale


def test_models_of_own_classes(path: str) -> None:
    model = Net(3)
    with pytest.raises(ArgumentError, match="not built"):
        model.save(path)
    model(X)
    model.save(path)
    with pytest.raises(UnknownNameError, match="Net") as info:
        models.load_model(path)
    assert any("custom_objects" in note for note in info.value.__notes__)
    again = models.load_model(path, custom_objects={"Net": Net})
    np.testing.assert_array_equal(model(X).numpy(), again(X).numpy())


def test_all_dtypes_and_scalars_survive(tmp_path: object) -> None:
    import ml_dtypes

    names = ("float32", "float64", "float16", "int8", "int64", "uint8", "uint16", "bool")
    arrays = {name: np.arange(6).reshape(2, 3).astype(name) for name in names}
    arrays["bfloat16"] = np.arange(3).astype(ml_dtypes.bfloat16)
    arrays["scalar"], arrays["empty"] = np.array(2.5), np.zeros((0, 3), "float32")
    files.write_file(f"{tmp_path}/a", arrays, {"k": "v"})
    again, metadata = files.read_file(f"{tmp_path}/a")
    assert metadata == {"k": "v"}
    assert set(again) == set(arrays)
    for name, array in arrays.items():
        assert again[name].dtype == array.dtype
        assert again[name].shape == array.shape
        np.testing.assert_array_equal(again[name], array)


def test_weights_alone(path: str, tmp_path: object) -> None:
    model, other = trained(), trained()
    model.save_weights(path)
    other.load_weights(path)
    np.testing.assert_array_equal(model.get_weights()[2], other.get_weights()[2])
    plain = f"{tmp_path}/w.safetensors"
    model.save_weights(plain)
    assert sorted(safetensors.numpy.load_file(plain)) == sorted(model.state_dict())
    fresh = trained()
    fresh.load_weights(plain)
    np.testing.assert_array_equal(model.get_weights()[0], fresh.get_weights()[0])
    with pytest.raises(FileFormatError, match="weights only"):
        models.load_model(path)
    model.save(path)
    other.load_weights(path)  # a whole model has weights too


def test_weights_of_another_model_name_layer_and_shapes_and_change_nothing(path: str) -> None:
    model = trained()
    model.save_weights(path)
    other = Sequential([Input((4,)), layers.Dense(5), layers.Dropout(0.1), layers.Dense(2)])
    before = other.get_weights()
    with pytest.raises(ShapeError, match=r"dense_1/kernel.*\(5, 2\).*\(5, 3\)") as info:
        other.load_weights(path)
    assert path in info.value.__notes__[0]
    for a, b in zip(before, other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    other.load_weights(path, skip_mismatch=True)
    np.testing.assert_array_equal(other.get_weights()[0], model.get_weights()[0])
    with pytest.raises(ArgumentError, match="no arrays"):
        Sequential([Input((4,)), *(layers.Dense(5) for _ in range(5))]).load_weights(path)


def test_suffixes(tmp_path: object) -> None:
    model = trained()
    for name in ("m.keras", "m.h5", "m.weights.h5"):
        with pytest.raises(ArgumentError, match="real Keras file"):
            model.save(f"{tmp_path}/{name}")
        with pytest.raises(ArgumentError, match="real Keras file"):
            model.save_weights(f"{tmp_path}/{name}")
        with pytest.raises(ArgumentError, match="real Keras file"):
            models.load_model(f"{tmp_path}/{name}")
    with pytest.raises(ArgumentError, match=r"must end with \.pyneuro"):
        model.save(f"{tmp_path}/model")
    with pytest.raises(ArgumentError, match="never zipped"):
        model.save(f"{tmp_path}/m.pyneuro", zipped=True)
    with pytest.raises(ArgumentError, match="one file"):
        model.save_weights(f"{tmp_path}/m.pyneuro", max_shard_size=1)
    assert os.listdir(str(tmp_path)) == []


def test_an_existing_file_is_kept_unless_it_may_be_replaced(path: str) -> None:
    model = trained()
    model.save(path)
    with pytest.raises(FileExistsError, match="overwrite"):
        model.save(path, overwrite=False)
    model.save(path)


def test_a_write_that_fails_leaves_the_old_file(
    path: str, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = trained()
    model.save(path)
    with open(path, "rb") as file:
        before = file.read()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        model.save(path)
    with open(path, "rb") as file:
        assert file.read() == before
    assert os.listdir(str(tmp_path)) == ["model.pyneuro"]


def test_without_the_optimizer(path: str) -> None:
    model = trained()
    model.save(path, include_optimizer=False)
    assert models.load_model(path).compiled is False
    model.save(path)
    assert models.load_model(path, compile=False).compiled is False


def test_every_truncation_is_noticed(path: str) -> None:
    trained().save(path)
    with open(path, "rb") as file:
        data = file.read()
    for length in (*range(60), *range(60, len(data), 97), len(data) - 1):
        with open(path, "wb") as file:
            file.write(data[:length])
        with pytest.raises(FileFormatError):
            models.load_model(path)
    with open(path, "wb") as file:
        file.write(data + b"x")
    with pytest.raises(FileFormatError, match="other bytes"):
        models.load_model(path)


def error_of(action: Callable[[], object]) -> Exception | None:
    try:
        action()
    except Exception as error:
        return error
    return None


def test_flipped_bytes_of_the_header_never_crash(path: str) -> None:
    trained().save(path)
    with open(path, "rb") as file:
        data = bytearray(file.read())
    end = 8 + int.from_bytes(data[:8], "little")
    generator = np.random.default_rng(1)
    for _ in range(300):
        copy = bytearray(data)
        copy[generator.integers(0, end)] = generator.integers(0, 256)
        with open(path, "wb") as file:
            file.write(copy)
        raised = error_of(lambda: models.load_model(path))
        assert raised is None or type(raised).__module__ == "pyneuro.errors", repr(raised)


def write(path: str, header: object, data: bytes = b"", length: int | None = None) -> None:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text) if length is None else length) + text + data)


F32 = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize(
    ("header", "data", "message"),
    [
        (b"[]", b"", "no JSON object"),
        (b"{", b"", "no valid JSON"),
        (b"\xff\xfe", b"", "no text"),
        (b'{"a": 1, "a": 2}', b"", "'a' twice"),
        (b"[" * 100_000, b"", "nests deeper"),
        ({"a": 5}, b"", "must have dtype"),
        ({"a": {**F32, "more": 1}}, bytes(8), "must have dtype"),
        ({"a": {**F32, "dtype": "F31"}}, bytes(8), "unknown dtype 'F31'"),
        ({"a": {**F32, "shape": [-2]}}, bytes(8), "no whole numbers"),
        ({"a": {**F32, "shape": [2.0]}}, bytes(8), "no whole numbers"),
        ({"a": {**F32, "shape": [True, 2]}}, bytes(8), "no whole numbers"),
        ({"a": {**F32, "shape": [3]}}, bytes(8), "needs 12 bytes, but has 8"),
        ({"a": {**F32, "shape": [2**62, 2**62]}}, bytes(8), "needs"),
        ({"a": {**F32, "data_offsets": [8, 0]}}, bytes(8), "needs"),
        ({"a": {**F32, "data_offsets": [4, 12]}}, bytes(12), "leaves a gap"),
        ({"a": F32, "b": {**F32, "data_offsets": [4, 12]}}, bytes(12), "overlaps"),
        ({"a": F32}, bytes(7), "truncated"),
        ({"a": F32}, bytes(9), "other bytes"),
        ({"__metadata__": {"a": 1}}, b"", "metadata are not texts"),
        ({"__metadata__": {"pyneuro": "[1]"}}, b"", "format's number"),
        ({"__metadata__": {"pyneuro": '{"format": 99}'}}, b"", "upgrade"),
        ({"__metadata__": {"pyneuro": '{"format": 1, "format": 1}'}}, b"", "twice"),
        (
            {"__metadata__": {"pyneuro": '{"format": 1, "kind": "model", "config": 5}'}},
            b"",
            "no model",
        ),
        ({}, b"", "no model"),
    ],
)
def test_headers_that_lie_are_told_so(path: str, header: object, data: bytes, message: str) -> None:
    write(path, header, data)
    with pytest.raises(FileFormatError, match=message):
        models.load_model(path)


def test_a_header_that_claims_to_be_huge(path: str) -> None:
    for length in (2**63, 2**64 - 1, 100_000_001, 9):
        write(path, b"{}", length=length)
        with pytest.raises(FileFormatError, match="header"):
            models.load_model(path)


def tampered(path: str, change: object) -> None:
    """Rewrite the metadata of a saved model."""
    arrays, metadata = files.read_file(path)
    info = json.loads(metadata["pyneuro"])
    change(info)  # type: ignore[operator]
    files.write_file(path, arrays, {"pyneuro": json.dumps(info)})


@pytest.mark.parametrize(
    "change",
    [
        lambda i: i["config"].update(class_name="Popen", module="subprocess"),
        lambda i: i["config"].update(
            class_name="Dense", module="pyneuro.layers", config={"units": 1}
        ),
        lambda i: i["config"]["config"]["layers"][1].update(class_name="os.system"),
        lambda i: i["config"]["config"]["layers"][1]["config"].update(units=10**12),
        lambda i: i["config"]["config"]["layers"][1]["config"].update(units="many"),
        lambda i: i["config"]["config"]["layers"][1]["config"].update(activation="__import__"),
        lambda i: i["config"]["config"]["layers"][0]["config"].update(batch_shape=[None, 10**9]),
        lambda i: i["config"]["config"].update(layers=5),
        lambda i: i["config"]["config"].pop("layers"),
        lambda i: i["config"].pop("config"),
        lambda i: i["compile_config"].update(loss="evil"),
        lambda i: i["compile_config"].update(unknown=1),
        lambda i: i["compile_config"]["optimizer"]["config"].update(learning_rate="fast"),
    ],
)
def test_configs_that_lie_give_an_error_of_ours(path: str, change: object) -> None:
    trained().save(path)
    tampered(path, change)
    with pytest.raises((FileFormatError, ArgumentError, ShapeError)) as info:
        models.load_model(path)
    assert path in str(info.value) + "".join(getattr(info.value, "__notes__", []))


def test_missing_files_and_folders(tmp_path: object) -> None:
    with pytest.raises(FileNotFoundError):
        models.load_model(f"{tmp_path}/none.pyneuro")
    os.mkdir(f"{tmp_path}/dir.pyneuro")
    with pytest.raises(FileFormatError, match="folder"):
        models.load_model(f"{tmp_path}/dir.pyneuro")


def test_loss_functions_that_cannot_be_named_say_so(path: str) -> None:
    model = Sequential([Input((4,)), layers.Dense(1)])
    model.compile("sgd", lambda y, p: ops.mean(p))
    with pytest.raises(ArgumentError, match="register_keras_serializable"):
        model.save(path)
    model.save(path, include_optimizer=False)


def test_custom_losses_and_metrics_come_from_custom_objects(path: str) -> None:
    def my_loss(y_true: object, y_pred: object) -> object:
        return ops.mean(ops.square(y_pred), axis=-1)

    model = Sequential([Input((4,)), layers.Dense(1)])
    model.compile("sgd", my_loss, metrics=[my_loss])
    model.fit(X, LABELS, verbose=0)
    model.save(path)
    with pytest.raises(UnknownNameError, match="my_loss"):
        models.load_model(path)
    again = models.load_model(path, custom_objects={"my_loss": my_loss})
    assert again.evaluate(X, LABELS, verbose=0) == model.evaluate(X, LABELS, verbose=0)


def test_depth_is_counted_outside_of_strings_only() -> None:
    assert files.parse_json('"[[[[["', "f", "x", depth=1) == "[[[[["
    assert files.parse_json('["\\"["]', "f", "x", depth=1) == ['"[']
    with pytest.raises(FileFormatError, match="deeper than 2"):
        files.parse_json("[[[]]]", "f", "x", depth=2)


def test_pyneuro_writes_where_a_link_points(path: str, tmp_path: object) -> None:
    os.symlink(path, f"{tmp_path}/link.pyneuro")
    trained().save(f"{tmp_path}/link.pyneuro")
    assert os.path.islink(f"{tmp_path}/link.pyneuro")
    assert os.path.isfile(path)
    assert pyneuro.saving.load_model(path).built
