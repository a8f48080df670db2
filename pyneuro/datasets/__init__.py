"""Small data sets that are known everywhere: downloaded once, with checksums.

They are kept in `datasets` in the folder that PYNEURO_HOME names, or else in `~/.pyneuro`.
"""

from . import cifar10, cifar100, fashion_mnist, mnist

__all__ = ["cifar10", "cifar100", "fashion_mnist", "mnist"]
