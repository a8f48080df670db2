"""Ops that write to Variables: assignment and whole optimizer steps, each one native call.

They return nothing and leave no trace on the tape. Which gradient belongs to which variable, and
where slots come from, is the matter of `pyneuro.optimizers`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict, Unpack

from ..autograd import not_differentiable
from ..errors import ArgumentError
from ..tensor import Tensor, apply, convert
from ..variable import write
from .arguments import TensorLike

not_differentiable(
    "assign", "sgd_update", "adam_update", "lamb_update", "rmsprop_update", "adagrad_update",
    "lion_update", "sum_of_squares",
)  # fmt: skip


class OnTheWay(TypedDict, total=False):
    """What every optimizer step can do beside its rule, in the same pass.

    Attributes:
        scale: what gradients are multiplied by first: a number, or a tensor of one.
        weight_decay: the share of the rate that is taken off the variables before the step.
        copies: float16 or bfloat16 Variables that get the float32 `variables` rounded; gradients
            may have their dtype. One that is not its variable rounded was assigned to, and counts.
    """

    scale: TensorLike
    weight_decay: float
    copies: Sequence[Tensor] | None


def assign(variables: Sequence[Tensor], values: Sequence[TensorLike]) -> None:
    """Write values to variables, cast to their dtypes.

    Args:
        variables: Variables.
        values: as many tensors, of the same shapes.

    Raises:
        ArgumentError: not as many values as variables.
        ShapeError: a value has another shape than its variable.
    """
    _expect_lengths("assign", len(variables), values=values)
    write("assign", *variables, *values)


def sgd_update(
    variables: Sequence[Tensor],
    gradients: Sequence[Tensor],
    learning_rate: TensorLike,
    velocities: Sequence[Tensor] = (),
    momentum: float = 0.0,
    nesterov: bool = False,
    **way: Unpack[OnTheWay],
) -> None:
    """One step of gradient descent, with momentum where it is not 0.

    Args:
        variables: Variables.
        gradients: their gradients, of the same shapes and dtypes.
        learning_rate: a number, or a tensor of one.
        velocities: with momentum, a slot for each variable.
        momentum: the share of the velocity that is kept.
        nesterov: whether to look ahead (Nesterov's form).
        **way: `scale`, `weight_decay` and `copies`, as in `OnTheWay`.

    Raises:
        ArgumentError: the lists differ in length.
        ShapeError: a gradient or slot has another shape or dtype than its variable.
    """
    slots = {"velocities": velocities} if momentum != 0 else {}
    lists = {"gradients": gradients, **slots}
    fields = {"momentum": float(momentum), "nesterov": nesterov}
    _step("sgd_update", [learning_rate], variables, lists, way, fields)


def adam_update(
    variables: Sequence[Tensor],
    gradients: Sequence[Tensor],
    learning_rate: TensorLike,
    step: TensorLike,
    momentums: Sequence[Tensor],
    velocities: Sequence[Tensor],
    largest: Sequence[Tensor] | None = None,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
    **way: Unpack[OnTheWay],
) -> None:
    """One step of Adam (Kingma and Ba 2015), in Keras's form.

    Args:
        variables: Variables.
        gradients: their gradients, of the same shapes and dtypes.
        learning_rate: a number, or a tensor of one.
        step: the number of this step, counted from 1.
        momentums: a slot for each variable: the mean of the gradients.
        velocities: a slot for each variable: the mean of their squares.
        largest: the amsgrad variant's third slot for each variable: the largest velocity so far.
        beta_1: how slowly the momentums change.
        beta_2: how slowly the velocities change.
        epsilon: what keeps the quotient finite.
        **way: `scale`, `weight_decay` and `copies`, as in `OnTheWay`.

    Raises:
        ArgumentError: the lists differ in length.
        ShapeError: a gradient or slot has another shape or dtype than its variable.
    """
    lists = {"gradients": gradients, "momentums": momentums, "velocities": velocities}
    if largest is not None:
        lists["largest"] = largest
    fields = {
        "beta_1": beta_1, "beta_2": beta_2, "epsilon": epsilon, "amsgrad": largest is not None,
    }  # fmt: skip
    _step("adam_update", [learning_rate, step], variables, lists, way, fields)


def lamb_update(
    variables: Sequence[Tensor],
    gradients: Sequence[Tensor],
    learning_rate: TensorLike,
    step: TensorLike,
    momentums: Sequence[Tensor],
    velocities: Sequence[Tensor],
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
    **way: Unpack[OnTheWay],
) -> None:
    """One step of LAMB (You et al. 2020), in Keras's form.

    Args:
        variables: Variables, float32 or float64.
        gradients: their gradients, of the same shapes and dtypes.
        learning_rate: a number, or a tensor of one.
        step: the number of this step, counted from 1.
        momentums: a slot for each variable: the mean of the gradients.
        velocities: a slot for each variable: the mean of their squares.
        beta_1: how slowly the momentums change.
        beta_2: how slowly the velocities change.
        epsilon: what keeps the quotient finite.
        **way: `scale`, `weight_decay` and `copies`, as in `OnTheWay`.

    Raises:
        ArgumentError: the lists differ in length.
        DTypeError: a variable of 16 bits.
        ShapeError: a gradient or slot has another shape or dtype than its variable.
    """
    lists = {"gradients": gradients, "momentums": momentums, "velocities": velocities}
    fields = {"beta_1": beta_1, "beta_2": beta_2, "epsilon": epsilon}
    _step("lamb_update", [learning_rate, step], variables, lists, way, fields)


def rmsprop_update(
    variables: Sequence[Tensor],
    gradients: Sequence[Tensor],
    learning_rate: TensorLike,
    velocities: Sequence[Tensor],
    momentums: Sequence[Tensor] | None = None,
    averages: Sequence[Tensor] | None = None,
    rho: float = 0.9,
    momentum: float = 0.0,
    epsilon: float = 1e-7,
    **way: Unpack[OnTheWay],
) -> None:
    """One step of RMSprop (Hinton 2012), in Keras's form.

    Args:
        variables: Variables.
        gradients: their gradients, of the same shapes and dtypes.
        learning_rate: a number, or a tensor of one.
        velocities: a slot for each variable: the mean of the squared gradients.
        momentums: with momentum, a slot for each variable: the last step.
        averages: the centered variant's slot for each variable: the mean of the gradients.
        rho: how slowly the means change.
        momentum: the share of the last step that is taken again.
        epsilon: what keeps the quotient finite.
        **way: `scale`, `weight_decay` and `copies`, as in `OnTheWay`.

    Raises:
        ArgumentError: the lists differ in length.
        ShapeError: a gradient or slot has another shape or dtype than its variable.
    """
    lists = {"gradients": gradients, "velocities": velocities}
    if momentum != 0:
        lists["momentums"] = momentums or ()
    if averages is not None:
        lists["averages"] = averages
    fields = {
        "rho": rho, "momentum": float(momentum), "epsilon": epsilon,
        "centered": averages is not None,
    }  # fmt: skip
    _step("rmsprop_update", [learning_rate], variables, lists, way, fields)


def adagrad_update(
    variables: Sequence[Tensor],
    gradients: Sequence[Tensor],
    learning_rate: TensorLike,
    accumulators: Sequence[Tensor],
    epsilon: float = 1e-7,
    **way: Unpack[OnTheWay],
) -> None:
    """One step of Adagrad (Duchi, Hazan and Singer 2011), in Keras's form.

    Args:
        variables: Variables.
        gradients: their gradients, of the same shapes and dtypes.
        learning_rate: a number, or a tensor of one.
        accumulators: a slot for each variable: the sum of the squared gradients.
        epsilon: what keeps the quotient finite.
        **way: `scale`, `weight_decay` and `copies`, as in `OnTheWay`.

    Raises:
        ArgumentError: the lists differ in length.
        ShapeError: a gradient or slot has another shape or dtype than its variable.
    """
    lists = {"gradients": gradients, "accumulators": accumulators}
    _step("adagrad_update", [learning_rate], variables, lists, way, {"epsilon": epsilon})


def lion_update(
    variables: Sequence[Tensor],
    gradients: Sequence[Tensor],
    learning_rate: TensorLike,
    momentums: Sequence[Tensor],
    beta_1: float = 0.9,
    beta_2: float = 0.99,
    **way: Unpack[OnTheWay],
) -> None:
    """One step of Lion (Chen et al. 2023).

    Args:
        variables: Variables.
        gradients: their gradients, of the same shapes and dtypes.
        learning_rate: a number, or a tensor of one.
        momentums: a slot for each variable: the mean of the gradients.
        beta_1: the share of the mean in the direction that is taken.
        beta_2: how slowly the mean changes.
        **way: `scale`, `weight_decay` and `copies`, as in `OnTheWay`.

    Raises:
        ArgumentError: the lists differ in length.
        ShapeError: a gradient or slot has another shape or dtype than its variable.
    """
    lists = {"gradients": gradients, "momentums": momentums}
    fields = {"beta_1": beta_1, "beta_2": beta_2}
    _step("lion_update", [learning_rate], variables, lists, way, fields)


def sum_of_squares(tensors: Sequence[Tensor]) -> Tensor:
    """The sum of the squares of all elements of all tensors, in float64 and in one pass.

    Args:
        tensors: floats of any shapes and dtypes.

    Returns:
        A float64 tensor without axes.

    Raises:
        DTypeError: a tensor that is not floating.
    """
    total: Tensor = apply("sum_of_squares", *tensors)
    return total


def _step(
    op: str,
    numbers: list[TensorLike],
    variables: Sequence[Tensor],
    lists: dict[str, Sequence[Tensor]],
    way: OnTheWay,
    fields: dict[str, Any],
) -> None:
    """Run an op of a step: numbers, then runs of tensors, those of `lists` in their order."""
    copies, scale = way.get("copies"), way.get("scale", 1.0)
    if copies is not None:
        lists = {**lists, "copies": copies}
    _expect_lengths(op, len(variables), **lists)
    write(
        op,
        *numbers,
        scale if isinstance(scale, Tensor) else convert(scale, "float64"),
        *variables,
        *(tensor for items in lists.values() for tensor in items),
        weight_decay=float(way.get("weight_decay", 0.0)),
        copies=copies is not None,
        **fields,
    )


def _expect_lengths(op: str, wanted: int, **lists: Sequence[TensorLike]) -> None:
    for name, items in lists.items():
        if len(items) != wanted:
            raise ArgumentError(f"{op}: {wanted} variables, but {len(items)} {name}")
