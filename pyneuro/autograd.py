"""The tape's other half: gradient rules by op, and the walk backward.

The native side puts a Node on the tape for each op that a gradient passes through. Here is what
happens to it: a rule per op, registered under the op's function in `pyneuro/ops`, and an engine
that goes from the newest node to the oldest. Rules are made of tensor ops, so second derivatives
work by themselves.
"""

from __future__ import annotations

import functools
import heapq
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from . import _core, tree
from .errors import GradientError, ShapeError

__all__ = [
    "GradientTape",
    "backward",
    "enable_grad",
    "grad",
    "gradient",
    "is_grad_enabled",
    "no_grad",
    "not_differentiable",
    "value_and_grad",
]

Rule = Callable[[Any, Any], Any]

_per_input: dict[str, tuple[Rule | None, ...]] = {}
_variadic: dict[str, Rule] = {}


def gradient(
    op: str, *rules: Rule | None, variadic: Rule | None = None, keeps: str = "inputs"
) -> None:
    """Register the gradient of a native op.

    Args:
        op: name of the op.
        *rules: for each input a function of `(node, g)` that gives the gradient of that input, or
            `None` where it has none. It is called only when that gradient is wanted. `g` is the
            gradient of the output; for ops with several outputs a tuple, with `None` for unused
            ones. The engine sums over broadcast dimensions and casts to the input's dtype.
        variadic: instead of `rules`, one function that gives a list with a gradient or `None` for
            each input.
        keeps: what the rules read, of "inputs", "output", the first one, and "rest", the outputs
            after it: the tape drops everything else.

    Example:
        >>> gradient("negative", lambda node, g: -g, keeps="")
    """
    _core.declare_rule(op, True, "inputs" in keeps, "output" in keeps, "rest" in keeps)
    if variadic is not None:
        _variadic[op] = variadic
    else:
        _per_input[op] = rules


def not_differentiable(*ops: str) -> None:
    """Say that no gradient passes through these ops, by their nature."""
    for op in ops:
        _core.declare_rule(op, False, False, False, False)


def is_grad_enabled() -> bool:
    """Whether ops of this thread are put on the tape."""
    return _core.is_grad_enabled()


@contextmanager
def _grad_mode(on: bool) -> Iterator[None]:
    before = _core.set_grad_enabled(on)
    try:
        yield
    finally:
        _core.set_grad_enabled(before)


def no_grad() -> Any:
    """Keep ops off the tape: a context manager, also usable as a decorator.

    Example:
        >>> import pyneuro as pn
        >>> x = pn.Variable([2.0])
        >>> with no_grad():
        ...     y = x * x
        >>> y.requires_grad
        False
    """
    return _grad_mode(False)


def enable_grad() -> Any:
    """Put ops on the tape again inside `no_grad`: a context manager or a decorator."""
    return _grad_mode(True)


# ---- the engine ----------------------------------------------------------------------------------


def _fit(g: Any, shape: tuple[int, ...], dtype: str) -> Any:
    """The gradient in the shape and dtype of its input: summed over what was broadcast."""
    if g.shape != shape:
        extra = g.ndim - len(shape)
        axes = [i for i, size in enumerate(g.shape) if i < extra or shape[i - extra] != size]
        if extra < 0 or any(i >= extra and shape[i - extra] != 1 for i in axes):
            raise GradientError(f"a gradient of shape {g.shape} came for an input of shape {shape}")
        g = _core.apply("sum", g, axes=axes, keepdims=True)
        if g.shape != shape:
            g = _core.apply("reshape", g, shape=shape)
    return g if g.dtype == dtype else _core.apply("cast", g, dtype=dtype)


def _input_gradients(node: Any, sources: tuple[Any, ...], g: Any) -> list[Any]:
    """The gradient of each input of a node, `None` where it is not wanted or there is none."""
    op = node.op
    rule = _variadic.get(op)
    if rule is not None:
        return list(rule(node, g))
    rules = _per_input.get(op)
    if rules is None:
        raise GradientError(f"{op} has no gradient rule; use ops.stop_gradient on its output")
    out: list[Any] = []
    for i, source in enumerate(sources):
        f = rules[i] if source is not None and i < len(rules) else None
        out.append(None if f is None else f(node, g))
    return out


