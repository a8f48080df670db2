"""Layers that bring several tensors together: sums, products, extremes, concatenation, dot product.

Each has a function of the same name in lower case, which makes the layer and calls it.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from .. import ops
from ..errors import ArgumentError, ShapeError
from ..registry import built_in
from .base import Layer

__all__ = [
    "Add",
    "Average",
    "Concatenate",
    "Dot",
    "Maximum",
    "Minimum",
    "Multiply",
    "Subtract",
    "add",
    "average",
    "concatenate",
    "dot",
    "maximum",
    "minimum",
    "multiply",
    "subtract",
]


class Merge(Layer):
    """Base of layers that take a list of tensors, elementwise unless they say otherwise.

    Tensors of fewer axes get axes of size one after the batch axis; then all broadcast. Where every
    input carries a mask, an output entry counts if it counts in any input.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        """Check that the input is a list; there are no weights."""
        if not _are_shapes(input_shape):
            raise ArgumentError(
                f"{type(self).__name__}: expected a list of tensors, got one of shape {input_shape}"
            )
        self._check_shapes(input_shape)

    def _check_shapes(self, shapes: Sequence[Any]) -> None:
        """Raise where these inputs cannot be merged; what a subclass adds."""

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Merge; `inputs` is a list of tensors that broadcast."""
        rank = max(len(x.shape) for x in inputs)
        aligned = []
        for x in inputs:
            for _ in range(rank - len(x.shape)):
                x = ops.expand_dims(x, 1)
            aligned.append(x)
        masks = [None] * len(aligned) if mask is None else list(mask)
        return self._merge(aligned, masks)

    def _merge(self, inputs: list[Any], masks: list[Any]) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must define _merge()")

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """Where every input has a mask, their union; else `None`."""
        if previous_mask is None or any(m is None for m in previous_mask):
            return None
        return functools.reduce(ops.logical_or, previous_mask)


def _are_shapes(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(v, (list, tuple)) for v in value)


def _spread(mask: Any, x: Any) -> Any:
    """A mask as an array of the tensor's shape."""
    while len(mask.shape) < len(x.shape):
        mask = ops.expand_dims(mask, -1)
    return ops.broadcast_to(mask, x.shape)


@built_in("layer")
class Add(Merge):
    """The sum of a list of tensors.

    Args:
        **kwargs: name, dtype, as for every layer.

    Raises:
        ArgumentError: on call, something else than a list of tensors.
        ShapeError: on call, shapes that do not broadcast.

    Example:
        >>> import numpy as np
        >>> Add()([np.ones((1, 2), "float32"), np.ones((1, 2), "float32")]).tolist()
        [[2.0, 2.0]]
    """

    def _merge(self, inputs: list[Any], masks: list[Any]) -> Any:
        return functools.reduce(ops.add, inputs)


@built_in("layer")
class Subtract(Merge):
    """The first of two tensors less the second.

    Args:
        **kwargs: name, dtype, as for every layer.

    Raises:
        ArgumentError: on call, not exactly two tensors.
        ShapeError: on call, shapes that do not broadcast.

    Example:
        >>> import numpy as np
        >>> Subtract()([np.ones((1, 2), "float32"), np.ones((1, 2), "float32")]).tolist()
        [[0.0, 0.0]]
    """

    def _check_shapes(self, shapes: Sequence[Any]) -> None:
        if len(shapes) != 2:
            raise ArgumentError(f"Subtract: expected exactly 2 tensors, got {len(shapes)}")

    def _merge(self, inputs: list[Any], masks: list[Any]) -> Any:
        return ops.subtract(inputs[0], inputs[1])


@built_in("layer")
class Multiply(Merge):
    """The product of a list of tensors; masked entries count as one.

    Args:
        **kwargs: name, dtype, as for every layer.

    Raises:
        ArgumentError: on call, something else than a list of tensors.
        ShapeError: on call, shapes that do not broadcast.

    Example:
        >>> import numpy as np
        >>> Multiply()([np.full((1, 2), 3.0), np.full((1, 2), 2.0)]).tolist()
        [[6.0, 6.0]]
    """

    def _merge(self, inputs: list[Any], masks: list[Any]) -> Any:
        if all(mask is None for mask in masks):
            return functools.reduce(ops.multiply, inputs)
        spread = [None if m is None else _spread(m, x) for x, m in zip(inputs, masks, strict=True)]
        product = functools.reduce(
            ops.multiply,
            [x if m is None else ops.where(m, x, ops.ones_like(x))
             for x, m in zip(inputs, spread, strict=True)],
        )  # fmt: skip
        if any(mask is None for mask in spread):
            return product
        counts = functools.reduce(ops.logical_or, spread)
        return ops.where(counts, product, ops.zeros_like(product))


