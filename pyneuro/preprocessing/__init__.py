"""`keras.preprocessing`: Keras's older names for helpers of `utils`."""

from ..utils import timeseries_dataset_from_array
from . import sequence

__all__ = ["sequence", "timeseries_dataset_from_array"]
