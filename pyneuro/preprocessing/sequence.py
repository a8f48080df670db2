"""`keras.preprocessing.sequence`: Keras's older name for `utils.pad_sequences`."""

from ..utils import pad_sequences

__all__ = ["pad_sequences"]