@built_in("layer")
class Average(Merge):
    """The mean of a list of tensors.

    Args:
        **kwargs: name, dtype, as for every layer.

    Raises:
        ArgumentError: on call, something else than a list of tensors.
        ShapeError: on call, shapes that do not broadcast.

    Example:
        >>> import numpy as np
        >>> Average()([np.zeros((1, 2), "float32"), np.ones((1, 2), "float32")]).tolist()
        [[0.5, 0.5]]
    """

    def _merge(self, inputs: list[Any], masks: list[Any]) -> Any:
        return functools.reduce(ops.add, inputs) / len(inputs)


class _Extreme(Merge):
    """Maximum or minimum: where an input is masked, those that are not are taken alone."""

    _choose: Any  # the op that brings two together

    def _merge(self, inputs: list[Any], masks: list[Any]) -> Any:
        output, counts = inputs[0], None if masks[0] is None else _spread(masks[0], inputs[0])
        for x, mask in zip(inputs[1:], masks[1:], strict=True):
            other = None if mask is None else _spread(mask, x)
            kept = x if other is None else ops.where(other, x, output)
            output = output if counts is None else ops.where(counts, output, kept)
            output = self._choose(output, kept)
            both = counts is not None and other is not None
            counts = ops.logical_or(counts, other) if both else None
        return output


@built_in("layer")
class Maximum(_Extreme):
    """The largest entry of a list of tensors, place by place; masked entries do not take part.

    Args:
        **kwargs: name, dtype, as for every layer.

    Raises:
        ArgumentError: on call, something else than a list of tensors.
        ShapeError: on call, shapes that do not broadcast.

    Example:
        >>> import numpy as np
        >>> Maximum()([np.array([[1.0, 5.0]]), np.array([[2.0, 3.0]])]).tolist()
        [[2.0, 5.0]]
    """

    _choose = staticmethod(ops.maximum)


@built_in("layer")
class Minimum(_Extreme):
    """The smallest entry of a list of tensors, place by place; masked entries do not take part.

    Args:
        **kwargs: name, dtype, as for every layer.

    Raises:
        ArgumentError: on call, something else than a list of tensors.
        ShapeError: on call, shapes that do not broadcast.

    Example:
        >>> import numpy as np
        >>> Minimum()([np.array([[1.0, 5.0]]), np.array([[2.0, 3.0]])]).tolist()
        [[1.0, 3.0]]
    """

    _choose = staticmethod(ops.minimum)


