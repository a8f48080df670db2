"""What a layer's call needs: the signature of `call`, the wrapping of `build`, and words."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from .. import naming, tree
from .spec import describe

__all__ = ["CallSignature", "wrap_build"]


class CallSignature:
    """What a layer's `call` takes: worked out once per class."""

    __slots__ = ("accepts_any", "first", "masks", "names", "training", "training_default")

    def __init__(self, call: Callable[..., Any]) -> None:
        parameters = list(inspect.signature(call).parameters.values())[1:]  # without self
        by_position = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        self.names = tuple(p.name for p in parameters if p.kind in by_position)
        keywords = {p.name: p for p in parameters if p.kind is not p.VAR_KEYWORD}
        self.accepts_any = any(p.kind is p.VAR_KEYWORD for p in parameters)
        self.first = self.names[0] if self.names else None
        self.training = "training" in keywords
        default = keywords["training"].default if self.training else None
        self.training_default = None if default is inspect.Parameter.empty else default
        inputs = [name for name in self.names if name not in ("training", "mask")]
        self.masks = tuple(  # (argument, the argument that carries its mask)
            (name, mask)
            for position, name in enumerate(inputs)
            for mask in (["mask"] if position == 0 else []) + [f"{name}_mask"]
            if mask in keywords
        )


def wrap_build(build: Callable[..., Any]) -> Callable[..., Any]:
    """Have `build` mark the layer as built, remember its shapes, and name weights by its path."""

    @functools.wraps(build)
    def wrapped(self: Any, *args: Any, **kwargs: Any) -> Any:
        names = naming.scope.names
        inside = bool(names) and names[-1] is self.name  # a call or an outer build has named it
        if not inside:
            names.append(self.name)
        try:
            result = build(self, *args, **kwargs)
        finally:
            if not inside:
                names.pop()
        state = self.__dict__
        state["_path"] = "/".join(names) if inside else "/".join([*names, self.name])
        if state.get("_build_shapes") is None:
            bound = inspect.signature(build).bind(self, *args, **kwargs).arguments
            state["_build_shapes"] = dict(list(bound.items())[1:])
        state["built"] = True
        return result

    wrapped.__signature__ = inspect.signature(build)  # type: ignore[attr-defined]
    return wrapped


def is_float(dtype: str) -> bool:
    return "float" in dtype


def all_tensors(value: Any) -> bool:
    leaves = tree.flatten(value)
    return bool(leaves) and all(hasattr(leaf, "shape") for leaf in leaves)


def shapes_as_tuples(value: Any) -> Any:
    """A structure read from JSON, which has lists only, with its shapes as tuples again."""
    if value is None:
        return None
    return tree.map_shape_structure(tuple, value)


def input_shape_argument(kwargs: dict[str, Any]) -> tuple[int | None, ...] | None:
    """Keras's old way to say the input's shape in the first layer of a `Sequential`."""
    if "input_dim" in kwargs:
        return (None, kwargs.pop("input_dim"))
    if "batch_input_shape" in kwargs:
        return tuple(kwargs.pop("batch_input_shape"))
    if "input_shape" in kwargs:
        return (None, *kwargs.pop("input_shape"))
    return None


def describe_call(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    parts = [describe(arg) for arg in args]
    parts += [f"{name}={describe(value)}" for name, value in kwargs.items() if value is not None]
    return ", ".join(parts) or "no arguments"
