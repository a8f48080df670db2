"""Names for classes and functions: what "adam" means, and what a saved config may name.

Only registered things can be named. A config never causes an import or runs code: classes come
from the built-ins, from `register_keras_serializable`, or from `custom_objects`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import FunctionType, MappingProxyType
from typing import Any, TypeVar

import numpy as np

from .errors import ArgumentError, FileFormatError, unknown_name

__all__ = [
    "CustomObjectScope",
    "custom_object_scope",
    "deserialize_keras_object",
    "get_custom_objects",
    "get_registered_name",
    "get_registered_object",
    "register_keras_serializable",
    "serialize_keras_object",
]

T = TypeVar("T")

# The namespaces that hold built-ins, loaded through the package's lazy face when first named.
_NAMESPACES = MappingProxyType(
    {
        "activation": "activations",
        "callback": "callbacks",
        "constraint": "constraints",
        "initializer": "initializers",
        "layer": "layers",
        "loss": "losses",
        "metric": "metrics",
        "model": "models",
        "optimizer": "optimizers",
        "policy": "dtype_policies",
        "random": "random",
        "regularizer": "regularizers",
        "schedule": "optimizers.schedules",
    }
)

_built_ins: dict[str, dict[str, Any]] = {kind: {} for kind in _NAMESPACES}
_modules: dict[
    Any, str
] = {}  # a built-in class or function -> the public module that it is named by
_custom_objects: dict[str, Any] = {}
_custom_names: dict[Any, str] = {}
_scoped_objects: ContextVar[MappingProxyType[str, Any]] = ContextVar(
    "custom_objects", default=MappingProxyType({})
)


def built_in(kind: str, *aliases: str, module: str | None = None) -> Callable[[T], T]:
    """Decorator that registers one of pyneuro's own classes or functions under its name.

    Args:
        kind: which table: "layer", "loss", "metric", "optimizer", "initializer", ...
        *aliases: further names by which users call it.
        module: the public module that serialized configs say; default: the kind's.

    Returns:
        The decorator.

    Example:
        >>> @built_in("regularizer", "nothing")
        ... class Nothing: ...
        >>> find("regularizer", "nothing").__name__
        'Nothing'
    """
    table = _built_ins[kind]

    def register(thing: T) -> T:
        for name in (thing.__name__, *aliases):  # type: ignore[attr-defined]
            table[name] = thing
        _modules.setdefault(thing, module or f"pyneuro.{_NAMESPACES[kind]}")
        return thing

    return register


def is_built_in(thing: Any) -> bool:
    """Whether a class or function is one of pyneuro's own that configs may name."""
    return thing in _modules


def find(kind: str, name: str) -> Any:
    """Look up what a name means to a user of one kind of thing.

    Args:
        kind: which table, as in `built_in`.
        name: a built-in's name or alias, or a registered or scoped custom name.

    Returns:
        The class or function.

    Raises:
        UnknownNameError: nothing has this name; suggests the nearest ones.

    Example:
        >>> find("policy", "DTypePolicy").__name__
        'DTypePolicy'
    """
    custom = get_registered_object(name)
    if custom is not None:
        return custom
    table = _built_ins[kind]
    if name not in table:
        _load(_NAMESPACES[kind])
    if name in table:
        return table[name]
    raise unknown_name(kind, name, [*table, *_custom_objects, *_scoped_objects.get()])


def _load(namespace: str) -> None:
    """Have the modules of a namespace loaded, so that their built-ins stand in the tables."""
    module: Any = sys.modules[__package__ or "pyneuro"]
    for part in namespace.split("."):
        module = getattr(module, part, None)


def resolve(kind: str, identifier: Any, *, instantiate: bool = True) -> Any:
    """Turn what a user gives for one kind of thing into the thing.

    Args:
        kind: which table, as in `built_in`.
        identifier: `None`, a name, a serialized config, a class, or the thing itself.
        instantiate: make an instance where a name or class was given.

    Returns:
        The object, or `None` for `None`.

    Raises:
        UnknownNameError: nothing has this name.
        ArgumentError: not interpretable at all.

    Example:
        >>> resolve("policy", None) is None
        True
    """
    if identifier is None:
        return None
    if isinstance(identifier, dict):
        return deserialize_keras_object(identifier)
    thing = find(kind, identifier) if isinstance(identifier, str) else identifier
    if isinstance(thing, type):
        return thing() if instantiate else thing
    if callable(thing):
        return thing
    article = "an" if kind[0] in "aeiou" else "a"
    raise ArgumentError(
        f"cannot interpret {identifier!r} as {article} {kind}: expected a name, a config dict, a "
        "class, an instance or a callable"
    )


