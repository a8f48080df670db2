"""Callback: what a training loop tells others, event by event; lists of them; History."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

__all__ = ["Callback", "CallbackList", "History", "LambdaCallback"]

Logs = Mapping[str, Any]


class Callback:
    """Base class: override the events you want to hear of.

    `self.model` is the model and `self.params` a dict with "verbose", "epochs" and "steps". Setting
    `self.model.stop_training = True` ends the training after the batch. `logs` are numbers by name.

    Example:
        >>> class Shout(Callback):
        ...     def on_epoch_end(self, epoch, logs=None):
        ...         print("epoch", epoch, "is over")
        >>> Shout().on_epoch_end(0)
        epoch 0 is over
    """

    # Whether batch events may get a mapping that only reads the device when it is looked at.
    reads_logs_lazily = False
    # Whether it hears of events after all others.
    runs_last = False
    # Attributes that decide how it goes on, kept by `BackupAndRestore`: plain values, or lists of
    # arrays.
    kept: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.params: dict[str, Any] = {}
        self._model: Any = None

    @property
    def model(self) -> Any:
        """The model that is trained, evaluated or predicts."""
        return self._model

    def set_params(self, params: dict[str, Any]) -> None:
        """Told the parameters of the loop before it begins."""
        self.params = params

    def set_model(self, model: Any) -> None:
        """Told the model before the loop begins."""
        self._model = model

    def on_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Older name of `on_train_batch_begin`."""

    def on_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Older name of `on_train_batch_end`."""

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Before an epoch of training."""

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """After an epoch of training, with the results of validation as "val_..."."""

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before a batch of training."""
        self.on_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """After a batch of training, with the results of the epoch so far."""
        self.on_batch_end(batch, logs)

    def on_test_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before a batch of evaluation or validation."""

    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """After a batch of evaluation or validation."""

    def on_predict_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before a batch of prediction."""

    def on_predict_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """After a batch of prediction; `logs["outputs"]` is what came out."""

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Before training."""

    def on_train_end(self, logs: Logs | None = None) -> None:
        """After training, with the last results."""

    def on_test_begin(self, logs: Logs | None = None) -> None:
        """Before evaluation or validation."""

    def on_test_end(self, logs: Logs | None = None) -> None:
        """After evaluation or validation, with its results."""

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        """Before prediction."""

    def on_predict_end(self, logs: Logs | None = None) -> None:
        """After prediction."""


_BATCH_EVENTS = (
    "on_train_batch_begin",
    "on_train_batch_end",
    "on_test_batch_begin",
    "on_test_batch_end",
    "on_predict_batch_begin",
    "on_predict_batch_end",
)
# Overriding the older name means hearing of the newer event.
_OLDER = {"on_train_batch_begin": "on_batch_begin", "on_train_batch_end": "on_batch_end"}


