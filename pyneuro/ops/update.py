"""Ops that write to Variables: assignment and whole optimizer steps, each one native call.

They return nothing and leave no trace on the tape. Which gradient belongs to which variable, and
where slots come from, is the matter of `pyneuro.optimizers`.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..autograd import not_differentiable
from ..errors import ArgumentError
from ..tensor import Tensor, apply
from .arguments import TensorLike

not_differentiable(
    "assign", "sgd_update", "adam_update", "rmsprop_update", "adagrad_update", "lion_update"
)


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
    apply("assign", *variables, *values)


def sgd_update(
    variables: Sequence[Tensor],
    gradients: Sequence[Tensor],
    learning_rate: TensorLike,
    velocities: Sequence[Tensor] = (),
    momentum: float = 0.0,
    nesterov: bool = False,
) -> None:
    """One step of gradient descent, with momentum where it is not 0.

    Args:
        variables: Variables.
        gradients: their gradients, of the same shapes and dtypes.
        learning_rate: a number, or a tensor of one.
        velocities: with momentum, a slot for each variable.
        momentum: the share of the velocity that is kept.
        nesterov: whether to look ahead (Nesterov's form).

    Raises:
        ArgumentError: the lists differ in length.
        ShapeError: a gradient or slot has another shape or dtype than its variable.
    """
    slots = velocities if momentum != 0 else ()
    _expect_lengths("sgd_update", len(variables), gradients=gradients)
    if momentum != 0:
        _expect_lengths("sgd_update", len(variables), velocities=velocities)
    apply(
        "sgd_update",
        learning_rate,
        *variables,
        *gradients,
        *slots,
        momentum=float(momentum),
        nesterov=nesterov,
    )


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

    Raises:
        ArgumentError: the lists differ in length.
        ShapeError: a gradient or slot has another shape or dtype than its variable.
    """
    lists = {"gradients": gradients, "momentums": momentums, "velocities": velocities}
    if largest is not None:
        lists["largest"] = largest
    _expect_lengths("adam_update", len(variables), **lists)
    apply(
        "adam_update",
        learning_rate,
        step,
        *variables,
        *(slot for slots in lists.values() for slot in slots),
        beta_1=beta_1,
        beta_2=beta_2,
        epsilon=epsilon,
        amsgrad=largest is not None,
    )


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

    Raises:
        ArgumentError: the lists differ in length.
        ShapeError: a gradient or slot has another shape or dtype than its variable.
    """
    lists = {"gradients": gradients, "velocities": velocities}
    if momentum != 0:
        lists["momentums"] = momentums or ()
    if averages is not None:
        lists["averages"] = averages
    _expect_lengths("rmsprop_update", len(variables), **lists)
    apply(
        "rmsprop_update",
        learning_rate,
        *variables,
        *(slot for slots in lists.values() for slot in slots),
        rho=rho,
        momentum=float(momentum),
        epsilon=epsilon,
        centered=averages is not None,
    )


def adagrad_update(
    variables: Sequence[Tensor],
    gradients: Sequence[Tensor],
    learning_rate: TensorLike,
    accumulators: Sequence[Tensor],
    epsilon: float = 1e-7,
) -> None:
    """One step of Adagrad (Duchi, Hazan and Singer 2011), in Keras's form.

    Args:
        variables: Variables.
        gradients: their gradients, of the same shapes and dtypes.
        learning_rate: a number, or a tensor of one.
        accumulators: a slot for each variable: the sum of the squared gradients.
        epsilon: what keeps the quotient finite.

    Raises:
        ArgumentError: the lists differ in length.
        ShapeError: a gradient or slot has another shape or dtype than its variable.
    """
    _expect_lengths(
        "adagrad_update", len(variables), gradients=gradients, accumulators=accumulators
    )
    apply("adagrad_update", learning_rate, *variables, *gradients, *accumulators, epsilon=epsilon)


def lion_update(
    variables: Sequence[Tensor],
    gradients: Sequence[Tensor],
    learning_rate: TensorLike,
    momentums: Sequence[Tensor],
    beta_1: float = 0.9,
    beta_2: float = 0.99,
) -> None:
    """One step of Lion (Chen et al. 2023).

    Args:
        variables: Variables.
        gradients: their gradients, of the same shapes and dtypes.
        learning_rate: a number, or a tensor of one.
        momentums: a slot for each variable: the mean of the gradients.
        beta_1: the share of the mean in the direction that is taken.
        beta_2: how slowly the mean changes.

    Raises:
        ArgumentError: the lists differ in length.
        ShapeError: a gradient or slot has another shape or dtype than its variable.
    """
    _expect_lengths("lion_update", len(variables), gradients=gradients, momentums=momentums)
    apply(
        "lion_update",
        learning_rate,
        *variables,
        *gradients,
        *momentums,
        beta_1=beta_1,
        beta_2=beta_2,
    )


def _expect_lengths(op: str, wanted: int, **lists: Sequence[TensorLike]) -> None:
    for name, items in lists.items():
        if len(items) != wanted:
            raise ArgumentError(f"{op}: {wanted} variables, but {len(items)} {name}")