# -- custom objects -------------------------------------------------------------------------------


def register_keras_serializable(
    package: str = "Custom", name: str | None = None
) -> Callable[[T], T]:
    """Decorator that lets saved models name your class or function.

    Args:
        package: a prefix that keeps your names apart from others'.
        name: the name; default: the class's own.

    Returns:
        The decorator; it returns the class or function unchanged.

    Raises:
        ArgumentError: a class without `get_config`.

    Example:
        >>> @register_keras_serializable("my_package")
        ... def scaled(x):
        ...     return x * 2
        >>> get_registered_name(scaled)
        'my_package>scaled'
    """

    def register(thing: T) -> T:
        own = name if name is not None else thing.__name__  # type: ignore[attr-defined]
        if isinstance(thing, type) and not hasattr(thing, "get_config"):
            raise ArgumentError(
                f"register_keras_serializable: {own} needs a get_config() method so that it can be "
                "made again from a file"
            )
        full = f"{package}>{own}"
        _custom_objects[full] = thing
        _custom_names[thing] = full
        return thing

    return register


def get_custom_objects() -> dict[str, Any]:
    """The process-wide dict of custom names; entries may be added to it.

    Returns:
        The dict itself, not a copy.
    """
    return _custom_objects


def get_registered_name(obj: Any) -> str:
    """The name a class or function is registered under, else its own.

    Args:
        obj: a class or function.

    Returns:
        Such as "my_package>Name", or "Name".
    """
    return _custom_names.get(obj) or str(obj.__name__)


def get_registered_object(
    name: str,
    custom_objects: dict[str, Any] | None = None,
    module_objects: dict[str, Any] | None = None,
) -> Any:
    """The custom class or function of a name, or `None`.

    Args:
        name: a full name such as "my_package>Name", or one in `custom_objects`.
        custom_objects: names to try first.
        module_objects: names to try last.

    Returns:
        The class or function, or `None`.
    """
    for table in (custom_objects, _scoped_objects.get(), _custom_objects, module_objects):
        if table and name in table:
            return table[name]
    return None


@contextmanager
def custom_object_scope(custom_objects: dict[str, Any]) -> Iterator[None]:
    """Within this context strings and configs may name the given objects.

    Args:
        custom_objects: name -> class or function.

    Example:
        >>> with custom_object_scope({"double": lambda x: x * 2}):
        ...     find("activation", "double")(4)
        8
    """
    if not isinstance(custom_objects, dict):
        raise ArgumentError(
            f"custom_objects must be a dict of names and objects, got {custom_objects!r}"
        )
    merged = MappingProxyType({**_scoped_objects.get(), **custom_objects})
    token = _scoped_objects.set(merged)
    try:
        yield
    finally:
        _scoped_objects.reset(token)


CustomObjectScope = custom_object_scope


# -- a bound for what a file may ask for ----------------------------------------------------------

_budget: ContextVar[list[int] | None] = ContextVar("weight_budget", default=None)


@contextmanager
def weight_budget(elements: int) -> Iterator[None]:
    """Within this context weights may be made with so many elements in all, and no more.

    Args:
        elements: the number, of the file that is being loaded.
    """
    token = _budget.set([elements])
    try:
        yield
    finally:
        _budget.reset(token)


def claim_weight(path: str, elements: int) -> None:
    """Take a new weight off the budget, where there is one.

    Args:
        path: the weight's path, for the message.
        elements: its number of elements.

    Raises:
        FileFormatError: the budget does not suffice.
    """
    left = _budget.get()
    if left is None:
        return
    left[0] -= elements
    if left[0] < 0:
        raise FileFormatError(
            f"the weight {path!r} would have {elements} elements, more than the file holds"
        )


# -- objects to configs and back ------------------------------------------------------------------


