"""Which loss, target, weight and metrics belong to which output, however they are nested."""

from __future__ import annotations

from typing import Any

from .. import tree
from ..errors import ArgumentError, unknown_name

__all__ = ["Outputs"]


class Outputs:
    """The outputs of a model in flat order, with a name for each.

    Args:
        y_pred: the outputs: a tensor or a structure of them.
        names: their names in flat order, where the model knows them.

    Example:
        >>> import numpy as np
        >>> Outputs({"b": np.ones(1), "a": np.zeros(1)}, None).names
        ['a', 'b']
    """

    def __init__(self, y_pred: Any, names: list[str] | None = None) -> None:
        paths = [path for path, _ in tree.flatten_with_path(y_pred)]
        self.structure = y_pred
        self.nested = tree.is_nested(y_pred)
        self.count = len(paths)
        if isinstance(y_pred, dict):
            self.names = ["_".join(map(str, path)) for path in paths]
        elif names is not None and len(names) == self.count:
            self.names = list(names)
        elif self.count == 1:
            self.names = ["output"]
        else:
            self.names = [f"output_{i + 1}" for i in range(self.count)]

    @property
    def single(self) -> bool:
        """Whether there is just one output."""
        return self.count == 1

    def _by_name(self, what: str, given: dict[str, Any], default: Any) -> list[Any]:
        for key in given:
            if key not in self.names:
                error = unknown_name("output", key, self.names)
                error.add_note(f"in {what}=, given as a dict of output names")
                raise error
        return [given.get(name, default) for name in self.names]

    def spread(self, what: str, given: Any, default: Any = None, shared: bool = True) -> list[Any]:
        """One entry for each output, from one for all, a list, or a dict by output names.

        Args:
            what: the argument's name, for messages.
            given: what the user gave.
            default: for outputs that a dict leaves out.
            shared: whether one entry that is no list or dict may stand for all outputs.

        Returns:
            A list as long as the outputs.

        Raises:
            ArgumentError: a list of another length.
            UnknownNameError: a dict with a name that no output has.
        """
        if given is None:
            return [default] * self.count
        if isinstance(given, dict):
            if isinstance(self.structure, dict) and given.keys() == self.structure.keys():
                flat = tree.flatten(given)  # it nests as the outputs do
                if len(flat) == self.count:
                    return flat
            return self._by_name(what, given, default)
        if isinstance(given, (list, tuple)):
            flat = tree.flatten(given)
            if len(flat) != self.count:
                raise ArgumentError(
                    f"{what} has {len(flat)} entries, but the model has {self.count} outputs: "
                    f"{self.names}"
                )
            return flat
        if self.count > 1 and not shared:
            raise ArgumentError(
                f"{what} must be a list or dict with one entry for each of the {self.count} "
                f"outputs {self.names}, got a single {type(given).__name__}"
            )
        return [given] * self.count

    def spread_lists(self, what: str, given: Any) -> list[list[Any]]:
        """A list of metrics for each output.

        Args:
            what: the argument's name, for messages.
            given: a metric, a list of them (for one output, or one or a list for each), or a dict.

        Returns:
            A list of lists as long as the outputs.

        Raises:
            ArgumentError: a list of another length than there are outputs.
            UnknownNameError: a dict with a name that no output has.
        """
        if given is None:
            return [[] for _ in self.names]
        if isinstance(given, dict):
            entries = self._by_name(what, given, None)
        elif not isinstance(given, (list, tuple)):
            entries = [given] * self.count
        elif self.single:
            inner = any(isinstance(item, (list, tuple, dict)) for item in given)
            entries = list(given) if inner and len(given) == 1 else [given]
        else:
            entries = list(given)
        if len(entries) != self.count:
            raise ArgumentError(
                f"{what} has {len(entries)} entries, but the model has {self.count} outputs: "
                f"{self.names}; give a list with one entry for each, or a dict by their names"
            )
        return [
            [] if entry is None else list(entry) if isinstance(entry, (list, tuple)) else [entry]
            for entry in entries
        ]