class CallbackList:
    """Callbacks that hear of events one after another; itself called like a callback.

    Only callbacks that override a batch event are called for it, and only for those that do not say
    otherwise are the results read from the device.

    Args:
        callbacks: callbacks, a single one, or `None`.
        add_history: append a `History` if there is none.
        model: the model.
        extra: further callbacks, called after the given ones and before the history.
        **params: what callbacks get as `params`: "verbose", "epochs", "steps".

    Raises:
        TypeError: something that is no callback.
    """

    def __init__(
        self,
        callbacks: Iterable[Any] | Any = None,
        add_history: bool = False,
        model: Any = None,
        extra: Iterable[Any] = (),
        **params: Any,
    ) -> None:
        given = [] if callbacks is None else callbacks
        self.callbacks: list[Any] = list(given) if isinstance(given, (list, tuple)) else [given]
        for callback in self.callbacks:
            if isinstance(callback, type) or not hasattr(callback, "set_model"):
                hint = "; make an instance of it" if isinstance(callback, type) else ""
                raise TypeError(f"callbacks must be Callback instances, got {callback!r}{hint}")
        self.callbacks.extend(extra)
        if add_history and not any(isinstance(c, History) for c in self.callbacks):
            self.callbacks.append(History())
        self.callbacks.sort(key=lambda c: getattr(c, "runs_last", False))
        for callback in self.callbacks:
            if model is not None:
                callback.set_model(model)
            callback.set_params(params)
        self._listeners = {event: self._who_hears(event) for event in _BATCH_EVENTS}

    def _who_hears(self, event: str) -> list[tuple[Callable[..., None], bool]]:
        """(method, whether it reads lazily) of each callback that overrides a batch event."""
        heard = []
        for callback in self.callbacks:
            if isinstance(callback, Callback):
                own = type(callback)
                same = getattr(own, event) is getattr(Callback, event)
                older = _OLDER.get(event)
                if same and older is not None:
                    same = getattr(own, older) is getattr(Callback, older)
                if same and event not in vars(callback) and older not in vars(callback):
                    continue
            if hasattr(callback, event):
                heard.append(
                    (getattr(callback, event), getattr(callback, "reads_logs_lazily", False))
                )
        return heard

    def append(self, callback: Any) -> None:
        """Add a callback at the end."""
        self.callbacks.append(callback)
        self._listeners = {event: self._who_hears(event) for event in _BATCH_EVENTS}

    def set_params(self, params: dict[str, Any]) -> None:
        """Tell all callbacks the parameters."""
        for callback in self.callbacks:
            callback.set_params(params)

    def set_model(self, model: Any) -> None:
        """Tell all callbacks the model."""
        for callback in self.callbacks:
            callback.set_model(model)

    @property
    def history(self) -> History | None:
        """The `History` among the callbacks."""
        return next((c for c in self.callbacks if isinstance(c, History)), None)

    def hears(self, event: str) -> bool:
        """Whether any callback listens to a batch event."""
        return bool(self._listeners[event])

    def batch_event(self, event: str, batch: int, logs: Any = None) -> None:
        """Tell those who listen to a batch event.

        Args:
            event: its name.
            batch: the number of the batch.
            logs: a mapping; one that reads lazily is turned into a dict for callbacks that do not
                say that they read lazily.
        """
        listeners = self._listeners[event]
        if not listeners:
            return
        plain: dict[str, Any] | None = None
        for method, lazily in listeners:
            if lazily or logs is None:
                method(batch, logs)
            else:
                plain = dict(logs) if plain is None else plain
                method(batch, plain)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Before a batch of training."""
        self.batch_event("on_train_batch_begin", batch, logs)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """After a batch of training."""
        self.batch_event("on_train_batch_end", batch, logs)

    def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Before a batch of evaluation."""
        self.batch_event("on_test_batch_begin", batch, logs)

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        """After a batch of evaluation."""
        self.batch_event("on_test_batch_end", batch, logs)

    def on_predict_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Before a batch of prediction."""
        self.batch_event("on_predict_batch_begin", batch, logs)

    def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
        """After a batch of prediction."""
        self.batch_event("on_predict_batch_end", batch, logs)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Before an epoch of training."""
        self._tell("on_epoch_begin", epoch, logs)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """After an epoch of training."""
        self._tell("on_epoch_end", epoch, logs)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Before training."""
        self._tell("on_train_begin", logs)

    def on_train_end(self, logs: Logs | None = None) -> None:
        """After training."""
        self._tell("on_train_end", logs)

    def on_test_begin(self, logs: Logs | None = None) -> None:
        """Before evaluation."""
        self._tell("on_test_begin", logs)

    def on_test_end(self, logs: Logs | None = None) -> None:
        """After evaluation."""
        self._tell("on_test_end", logs)

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        """Before prediction."""
        self._tell("on_predict_begin", logs)

    def on_predict_end(self, logs: Logs | None = None) -> None:
        """After prediction."""
        self._tell("on_predict_end", logs)

    def _tell(self, event: str, *args: Any) -> None:
        *numbers, logs = args
        logs = {} if logs is None else logs
        for callback in self.callbacks:
            getattr(callback, event)(*numbers, logs)


class History(Callback):
    """Keeps the results of every epoch; `fit` returns one.

    `history` is a dict of lists, `epoch` the list of epoch numbers.

    Example:
        >>> history = History()
        >>> history.on_train_begin()
        >>> history.on_epoch_end(0, {"loss": 0.5})
        >>> history.history
        {'loss': [0.5]}
    """

    kept = ("history", "epoch")

    def __init__(self) -> None:
        super().__init__()
        self.history: dict[str, list[Any]] = {}
        self.epoch: list[int] = []

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Begin a new list of epochs; the dict of a `History` that is used again goes on."""
        self.epoch = []

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Keep the results."""
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)
        if self.model is not None:
            self.model.history = self

    def __repr__(self) -> str:
        names = ", ".join(self.history)
        return f"<History of {len(self.epoch)} epochs: {names}>"


class LambdaCallback(Callback):
    """Functions as a callback.

    Args:
        on_epoch_begin: called with `(epoch, logs)`.
        on_epoch_end: called with `(epoch, logs)`.
        on_train_begin: called with `(logs)`.
        on_train_end: called with `(logs)`.
        on_train_batch_begin: called with `(batch, logs)`.
        on_train_batch_end: called with `(batch, logs)`.
        **kwargs: other events of `Callback`, by name.

    Raises:
        TypeError: a name that is no event.

    Example:
        >>> LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch)).on_epoch_end(3)
        3
    """

    def __init__(
        self,
        on_epoch_begin: Callable[..., Any] | None = None,
        on_epoch_end: Callable[..., Any] | None = None,
        on_train_begin: Callable[..., Any] | None = None,
        on_train_end: Callable[..., Any] | None = None,
        on_train_batch_begin: Callable[..., Any] | None = None,
        on_train_batch_end: Callable[..., Any] | None = None,
        **kwargs: Callable[..., Any],
    ) -> None:
        super().__init__()
        functions = {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
            "on_train_batch_begin": on_train_batch_begin,
            "on_train_batch_end": on_train_batch_end,
            **kwargs,
        }
        for event, function in functions.items():
            if function is None:
                continue
            if not event.startswith("on_") or not hasattr(Callback, event):
                raise TypeError(f"LambdaCallback: {event!r} is no event of a callback")
            setattr(self, event, _WithOptionalLogs(function))


class _WithOptionalLogs:
    """Calls a function that takes logs, also where the caller leaves them out."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *args: Any, logs: Logs | None = None) -> Any:
        has_logs = bool(args) and (args[-1] is None or isinstance(args[-1], Mapping))
        return self._function(*args) if has_logs else self._function(*args, logs)
