"""`keras.preprocessing.image`: Keras's older names for helpers of `utils`."""

from ..utils import array_to_img, img_to_array, load_img, save_img

__all__ = ["array_to_img", "img_to_array", "load_img", "save_img"]