def serialize_keras_object(obj: Any) -> Any:
    """Turn an object into plain values that JSON can hold.

    Args:
        obj: a number, string, `None`, array, slice, dtype, function, an object with `get_config()`,
            or lists, tuples and dicts of such.

    Returns:
        Plain values; objects become `{"module", "class_name", "config", "registered_name"}`.

    Raises:
        ArgumentError: the object cannot be saved (a lambda, or no `get_config`).

    Example:
        >>> serialize_keras_object({"rate": 0.5, "axes": slice(0, 2)})["axes"]["class_name"]
        '__slice__'
    """
    if obj is None or isinstance(obj, (bool, int, float, str)):
        return obj
    if isinstance(obj, np.generic):
        return obj.item()
    if isinstance(obj, (list, tuple)):
        return (
            type(obj)(map(serialize_keras_object, obj))
            if type(obj) in (list, tuple)
            else [serialize_keras_object(item) for item in obj]
        )
    if isinstance(obj, dict):
        return {key: serialize_keras_object(value) for key, value in obj.items()}
    special = _serialize_special(obj)
    if special is not None:
        return special
    if isinstance(obj, (FunctionType, type)) or not hasattr(obj, "get_config"):
        return _serialize_named(obj)
    return _serialize_instance(obj)


def _serialize_special(obj: Any) -> dict[str, Any] | None:
    if obj is Ellipsis:
        return {"class_name": "__ellipsis__", "config": {}}
    if isinstance(obj, slice):
        parts = {"start": obj.start, "stop": obj.stop, "step": obj.step}
        return {"class_name": "__slice__", "config": serialize_keras_object(parts)}
    if isinstance(obj, bytes):
        return {"class_name": "__bytes__", "config": {"value": obj.decode("latin-1")}}
    if isinstance(obj, np.dtype):
        return {"class_name": "__dtype__", "config": {"name": obj.name}}
    if hasattr(obj, "numpy") and hasattr(obj, "shape"):  # a Tensor, seen from below it
        obj = obj.numpy()
    if isinstance(obj, np.ndarray):
        if obj.dtype.kind not in "biufc":  # bfloat16 and its like have no literal of their own
            return {
                "class_name": "__numpy__",
                "config": {"value": obj.astype(np.float32).tolist(), "dtype": str(obj.dtype)},
            }
        return {
            "class_name": "__numpy__",
            "config": {"value": obj.tolist(), "dtype": obj.dtype.name},
        }
    return None


def _serialize_named(obj: Any) -> dict[str, Any]:
    """A function or class, by the name it is registered under."""
    name = getattr(obj, "__name__", None)
    if name is None or name == "<lambda>":
        raise ArgumentError(
            f"{obj!r} cannot be saved: a lambda or an object without get_config() has no name that "
            "a file could hold. Define a function with a name and register it with "
            "@pyneuro.saving.register_keras_serializable()"
        )
    if isinstance(obj, type):
        return {"module": _modules.get(obj), "class_name": "__class__", "config": name,
                "registered_name": get_registered_name(obj)}  # fmt: skip
    return {
        "module": "builtins",
        "class_name": "function",
        "config": name,
        "registered_name": _custom_names.get(obj, "function"),
    }


def _serialize_instance(obj: Any) -> dict[str, Any]:
    kind = vars(type(obj)).get(
        "_declared_class", type(obj)
    )  # a user's class, seen through a variant
    built = kind in _modules
    config: dict[str, Any] = {
        "module": _modules.get(kind),
        "class_name": kind.__name__,
        "config": {k: serialize_keras_object(v) for k, v in obj.get_config().items()},
        "registered_name": None if built else get_registered_name(kind),
    }
    get_build_config = getattr(obj, "get_build_config", None)
    build_config = get_build_config() if get_build_config is not None else None
    if build_config is not None:
        config["build_config"] = serialize_keras_object(build_config)
    return config


