"""Callbacks: what happens beside a training."""

import importlib
from typing import TYPE_CHECKING, Any

from .backup import BackupAndRestore
from .base import Callback, CallbackList, History, LambdaCallback
from .checkpoint import ModelCheckpoint
from .logging import ProgbarLogger
from .rates import LearningRateScheduler, ReduceLROnPlateau
from .records import CSVLogger, SwapEMAWeights
from .stopping import EarlyStopping, TerminateOnNaN

if TYPE_CHECKING:
    from .remote import RemoteMonitor

__all__ = [
    "BackupAndRestore",
    "CSVLogger",
    "Callback",
    "CallbackList",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "ProgbarLogger",
    "ReduceLROnPlateau",
    "RemoteMonitor",
    "SwapEMAWeights",
    "TerminateOnNaN",
]


def __getattr__(name: str) -> Any:
    if name == "RemoteMonitor":  # the only one that needs Python's network modules
        return importlib.import_module(".remote", __name__).RemoteMonitor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
