"""Trainer: what a compiled model can do: steps to override, and the loops of pyneuro.training."""

from __future__ import annotations

from typing import Any

from .. import optimizers, training
from ..errors import ArgumentError
from ..policies import DTypePolicy
from ..training import Recipe, Replay, Results, total_loss

__all__ = ["Trainer"]


def held_metrics(layer: Any) -> list[Any]:
    """The metrics that a layer and those in it hold in attributes, not the compiled ones."""
    found: list[Any] = []
    for item in layer._held():
        if hasattr(type(item), "tracked_metric"):
            found.append(item)
        elif hasattr(item, "_held"):
            found.extend(held_metrics(item))
    return found


class Trainer:
    """Base of `Model` that trains, evaluates and predicts."""

    optimizer: Any
    loss: Any
    stop_training: bool
    stop_evaluating: bool
    stop_predicting: bool
    losses: list[Any]
    _held: Any
    _child_layers: Any

    def _start_trainer(self) -> None:
        state = self.__dict__
        state["_recipe"] = None
        state["optimizer"] = state["loss"] = None
        state["stop_training"] = state["stop_evaluating"] = state["stop_predicting"] = False

    # -- what compile() chose ---------------------------------------------------------------------

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: Any = "auto",
        auto_scale_loss: bool = True,
        *,
        on_nonfinite: str = "ignore",
    ) -> None:
        """Choose optimizer, loss and metrics.

        Args:
            optimizer: a name such as "adam", or an `Optimizer`.
            loss: a name such as "mse", a function `(y_true, y_pred)` or a `Loss`; for several
                outputs a list, or a dict by output names.
            loss_weights: a number for each loss, in a list or dict.
            metrics: a list of names, functions or `Metric`s; for several outputs a list of lists,
                or a dict by output names. "accuracy" is the one that fits targets and outputs.
            weighted_metrics: the same, for metrics that heed sample and class weights.
            run_eagerly: run each step op by op, also where it could be recorded and replayed.
            steps_per_execution: batches between two batch events of callbacks.
            jit_compile: accepted for Keras's signature; nothing is compiled.
            auto_scale_loss: whether the optimizer of a model with the policy "mixed_float16" is
                wrapped in a `LossScaleOptimizer`, so that small gradients do not vanish.
            on_nonfinite: what to do when the loss or a gradient is not finite: "ignore", "warn"
                (and leave the step out) or "raise". Looking costs waiting for each step.

        Raises:
            UnknownNameError: a name that is not known; suggests the nearest.
            ArgumentError: something that is no optimizer, loss or metric.

        Example:
            >>> from pyneuro import Sequential, layers
            >>> Sequential([layers.Dense(1)]).compile("adam", "mse", metrics=["mae"])
        """
        given = {
            "optimizer": optimizer,
            "loss": loss,
            "loss_weights": loss_weights,
            "metrics": metrics,
            "weighted_metrics": weighted_metrics,
            "run_eagerly": run_eagerly,
            "steps_per_execution": steps_per_execution,
            "jit_compile": jit_compile,
            "auto_scale_loss": auto_scale_loss,
        }
        if on_nonfinite != "ignore":
            given["on_nonfinite"] = on_nonfinite
        state = self.__dict__
        state["optimizer"] = self._chosen_optimizer(optimizer, auto_scale_loss)
        state["loss"], state["loss_weights"] = loss, loss_weights
        state["run_eagerly"], state["jit_compile"] = run_eagerly, jit_compile
        state["_recipe"] = Recipe(
            given,
            optimizer=state["optimizer"],
            loss=loss,
            loss_weights=loss_weights,
            metrics=metrics,
            weighted_metrics=weighted_metrics,
            steps_per_execution=steps_per_execution,
            on_nonfinite=on_nonfinite,
            output_names=self._output_names(),
        )
        recipe = state["_recipe"]
        state["_replay"] = Replay(self, training.train_step, recipe)
        state["_test_replay"] = Replay(self, training.test_step, recipe)
        self.stop_training = False

    def _chosen_optimizer(self, optimizer: Any, auto_scale_loss: bool) -> Any:
        if optimizer is None:
            return None
        chosen = optimizers.get(optimizer)
        half = getattr(self, "dtype_policy", None) == DTypePolicy("mixed_float16")
        if auto_scale_loss and half and not isinstance(chosen, optimizers.LossScaleOptimizer):
            return optimizers.LossScaleOptimizer(chosen, name="loss_scale_optimizer")
        return chosen

    def _output_names(self) -> list[str] | None:
        names = getattr(self, "output_names", None)
        return list(names) if isinstance(names, (list, tuple)) else None

    @property
    def recipe(self) -> Any:
        """What `compile` chose, or `None`."""
        return self.__dict__.get("_recipe")

    @property
    def compiled(self) -> bool:
        """Whether `compile` was called."""
        return self.recipe is not None

    @property
    def metrics(self) -> list[Any]:
        """The loss, the model's own metrics, the compiled ones as one, then those of layers."""
        found: list[Any] = []
        recipe = self.recipe
        compiled = recipe.all_metrics() if recipe is not None else []
        own = [item for item in self._held() if hasattr(type(item), "tracked_metric")]
        found = [*compiled[:1], *own, *compiled[1:]]
        for layer in self._child_layers():
            found.extend(held_metrics(layer))
        return list({id(metric): metric for metric in found}.values())

    def all_metrics(self) -> list[Any]:
        """All metrics one by one, the compiled ones included."""
        found: list[Any] = []
        for metric in self.metrics:
            parts = getattr(metric, "metrics", None)
            found.extend([metric] if parts is None else parts)
        return found

    @property
    def metrics_names(self) -> list[str]:
        """The names of `metrics`."""
        return [metric.name for metric in self.metrics]

    def reset_metrics(self) -> None:
        """Set all metrics back to the beginning."""
        for metric in self.metrics:
            metric.reset_state()

    def get_metrics_result(self) -> Any:
        """The results of the metrics so far, a mapping by name that is read when looked at."""
        return Results(lambda: self.metrics)

    def _train_step(self, data: Any) -> Any:
        """The training step of the loops: replayed natively, unless `train_step` is overridden."""
        if type(self).train_step is not Trainer.train_step or "train_step" in self.__dict__:
            return self.train_step(data)
        return self.__dict__["_replay"](self, data)

    def _test_step(self, data: Any) -> Any:
        """The evaluation step of the loops: replayed natively, unless `test_step` is overridden."""
        if type(self).test_step is not Trainer.test_step or "test_step" in self.__dict__:
            return self.test_step(data)
        return self.__dict__["_test_replay"](self, data)

    def _predict_step(self, data: Any) -> Any:
        """The prediction step of the loops: replayed natively, unless overridden."""
        if type(self).predict_step is not Trainer.predict_step or "predict_step" in self.__dict__:
            return self.predict_step(data)
        replay = self.__dict__.get("_predict_replay")
        if replay is None:
            replay = self.__dict__["_predict_replay"] = Replay(self, training.predict_step)
        return replay(self, data)

    @property
    def replay_reasons(self) -> list[str]:
        """Why training steps run op by op in Python; empty where they are replayed natively.

        `fit` records its steps and replays them, to the same bits. Steps that look at values they
        have computed (`float(t)`, `t.numpy()`, `if t:`), an overridden `train_step` and
        `run_eagerly=True` run in Python.

        Example:
            >>> from pyneuro import Input, Sequential, layers
            >>> model = Sequential([Input((1,)), layers.Dense(1)])
            >>> model.compile("sgd", "mse", run_eagerly=True)
            >>> model.replay_reasons
            ['the model has run_eagerly=True']
        """
        if type(self).train_step is not Trainer.train_step or "train_step" in self.__dict__:
            return ["train_step is overridden"]
        replay = self.__dict__.get("_replay")
        return [] if replay is None else list(replay.reasons)

    # -- steps: to be overridden ------------------------------------------------------------------

    def train_step(self, data: Any) -> Any:
        """Make one update; override it to train in another way.

        Args:
            data: `x`, `(x, y)` or `(x, y, sample_weight)`, a batch of arrays.

        Returns:
            Results by name: numbers, scalar tensors or dicts of them.
        """
        return training.train_step(self, data)

    def test_step(self, data: Any) -> Any:
        """Evaluate one batch; override it to evaluate in another way.

        Args:
            data: `x`, `(x, y)` or `(x, y, sample_weight)`, a batch of arrays.

        Returns:
            Results by name.
        """
        return training.test_step(self, data)

    def predict_step(self, data: Any) -> Any:
        """Predict one batch; override it to predict in another way.

        Args:
            data: `x`, or a tuple that begins with it.

        Returns:
            The outputs.
        """
        return training.predict_step(self, data)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """The loss that training makes small: the compiled one and what layers added.

        Args:
            x: the inputs.
            y: the targets.
            y_pred: the outputs.
            sample_weight: weights of the samples.
            training: whether this is training.

        Returns:
            A scalar tensor.
        """
        compiled = self.recipe.loss if self.recipe is not None else None
        value = None
        if compiled is not None:
            if y is None:
                raise ArgumentError("there are no targets: the compiled loss needs y")
            value = compiled(y, y_pred, sample_weight)
        return total_loss(value, self.losses)

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Take a batch into the compiled metrics.

        Args:
            x: the inputs.
            y: the targets.
            y_pred: the outputs.
            sample_weight: weights of the samples.

        Returns:
            The results so far, by name.
        """
        compiled = self.recipe.metrics if self.recipe is not None else None
        if compiled is not None:
            compiled.update_state(y, y_pred, sample_weight)
        return self.get_metrics_result()

    # -- loops ------------------------------------------------------------------------------------

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool | str = True,
        class_weight: Any = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: Any = 1,
    ) -> Any:
        """Train the model.

        Steps are recorded and then replayed natively, to the same bits; see `replay_reasons`. What
        `call` does in Python beside tensors (printing, counting in a global variable, asking
        `numpy.random`) happens in the first steps only, unless `compile` had `run_eagerly=True`.

        Args:
            x: inputs: arrays, tensors, frames or structures of them; or a `PyDataset`, a generator
                or another iterable of batches, which brings its own targets and weights.
            y: targets.
            batch_size: samples in a batch, 32 by default; only for arrays.
            epochs: the epoch to end with (their number, unless `initial_epoch` is given).
            verbose: 0 silent, 1 a bar, 2 a line for each epoch; "auto" is 1 on a terminal or in a
                notebook and 2 elsewhere.
            callbacks: a list of `Callback`s.
            validation_split: the last share of the samples, kept for validation.
            validation_data: `(x, y)`, `(x, y, sample_weight)` or a dataset, for validation.
            shuffle: whether samples come in another order in each epoch, or "batch" for batches.
            class_weight: a dict of class number and weight.
            sample_weight: a weight for each sample.
            initial_epoch: the epoch to begin with.
            steps_per_epoch: batches in an epoch; `None` for all.
            validation_steps: batches in a validation; `None` for all.
            validation_batch_size: samples in a batch of validation; default `batch_size`.
            validation_freq: validate after every so many epochs, or after those in a list.

        Returns:
            A `History` whose `history` is a dict of lists, one number for each epoch.

        Raises:
            ArgumentError: the model is not compiled, or arguments do not go together.
        """
        return training.fit(
            self, x, y, batch_size, epochs, verbose, callbacks, validation_split, validation_data,
            shuffle, class_weight, sample_weight, initial_epoch, steps_per_epoch, validation_steps,
            validation_batch_size, validation_freq,
        )  # fmt: skip

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Any = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        return_dict: bool = False,
    ) -> Any:
        """Compute the loss and the metrics.

        Args:
            x: inputs, as for `fit`.
            y: targets.
            batch_size: samples in a batch, 32 by default; only for arrays.
            verbose: as for `fit`.
            sample_weight: a weight for each sample.
            steps: batches to take; `None` for all.
            callbacks: a list of `Callback`s.
            return_dict: return results by name.

        Returns:
            The loss, a list of loss and metrics, or a dict.

        Raises:
            ArgumentError: the model is not compiled.
        """
        return training.evaluate(
            self, x, y, batch_size, verbose, sample_weight, steps, callbacks, return_dict
        )

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Any = "auto",
        steps: int | None = None,
        callbacks: Any = None,
    ) -> Any:
        """Compute the outputs.

        Batches are recorded and then replayed natively, as `fit` does with its steps.

        Args:
            x: inputs, as for `fit`.
            batch_size: samples in a batch, 32 by default; only for arrays.
            verbose: as for `fit`.
            steps: batches to take; `None` for all.
            callbacks: a list of `Callback`s.

        Returns:
            NumPy arrays in the structure of the outputs.
        """
        return training.predict(self, x, batch_size, verbose, steps, callbacks)

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Any = None,
        return_dict: bool = False,
    ) -> Any:
        """Make one update.

        Args:
            x: the inputs.
            y: the targets.
            sample_weight: a weight for each sample.
            class_weight: a dict of class number and weight.
            return_dict: return results by name.

        Returns:
            The loss, a list of loss and metrics, or a dict, of this batch.
        """
        return training.train_on_batch(self, x, y, sample_weight, class_weight, return_dict)

    def test_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False
    ) -> Any:
        """Evaluate one batch.

        Args:
            x: the inputs.
            y: the targets.
            sample_weight: a weight for each sample.
            return_dict: return results by name.

        Returns:
            The loss, a list of loss and metrics, or a dict, of this batch.
        """
        return training.test_on_batch(self, x, y, sample_weight, return_dict)

    def predict_on_batch(self, x: Any) -> Any:
        """Compute the outputs for one batch.

        Args:
            x: the inputs.

        Returns:
            NumPy arrays in the structure of the outputs.
        """
        return training.predict_on_batch(self, x)