def deserialize_keras_object(
    config: Any, custom_objects: dict[str, Any] | None = None, safe_mode: bool = True, **kwargs: Any
) -> Any:
    """Make the object again that `serialize_keras_object` wrote down.

    Args:
        config: plain values.
        custom_objects: name -> class or function, for names that are not registered.
        safe_mode: accepted for Keras's signature; there is no unsafe mode, code is never loaded.
        **kwargs: accepted for Keras's signature and without effect.

    Returns:
        The object.

    Raises:
        UnknownNameError: the config names a class or function that is not known here.

    Example:
        >>> deserialize_keras_object(serialize_keras_object({"a": slice(1, 2)}))
        {'a': slice(1, 2, None)}
    """
    if custom_objects:
        with custom_object_scope(custom_objects):
            return deserialize_keras_object(config)
    if isinstance(config, list):
        return [deserialize_keras_object(item) for item in config]
    if isinstance(config, tuple):
        return tuple(deserialize_keras_object(item) for item in config)
    if not isinstance(config, dict):
        return config
    if "class_name" not in config or "config" not in config:
        return {key: deserialize_keras_object(value) for key, value in config.items()}
    name, inner = config["class_name"], config["config"]
    if name in _SPECIAL:
        return _SPECIAL[name](inner)
    if name == "function":
        return _find_function(config)
    if name == "__class__":
        return find_class(config.get("module"), inner, config.get("registered_name"))
    cls = find_class(config.get("module"), name, config.get("registered_name"))
    if not hasattr(cls, "from_config"):
        raise ArgumentError(f"{name} cannot be made from a config: it has no from_config()")
    instance = cls.from_config(inner)
    build_config = config.get("build_config")
    if build_config and hasattr(instance, "build_from_config"):
        instance.build_from_config(build_config)
    return instance


def _array(config: dict[str, Any]) -> np.ndarray:
    return np.array(config["value"], dtype=config["dtype"])


_SPECIAL: MappingProxyType[str, Callable[[Any], Any]] = MappingProxyType(
    {
        "__ellipsis__": lambda config: Ellipsis,
        "__slice__": lambda c: slice(
            *map(deserialize_keras_object, (c["start"], c["stop"], c["step"]))
        ),
        "__bytes__": lambda config: config["value"].encode("latin-1"),
        "__dtype__": lambda config: np.dtype(config["name"]),
        "__numpy__": _array,
        "__tensor__": _array,
        "__tuple__": lambda config: tuple(map(deserialize_keras_object, config["value"])),
    }
)


def find_class(module: str | None, name: str, registered_name: str | None = None) -> Any:
    """The class that a config names: a custom one of this name, else a built-in.

    Args:
        module: the public module the config says, such as "pyneuro.layers" or "keras.layers".
        name: the class's name.
        registered_name: the name it was registered under, if any.

    Returns:
        The class.

    Raises:
        UnknownNameError: not known here; suggests the nearest ones.

    Example:
        >>> find_class("pyneuro", "DTypePolicy").__name__
        'DTypePolicy'
    """
    for custom_name in (registered_name, name):
        custom = get_registered_object(custom_name) if custom_name else None
        if custom is not None:
            return custom
    namespace = (module or "").partition(".")[2]
    kinds = [kind for kind, space in _NAMESPACES.items() if space == namespace] or list(_NAMESPACES)
    for load in (False, True):  # only look for more modules where those loaded know no such name
        for kind in kinds:
            if load:
                _load(_NAMESPACES[kind])
            thing = _built_ins[kind].get(name)
            if isinstance(thing, type):
                return thing
    known = [
        n for kind in kinds for n, thing in _built_ins[kind].items() if isinstance(thing, type)
    ]
    error = unknown_name("class", name, [*known, *_custom_objects, *_scoped_objects.get()])
    error.add_note(
        f"if {name} is your own class, pass custom_objects={{{name!r}: {name}}} or register it "
        "with @pyneuro.saving.register_keras_serializable()"
    )
    raise error


def _find_function(config: dict[str, Any]) -> Any:
    name = config["config"]
    for custom_name in (config.get("registered_name"), name):
        custom = get_registered_object(custom_name) if custom_name else None
        if custom is not None:
            return custom
    tables = ("activation", "loss", "metric")
    for kind in tables:
        _load(_NAMESPACES[kind])
        if name in _built_ins[kind]:
            return _built_ins[kind][name]
    known = [n for kind in tables for n in _built_ins[kind]]
    raise unknown_name("function", name, [*known, *_custom_objects, *_scoped_objects.get()])
