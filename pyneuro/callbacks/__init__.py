"""Callbacks: what happens beside a training."""

from .base import Callback, CallbackList, History, LambdaCallback
from .checkpoint import ModelCheckpoint
from .logging import ProgbarLogger
from .stopping import EarlyStopping, TerminateOnNaN

__all__ = [
    "Callback",
    "CallbackList",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "ModelCheckpoint",
    "ProgbarLogger",
    "TerminateOnNaN",
]
