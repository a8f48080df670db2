"""Symbolic tensors, and the record of what is done with them: the ground of the functional API.

A KerasTensor has a shape, in which `None` stands for sizes not known yet, and a dtype. A layer
called on one records a LayerCall, a public function of `pyneuro.ops` an OpCall; a functional Model
runs those records again on real tensors. Shapes come from running the same code on the meta device.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ParamSpec, TypeVar

from . import naming, tree
from .autograd import no_grad
from .device import device
from .errors import ArgumentError, DTypeError, ShapeError, unknown_name
from .tensor import Tensor, empty_meta, public_type, register_symbolic
from .variable import StateScope

__all__ = [
    "KerasTensor",
    "LayerCall",
    "OpCall",
    "any_symbolic",
    "compute_spec",
    "is_keras_tensor",
    "public",
    "public_function",
    "record_input",
    "record_layer",
    "substitute",
]

P = ParamSpec("P")
R = TypeVar("R")

_PROBES = (257, 509)
"""What unknown sizes are taken to be, once each: primes, so that products tell them apart; large
and far apart, so that windows fit and strides tell them apart."""

_public: dict[str, Callable[..., Any]] = {}


# ---- records -------------------------------------------------------------------------------------


class _Record:
    """One call on symbolic tensors: its arguments, and the tensors that came out."""

    __slots__ = ("args", "kwargs", "outputs")

    def __init__(self, args: tuple[Any, ...], kwargs: dict[str, Any], outputs: Any) -> None:
        self.args = args
        self.kwargs = kwargs
        self.outputs = outputs
        for i, leaf in enumerate(tree.flatten(outputs)):
            if isinstance(leaf, KerasTensor):
                leaf.record = self
                leaf.output_index = i

    @property
    def input_tensors(self) -> Any:
        """The symbolic arguments: the tensor itself where there is one, else a list."""
        found = self.parents()
        return found[0] if len(found) == 1 else found

    def parents(self) -> list[KerasTensor]:
        """Every KerasTensor among the arguments, in order."""
        leaves = tree.flatten((self.args, self.kwargs))
        return [leaf for leaf in leaves if isinstance(leaf, KerasTensor)]


class LayerCall(_Record):
    """A layer called on symbolic tensors; an Input is a call without arguments."""

    __slots__ = ("layer",)

    def __init__(
        self, layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any], outputs: Any
    ) -> None:
        super().__init__(args, kwargs, outputs)
        self.layer = layer

    def run(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Make the same call on other arguments."""
        return self.layer(*args, **kwargs)


