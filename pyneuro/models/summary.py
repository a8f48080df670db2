"""The table that `model.summary()` prints, laid out as Keras does; and readable sizes."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Iterable
from typing import Any

from .. import tree
from ..errors import ArgumentError
from ..symbolic import KerasTensor, LayerCall

__all__ = ["print_summary", "readable_size"]

# Widths of the cells, in characters with a space on each side, where the user gives none: by
# whether there are the columns "Connected to" and "Trainable".
_WIDTHS = {
    (False, False): [33, 24, 15],
    (True, False): [21, 19, 12, 19],
    (False, True): [29, 23, 12, 7],
    (True, True): [19, 17, 11, 16, 7],
}
_ASCII = str.maketrans("┏┓┳┡┩╇└┘┴├┤┼━─┃│…", "++++++++++++=-||.")


def readable_size(count: float) -> str:
    """A number of bytes with its unit.

    Args:
        count: bytes.

    Returns:
        Such as "19.34 KB".

    Example:
        >>> readable_size(19804)
        '19.34 KB'
    """
    for unit in ("B", "KB", "MB", "GB", "TB"):
        if count < 1024 or unit == "TB":
            break
        count /= 1024
    return f"{count:.2f} {unit}"


def _bytes_of(variables: Iterable[Any]) -> tuple[int, float]:
    """How many scalars, and how many bytes they take."""
    sizes = {"bool": 1, "float16": 2, "bfloat16": 2, "float32": 4, "float64": 8}
    count, total = 0, 0.0
    for variable in variables:
        size = math.prod(variable.shape)
        digits = re.sub(r"\D", "", variable.dtype)
        count += size
        total += size * sizes.get(variable.dtype, int(digits or 8) // 8)
    return count, total


# -- what stands in the cells ---------------------------------------------------------------------


def _shape_of_output(layer: Any) -> str:
    nodes = layer._inbound_nodes
    if nodes:
        outputs = [node.outputs for node in nodes]
        shapes = tree.flatten(outputs)
        texts = list(dict.fromkeys(str(x.shape) for x in shapes if isinstance(x, KerasTensor)))
        if texts:
            return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    shapes_built = getattr(layer, "_build_shapes", None)
    if not layer.built or not shapes_built:
        return "?"
    try:
        shape = layer.compute_output_shape(**_input_shapes(shapes_built))
    except Exception:  # only for display: a layer need not run on shapes alone
        return "?"
    return str(shape)


def _input_shapes(built: dict[str, Any]) -> dict[str, Any]:
    """The shapes a layer was built for, with any batch size."""

    def free(shape: Any) -> Any:
        return (None, *shape[1:]) if shape else shape

    return {
        (name if name.endswith("_shape") else "input_shape"): tree.map_shape_structure(free, shape)
        for name, shape in built.items()
        if shape is not None
    }


def _params_of(layer: Any) -> str:
    if not layer.built and not layer.weights:
        return "0 (unbuilt)"
    return f"{layer.count_params():,}"


class _Row:
    """A line of the table: a layer, or a function's call in a functional model."""

    def __init__(self, layer: Any, level: int, connected: str, record: Any = None) -> None:
        indent = "   " * level + "└ " if level else ""
        self.connected = connected
        if layer is None:
            kind = "".join(part.capitalize() for part in record.name.split("_"))
            self.name = f"{indent}{record.name} ({kind})"
            shapes = [str(x.shape) for x in tree.flatten(record.outputs)]
            self.shape = shapes[0] if len(shapes) == 1 else f"[{', '.join(shapes)}]"
            self.params, self.trained = "0", "-"
            return
        self.name = f"{indent}{layer.name} ({type(layer).__name__})"
        self.shape = _shape_of_output(layer)
        self.params = _params_of(layer)
        self.trained = ("Y" if layer.trainable else "N") if layer.weights else "-"


