"""Named arrays: a model's weights by name, and safetensors files, checked before they are read.

Bytes are written and read by the safetensors package; the header is checked here first, so that a
truncated or tampered file is an error that says what is wrong with it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import ml_dtypes
import numpy as np
import safetensors
import safetensors.numpy

from ..errors import ArgumentError, FileFormatError, ShapeError, unknown_name
from ..variable import Variable, assign_all

__all__ = [
    "load_state",
    "named_states",
    "named_weights",
    "parse_json",
    "read_file",
    "write_file",
]

_MAX_HEADER = 100_000_000  # the limit of the safetensors format
_MAX_DEPTH = 512
_DTYPES = {
    "BOOL": np.dtype(np.bool_),
    "U8": np.dtype(np.uint8),
    "I8": np.dtype(np.int8),
    "U16": np.dtype(np.uint16),
    "I16": np.dtype(np.int16),
    "F16": np.dtype(np.float16),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "U32": np.dtype(np.uint32),
    "I32": np.dtype(np.int32),
    "F32": np.dtype(np.float32),
    "U64": np.dtype(np.uint64),
    "I64": np.dtype(np.int64),
    "F64": np.dtype(np.float64),
}


# -- names ----------------------------------------------------------------------------------------


def _walk(layer: Any, prefix: str, seen: set[int]) -> Iterator[tuple[str, Any]]:
    """(name, Variable or seed generator) of a layer and those in it, each thing once."""
    seen.add(id(layer))
    for variable in (*layer._own_trainable, *layer._own_frozen):
        if id(variable) not in seen:
            seen.add(id(variable))
            yield f"{prefix}{variable.name}", variable
    for name, item in layer._child_items():
        if id(item) in seen:
            continue
        if hasattr(item, "_child_items"):
            yield from _walk(item, f"{prefix}{name}/", seen)
        elif isinstance(item, Variable) or hasattr(item, "next"):
            seen.add(id(item))
            yield f"{prefix}{name}", item


def _unique(pairs: Iterator[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, item in pairs:
        unused, number = name, 0
        while unused in found:
            number += 1
            unused = f"{name}_{number}"
        found[unused] = item
    return found


def named_weights(model: Any) -> dict[str, Variable]:
    """All weights of a layer or model by name.

    Names come from attributes and positions, not from the names that layers were given, so that the
    same code gives the same names.

    Args:
        model: a layer.

    Returns:
        Such as "dense_1/kernel" -> Variable, in the order of `weights`.
    """
    return _unique((n, v) for n, v in _walk(model, "", set()) if isinstance(v, Variable))


def named_states(model: Any) -> dict[str, Variable]:
    """The state of all random generators of a layer or model by name.

    Args:
        model: a layer.

    Returns:
        Such as "dropout/seed_generator" -> Variable.
    """
    found = _unique((n, g) for n, g in _walk(model, "", set()) if not isinstance(g, Variable))
    return {name: generator.state for name, generator in found.items()}


def load_state(
    variables: dict[str, Variable],
    arrays: dict[str, Any],
    *,
    strict: bool = True,
    skip_mismatch: bool = False,
) -> None:
    """Assign arrays to variables of the same names: all of them, or on an error none.

    Args:
        variables: the variables by name.
        arrays: the arrays by name.
        strict: whether the names must be the same on both sides.
        skip_mismatch: leave a variable alone whose array is missing or of another shape.

    Raises:
        ArgumentError: an array is missing.
        UnknownNameError: an array belongs to no variable.
        ShapeError: an array has another shape than its variable.
    """
    if strict:
        missing = [name for name in variables if name not in arrays]
        if missing:
            shown = ", ".join(repr(name) for name in missing[:5])
            more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
            raise ArgumentError(
                f"there are no arrays for {len(missing)} of {len(variables)} weights: "
                f"{shown}{more}; there are {sorted(arrays)[:5]}"
            )
        for name in arrays:
            if name not in variables:
                raise unknown_name("weight", name, variables)
    chosen: list[Variable] = []
    values: list[Any] = []
    for name, variable in variables.items():
        if name not in arrays:
            continue
        value = arrays[name]
        if tuple(value.shape) != tuple(variable.shape):
            if skip_mismatch:
                continue
            raise ShapeError(
                f"{name!r} (layer weight {variable.path!r}) has the shape {tuple(variable.shape)}, "
                f"but the array for it has {tuple(value.shape)}; is it from another model?"
            )
        chosen.append(variable)
        values.append(value)
    assign_all(chosen, values)


# -- writing --------------------------------------------------------------------------------------


def write_file(
    path: str | os.PathLike[str],
    arrays: dict[str, Any],
    metadata: dict[str, str],
    overwrite: bool = True,
) -> None:
    """Write named arrays and texts to a safetensors file: whole, or not at all.

    The bytes go to a file beside the place, are flushed to the disk, and take the place in one
    move.

    Args:
        path: where to.
        arrays: NumPy arrays by name.
        metadata: texts by name.
        overwrite: whether a file that is there may be replaced.

    Raises:
        FileExistsError: there is a file, and `overwrite` is `False`.
        OSError: the file cannot be written.
    """
    target = os.path.realpath(os.fspath(path))
    if os.path.exists(target) and not overwrite:
        raise FileExistsError(f"{os.fspath(path)} exists; pass overwrite=True to replace it")
    dense = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    # ascontiguousarray makes a scalar an array of one; keep the shape that was given
    dense = {name: array.reshape(np.shape(arrays[name])) for name, array in dense.items()}
    data = safetensors.numpy.save(dense, metadata)
    folder = os.path.dirname(target) or "."
    beside = os.path.join(folder, f".{os.path.basename(target)}.{os.urandom(6).hex()}.tmp")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, target)
    except BaseException:
        os.unlink(beside)
        raise
    _sync_folder(folder)


def _sync_folder(folder: str) -> None:
    """Have the move itself survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# -- reading --------------------------------------------------------------------------------------