class _Walk:
    """One pass backward: gradients by node and output, and what has come to the leaves."""

    def __init__(self, wanted: set[tuple[Any, int]]) -> None:
        self.wanted = wanted  # (node, output) of inner tensors whose gradients are asked for
        self.found: dict[tuple[Any, int], Any] = {}
        self.leaves: dict[int, list[Any]] = {}  # id of a leaf -> [leaf, gradient]
        self._gradients: dict[Any, list[Any]] = {}
        self._heap: list[tuple[int, Any]] = []

    def add(self, source: Any, output: int, g: Any) -> None:
        if isinstance(source, _core.Array):  # a leaf
            slot = self.leaves.get(id(source))
            if slot is None:
                self.leaves[id(source)] = [source, g]
            else:
                slot[1] = slot[1] + g
            return
        slots = self._gradients.get(source)
        if slots is None:
            slots = self._gradients[source] = [None] * len(source.output_specs)
            heapq.heappush(self._heap, (-source.sequence, source))
        slots[output] = g if slots[output] is None else slots[output] + g

    def run(self, retain: bool) -> None:
        while self._heap:
            _, node = heapq.heappop(self._heap)
            gradients = self._gradients.pop(node)
            if self.wanted:
                for i, g in enumerate(gradients):
                    if (node, i) in self.wanted:
                        self.found[node, i] = g
            self._step(node, gradients[0] if len(gradients) == 1 else tuple(gradients))
            if not retain:
                node.release()

    def _step(self, node: Any, g: Any) -> None:
        if node.released:
            raise GradientError(
                f"{node.op}: backward has already gone through here and freed what the tape kept; "
                "call it with retain_graph=True to go twice"
            )
        sources = node.sources
        outputs = node.source_outputs
        for i, gi in enumerate(_input_gradients(node, sources, g)):
            if gi is None or sources[i] is None:
                continue
            if not node.fits(i, gi):
                gi = _fit(gi, *node.input_specs[i])
            self.add(sources[i], outputs[i], gi)


def _ones_like(tensor: Any) -> Any:
    one = _core.from_number(1, tensor.dtype)
    return one if tensor.shape == () else _core.apply("broadcast_to", one, shape=tensor.shape)


def _seed(tensor: Any, g: Any) -> Any:
    """The gradient to start from: the one given, checked, or 1 for a single element."""
    if not tensor.requires_grad:
        raise GradientError(
            "the tensor does not depend on anything that wants a gradient: it was computed from "
            "constants, under no_grad, or through an op that has no gradient (argmax, comparisons, "
            "casts to integers)"
        )
    if g is None:
        if tensor.size != 1:
            raise GradientError(
                "a gradient can start by itself only from a single number, but the tensor has "
                f"shape {tensor.shape}; take its mean or sum, or pass gradient="
            )
        return _ones_like(tensor)
    if not isinstance(g, _core.Array):
        g = _core.apply("copy", g)
    if g.shape != tensor.shape:
        raise ShapeError(f"gradient has shape {g.shape}, but the tensor has shape {tensor.shape}")
    return g if g.dtype == tensor.dtype else _core.apply("cast", g, dtype=tensor.dtype)


def _walk(
    tensors: Sequence[Any],
    gradients: Sequence[Any],
    wanted: set[tuple[Any, int]],
    retain: bool,
    create_graph: bool,
) -> _Walk:
    walk = _Walk(wanted)
    with _grad_mode(create_graph):
        for tensor, g in zip(tensors, gradients, strict=True):
            seed = _seed(tensor, g)
            node = tensor.node
            walk.add(tensor if node is None else node, tensor.output_index, seed)
        walk.run(retain or create_graph)
    return walk