def _rows(model: Any, expand: bool, level: int, chosen: list[Any] | None) -> list[_Row]:
    graph = getattr(model, "_graph", None)
    found: list[_Row] = []
    entries: list[tuple[Any, Any]]
    if graph is not None:
        entries = _graph_entries(graph)
    else:
        entries = [(layer, None) for layer in model.layers]
    for layer, record in entries:
        if chosen is not None and layer is not None and not any(layer is c for c in chosen):
            continue
        connected = _connections(graph, layer, record) if graph is not None and level == 0 else "-"
        found.append(_Row(layer, level, connected, record))
        if expand and layer is not None and getattr(layer, "layers", None):
            found.extend(_rows(layer, expand, level + 1, None))
    return found


def _graph_entries(graph: Any) -> list[tuple[Any, Any]]:
    """Layers in their order, with each function's call before the first layer that needs it."""
    order: dict[int, int] = {}
    for position, record in enumerate(graph.records):
        key = id(record.layer) if isinstance(record, LayerCall) else id(record)
        order.setdefault(key, position)
    calls = [r for r in graph.records if not isinstance(r, LayerCall)]
    if not calls:
        return [(layer, None) for layer in graph.layers]
    entries = [(layer, None) for layer in graph.layers] + [(None, record) for record in calls]
    return sorted(entries, key=lambda e: order[id(e[0] if e[0] is not None else e[1])])


def _connections(graph: Any, layer: Any, record: Any) -> str:
    """Where a layer's inputs come from: "dense[0][0], add[0][0]"."""
    records = [record] if record is not None else [
        r for r in graph.records if isinstance(r, LayerCall) and r.layer is layer
    ]  # fmt: skip
    texts = []
    for one in records:
        for tensor in one.parents():
            source = tensor.record
            if source is None:
                continue
            if isinstance(source, LayerCall):
                calls = [r for r in graph.records
                         if isinstance(r, LayerCall) and r.layer is source.layer]  # fmt: skip
                number = next((i for i, r in enumerate(calls) if r is source), 0)
                texts.append(f"{source.layer.name}[{number}][{tensor.output_index}]")
            else:
                texts.append(f"{source.name}[0][{tensor.output_index}]")
    return ", ".join(texts) or "-"


def _is_chain(model: Any) -> bool:
    """Whether a model's layers simply follow one another, so that connections need not be shown."""
    graph = getattr(model, "_graph", None)
    if graph is None:
        return True
    if len(graph.inputs) > 1 or len(graph.outputs) > 1:
        return False
    running = [record for record in graph.records if record.parents()]
    used: list[int] = [id(parent) for record in running for parent in record.parents()]
    return len(set(used)) == len(used) and all(len(r.parents()) == 1 for r in running)


# -- the table ------------------------------------------------------------------------------------


def _widths(
    connected: bool, trained: bool, line_length: int | None, positions: list[float] | None
) -> list[int]:
    if line_length is None and positions is None:
        return _WIDTHS[connected, trained]
    if positions is None:
        positions = [0.3, 0.56, 0.74, 1.0] if connected else [0.45, 0.80, 1.0]
        if trained:
            positions = [*(p * 0.9 for p in positions), 1.0]
    columns = 3 + connected + trained
    if len(positions) != columns:
        raise ArgumentError(f"summary: positions must have {columns} entries, got {len(positions)}")
    length = line_length or (108 if connected else 88)
    ends = [int(p * length) if p <= 1 else int(p) for p in positions]
    widths = [end - begin - 1 for begin, end in zip([0, *ends[:-1]], ends, strict=True)]
    widths[-2] -= 1  # one border more than there are columns
    return [max(width, 5) for width in widths]


def _wrap(text: str, width: int) -> list[str]:
    """The text in lines, broken at spaces; a word that is too long is cut."""
    indent = text[: len(text) - len(text.lstrip())]
    lines: list[str] = []
    current = indent
    for word in text.split():
        joined = f"{current} {word}" if current.strip() else f"{current}{word}"
        if len(joined) <= width:
            current = joined
            continue
        if current.strip():
            lines.append(current)
            joined = word
        current = joined if len(joined) <= width else f"{joined[: width - 1]}…"
    return [*lines, current]