@built_in("layer")
class Concatenate(Merge):
    """A list of tensors side by side along an axis; all other sizes must agree.

    Args:
        axis: the axis.
        **kwargs: name, dtype, as for every layer.

    Raises:
        ArgumentError: on call, something else than a list of tensors.
        ShapeError: on call, sizes or ranks that differ.

    Example:
        >>> import numpy as np
        >>> Concatenate()([np.ones((1, 2), "float32"), np.ones((1, 3), "float32")]).shape
        (1, 5)
    """

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis

    def _check_shapes(self, shapes: Sequence[Any]) -> None:
        kept = []
        for shape in shapes:
            rank = len(shape)
            if not -rank <= self.axis < rank:
                raise ShapeError(
                    f"Concatenate {self.name!r}: there is no axis {self.axis} in the shape "
                    f"{tuple(shape)}"
                )
            kept.append([s for i, s in enumerate(shape) if i != self.axis % rank])
        for other in kept[1:]:
            same = len(other) == len(kept[0]) and all(
                a is None or b is None or a == b for a, b in zip(kept[0], other, strict=True)
            )
            if not same:
                raise ShapeError(
                    f"Concatenate {self.name!r}: all sizes but that of axis {self.axis} must "
                    f"agree, got the shapes {[tuple(shape) for shape in shapes]}"
                )

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Put the tensors side by side."""
        return ops.concatenate(list(inputs), axis=self.axis)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """The masks side by side, or along the last axis their union; without a mask all counts."""
        if previous_mask is None or all(m is None for m in previous_mask):
            return None
        parts = [
            ops.ones(x.shape, dtype="bool") if m is None else _spread(m, x)
            for x, m in zip(inputs, previous_mask, strict=True)
        ]
        return ops.any(ops.concatenate(parts, axis=self.axis), axis=-1)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "axis": self.axis}


@built_in("layer")
class Dot(Merge):
    """The dot products of the samples of two tensors along one axis of each.

    Args:
        axes: the axis in both, or one for each; never the batch axis.
        normalize: scale to length one along the axis first, which gives the cosine of the angle.
        **kwargs: name, dtype, as for every layer.

    Raises:
        ArgumentError: `axes` is neither a whole number nor two, or on call not two tensors.
        ShapeError: on call, sizes along the axes that differ.

    Example:
        >>> import numpy as np
        >>> Dot(axes=1)([np.ones((5, 3), "float32"), np.ones((5, 3), "float32")]).shape
        (5, 1)
    """

    def __init__(self, axes: int | Sequence[int], normalize: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        pair = (axes, axes) if isinstance(axes, int) else tuple(axes)
        if len(pair) != 2 or not all(isinstance(axis, int) for axis in pair):
            raise ArgumentError(f"Dot: axes must be a whole number or two of them, got {axes!r}")
        self.axes = axes if isinstance(axes, int) else list(pair)
        self.normalize = normalize
        self._pair = pair

    def _positions(self, shapes: Sequence[Any]) -> tuple[int, int]:
        first, second = (
            axis % len(shape) if -len(shape) <= axis < len(shape) else 0
            for axis, shape in zip(self._pair, shapes, strict=True)
        )
        if first == 0 or second == 0:
            raise ArgumentError(
                f"Dot: axes {self.axes} must name axes of {[tuple(s) for s in shapes]} and never "
                "the batch axis"
            )
        return first, second

    def _check_shapes(self, shapes: Sequence[Any]) -> None:
        if len(shapes) != 2:
            raise ArgumentError(f"Dot: expected exactly 2 tensors, got {len(shapes)}")
        first, second = self._positions(shapes)
        a, b = shapes[0][first], shapes[1][second]
        if a is not None and b is not None and a != b:
            raise ShapeError(
                f"Dot {self.name!r}: the sizes {a} (axis {first}) and {b} (axis {second}) of "
                f"{tuple(shapes[0])} and {tuple(shapes[1])} differ"
            )

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Compute the products; (N, *a, K) and (N, K, *b) give (N, *a, *b)."""
        x, y = inputs
        first, second = self._positions([x.shape, y.shape])
        if self.normalize:
            x, y = _unit(x, first), _unit(y, second)
        x, y = ops.moveaxis(x, first, -1), ops.moveaxis(y, second, 1)
        left, right = tuple(x.shape[1:-1]), tuple(y.shape[2:])
        size = x.shape[-1]
        flat_x = ops.reshape(x, (x.shape[0], _product(left), size))
        flat_y = ops.reshape(y, (y.shape[0], size, _product(right)))
        return ops.reshape(ops.matmul(flat_x, flat_y), (x.shape[0], *((left + right) or (1,))))

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> None:
        """Nothing: the masked axes are summed over."""
        return

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "axes": self.axes, "normalize": self.normalize}


def _product(sizes: tuple[int, ...]) -> int:
    return functools.reduce(lambda a, b: a * b, sizes, 1)


def _unit(x: Any, axis: int) -> Any:
    """`x` at length one along an axis; what is shorter than 1e-6 stays short."""
    square = ops.sum(ops.square(x), axis=axis, keepdims=True)
    least = 1e-7 if x.dtype == "float16" else 1e-12
    return x * ops.rsqrt(ops.maximum(square, least))


