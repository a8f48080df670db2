"""What people copy runs: the examples in docstrings, README and examples/."""

import doctest
import importlib
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import pyneuro

ROOT = Path(__file__).resolve().parents[1]
MODULES = ["pyneuro"] + [
    found.name
    for found in pkgutil.walk_packages(pyneuro.__path__, "pyneuro.")
    if not found.name.endswith(("__main__", "_core")) and "libpyneuro" not in found.name
]


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples_run(name: str) -> None:
    failed, _ = doctest.testmod(
        importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    )
    assert failed == 0


def test_docstrings_have_examples() -> None:
    examples = sum(
        len(test.examples)
        for name in MODULES
        for test in doctest.DocTestFinder().find(importlib.import_module(name))
    )
    assert examples > 100


def python_blocks(path: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", path.read_text(encoding="utf-8"), re.M | re.S)


def test_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = python_blocks(ROOT / "README.md")
    assert blocks
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})
    assert (tmp_path / "model.pyneuro").stat().st_size > 0
    assert python_blocks(ROOT / "README.ko.md") == blocks


@pytest.mark.parametrize("page", ["from-keras.md", "from-pytorch.md"])
def test_the_pages_for_newcomers_run(page: str) -> None:
    names: dict[str, object] = {}
    blocks = python_blocks(ROOT / "docs" / page)
    assert len(blocks) >= 5
    for block in blocks:
        exec(compile(block, page, "exec"), names)


def test_the_demo_reads_digits(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / "digits.py", "--out", tmp_path],
        cwd=tmp_path, text=True, capture_output=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout.splitlines()[-1]
    reached = re.search(r"reads ([\d.]+)% of 450 digits", said)
    assert reached, said
    assert float(reached[1]) >= 97.0
    assert (tmp_path / "digits.pyneuro").stat().st_size > 0
    assert (tmp_path / "digits.png").read_bytes().startswith(b"\x89PNG")


DATA = ROOT.parent / "shared" / "data"
SMALL = [
    ("mnist.py", ["--samples", "300", "--epochs", "1", "--loop", "both"], "mnist.npz", "same bits"),
    ("cifar10.py", ["--samples", "100", "--epochs", "1"], "cifar10.npz", "never saw"),
    ("resnet.py", ["--samples", "64", "--depth", "8", "--width", "4"], None, "resnet8 has"),
    ("characters.py", ["--characters", "3000", "--epochs", "1", "--write", "20"], None, "bits"),
    ("sentiment.py", ["--samples", "150", "--epochs", "1"], None, "never saw"),
    ("gan.py", ["--samples", "200", "--epochs", "1"], None, "differ by"),
]


@pytest.mark.parametrize(("name", "arguments", "data", "says"), SMALL, ids=[s[0] for s in SMALL])
def test_examples_run(
    name: str, arguments: list[str], data: str | None, says: str, tmp_path: Path
) -> None:
    if data is not None and not (DATA / data).exists():
        pytest.skip(f"the data are not there: {DATA / data}")
    more = [] if data is None else ["--data", DATA / data]
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / name, *arguments, *more],
        cwd=tmp_path, text=True, capture_output=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert says in done.stdout


def test_a_convolutional_network_reads_mnist(tmp_path: Path) -> None:
    if not (DATA / "mnist.npz").exists():
        pytest.skip(f"MNIST is not there: {DATA / 'mnist.npz'}")
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / "mnist.py", "--data", DATA / "mnist.npz"],
        cwd=tmp_path, text=True, capture_output=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    reached = re.search(r"reads ([\d.]+)% of 10000 pictures", done.stdout)
    assert reached, done.stdout
    assert float(reached[1]) >= 98.5
