"""A user's own ops: native ones given as a C vtable, and Python functions of NumPy arrays.

Both are ordinary ops: they work eagerly, on the tape, and in recorded programs.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from ..autograd import gradient as declare_gradient
from ..errors import ArgumentError, GradientError
from ..symbolic import public
from ..tensor import Tensor, apply, convert, register_host_function
from .arguments import Shape, TensorLike, dtype_name, shape_tuple

Gradient: TypeAlias = Callable[
    [tuple[Tensor, ...], tuple[Tensor, ...], tuple[Tensor | None, ...]], Sequence[Tensor | None]
]
"""(inputs, outputs, gradients of the outputs) -> a gradient or None for each input."""

# Rules belong to op names; these two names stand for any number of ops, told apart by a key.
_gradients: dict[tuple[str, int], Gradient] = {}
_callbacks: dict[Callable[..., Any], int] = {}


def load_custom_op(library: str, entry: str) -> int:
    """Load a native op from a shared library that was built against `pyneuro/custom_op.h`.

    Args:
        library: the path of the shared library; it stays loaded.
        entry: the name of a C function without arguments that returns the op's `pn_custom_op*`.

    Returns:
        The address to give to `custom`.

    Raises:
        OSError: the library cannot be loaded.
        ArgumentError: it has no such function, or that gives a null pointer.
    """
    loaded = ctypes.CDLL(library)
    try:
        function = loaded[entry]
    except AttributeError:
        raise ArgumentError(f"load_custom_op: {library} has no function {entry!r}") from None
    function.restype = ctypes.c_void_p
    function.argtypes = ()
    address: int | None = function()
    if not address:
        raise ArgumentError(f"load_custom_op: {entry}() of {library} gave a null pointer")
    return address


@public
def custom(
    vtable: Any, *inputs: TensorLike, gradient: Gradient | None = None
) -> Tensor | tuple[Tensor, ...]:
    """Run a user's native op.

    Args:
        vtable: the address of a `pn_custom_op` (`pyneuro/custom_op.h`), as a number or
            `ctypes.c_void_p`, or such a `ctypes.Structure`. It and the code that it points to must
            stay in memory for good.
        *inputs: tensors, as many as the op takes.
        gradient: a function of (inputs, outputs, gradients of the outputs) that returns a gradient
            or `None` for each input, made of tensors. An op has one: give the same each time.

    Returns:
        The op's output, or a tuple of them where it has several.

    Raises:
        ArgumentError: not a pointer, another number of inputs, or another gradient than before.
        ShapeError: the op's own shape rule refused the inputs.

    Example:
        >>> custom(0)
        Traceback (most recent call last):
        pyneuro.errors.ArgumentError: custom: vtable is a null pointer
    """
    address = _address(vtable)
    _keep_gradient("custom", address, gradient)
    outputs: Tensor | tuple[Tensor, ...] = apply("custom", *inputs, vtable=address)
    return outputs


def _address(vtable: Any) -> int:
    address: int | None
    if isinstance(vtable, ctypes.c_void_p):
        address = vtable.value
    elif isinstance(vtable, ctypes.Structure):
        address = ctypes.addressof(vtable)
    elif isinstance(vtable, int) and not isinstance(vtable, bool):
        address = vtable
    else:
        raise ArgumentError(f"custom: vtable must be an address, got {vtable!r}")
    if not address:
        raise ArgumentError("custom: vtable is a null pointer")
    return address


@public
def host_call(
    function: Callable[..., Any],
    *inputs: TensorLike,
    output_specs: Sequence[tuple[Shape, Any]],
    gradient: Gradient | None = None,
) -> Tensor | tuple[Tensor, ...]:
    """Call a Python function of NumPy arrays as an op.

    It runs on the thread that computes, holding Python's lock; in a recorded program it is a step
    that is called again at each replay, so it must depend on its arguments alone.

    Args:
        function: takes the inputs as read-only arrays and returns an array, or a sequence of them,
            in the stated shapes and dtypes. It is registered under its identity and kept for the
            life of the process, as programs may call it again: define it once, not in a loop.
        *inputs: tensors.
        output_specs: a pair (shape, dtype) for each output.
        gradient: as in `custom`.

    Returns:
        The output, or a tuple of them where there are several.

    Raises:
        ArgumentError: another gradient than before for the same function.
        ShapeError: the function returned another shape than stated.

    Example:
        >>> import numpy as np
        >>> host_call(np.sort, [3.0, 1.0, 2.0], output_specs=[((3,), "float32")]).tolist()
        [1.0, 2.0, 3.0]
    """
    callback = _callbacks.get(function)
    if callback is None:
        callback = _callbacks[function] = register_host_function(_on_arrays(function))
    _keep_gradient("host_call", callback, gradient)
    specs = [(shape_tuple(shape), dtype_name(dtype)) for shape, dtype in output_specs]
    outputs: tuple[Tensor, ...] = apply("host_call", *inputs, callback=callback, outputs=specs)
    return outputs if len(outputs) > 1 else outputs[0]


def _on_arrays(function: Callable[..., Any]) -> Callable[..., tuple[Tensor, ...]]:
    """The function as the native side calls it: Tensors in, a tuple of Tensors out."""

    def call(*inputs: Tensor) -> tuple[Tensor, ...]:
        results = function(*(x.numpy() for x in inputs))
        several = isinstance(results, (tuple, list))
        return tuple(convert(r) for r in results) if several else (convert(results),)

    return call


def _keep_gradient(op: str, key: int, rule: Gradient | None) -> None:
    known = _gradients.get((op, key))
    if rule is None or rule is known:
        return
    if known is not None:
        raise ArgumentError(
            f"{op}: it has another gradient already; define the function once, not in each call"
        )
    _gradients[op, key] = rule


def _by_key(op: str, field: str) -> Callable[[Any, Any], Sequence[Tensor | None]]:
    def rule(node: Any, g: Any) -> Sequence[Tensor | None]:
        own = _gradients.get((op, node.fields[field]))
        if own is None:
            raise GradientError(f"{op}: this op has no gradient; give one as gradient=function")
        incoming = g if isinstance(g, tuple) else (g,)
        gradients = own(tuple(node.inputs), tuple(node.outputs), incoming)
        if len(gradients) != len(node.inputs):
            raise GradientError(
                f"{op}: the gradient function gave {len(gradients)} gradients "
                f"for {len(node.inputs)} inputs"
            )
        return gradients

    return rule


declare_gradient("custom", variadic=_by_key("custom", "vtable"), keeps="inputs output rest")
declare_gradient("host_call", variadic=_by_key("host_call", "callback"), keeps="inputs output rest")
