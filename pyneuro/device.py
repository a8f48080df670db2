"""Devices, threads, memory and kernel libraries: what runs, and where.

There are two devices: "cpu", and "meta", on which tensors have a shape and a dtype but no elements.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from . import _core

__all__ = [
    "cpu_features",
    "cpu_name",
    "default_device",
    "device",
    "device_names",
    "empty_cache",
    "kernel_isa",
    "kernel_isas",
    "memory_stats",
    "num_threads",
    "op_names",
    "op_table",
    "reset_peak",
    "set_kernel_isa",
    "set_memory_limit",
    "set_num_threads",
    "version",
]


def version() -> str:
    """The version of the native core.

    Example:
        >>> version().count(".")
        2
    """
    return _core.__version__


@contextmanager
def device(name: str) -> Iterator[None]:
    """Put outputs of operations without inputs (zeros, draws) on a device, in this thread.

    Args:
        name: "cpu" or "meta".

    Raises:
        DeviceError: if there is no such device.

    Example:
        >>> from pyneuro import ops
        >>> with device("meta"):
        ...     x = ops.zeros((1000000, 1000000))
        >>> x.shape, x.device
        ((1000000, 1000000), 'meta')
    """
    before = _core.set_default_device(name)
    try:
        yield
    finally:
        _core.set_default_device(before)


def default_device() -> str:
    """The device on which operations without inputs put their outputs."""
    return _core.default_device()


def num_threads() -> int:
    """The number of threads that kernels run on, the calling one included."""
    return _core.num_threads()


def set_num_threads(count: int) -> None:
    """Set the number of threads that kernels run on; results have the same bits for any number.

    Args:
        count: at least 1. The default is PYNEURO_NUM_THREADS or OMP_NUM_THREADS where set, else the
            number of processors that this process may use (affinity and container quota).

    Raises:
        ArgumentError: if it is less than 1.
    """
    _core.set_num_threads(count)


def memory_stats() -> dict[str, int]:
    """Bytes of tensor memory (`allocated`, `peak`, `cached`) and counts of allocations.

    Example:
        >>> sorted(memory_stats())
        ['allocated', 'allocations', 'cached', 'peak', 'system_allocations']
    """
    return _core.memory_stats()


def reset_peak() -> None:
    """Begin a new `peak` in `memory_stats`."""
    _core.reset_peak()


def empty_cache() -> None:
    """Give the memory that is cached for reuse back to the system."""
    _core.empty_cache()


def set_memory_limit(bytes: int) -> None:
    """Let tensors take at most this much memory; beyond it `OutOfMemoryError` is raised.

    Args:
        bytes: the limit, 0 for none.
    """
    _core.set_memory_limit(bytes)


def cpu_name() -> str:
    """The processor's name, as it tells it."""
    return _core.cpu_name()


def cpu_features() -> list[str]:
    """The instruction sets that the processor and the system offer, such as "avx2" and "fma"."""
    return _core.cpu_features()


def device_names() -> list[str]:
    """The names that `device()` takes.

    Example:
        >>> device_names()
        ['cpu', 'meta']
    """
    return ["cpu", "meta"]


def kernel_isas() -> list[str]:
    """The instruction sets that this machine can run and this installation has kernels for."""
    return _core.isas()


def kernel_isa() -> str:
    """The instruction set of the kernels in use."""
    return _core.isa()


@contextmanager
def set_kernel_isa(name: str) -> Iterator[None]:
    """Use the kernels of another instruction set, for all threads; meant for tests.

    Args:
        name: one of `kernel_isas()`. The environment variable PYNEURO_ISA chooses for a whole
        process.

    Raises:
        DeviceError: if it is not among them.
    """
    before = _core.isa()
    _core.set_isa(name)
    try:
        yield
    finally:
        _core.set_isa(before)


def op_table() -> list[dict[str, Any]]:
    """The rows of the native op table: name, inputs, fields and flags of each."""
    return _core.op_table()


def op_names() -> list[str]:
    """The names of all native ops."""
    return [row["name"] for row in _core.op_table()]


@contextmanager
def _plant_fault(kind: str, op: str) -> Iterator[None]:
    """Make an op wrong, to prove that tests would catch it.

    "kernel" spoils its first output element, "shape" adds 1 to the last dimension that its shape
    rule gives.
    """
    _core.plant_fault(kind, op)
    try:
        yield
    finally:
        _core.plant_fault("none", op)


@contextmanager
def _fail_allocation(after: int) -> Iterator[None]:
    """Let the allocation after `after` others fail once, to test what happens then."""
    _core.fail_allocation_after(after)
    try:
        yield
    finally:
        _core.fail_allocation_after(-1)


class _CallableModule(types.ModuleType):
    """`pyneuro.device` is this module, and as in Keras the function `device` besides."""

    def __call__(self, name: str) -> AbstractContextManager[None]:
        return device(name)


sys.modules[__name__].__class__ = _CallableModule
