"""Optimizer: from gradients to new weights. Families add one native update over all variables.

Everything that changes from step to step (rate, count, slots) is a Variable, so that a recorded
step replays. An update writes at once, also inside a `StateScope`: it is the commit of a step, not
a part of what precedes.

Weights of 16 bits are worked on in float32: each has a master, of which it is the rounded copy, and
float32 slots. One that was assigned to since the last step is no longer that, and counts.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

from .. import naming, ops
from ..autograd import no_grad
from ..errors import ArgumentError, ShapeError
from ..ops.update import assign, sgd_update
from ..registry import deserialize_keras_object, serialize_keras_object
from ..tensor import Tensor, convert
from ..variable import Variable, only_where
from .checks import check_clips, check_count, check_rate
from .gradients import clip, overwrite, scaled
from .schedules import LearningRateSchedule

__all__ = ["Optimizer"]

HALVES = ("float16", "bfloat16")


class Optimizer:
    """Base class of optimizers.

    A subclass makes its slots in `build(variables)` and updates in `update(variables, gradients)`;
    or it defines `update_step(gradient, variable, learning_rate)` for one variable, as in Keras.

    Args:
        learning_rate: a number, a `LearningRateSchedule`, or a callable without arguments.
        weight_decay: this share of the rate times each weight is taken off it at each step.
        clipnorm: scale each gradient down to this length.
        clipvalue: clip each entry of each gradient to +- this.
        global_clipnorm: scale all gradients together down to this length.
        use_ema: keep an exponential moving average of the weights, renewed at each update.
        ema_momentum: the share of the old average at each step, in [0, 1].
        ema_overwrite_frequency: overwrite the weights by their average every so many steps; `None`
            only when training ends.
        loss_scale_factor: multiply the loss by this and divide the gradients by it again.
        gradient_accumulation_steps: update only every so many steps, with the mean of the
            gradients.
        name: a name.
        **kwargs: none; unknown arguments are named in the error.

    Raises:
        ArgumentError: an argument outside of what is allowed.

    Example:
        >>> from pyneuro import Variable, optimizers
        >>> import numpy as np
        >>> w = Variable(np.ones(2, "float32"))
        >>> optimizer = optimizers.SGD(learning_rate=0.5)
        >>> optimizer.apply([np.ones(2, "float32")], [w])
        >>> w.tolist()
        [0.5, 0.5]
    """

    skips_nonfinite = False
    """Whether gradients that are not finite are its own matter, rather than an error."""

    _folds = False  # whether `update` scales, decays and rounds by itself, in its one pass

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        parameters = inspect.signature(cls.update).parameters.values()
        cls._folds = any(p.kind is p.VAR_KEYWORD for p in parameters)

    def __init__(
        self,
        learning_rate: Any,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        kind = type(self).__name__
        if kwargs:
            hint = "; say learning_rate for lr" if "lr" in kwargs else ""
            raise ArgumentError(f"{kind}: unknown arguments {sorted(kwargs)}{hint}")
        check_clips(kind, clipnorm=clipnorm, clipvalue=clipvalue, global_clipnorm=global_clipnorm)
        if use_ema and not 0 <= ema_momentum <= 1:
            raise ArgumentError(f"{kind}: ema_momentum must be in [0, 1], got {ema_momentum!r}")
        check_count(kind, "ema_overwrite_frequency", ema_overwrite_frequency, 1)
        check_count(kind, "gradient_accumulation_steps", gradient_accumulation_steps, 2)
        self.name = name or naming.auto_name(kind)
        self.weight_decay = weight_decay
        self.clipnorm, self.clipvalue, self.global_clipnorm = clipnorm, clipvalue, global_clipnorm
        self.use_ema, self.ema_momentum = use_ema, ema_momentum
        self.ema_overwrite_frequency = ema_overwrite_frequency
        self.loss_scale_factor = loss_scale_factor
        self.gradient_accumulation_steps = gradient_accumulation_steps
        self.built = False
        self._variables: list[Variable] = []
        self._trainable_variables: list[Variable] = []
        self._is_swapped = False  # whether the weights hold the averages and the other way round
        self._positions: dict[int, int] = {}  # of weights and masters, by id
        self._masters: dict[int, Variable] = {}  # by the id of their weight
        self._no_decay: set[int] = set()
        self.iterations = self._own_variable(0, "int64", "iterations")
        self._learning_rate: Any = learning_rate
        if not callable(learning_rate):
            check_rate(kind, learning_rate)
            self._learning_rate = self._own_variable(learning_rate, "float64", "learning_rate")

    # -- state ------------------------------------------------------------------------------------

    def _own_variable(self, value: Any, dtype: str, name: str) -> Variable:
        variable = Variable(convert(value, dtype), dtype=dtype, trainable=False, name=name)
        variable.path = f"{self.name}/{name}"
        self._variables.append(variable)
        return variable

    def add_variable_from_reference(
        self, reference_variable: Variable, name: str, initializer: Any = "zeros"
    ) -> Variable:
        """Make a slot: a variable of another one's shape and dtype, float32 where that has 16 bits.

        Args:
            reference_variable: the weight that the slot belongs to.
            name: what the slot is, such as "momentum".
            initializer: "zeros", "copy" for the weight's value, or a function of (shape, dtype).

        Returns:
            The slot.
        """
        shape, dtype = reference_variable.shape, reference_variable.dtype
        dtype = "float32" if dtype in HALVES else dtype
        if callable(initializer):
            value = initializer(shape, dtype=dtype)
        elif initializer == "copy":
            value = reference_variable.value.detach()
        else:
            value = ops.zeros(shape, dtype=dtype)
        path = reference_variable.path.replace("/", "_")
        return self._own_variable(value, dtype, f"{path}_{name}")

    def _slots(
        self, variables: Sequence[Variable], name: str, initializer: Any = "zeros"
    ) -> list[Variable]:
        return [self.add_variable_from_reference(v, name, initializer) for v in variables]

    def _slots_of_each(self, variables: Sequence[Variable], *names: str) -> list[list[Variable]]:
        """A list of slots for each name; they are made, and so stored, weight by weight."""
        made = [[self.add_variable_from_reference(v, name) for name in names] for v in variables]
        return [[slots[i] for slots in made] for i in range(len(names))]

    def build(self, variables: Sequence[Variable]) -> None:
        """Make the slots for the weights to train; the first `apply` does it by itself.

        Args:
            variables: the weights.
        """
        if self.built:
            return
        self._trainable_variables = list(variables)
        self._positions = {id(v): i for i, v in enumerate(self._trainable_variables)}
        for i, variable in enumerate(self._trainable_variables):
            if variable.dtype in HALVES:
                master = self.add_variable_from_reference(variable, "master", "copy")
                self._masters[id(variable)] = master
                self._positions[id(master)] = i
        if self.use_ema:
            self._averages = [
                self.add_variable_from_reference(v, "average", "copy") for v in variables
            ]
        if self.gradient_accumulation_steps:
            self._accumulators = self._slots(variables, "gradient_accumulator")
            self._step_count = self._own_variable(0, "int64", "accumulated")
        self.build_slots(self._trainable_variables)
        self.built = True

    def build_slots(self, variables: Sequence[Variable]) -> None:
        """Make the slots of this family; a subclass with slots defines it.

        Args:
            variables: the weights.
        """

    @property
    def variables(self) -> list[Variable]:
        """All state: the count, the rate, then slots."""
        return list(self._variables)

    def exclude_from_weight_decay(
        self, var_list: Iterable[Variable] | None = None, var_names: Iterable[str] | None = None
    ) -> None:
        """Leave weights out of weight decay.

        Args:
            var_list: the weights.
            var_names: parts of paths, such as "bias"; needs a built optimizer.
        """
        for variable in var_list or ():
            self._no_decay.add(id(variable))
        for name in var_names or ():
            self._no_decay.update(id(v) for v in self._trainable_variables if name in v.path)

    def zero_grad(self) -> None:
        """Clear the `grad` of the weights that this optimizer trains."""
        for variable in self._trainable_variables:
            variable.grad = None

    # -- learning rate ----------------------------------------------------------------------------

    @property
    def learning_rate(self) -> Any:
        """The rate: a Variable, or what the schedule gives for the present step. Can be set."""
        return self._current_rate()

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        if callable(value):
            if isinstance(self._learning_rate, Variable):
                old = self._learning_rate
                self._variables = [v for v in self._variables if v is not old]
            self._learning_rate = value
            return
        if not isinstance(self._learning_rate, Variable):
            raise ArgumentError(
                f"{type(self).__name__}: the learning rate was given as a schedule and cannot be "
                "set to a number; give a number to the constructor instead"
            )
        check_rate(type(self).__name__, value)
        self._learning_rate.assign(value)

    def _current_rate(self) -> Any:
        rate = self._learning_rate
        if isinstance(rate, Variable):
            return rate
        value = rate(self.iterations.value) if isinstance(rate, LearningRateSchedule) else rate()
        return value if isinstance(value, Tensor) else convert(float(value), "float64")

    # -- a step -----------------------------------------------------------------------------------

    def apply(self, grads: Sequence[Any], trainable_variables: Any = None) -> None:
        """Update the weights, given their gradients.

        Args:
            grads: a gradient, or `None`, for each weight.
            trainable_variables: the weights; default those the optimizer was built for.

        Raises:
            ArgumentError: the numbers differ, no weight has a gradient, or a weight is unknown.
            ShapeError: a gradient has another shape than its weight.
        """
        grads = list(grads)
        if trainable_variables is None:
            if not self.built:
                raise ArgumentError(
                    f"{type(self).__name__}.apply: give the variables too, or build(variables) "
                    "first"
                )
            variables = self._trainable_variables
        else:
            variables = list(trainable_variables)
            if not self.built:
                self.build(variables)
        if len(grads) != len(variables):
            raise ArgumentError(
                f"{type(self).__name__}.apply: {len(grads)} gradients came for {len(variables)} "
                "variables"
            )
        pairs = self._with_gradients(grads, variables)
        with no_grad():
            self._apply(*pairs)

    def apply_gradients(self, grads_and_vars: Iterable[tuple[Any, Variable]]) -> None:
        """Update the weights, given pairs of gradient and weight.

        Args:
            grads_and_vars: such as `zip(gradients, variables)`.
        """
        pairs = list(grads_and_vars)
        self.apply([g for g, _ in pairs], [v for _, v in pairs])

    def _with_gradients(
        self, grads: list[Any], variables: list[Variable]
    ) -> tuple[list[Any], list[Variable]]:
        """The pairs that have a gradient, checked."""
        kept_grads, kept, missing = [], [], []
        for grad, variable in zip(grads, variables, strict=True):
            if grad is None:
                missing.append(variable.path)
                continue
            if id(variable) not in self._positions:
                raise ArgumentError(
                    f"{type(self).__name__}.apply: {variable.path!r} is not among the "
                    f"{len(self._trainable_variables)} variables that the optimizer was built for; "
                    "make a new optimizer (or compile again) when the variables to train change"
                )
            grad = grad if isinstance(grad, Tensor) else convert(grad)
            if grad.shape != variable.shape:
                raise ShapeError(
                    f"{type(self).__name__}.apply: the gradient of {variable.path!r} has the shape "
                    f"{tuple(grad.shape)}, but the variable has {tuple(variable.shape)}"
                )
            kept_grads.append(
                grad if grad.dtype == variable.dtype else ops.cast(grad, variable.dtype)
            )
            kept.append(variable)
        if not kept:
            raise ArgumentError(
                f"{type(self).__name__}.apply: no variable has a gradient; does the loss depend on "
                f"any of {missing}?"
            )
        if missing:
            warnings.warn(
                f"no gradient for {missing}: the loss does not depend on them", stacklevel=4
            )
        return kept_grads, kept

    def _apply(self, grads: list[Any], variables: list[Variable], scale: Any = None) -> None:
        """What `apply` does to gradients, which are to be multiplied by `scale`, a scalar."""
        if self.loss_scale_factor is not None:
            scale = 1.0 / self.loss_scale_factor
        if self.gradient_accumulation_steps:
            self._accumulate(grads, variables, scale)
        else:
            self._update(grads, variables, scale)

    def _update(self, grads: list[Any], variables: list[Variable], scale: Any) -> None:
        """One update of weights, slots and averages."""
        if any(v.overwrite_with_gradient for v in variables):
            grads, variables = overwrite(scaled(grads, scale), variables)
            scale = None
        if not self._folds or self.clipvalue is not None or self.clipnorm is not None:
            grads = [ops.cast(g, "float32") if g.dtype in HALVES else g for g in grads]
        grads, scale = clip(grads, scale, self.clipvalue, self.clipnorm, self.global_clipnorm)
        rate = self._current_rate()
        step = self.iterations + 1
        if self._folds:
            self._update_folded(variables, grads, rate, step, scale)
        else:
            self._update_apart(variables, scaled(grads, scale), rate, step)
        assign([self.iterations], [step])
        if self.use_ema:
            self._average(step)
        constrained = [v for v in variables if v.constraint is not None]
        if constrained:
            assign(constrained, [v.constraint(v) for v in constrained])

    def _update_folded(
        self, variables: list[Variable], grads: list[Any], rate: Any, step: Tensor, scale: Any
    ) -> None:
        """A pass over all weights that are treated alike."""
        alike: dict[tuple[bool, bool], list[tuple[Variable, Any]]] = {}
        for v, g in zip(variables, grads, strict=True):
            decays = bool(self.weight_decay) and not self._is_spared(v)
            alike.setdefault((decays, id(v) in self._masters), []).append((v, g))
        for (decays, halves), pairs in alike.items():
            chosen = [v for v, _ in pairs]
            way: dict[str, Any] = {}
            if scale is not None:
                way["scale"] = scale
            if decays:
                way["weight_decay"] = self.weight_decay
            if halves:
                way["copies"] = chosen
                chosen = [self._masters[id(v)] for v in chosen]
            self.update(chosen, [g for _, g in pairs], rate, step, **way)

    def _update_apart(
        self, variables: list[Variable], grads: list[Any], rate: Any, step: Tensor
    ) -> None:
        """Decay, update and rounding one after the other."""
        halves = [v for v in variables if id(v) in self._masters]
        masters = [self._masters[id(v)] for v in halves]
        if halves:
            pairs = zip(masters, halves, strict=True)
            assign(masters, [ops.where(ops.equal(ops.cast(m, v.dtype), v), m, v) for m, v in pairs])
            variables = [self._masters.get(id(v), v) for v in variables]
        if self.weight_decay:
            self._decay(variables, rate)
        self.update(variables, grads, rate, step)
        if halves:
            assign(halves, masters)

    def update(
        self, variables: list[Variable], gradients: list[Tensor], learning_rate: Any, step: Tensor
    ) -> None:
        """Write new values of weights and slots; what a subclass defines.

        One that takes `**way: Unpack[OnTheWay]` (`pyneuro.ops.update`) as well scales gradients,
        decays weights and rounds copies itself; for the others that is done around it.

        Args:
            variables: the weights, or the masters of those of 16 bits.
            gradients: their gradients.
            learning_rate: the rate, a scalar tensor.
            step: the number of this update, from 1 on, a scalar tensor.
        """
        for gradient, variable in zip(gradients, variables, strict=True):
            self.update_step(gradient, variable, learning_rate)

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        """Write new values of one weight and its slots; the other way to define a family.

        Args:
            gradient: the weight's gradient.
            variable: the weight.
            learning_rate: the rate, a scalar tensor.
        """
        raise NotImplementedError(f"{type(self).__name__} must define update() or update_step()")

    def assign(self, variable: Variable, value: Any) -> None:
        """Set a variable from within `update_step`."""
        assign([variable], [ops.cast(value, variable.dtype)])

    def assign_add(self, variable: Variable, value: Any) -> None:
        """Add to a variable from within `update_step`."""
        assign([variable], [variable + ops.cast(value, variable.dtype)])

    def assign_sub(self, variable: Variable, value: Any) -> None:
        """Subtract from a variable from within `update_step`."""
        assign([variable], [variable - ops.cast(value, variable.dtype)])

    def slots_of(self, slots: list[Variable], variables: list[Variable]) -> list[Variable]:
        """The slots that belong to some of the weights.

        Args:
            slots: a slot for each weight that the optimizer was built for.
            variables: some of these weights.

        Returns:
            Their slots.
        """
        return [slots[self._positions[id(v)]] for v in variables]

    def _accumulate(self, grads: list[Any], variables: list[Variable], scale: Any) -> None:
        """Add up gradients, and update with their mean when it is time.

        Whether it is time is a tensor, so that a recorded step stays right.
        """
        every = int(self.gradient_accumulation_steps or 1)
        slots = self.slots_of(self._accumulators, variables)
        count = self._step_count + 1
        due = ops.greater_equal(count, every)
        grads = [ops.cast(g, s.dtype) for g, s in zip(grads, slots, strict=True)]
        # A step of gradient descent at the rate -1 adds.
        sgd_update(slots, grads, -1.0, scale=1.0 if scale is None else scale)
        with only_where(due):
            self._update(slots, variables, 1.0 / every)
            assign(slots, [ops.zeros_like(slot) for slot in slots])
        assign([self._step_count], [ops.where(due, 0, count)])

    def _decay(self, variables: list[Variable], rate: Any) -> None:
        decayed = [v for v in variables if not self._is_spared(v)]
        # A step of gradient descent where each weight is its own gradient.
        sgd_update(decayed, decayed, rate * float(self.weight_decay or 0.0))

    def _is_spared(self, variable: Variable) -> bool:
        """Whether a weight, or one that a master is of, is left out of weight decay."""
        return id(self._trainable_variables[self._positions[id(variable)]]) in self._no_decay

    # -- moving average ---------------------------------------------------------------------------

    def _average(self, step: Tensor) -> None:
        # The first update starts the average from the weights themselves, as in Keras.
        keep = ops.cast(ops.not_equal(step, 1), "float64") * float(self.ema_momentum)
        averages = []
        for average, variable in zip(self._averages, self._trainable_variables, strict=True):
            share = ops.cast(keep, average.dtype)
            averages.append(average * share + variable * (1.0 - share))
        assign(self._averages, averages)
        every = self.ema_overwrite_frequency
        if every is not None:
            due = ops.equal(ops.mod(step, every), 0)
            weights = self._trainable_variables
            pairs = zip(weights, self._averages, strict=True)
            assign(weights, [ops.where(due, average, weight) for weight, average in pairs])

    def _overwrite_with_average(self) -> None:
        assign(self._trainable_variables, self._averages)

    def swap_with_average(self) -> None:
        """Swap the weights with their averages; once more swaps back."""
        weights, averages = self._trainable_variables, self._averages
        assign([*weights, *averages], [v.value for v in (*averages, *weights)])
        self._is_swapped = not self._is_swapped

    def finalize_variable_values(self, var_list: Sequence[Variable]) -> None:
        """Put the average in place of the weights, where one is kept; `fit` calls it at its end.

        Args:
            var_list: the weights.
        """
        if self.use_ema and self.built and not self._is_swapped:
            self._overwrite_with_average()
        self._is_swapped = False

    def scale_loss(self, loss: Any) -> Any:
        """The loss times `loss_scale_factor`.

        Args:
            loss: a scalar tensor.

        Returns:
            A scalar tensor.
        """
        return loss if self.loss_scale_factor is None else loss * float(self.loss_scale_factor)

    # -- saving -----------------------------------------------------------------------------------

    def load_own_variables(self, store: dict[str, Any]) -> None:
        """Set the state from what `save_own_variables` stored.

        Args:
            store: "0", "1", ... -> array.

        Raises:
            ArgumentError: another number of variables; nothing is changed.
            ShapeError: a variable of another shape; nothing is changed.
        """
        self._load(self._variables, store)

    def _load(self, variables: list[Variable], store: dict[str, Any]) -> None:
        if len(store) != len(variables):
            raise ArgumentError(
                f"{self.name}: the stored state has {len(store)} variables, but the optimizer has "
                f"{len(variables)}; was it made with other arguments, or not built?"
            )
        arrays = [store[str(i)] for i in range(len(variables))]
        for variable, array in zip(variables, arrays, strict=True):
            if tuple(array.shape) != tuple(variable.shape):
                raise ShapeError(
                    f"{variable.path!r} has the shape {tuple(variable.shape)}, but the stored one "
                    f"has {tuple(array.shape)}"
                )
        for variable, array in zip(variables, arrays, strict=True):
            variable.assign(array)

    def save_own_variables(self, store: dict[str, Any]) -> None:
        """Put the state into a dict.

        Args:
            store: gets "0", "1", ... -> array.
        """
        for i, variable in enumerate(self._variables):
            store[str(i)] = variable.numpy()

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        rate = self._learning_rate
        if isinstance(rate, Variable):
            rate = float(rate)
        elif isinstance(rate, LearningRateSchedule) or callable(rate):
            rate = serialize_keras_object(rate)
        return {
            "name": self.name,
            "learning_rate": rate,
            "weight_decay": self.weight_decay,
            "clipnorm": self.clipnorm,
            "global_clipnorm": self.global_clipnorm,
            "clipvalue": self.clipvalue,
            "use_ema": self.use_ema,
            "ema_momentum": self.ema_momentum,
            "ema_overwrite_frequency": self.ema_overwrite_frequency,
            "loss_scale_factor": self.loss_scale_factor,
            "gradient_accumulation_steps": self.gradient_accumulation_steps,
        }

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None
    ) -> Any:
        """Make one from `get_config()`'s result."""
        config = dict(config)
        if isinstance(config.get("learning_rate"), dict):
            config["learning_rate"] = deserialize_keras_object(
                config["learning_rate"], custom_objects=custom_objects
            )
        return cls(**config)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"
