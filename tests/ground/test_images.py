"""Pictures from files to arrays and back, and folders of pictures as datasets."""

from pathlib import Path

import numpy as np
import pytest

import pyneuro as keras
from pyneuro import layers, utils
from pyneuro.errors import ArgumentError, ShapeError

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 8, 3)).astype("uint8")


def test_there_and_back(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    utils.save_img(path, PIXELS, scale=False)
    image = utils.load_img(path)
    x = utils.img_to_array(image)
    assert x.dtype == np.float32
    np.testing.assert_array_equal(x, PIXELS)
    first = utils.img_to_array(image, "channels_first", dtype="uint8")
    np.testing.assert_array_equal(first, PIXELS.transpose(2, 0, 1))
    again = utils.array_to_img(first, "channels_first", scale=False)
    np.testing.assert_array_equal(np.asarray(again), PIXELS)
    assert utils.img_to_array(utils.load_img(path, "grayscale")).shape == (6, 8, 1)
    assert utils.img_to_array(utils.load_img(path, "rgba")).shape == (6, 8, 4)
    spread = np.asarray(utils.array_to_img(np.array([[[0.1], [0.2]]])))
    assert spread.tolist() == [[0, 255]]
    with pytest.raises(ArgumentError, match="color_mode"):
        utils.load_img(path, "bgr")
    with pytest.raises(ArgumentError, match="interpolation"):
        utils.load_img(path, interpolation="cubic")
    with pytest.raises(ShapeError):
        utils.array_to_img(np.zeros((2, 2, 2)))
    with pytest.raises(ArgumentError, match="data_format"):
        utils.img_to_array(image, "last")


def test_sizes(tmp_path: Path) -> None:
    path = tmp_path / "wide.png"
    stripes = np.zeros((4, 8, 3), "uint8")
    stripes[:, 2:6] = 255  # the middle square
    utils.save_img(path, stripes, scale=False)
    assert utils.load_img(path, target_size=(3, 5)).size == (5, 3)
    squeezed = utils.img_to_array(utils.load_img(path, target_size=(2, 4)))
    assert squeezed[0, :, 0].tolist() == [0, 255, 255, 0]
    cut = utils.img_to_array(utils.load_img(path, target_size=(2, 2), keep_aspect_ratio=True))
    assert (cut == 255).all()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, value, count in (("cat", 0, 5), ("dog", 200, 7)):
        (tmp_path / name).mkdir()
        for i in range(count):
            utils.save_img(tmp_path / name / f"{i}.png", np.full((9, 7, 3), value), scale=False)
        (tmp_path / name / "notes.txt").write_text("no picture")
    return tmp_path


def gathered(dataset: utils.PyDataset) -> tuple:
    batches = [dataset[i] for i in range(len(dataset))]
    return tuple(np.concatenate(column) for column in zip(*batches, strict=True))


def test_a_folder_for_each_class(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = utils.image_dataset_from_directory(folder, image_size=(4, 5), batch_size=5, seed=1)
    assert "Found 12 files belonging to 2 classes." in capsys.readouterr().out
    assert data.class_names == ["cat", "dog"]
    x, y = gathered(data)
    assert x.shape == (12, 4, 5, 3)
    np.testing.assert_array_equal(x[:, 0, 0, 0], y * 200)
    assert y.tolist() != sorted(y)
    options = {"verbose": False, "shuffle": False, "image_size": (2, 2)}
    turned = utils.image_dataset_from_directory(
        folder, class_names=["dog", "cat"], label_mode="categorical", **options
    )
    assert gathered(turned)[1].sum(0).tolist() == [7.0, 5.0]
    binary = gathered(utils.image_dataset_from_directory(folder, label_mode="binary", **options))
    assert binary[1].shape == (12, 1)
    alone = utils.image_dataset_from_directory(folder, label_mode=None, batch_size=None, **options)
    assert alone[0].shape == (2, 2, 3)
    own = utils.image_dataset_from_directory(folder, labels=list(range(12)), **options)
    assert gathered(own)[1].tolist() == list(range(12))


def test_training_and_validation_do_not_overlap_and_a_model_learns(folder: Path) -> None:
    options = {"validation_split": 0.25, "seed": 3, "verbose": False, "image_size": (2, 2)}
    both = utils.image_dataset_from_directory(folder, subset="both", **options)
    alone = [utils.image_dataset_from_directory(folder, subset=part, **options)
             for part in ("training", "validation")]  # fmt: skip
    assert [d.file_paths for d in both] == [d.file_paths for d in alone]
    assert [len(d.file_paths) for d in both] == [9, 3]
    assert not set(both[0].file_paths) & set(both[1].file_paths)
    model = keras.Sequential([keras.Input((2, 2, 3)), layers.Rescaling(1 / 255), layers.Flatten(),
                              layers.Dense(2)])  # fmt: skip
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.1), loss, metrics=["accuracy"])
    history = model.fit(both[0], validation_data=both[1], epochs=30, verbose=0).history
    assert history["accuracy"][-1] == 1.0


def test_arguments_that_do_not_go_together(folder: Path, tmp_path: Path) -> None:
    make = utils.image_dataset_from_directory
    for options, message in (
        ({"label_mode": "one-hot"}, "label_mode"),
        ({"subset": "training"}, "together"),
        ({"subset": "test", "validation_split": 0.5}, "subset"),
        ({"subset": "both", "validation_split": 0.5}, "seed"),
        ({"class_names": ["cat"]}, "folders"),
        ({"labels": [1, 2]}, "2 labels"),
    ):
        with pytest.raises(ArgumentError, match=message):
            make(folder, verbose=False, **options)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ArgumentError, match="no pictures"):
        make(tmp_path / "empty")