def backward(
    tensor: Any, gradient: Any = None, retain_graph: bool = False, create_graph: bool = False
) -> None:
    """Add the gradients of `tensor` to the `grad` of every Variable that it depends on.

    Args:
        tensor: what to differentiate; a single number unless `gradient` is given.
        gradient: the gradient to start from, of the tensor's shape. Defaults to 1.
        retain_graph: keep what the tape holds, so that backward can go through it again.
        create_graph: put the gradients on the tape too, for second derivatives. Implies
        `retain_graph`.

    Raises:
        GradientError: if it depends on nothing that wants a gradient, is no single number, or
            backward has already freed the tape; the message says which.

    Example:
        >>> import pyneuro as pn
        >>> w = pn.Variable([1.0, 2.0])
        >>> pn.ops.sum(w * w).backward()
        >>> w.grad
        Tensor([2., 4.])
    """
    walk = _walk([tensor], [gradient], set(), retain_graph, create_graph)
    for leaf, g in walk.leaves.values():
        before = leaf.grad
        if before is None:
            leaf.grad = g
        else:
            with _grad_mode(create_graph):
                leaf.grad = before + g


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    *,
    retain_graph: bool = False,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> Any:
    """Compute gradients of outputs with respect to inputs, and give them back.

    Args:
        outputs: a tensor, or a list of tensors whose gradients add up.
        inputs: a Variable or tensor on the tape, or a list of them.
        grad_outputs: the gradient to start from, for each output. Defaults to 1.
        retain_graph: keep what the tape holds, so that backward can go through it again.
        create_graph: put the gradients on the tape too, for second derivatives.
        allow_unused: give `None` for an input that the outputs do not depend on, instead of
        raising.

    Returns:
        A tensor, or a list of them where `inputs` is a list.

    Raises:
        GradientError: if an output depends on nothing, or not on an input.

    Example:
        >>> import pyneuro as pn
        >>> x = pn.Variable(3.0)
        >>> first = grad(x * x * x, x, create_graph=True)
        >>> first, grad(first, x)
        (Tensor(27.), Tensor(18.))
    """
    many = isinstance(inputs, (list, tuple))
    targets = list(inputs) if many else [inputs]
    tensors = list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]
    starts = list(grad_outputs) if isinstance(grad_outputs, (list, tuple)) else [grad_outputs]
    if grad_outputs is None:
        starts = [None] * len(tensors)
    wanted = {(t.node, t.output_index) for t in targets if t.node is not None}
    walk = _walk(tensors, starts, wanted, retain_graph, create_graph)
    found: list[Any] = []
    for i, target in enumerate(targets):
        if target.node is not None:
            g = walk.found.get((target.node, target.output_index))
        else:
            g = walk.leaves.get(id(target), [None, None])[1]
        if g is None and not allow_unused:
            raise GradientError(
                f"input {i}, of shape {target.shape}, has no part in the outputs; pass "
                "allow_unused=True to get None for it"
                + (
                    ""
                    if target.requires_grad
                    else ". It wants no gradient: use a Variable, or set "
                    "requires_grad = True before computing"
                )
            )
        found.append(g)
    return found if many else found[0]


def value_and_grad(
    function: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    *,
    variables: Sequence[Any] | None = None,
    has_aux: bool = False,
) -> Callable[..., Any]:
    """Turn a function that gives a number into one that gives the number and its gradient.

    Args:
        function: gives a single number, or with `has_aux` a tuple of one and anything else.
        argnums: which positional arguments to differentiate by; an int or a sequence.
        variables: differentiate by these Variables instead of arguments.
        has_aux: whether `function` gives a tuple.

    Returns:
        A function of the same arguments that gives `(value, gradient)`; the gradient is a list
        where `variables` or a sequence of `argnums` was given, and `None` for a Variable without a
        part.

    Example:
        >>> import pyneuro as pn
        >>> value_and_grad(lambda x: pn.ops.sum(x * x))(pn.ops.array([1.0, 2.0]))
        (Tensor(5.), Tensor([2., 4.]))
    """

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        single = variables is None and isinstance(argnums, int)
        arguments = list(args)
        if variables is not None:
            targets = list(variables)
        else:
            numbers = [argnums] if isinstance(argnums, int) else list(argnums)
            targets = []
            for i in numbers:
                fresh = _core.detach(_core.apply("copy", arguments[i]))
                fresh.requires_grad = True
                arguments[i] = fresh
                targets.append(fresh)
        with _grad_mode(True):
            value = function(*arguments, **kwargs)
            loss = value[0] if has_aux else value
            gradients = grad(loss, targets, allow_unused=variables is not None)
        return value, gradients[0] if single else gradients

    return wrapped


