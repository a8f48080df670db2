"""Pictures from files to arrays and back, and folders of pictures as datasets; through Pillow."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import config
from ..data import PyDataset
from ..errors import ArgumentError, ShapeError

__all__ = ["array_to_img", "image_dataset_from_directory", "img_to_array", "load_img", "save_img"]

_MODES = {"rgb": "RGB", "rgba": "RGBA", "grayscale": "L"}
_SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png")
_LABEL_MODES = ("int", "categorical", "binary", None)


def _pillow() -> Any:
    try:
        import PIL.Image
    except ImportError as error:
        raise ImportError("reading pictures needs Pillow: pip install pillow") from error
    return PIL.Image


def _format(data_format: str | None) -> str:
    chosen = config.image_data_format() if data_format is None else data_format
    if chosen not in ("channels_last", "channels_first"):
        raise ArgumentError(
            f"data_format must be 'channels_last' or 'channels_first', got {data_format!r}"
        )
    return chosen


def load_img(
    path: Any,
    color_mode: str = "rgb",
    target_size: tuple[int, int] | None = None,
    interpolation: str = "nearest",
    keep_aspect_ratio: bool = False,
) -> Any:
    """Read a picture.

    Args:
        path: the file, or an open one.
        color_mode: "rgb", "rgba" or "grayscale".
        target_size: height and width to resize to.
        interpolation: "nearest", "bilinear", "bicubic", "lanczos", "box" or "hamming".
        keep_aspect_ratio: cut the middle out first, so that nothing is squeezed.

    Returns:
        A Pillow image.

    Raises:
        ArgumentError: another word.
        ImportError: Pillow is not there.
    """
    pillow = _pillow()
    if color_mode not in _MODES:
        raise ArgumentError(f"color_mode must be one of {sorted(_MODES)}, got {color_mode!r}")
    methods = {m.name.lower(): m for m in pillow.Resampling}
    if interpolation not in methods:
        raise ArgumentError(
            f"interpolation must be one of {sorted(methods)}, got {interpolation!r}"
        )
    with pillow.open(path) as file:
        image = file.convert(_MODES[color_mode])
    if target_size is None or (image.height, image.width) == tuple(target_size):
        return image
    height, width = target_size
    box = None
    if keep_aspect_ratio:
        inner_width = min(image.width, image.height * width / height)
        inner_height = min(image.height, image.width * height / width)
        left, top = (image.width - inner_width) / 2, (image.height - inner_height) / 2
        box = (left, top, left + inner_width, top + inner_height)
    return image.resize((width, height), methods[interpolation], box)


def img_to_array(img: Any, data_format: str | None = None, dtype: Any = None) -> np.ndarray:
    """A picture as an array.

    Args:
        img: a Pillow image.
        data_format: "channels_last" (H, W, C) or "channels_first"; default as configured.
        dtype: the dtype; default `floatx`.

    Returns:
        An array of values from 0 to 255.

    Raises:
        ArgumentError: another data format.
        ShapeError: something that is no picture.

    Example:
        >>> img_to_array(np.zeros((4, 6), "uint8")).shape
        (4, 6, 1)
    """
    layout = _format(data_format)
    x = np.asarray(img, dtype=config.floatx() if dtype is None else dtype)
    if x.ndim == 2:
        x = x[..., None]
    if x.ndim != 3:
        raise ShapeError(f"img_to_array: a picture has 2 or 3 axes, got the shape {x.shape}")
    return np.moveaxis(x, -1, 0) if layout == "channels_first" else x


def array_to_img(
    x: Any, data_format: str | None = None, scale: bool = True, dtype: Any = None
) -> Any:
    """An array as a picture.

    Args:
        x: (H, W, C), or (C, H, W), with 1, 3 or 4 channels.
        data_format: "channels_last" or "channels_first"; default as configured.
        scale: spread the values over 0 to 255; otherwise they are taken as they are.
        dtype: the dtype to compute in; default `floatx`.

    Returns:
        A Pillow image.

    Raises:
        ShapeError: another shape.
        ImportError: Pillow is not there.

    Example:
        >>> array_to_img(np.zeros((4, 6, 3))).size
        (6, 4)
    """
    pillow, layout = _pillow(), _format(data_format)
    x = np.asarray(x, dtype=config.floatx() if dtype is None else dtype)
    if x.ndim == 3 and layout == "channels_first":
        x = np.moveaxis(x, 0, -1)
    if x.ndim != 3 or x.shape[-1] not in (1, 3, 4):
        raise ShapeError(f"array_to_img: expected a picture of 1, 3 or 4 channels, got {x.shape}")
    if scale:
        x = x - x.min()
        x = x * (255.0 / (x.max() or 1.0))
    pixels = np.clip(x, 0, 255).astype("uint8")
    return pillow.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)


def save_img(
    path: Any,
    x: Any,
    data_format: str | None = None,
    file_format: str | None = None,
    scale: bool = True,
    **kwargs: Any,
) -> None:
    """Write an array as a picture.

    Args:
        path: where to.
        x: as for `array_to_img`.
        data_format: as for `array_to_img`.
        file_format: such as "png"; by default as the suffix says.
        scale: as for `array_to_img`.
        **kwargs: passed to Pillow.

    Raises:
        ShapeError: another shape.
        ImportError: Pillow is not there.
    """
    array_to_img(x, data_format, scale).save(path, format=file_format, **kwargs)


class _Pictures(PyDataset):
    """Batches of pictures that are read when they are asked for."""

    def __init__(
        self, paths: list[str], labels: Any, class_names: list[str], batch_size: int | None,
        load: dict[str, Any], data_format: str,
    ) -> None:  # fmt: skip
        super().__init__()
        self.file_paths, self.class_names = paths, class_names
        self._labels, self._size = labels, batch_size
        self._load, self._format = load, data_format

    def __len__(self) -> int:
        return -(-len(self.file_paths) // (self._size or 1))

    def __getitem__(self, index: int) -> Any:
        if not 0 <= index < len(self):
            raise IndexError(f"there is no batch {index} of {len(self)}")
        size = self._size or 1
        part = slice(index * size, (index + 1) * size)
        x = np.stack([
            img_to_array(load_img(path, **self._load), self._format)
            for path in self.file_paths[part]
        ])  # fmt: skip
        y = None if self._labels is None else self._labels[part]
        if self._size is None:
            x, y = x[0], None if y is None else y[0]
        return x if y is None else (x, y)


def _find(
    directory: str, labels: Any, class_names: Sequence[str] | None, follow_links: bool
) -> tuple[list[str], np.ndarray | None, list[str]]:
    """Paths in a fixed order, the number of the class of each, and the names of the classes."""
    folders = sorted(e.name for e in os.scandir(directory) if e.is_dir())
    if labels != "inferred":
        names = [""]
    elif class_names is None:
        names = folders
    else:
        names = list(class_names)
        if set(names) != set(folders):
            raise ArgumentError(
                f"class_names are {names}, but {directory} has the folders {folders}"
            )
    paths, numbers = [], []
    for number, name in enumerate(names):
        for root, _, files in sorted(
            os.walk(os.path.join(directory, name), followlinks=follow_links)
        ):
            found = [f for f in sorted(files) if f.lower().endswith(_SUFFIXES)]
            paths += [os.path.join(root, f) for f in found]
            numbers += [number] * len(found)
    if not paths:
        raise ArgumentError(f"there are no pictures ({', '.join(_SUFFIXES)}) in {directory}")
    if labels is None:
        return paths, None, []
    if labels == "inferred":
        return paths, np.array(numbers), names
    if len(labels) != len(paths):
        raise ArgumentError(f"{len(labels)} labels came for {len(paths)} pictures in {directory}")
    given = np.asarray(labels)
    return paths, given, [str(label) for label in sorted(set(given.tolist()))]


def image_dataset_from_directory(
    directory: str | os.PathLike[str],
    labels: Any = "inferred",
    label_mode: str | None = "int",
    class_names: Sequence[str] | None = None,
    color_mode: str = "rgb",
    batch_size: int | None = 32,
    image_size: tuple[int, int] = (256, 256),
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    interpolation: str = "bilinear",
    follow_links: bool = False,
    crop_to_aspect_ratio: bool = False,
    data_format: str | None = None,
    verbose: bool = True,
) -> Any:
    """A folder of pictures, one folder within for each class, as a dataset for `fit`.

    Pictures are read when their batch is asked for, and made smaller with smoothing.

    Args:
        directory: the folder.
        labels: "inferred" from the folders, a list in the order of the sorted paths, or `None`.
        label_mode: "int", "categorical" (one-hot), "binary" (one column) or `None` for no labels.
        class_names: the names of the folders, in the order of their numbers.
        color_mode: "rgb", "rgba" or "grayscale".
        batch_size: pictures in a batch; `None` for pictures one by one.
        image_size: height and width.
        shuffle: whether pictures come in a random order, which is the same in every pass; `fit`
            mixes the batches.
        seed: decides the order.
        validation_split: the last share of the pictures in that order, kept for validation.
        subset: "training", "validation" or "both", a tuple of two datasets.
        interpolation: as in `load_img`.
        follow_links: whether folders that are links are looked into.
        crop_to_aspect_ratio: cut the middle out, so that nothing is squeezed.
        data_format: "channels_last" or "channels_first"; default as configured.
        verbose: whether to print how much was found.

    Returns:
        A `PyDataset` with `class_names` and `file_paths`; two for "both".

    Raises:
        ArgumentError: no pictures, or arguments that do not go together.
        ImportError: Pillow is not there.
    """
    _pillow()
    if label_mode not in _LABEL_MODES:
        raise ArgumentError(f"label_mode must be one of {_LABEL_MODES}, got {label_mode!r}")
    if (validation_split is None) != (subset is None):
        raise ArgumentError("give validation_split and subset together")
    if subset not in (None, "training", "validation", "both"):
        raise ArgumentError(f"subset must be 'training', 'validation' or 'both', got {subset!r}")
    if subset is not None and shuffle and seed is None:
        raise ArgumentError("a seed is needed, so that training and validation do not overlap")
    paths, numbers, names = _find(
        os.fspath(directory), None if label_mode is None else labels, class_names, follow_links
    )
    order = np.arange(len(paths))
    if shuffle:
        np.random.default_rng(seed).shuffle(order)
    encoded = _encode(numbers, label_mode, names)
    kept = len(order) - int(len(order) * (validation_split or 0.0))
    parts = {"training": order[:kept], "validation": order[kept:]}
    load = {"color_mode": color_mode, "target_size": tuple(image_size),
            "interpolation": interpolation, "keep_aspect_ratio": crop_to_aspect_ratio}  # fmt: skip
    if verbose:
        print(
            f"Found {len(paths)} files" + (f" belonging to {len(names)} classes." if names else ".")
        )

    def made(chosen: np.ndarray) -> _Pictures:
        own = None if encoded is None else encoded[chosen]
        files = [paths[i] for i in chosen]
        return _Pictures(files, own, names, batch_size, load, _format(data_format))

    if subset == "both":
        return made(parts["training"]), made(parts["validation"])
    return made(order if subset is None else parts[subset])


def _encode(numbers: np.ndarray | None, label_mode: str | None, names: list[str]) -> Any:
    if numbers is None or label_mode == "int":
        return None if numbers is None else numbers.astype("int32")
    if label_mode == "categorical":
        return np.eye(len(names), dtype="float32")[numbers]
    if len(names) != 2:
        raise ArgumentError(f"label_mode='binary' needs two classes, but there are {names}")
    return numbers.astype("float32")[:, None]