class OpCall(_Record):
    """A public function called on symbolic tensors, by its name."""

    __slots__ = ("name",)

    def __init__(
        self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], outputs: Any
    ) -> None:
        super().__init__(args, kwargs, outputs)
        self.name = name

    def run(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Make the same call on other arguments."""
        return _public[self.name](*args, **kwargs)


def substitute(structure: Any, values: dict[int, Any]) -> Any:
    """The structure with each KerasTensor replaced by what stands under its `id` in `values`."""
    return tree.map_structure(
        lambda leaf: values[id(leaf)] if isinstance(leaf, KerasTensor) else leaf, structure
    )


# ---- the symbolic tensor -------------------------------------------------------------------------


class KerasTensor:
    """A tensor of a functional model, before there is data: shape, dtype, and how it came about.

    Args:
        shape: sizes, `None` where not known.
        dtype: name of the dtype.
        name: a name. Chosen if it is `None`.

    Example:
        >>> import pyneuro as pn
        >>> x = pn.Input((3,))
        >>> (x * 2 + 1).shape
        (None, 3)
    """

    __slots__ = ("dtype", "name", "output_index", "record", "shape")
    __array_priority__ = 2000

    def __init__(
        self, shape: Iterable[int | None], dtype: str = "float32", name: str | None = None
    ):
        self.shape = tuple(shape)
        self.dtype = dtype
        self.name = name or naming.auto_name("keras_tensor")
        self.record: Any = None
        self.output_index = 0

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int | None:
        """Number of elements, `None` where not known."""
        total = 1
        for size in self.shape:
            if size is None:
                return None
            total *= size
        return total

    @property
    def T(self) -> Any:  # noqa: N802
        """The transpose."""
        return _public["transpose"](self)

    def reshape(self, *shape: Any) -> Any:
        """The same elements under another shape."""
        sizes = shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape
        return _public["reshape"](self, sizes)

    def astype(self, dtype: str) -> Any:
        """The elements as another dtype."""
        return _public["cast"](self, dtype)

    def __getitem__(self, key: Any) -> Any:
        return _public["get_item"](self, key)

    def __len__(self) -> int:
        if not self.shape or self.shape[0] is None:
            raise ShapeError(f"a symbolic tensor of shape {self.shape} has no known length")
        return self.shape[0]

    def __iter__(self) -> Any:
        if not self.shape or self.shape[0] is None:
            raise ShapeError(
                f"a symbolic tensor of shape {self.shape} cannot be iterated over: its length is "
                "not known before there is data"
            )
        return (self[i] for i in range(self.shape[0]))

    def __bool__(self) -> bool:
        raise DTypeError(
            "a symbolic tensor is neither true nor false: it has no data yet. Use ops.where to "
            "choose between values, or a Layer whose call() has the `if`"
        )

    __hash__ = object.__hash__

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise DTypeError(
            "a symbolic tensor has no elements for NumPy; use pyneuro.ops, or call the model "
            "on data"
        )

    def __repr__(self) -> str:
        return f"KerasTensor(shape={self.shape}, dtype={self.dtype}, name={self.name!r})"


def _operator(name: str, reflected: bool) -> Callable[[Any, Any], Any]:
    def method(self: KerasTensor, other: Any) -> Any:
        if other is None or isinstance(other, str):
            return NotImplemented
        return _public[name](other, self) if reflected else _public[name](self, other)

    return method


def _unary(name: str) -> Callable[[Any], Any]:
    return lambda self: _public[name](self)


for _symbol, _name in {
    "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide", "matmul": "matmul",
    "floordiv": "floor_divide", "mod": "mod", "pow": "power", "and": "logical_and",
    "or": "logical_or", "xor": "logical_xor",
}.items():  # fmt: skip
    setattr(KerasTensor, f"__{_symbol}__", _operator(_name, False))
    setattr(KerasTensor, f"__r{_symbol}__", _operator(_name, True))
for _symbol, _name in {
    "eq": "equal", "ne": "not_equal", "lt": "less", "le": "less_equal", "gt": "greater",
    "ge": "greater_equal",
}.items():  # fmt: skip
    setattr(KerasTensor, f"__{_symbol}__", _operator(_name, False))
for _symbol, _name in {"neg": "negative", "abs": "absolute", "invert": "logical_not"}.items():
    setattr(KerasTensor, f"__{_symbol}__", _unary(_name))


def is_keras_tensor(x: Any) -> bool:
    """Whether something is a symbolic tensor, one without data."""
    return isinstance(x, KerasTensor)


def any_symbolic(structure: Any) -> bool:
    """Whether a KerasTensor is anywhere in a structure of lists, tuples and dicts."""
    return any(isinstance(leaf, KerasTensor) for leaf in tree.flatten(structure))


# ---- shapes by running on the meta device --------------------------------------------------------


def _probe(function: Callable[..., Any], args: Any, kwargs: Any, unknown: int) -> Any:
    """What `function` gives on meta tensors whose unknown sizes are all `unknown`."""

    def meta(leaf: Any) -> Any:
        if not isinstance(leaf, KerasTensor):
            return leaf
        shape = tuple(unknown if size is None else size for size in leaf.shape)
        return empty_meta(shape, leaf.dtype)

    args, kwargs = tree.map_structure(meta, (args, kwargs))
    # The scope is never committed: asking for a shape changes nothing.
    with StateScope(), device("meta"), no_grad():
        try:
            return function(*args, **kwargs)
        except Exception as error:
            note = f"{unknown} stands for each size that is not known yet"
            if str(unknown) in str(error) and note not in getattr(error, "__notes__", ()):
                error.add_note(note)
            raise


def compute_spec(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Find the shapes and dtypes that a function gives for symbolic arguments.

    The function runs on the meta device with unknown sizes replaced by numbers, twice if there are
    any; sizes that differ between the two runs are unknown in the result.

    Args:
        function: any function of tensors.
        args: positional arguments, with KerasTensors in them.
        kwargs: arguments by name.

    Returns:
        The function's result with a KerasTensor for each tensor.
    """
    first = _probe(function, args, kwargs, _PROBES[0])
    leaves = tree.flatten((args, kwargs))
    unknown = any(isinstance(x, KerasTensor) and None in x.shape for x in leaves)
    second = _probe(function, args, kwargs, _PROBES[1]) if unknown else first

    def merge(a: Any, b: Any) -> Any:
        if not isinstance(a, Tensor):
            return a
        if a.ndim != b.ndim:
            raise ShapeError(
                f"the number of dimensions depends on a size that is not known yet: {a.shape} for "
                f"{_PROBES[0]}, {b.shape} for {_PROBES[1]}"
            )
        shape = (m if m == n else None for m, n in zip(a.shape, b.shape, strict=True))
        return KerasTensor(shape, a.dtype)

    return tree.map_structure(merge, first, second)


# ---- recording -----------------------------------------------------------------------------------


def record_layer(layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Record a layer's call on symbolic tensors; gives its symbolic outputs."""
    outputs = layer.compute_output_spec(*args, **kwargs)
    layer._inbound_nodes.append(LayerCall(layer, args, kwargs, outputs))
    return outputs


def record_input(layer: Any, tensor: KerasTensor) -> None:
    """Record that an input layer holds this tensor."""
    layer._inbound_nodes.append(LayerCall(layer, (), {}, tensor))


def _record_op(function: Any, *args: Any, **kwargs: Any) -> Any:
    name = function.__name__
    outputs = compute_spec(function, args, kwargs)
    OpCall(name, args, kwargs, outputs)
    return outputs


def public(function: Callable[P, R]) -> Callable[P, R]:
    """Let a public function take symbolic tensors, by recording the call under its name.

    Names are unique, as they stand in saved models. On real tensors it costs a few nanoseconds.
    """
    name = function.__name__
    if name in _public:
        raise ArgumentError(f"a public function named {name!r} exists already")
    wrapped: Any = public_type(function)
    wrapped.__dict__.update(function.__dict__)
    for attribute in ("__name__", "__qualname__", "__module__", "__doc__", "__annotations__"):
        wrapped.__dict__[attribute] = getattr(function, attribute)
    wrapped.__dict__["__wrapped__"] = function
    _public[name] = wrapped
    return wrapped  # type: ignore[no-any-return]


def public_function(name: str) -> Callable[..., Any]:
    """The public function of this name, for models read from files.

    Raises:
        UnknownNameError: if there is none.
    """
    if name not in _public:
        raise unknown_name("function in pyneuro.ops", name, _public)
    return _public[name]


@public
def get_item(x: Any, key: Any) -> Any:
    """`x[key]` as a function, so that it can stand in a functional model.

    Args:
        x: tensor.
        key: what stands in the brackets.

    Returns:
        Tensor.
    """
    return x[key]


register_symbolic(KerasTensor, _record_op)