def add(inputs: Any, **kwargs: Any) -> Any:
    """The sum of a list of tensors, as `Add` computes it.

    Args:
        inputs: a list of tensors that broadcast.
        **kwargs: name, dtype, as for every layer.

    Returns:
        A tensor, symbolic for symbolic inputs.

    Example:
        >>> import numpy as np
        >>> add([np.ones((1, 2)), np.full((1, 2), 3.0)]).tolist()
        [[4.0, 4.0]]
    """
    return Add(**kwargs)(inputs)


def subtract(inputs: Any, **kwargs: Any) -> Any:
    """The first of two tensors less the second, as `Subtract` computes it.

    Args:
        inputs: a list of two tensors that broadcast.
        **kwargs: name, dtype, as for every layer.

    Returns:
        A tensor, symbolic for symbolic inputs.

    Example:
        >>> import numpy as np
        >>> subtract([np.ones((1, 2)), np.full((1, 2), 3.0)]).tolist()
        [[-2.0, -2.0]]
    """
    return Subtract(**kwargs)(inputs)


def multiply(inputs: Any, **kwargs: Any) -> Any:
    """The product of a list of tensors, as `Multiply` computes it.

    Args:
        inputs: a list of tensors that broadcast.
        **kwargs: name, dtype, as for every layer.

    Returns:
        A tensor, symbolic for symbolic inputs.

    Example:
        >>> import numpy as np
        >>> multiply([np.ones((1, 2)), np.full((1, 2), 3.0)]).tolist()
        [[3.0, 3.0]]
    """
    return Multiply(**kwargs)(inputs)


def average(inputs: Any, **kwargs: Any) -> Any:
    """The mean of a list of tensors, as `Average` computes it.

    Args:
        inputs: a list of tensors that broadcast.
        **kwargs: name, dtype, as for every layer.

    Returns:
        A tensor, symbolic for symbolic inputs.

    Example:
        >>> import numpy as np
        >>> average([np.ones((1, 2)), np.full((1, 2), 3.0)]).tolist()
        [[2.0, 2.0]]
    """
    return Average(**kwargs)(inputs)


def maximum(inputs: Any, **kwargs: Any) -> Any:
    """The largest entries of a list of tensors, as `Maximum` finds them.

    Args:
        inputs: a list of tensors that broadcast.
        **kwargs: name, dtype, as for every layer.

    Returns:
        A tensor, symbolic for symbolic inputs.

    Example:
        >>> import numpy as np
        >>> maximum([np.ones((1, 2)), np.full((1, 2), 3.0)]).tolist()
        [[3.0, 3.0]]
    """
    return Maximum(**kwargs)(inputs)


def minimum(inputs: Any, **kwargs: Any) -> Any:
    """The smallest entries of a list of tensors, as `Minimum` finds them.

    Args:
        inputs: a list of tensors that broadcast.
        **kwargs: name, dtype, as for every layer.

    Returns:
        A tensor, symbolic for symbolic inputs.

    Example:
        >>> import numpy as np
        >>> minimum([np.ones((1, 2)), np.full((1, 2), 3.0)]).tolist()
        [[1.0, 1.0]]
    """
    return Minimum(**kwargs)(inputs)


def concatenate(inputs: Any, axis: int = -1, **kwargs: Any) -> Any:
    """A list of tensors side by side along an axis, as `Concatenate` puts them.

    Args:
        inputs: a list of tensors whose other sizes agree.
        axis: the axis.
        **kwargs: name, dtype, as for every layer.

    Returns:
        A tensor, symbolic for symbolic inputs.

    Example:
        >>> import numpy as np
        >>> concatenate([np.ones((1, 2)), np.ones((1, 3))]).shape
        (1, 5)
    """
    return Concatenate(axis=axis, **kwargs)(inputs)


def dot(inputs: Any, axes: int | Sequence[int] = -1, **kwargs: Any) -> Any:
    """The dot products of samples along an axis, as `Dot` computes them.

    Args:
        inputs: a list of two tensors.
        axes: the axis in both, or one for each.
        **kwargs: normalize, name, dtype, as for `Dot`.

    Returns:
        A tensor, symbolic for symbolic inputs.

    Example:
        >>> import numpy as np
        >>> dot([np.ones((1, 2)), np.full((1, 2), 3.0)], axes=1).tolist()
        [[6.0]]
    """
    return Dot(axes=axes, **kwargs)(inputs)
