"""Training: what was chosen (recipe), one step (step), and loops over steps (loop)."""

from .loop import (
    evaluate,
    fit,
    predict,
    predict_on_batch,
    test_on_batch,
    train_on_batch,
)
from .recipe import CompileLoss, CompileMetrics, Recipe, total_loss
from .replay import Replay
from .step import Results, predict_step, test_step, train_step

__all__ = [
    "CompileLoss",
    "CompileMetrics",
    "Recipe",
    "Replay",
    "Results",
    "evaluate",
    "fit",
    "predict",
    "predict_on_batch",
    "predict_step",
    "test_on_batch",
    "test_step",
    "total_loss",
    "train_on_batch",
    "train_step",
]