class _Tapes(threading.local):
    """The GradientTapes of this thread that are open."""

    def __init__(self) -> None:
        self.open: list[GradientTape] = []


_tapes = _Tapes()


class GradientTape:
    """A region whose ops can be differentiated afterwards, as in `tf.GradientTape`.

    Every op is on the tape anyway, as long as it depends on something that wants a gradient; this
    class is for code that was written with it. A gradient taken while another tape is open can be
    differentiated again.

    Args:
        persistent: let `gradient` be called more than once.
        watch_accessed_variables: accepted for TensorFlow's signature; Variables that are trainable
            always are watched.

    Example:
        >>> import pyneuro as pn
        >>> x = pn.Variable(3.0)
        >>> with GradientTape() as tape:
        ...     y = x * x
        >>> tape.gradient(y, x)
        Tensor(6.)
    """

    def __init__(self, persistent: bool = False, watch_accessed_variables: bool = True) -> None:
        self._persistent = persistent
        self._used = False
        self._before: bool | None = None

    def __enter__(self) -> GradientTape:
        self._before = _core.set_grad_enabled(True)
        _tapes.open.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        _tapes.open.remove(self)
        _core.set_grad_enabled(bool(self._before))

    def watch(self, tensor: Any) -> None:
        """Want the gradient of tensors that are no Variables; before they are used.

        Args:
            tensor: a tensor that was not computed from others, or a structure of such.

        Raises:
            GradientError: something that is no floating tensor.
        """
        for leaf in tree.flatten(tensor):
            if not isinstance(leaf, _core.Array) or "float" not in leaf.dtype:
                raise GradientError(
                    f"GradientTape.watch: expected a floating tensor, got {type(leaf).__name__}; "
                    "make one with ops.convert_to_tensor"
                )
            if not leaf.requires_grad:
                leaf.requires_grad = True

    def gradient(
        self,
        target: Any,
        sources: Any,
        output_gradients: Any = None,
        unconnected_gradients: str = "none",
    ) -> Any:
        """Compute the gradients of the sum of the target with respect to sources.

        Args:
            target: a tensor or a structure of them; entries are summed.
            sources: Variables or tensors, in any structure.
            output_gradients: gradients to start from, in the structure of the target; default 1.
            unconnected_gradients: "none" to give `None`, "zero" to give zeros, for a source that
                the target does not depend on.

        Returns:
            Gradients in the structure of the sources.

        Raises:
            GradientError: called twice on a tape that is not persistent, or another word for
                `unconnected_gradients`.
        """
        if self._used and not self._persistent:
            raise GradientError(
                "GradientTape.gradient was called before on this tape; make it with "
                "persistent=True to call it again"
            )
        if unconnected_gradients not in ("none", "zero"):
            raise GradientError(
                "GradientTape.gradient: unconnected_gradients must be 'none' or 'zero', got "
                f"{unconnected_gradients!r}"
            )
        self._used = True
        targets, wanted = tree.flatten(target), tree.flatten(sources)
        starts = [None] * len(targets) if output_gradients is None else tree.flatten(
            output_gradients)  # fmt: skip
        pairs = [(t, g) for t, g in zip(targets, starts, strict=True) if t.requires_grad]
        again = any(tape is not self or self._persistent for tape in _tapes.open)
        found: list[Any] = [None] * len(wanted)
        if pairs:
            found = grad(
                [t for t, _ in pairs],
                wanted,
                [_ones_like(t) if g is None else g for t, g in pairs],
                retain_graph=self._persistent,
                create_graph=again,
                allow_unused=True,
            )
        if unconnected_gradients == "zero":
            found = [_ones_like(s) * 0 if g is None else g
                     for s, g in zip(wanted, found, strict=True)]  # fmt: skip
        return tree.pack_sequence_as(sources, found) if tree.is_nested(sources) else found[0]