def _line(left: str, fill: str, middle: str, right: str, widths: list[int]) -> str:
    return left + middle.join(fill * width for width in widths) + right


def _cells(texts: list[str], widths: list[int], aligned: list[str], edge: str) -> list[str]:
    columns = [_wrap(text, width - 2) for text, width in zip(texts, widths, strict=True)]
    height = max(len(column) for column in columns)
    lines = []
    for i in range(height):
        parts = []
        for column, width, side in zip(columns, widths, aligned, strict=True):
            text = column[i] if i < len(column) else ""
            room = width - 2
            placed = {"<": text.ljust, ">": text.rjust, "^": text.center}[side](room)
            parts.append(f" {placed} ")
        lines.append(edge + edge.join(parts) + edge)
    return lines


def _table(rows: list[_Row], connected: bool, trained: bool, widths: list[int]) -> list[str]:
    header = ["Layer (type)", "Output Shape", "Param #"]
    aligned = ["<", "<", ">"]
    if connected:
        header.append("Connected to")
        aligned.append("<")
    if trained:
        header.append("Trainable")
        aligned.append("^")
    lines = [_line("┏", "━", "┳", "┓", widths)]
    lines += _cells(header, widths, aligned, "┃")
    lines.append(_line("┡", "━", "╇", "┩", widths))
    for number, row in enumerate(rows):
        texts = [row.name, row.shape, row.params]
        texts += [row.connected] if connected else []
        texts += [row.trained] if trained else []
        if number:
            lines.append(_line("├", "─", "┼", "┤", widths))
        lines += _cells(texts, widths, aligned, "│")
    lines.append(_line("└", "─", "┴", "┘", widths))
    return lines


def _totals(model: Any) -> list[str]:
    groups = [
        ("Trainable params", _bytes_of(model.trainable_weights)),
        ("Non-trainable params", _bytes_of(model.non_trainable_weights)),
    ]
    optimizer = getattr(model, "optimizer", None)
    if getattr(model, "compiled", False) and optimizer is not None and optimizer.built:
        groups.append(("Optimizer params", _bytes_of(optimizer.variables)))
    total = sum(count for _, (count, _) in groups), sum(size for _, (_, size) in groups)
    groups.insert(0, ("Total params", total))
    return [f" {name}: {count:,} ({readable_size(size)})" for name, (count, size) in groups]


def _in_range(layers: list[Any], layer_range: tuple[str, str] | None) -> list[Any] | None:
    """The layers from the first that the first pattern matches to the last that the second does."""
    if layer_range is None:
        return None
    if len(layer_range) != 2:
        raise ArgumentError(f"summary: layer_range must be two patterns, got {layer_range!r}")
    first = [i for i, layer in enumerate(layers) if re.match(layer_range[0], layer.name)]
    last = [i for i, layer in enumerate(layers) if re.match(layer_range[1], layer.name)]
    if not first or not last:
        raise ArgumentError(f"summary: no layer's name matches {layer_range!r}")
    begin, end = sorted((first[0], last[-1]))
    return layers[begin : end + 1]


def print_summary(
    model: Any,
    line_length: int | None = None,
    positions: list[float] | None = None,
    print_fn: Callable[[str], Any] | None = None,
    expand_nested: bool = False,
    show_trainable: bool = False,
    layer_range: tuple[str, str] | None = None,
) -> None:
    """Print a table of a model's layers; see `Model.summary`."""
    connected = not _is_chain(model)
    rows = _rows(model, expand_nested, 0, _in_range(model.layers, layer_range))
    widths = _widths(connected, show_trainable, line_length, positions)
    lines = [f'Model: "{model.name}"']
    lines += _table(rows, connected, show_trainable, widths)
    lines += _totals(model)
    text = "\n".join(lines)
    if print_fn is not None:
        print_fn(text)
        return
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    if not encoding.lower().replace("-", "").startswith("utf"):
        text = text.translate(_ASCII)
    print(text)
