"""The benchmarks that compare with PyTorch run: at small sizes, where it is installed."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[1] / "bench" / "python"

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="PyTorch is not installed"
)


def run(script: str, json_file: Path, *options: str) -> str:
    """What the script prints; it stops where pyneuro and PyTorch disagree."""
    command = [sys.executable, FOLDER / script, "--threads", "1", "--json", json_file, *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@pytest.mark.parametrize("script", ["layers.py", "networks.py"])
def test_rows_are_measured(script: str, tmp_path: Path) -> None:
    printed = run(script, tmp_path / "found.json", "--reduced")
    found = json.loads((tmp_path / "found.json").read_text())
    assert len(found["rows"]) >= 9
    for row in found["rows"]:
        assert row["name"] in printed
        assert len({side["label"] for side in row["sides"]}) == len(row["sides"]) >= 2
        assert all(side["median"] > 0 for side in row["sides"])
    for group in found["groups"]:
        least = min(
            min(side["ratio"] for side in row["sides"][1:])
            for row in found["rows"]
            if row["group"] == group["rows"]
        )
        assert group["least"] <= group["mean"]
        assert least <= group["least"] + 1e-9


@pytest.mark.parametrize(
    ("script", "options"),
    [("conv_sweep.py", ("--reduced",)), ("sweep.py", ("--count", "6", "--largest", "40"))],
)
def test_sweeps_end_in_a_summary(script: str, options: tuple[str, ...], tmp_path: Path) -> None:
    printed = run(script, tmp_path / "found.json", "--rounds", "3", "--sample-ms", "0.1", *options)
    found = json.loads((tmp_path / "found.json").read_text())
    assert f"{len(found)} sizes: pyneuro is" in printed
    assert all(entry["ratio"] > 0 for entry in found)


def test_accuracy_of_convolutions(tmp_path: Path) -> None:
    run("accuracy.py", tmp_path / "found.json", "--reduced", "--size", "14")
    for line in json.loads((tmp_path / "found.json").read_text()):
        errors = [line[what] for what in ("forward", "input gradient", "kernel gradient")]
        assert all(0 < error < 4e-6 for error in errors), line


def test_memory_is_that_of_a_process_of_its_own(tmp_path: Path) -> None:
    run("memory.py", tmp_path / "found.json", "--reduced")
    found = {entry["by"]: entry for entry in json.loads((tmp_path / "found.json").read_text())}
    assert all(e["imported"] <= e["model"] <= e["peak"] for e in found.values())
    assert found["pyneuro"]["imported"] < found["torch"]["imported"]  # it was not loaded there too