def read_file(path: str | os.PathLike[str]) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Read a safetensors file.

    Args:
        path: the file.

    Returns:
        `(arrays by name, metadata)`.

    Raises:
        FileNotFoundError: there is no file.
        FileFormatError: the file is truncated, tampered with, or of another format.
    """
    name = os.fspath(path)
    if os.path.isdir(name):
        raise FileFormatError(f"{name} is a folder, not a file")
    with open(name, "rb") as file:
        data = file.read()
    metadata = _check(name, data)
    arrays = {
        key: np.frombuffer(part["data"], _DTYPES[part["dtype"]]).reshape(part["shape"])
        for key, part in safetensors.deserialize(data)  # type: ignore[no-untyped-call]
    }
    return arrays, metadata


def _bad(name: str, cause: str) -> FileFormatError:
    return FileFormatError(f"{name} is no valid safetensors file: {cause}")


def _check(name: str, data: bytes) -> dict[str, str]:
    """Raise unless header and data fit together; the metadata."""
    if len(data) < 8:
        raise _bad(name, f"it has {len(data)} bytes, and the header alone takes more")
    length = int.from_bytes(data[:8], "little")
    if length > _MAX_HEADER:
        raise _bad(
            name, f"its header claims to be {length} bytes long; at most {_MAX_HEADER} are allowed"
        )
    if length > len(data) - 8:
        raise _bad(
            name, f"its header is {length} bytes long, but only {len(data) - 8} bytes follow"
        )
    try:
        text = data[8 : 8 + length].decode("utf-8")
    except UnicodeDecodeError as error:
        raise _bad(name, f"its header is no text ({error.reason})") from None
    header = parse_json(text, name, "header", depth=8)
    if not isinstance(header, dict):
        raise _bad(name, "its header is no JSON object")
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise _bad(name, "its metadata are not texts by name")
    _check_tensors(name, header, len(data) - 8 - length)
    return metadata


def _check_tensors(name: str, header: dict[str, Any], size: int) -> None:
    """Raise unless the arrays fill the data exactly, without gaps or overlaps."""
    spans = []
    for key, entry in header.items():
        if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
            raise _bad(name, f"the entry of {key!r} must have dtype, shape and data_offsets")
        dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
        if not isinstance(dtype, str) or dtype not in _DTYPES:
            raise _bad(name, f"{key!r} has the unknown dtype {dtype!r}")
        if not _are_sizes(shape) or not _are_sizes(offsets) or len(offsets) != 2:
            raise _bad(name, f"the shape or the offsets of {key!r} are no whole numbers >= 0")
        count = 1
        for extent in shape:
            count *= extent
        begin, end = offsets
        needed = count * _DTYPES[dtype].itemsize
        if end - begin != needed:
            raise _bad(
                name,
                f"{key!r} of {dtype} {tuple(shape)} needs {needed} bytes, but has {end - begin}",
            )
        spans.append((begin, end, key))
    at = 0
    for begin, end, key in sorted(spans):
        if begin != at:
            what = "overlaps the one before" if begin < at else "leaves a gap before it"
            raise _bad(name, f"the data of {key!r} {what}")
        at = end
    if at != size:
        what = "truncated" if at > size else "followed by other bytes"
        raise _bad(name, f"its arrays take {at} bytes, but {size} are there: it is {what}")


def _are_sizes(value: Any) -> bool:
    return isinstance(value, list) and all(type(v) is int and 0 <= v < 2**63 for v in value)


def parse_json(text: str, name: str, what: str, depth: int = _MAX_DEPTH) -> Any:
    """Parse JSON that may come from anywhere.

    Args:
        text: the JSON.
        name: the file's name, for messages.
        what: what it is, for messages.
        depth: how deep it may nest.

    Returns:
        Plain values.

    Raises:
        FileFormatError: not JSON, nested too deep, or with one key twice in an object.
    """
    _check_depth(text, name, what, depth)

    def no_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise FileFormatError(f"{name}: the {what} has the key {twice!r} twice")
        return found

    try:
        return json.loads(text, object_pairs_hook=no_twice)
    except FileFormatError:
        raise
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"{name}: the {what} is no valid JSON: {error}") from None


def _check_depth(text: str, name: str, what: str, most: int) -> None:
    """Count brackets outside of strings before a parser that recurses sees them."""
    depth, inside, escaped = 0, False, False
    for character in text:
        if inside:
            if escaped:
                escaped = False
            elif character == "\\":
                escaped = True
            elif character == '"':
                inside = False
        elif character == '"':
            inside = True
        elif character in "[{":
            depth += 1
            if depth > most:
                raise FileFormatError(f"{name}: the {what} nests deeper than {most} levels")
        elif character in "]}":
            depth -= 1
