"""The command `pyneuro` (also `python -m pyneuro`): what is installed, and what it runs on."""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import platform
import sys
from pathlib import Path
from typing import Any

from . import device


def info() -> dict[str, Any]:
    """Versions, the processor, and what pyneuro uses of it.

    Returns:
        The names and values that `pyneuro info` prints; all of them fit into JSON.

    Example:
        >>> info()["devices"]
        ['cpu', 'meta']
    """
    libraries = ("numpy", "ml_dtypes", "safetensors")
    return {
        "pyneuro": device.version(),
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in libraries},
        "platform": platform.platform(),
        "cpu": device.cpu_name(),
        "cpu features": device.cpu_features(),
        "isa": device.kernel_isa(),
        "isas": device.kernel_isas(),
        "threads": device.num_threads(),
        "devices": device.device_names(),
        "folder": str(native_folder()),
    }


def native_folder() -> Path:
    """The folder of the native libraries; in an editable installation not that of the sources."""
    spec = importlib.util.find_spec("pyneuro._core")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("pyneuro._core is not installed", name="pyneuro._core")
    return Path(spec.origin).parent


def main(arguments: list[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: what stands behind the command's name; by default what this process was given.

    Returns:
        The exit status.
    """
    parser = argparse.ArgumentParser(prog="pyneuro", description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    told = commands.add_parser("info", help="versions, processor, kernels, threads, devices")
    told.add_argument("--json", action="store_true", help="as JSON")
    commands.add_parser("cmake-dir", help="the folder for CMake's pyneuro_DIR")
    options = parser.parse_args(arguments)

    if options.command == "cmake-dir":
        print(native_folder() / "cmake")
    elif options.json:
        print(json.dumps(info(), indent=2))
    else:
        for name, value in info().items():
            print(f"{name:13} {', '.join(value) if isinstance(value, list) else value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
