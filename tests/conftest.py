"""Makes sure that the tests see the package that was built, not the source folder beside them."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def pytest_configure() -> None:
    # `python -m pytest` puts the working folder first on the path, and pyneuro/ there has no _core.
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != ROOT]
    try:
        import pyneuro._core  # noqa: F401
    except ModuleNotFoundError as error:
        pytest.exit(
            f"the tests need the built package ({error}): run `make test`, "
            "or `pip install --editable '.[test]'` and then `pytest`",
            returncode=4,
        )
