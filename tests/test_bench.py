"""The benchmarks that compare with PyTorch run: at small sizes, where it is installed."""

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parents[1] / "bench" / "python"
QUICK = ("--rounds", "3", "--sample-ms", "0.1", "--peers", "torch")
OPTIONS = {
    "ops": (*QUICK, "--rows", "matmul, 32 x 784"),
    "layers": ("--reduced",),
    "networks": ("--reduced",),
    "memory": ("--reduced",),
    "together": ("--reduced", "--peers", "torch"),
    "accuracy": ("--reduced", "--size", "14"),
    "sweep": (*QUICK, "--count", "6", "--largest", "40"),
    "conv_sweep": ("--reduced",),
}
Results = Callable[[str], tuple[str, dict[str, Any]]]

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="PyTorch is not installed"
)


def run(script: str, *options: str | Path) -> str:
    """What the script prints; it stops where pyneuro and PyTorch disagree."""
    command = [sys.executable, FOLDER / f"{script}.py", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("results")


@pytest.fixture(scope="module")
def results(folder: Path) -> Results:
    """Runs a script, once, and gives what it prints and writes."""
    printed: dict[str, str] = {}

    def of(script: str) -> tuple[str, dict[str, Any]]:
        file = folder / f"{script}.json"
        if script not in printed:
            printed[script] = run(script, "--threads", "1", "--json", file, *OPTIONS[script])
        return printed[script], json.loads(file.read_text())

    return of


@pytest.mark.parametrize("script", ["layers", "networks"])
def test_rows_are_measured(script: str, results: Results) -> None:
    printed, found = results(script)
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


@pytest.mark.parametrize("script", ["sweep", "conv_sweep"])
def test_sweeps_end_in_a_summary(script: str, results: Results) -> None:
    printed, found = results(script)
    assert f"{len(found['sizes'])} sizes: pyneuro is" in printed
    assert all(entry["ratio"] > 0 for entry in found["sizes"])


def test_accuracy_of_convolutions(results: Results) -> None:
    for line in results("accuracy")[1]["layers"]:
        errors = [line[what] for what in ("forward", "input gradient", "kernel gradient")]
        assert all(0 < error < 4e-6 for error in errors), line


def test_memory_is_that_of_a_process_of_its_own(results: Results) -> None:
    found = {entry["by"]: entry for entry in results("memory")[1]["peaks"]}
    assert all(e["imported"] <= e["model"] <= e["peak"] for e in found.values())
    assert found["pyneuro"]["imported"] < found["torch"]["imported"]  # it was not loaded there too


def test_libraries_together(results: Results) -> None:
    pairs = results("together")[1]["pairs"]
    names = [("pyneuro", "numpy"), ("pyneuro", "torch"), ("numpy", "torch")]
    assert [tuple(pair["by"]) for pair in pairs] == names
    for pair in pairs:
        assert all(share > 0.05 for share in pair["medians"].values())


def test_compiled_pytorch_is_a_side(tmp_path: Path) -> None:
    options = ("--reduced", "--compile", "--threads", "1", "--rows", "chain of 6 ops, 64 elements")
    run("layers", *options, "--json", tmp_path / "layers.json")
    rows = json.loads((tmp_path / "layers.json").read_text())["rows"]
    assert [row["name"].rpartition(", ")[2] for row in rows] == ["forward", "forward + backward"]
    for row in rows:
        assert [s["label"] for s in row["sides"]] == ["pyneuro", "torch", "torch compiled"]


def test_the_report_has_every_row_and_aim(folder: Path, results: Results) -> None:
    text = {script: results(script)[1] for script in OPTIONS}
    report = run("report", folder)
    for script in ("ops", "layers", "networks"):
        for row in text[script]["rows"]:
            best = min(row["sides"][1:], key=lambda side: side["median"])
            line = next(x for x in report.splitlines() if x.startswith(f"| {row['name']} |"))
            assert f"| {best['label']} |" in line
            assert line.endswith(f"| {best['ratio']:.2f}x |")
    for pair in text["together"]["pairs"]:
        assert (
            f"| {pair['by'][0]} and {pair['by'][1]} | {pair['medians']['by turns']:.2f}x |"
            in report
        )
    aims = report.partition("## Aims")[2].partition("\n## ")[0]
    for aim in (
        "products of dense layers", "products of dense layers with kept weights",
        "products in bfloat16", "products of random sizes",
        "VGG16's convolutions", "depthwise", "random convolutions", "VGG16, inference",
        "VGG16, training step", "ResNet50", "MobileNet", "LSTM", "GPT", "chain of six ops",
        "softmax, layer norm, gelu", "Adam", "error of VGG16's convolutions",
        "VGG16, training step, most memory",
    ):  # fmt: skip
        assert f"\n| {aim}" in aims
    errors = [line for line in aims.splitlines() if line.startswith("| error of")]
    worst = max(x["forward"] for x in text["accuracy"]["layers"] if x["by"] == "pyneuro")
    assert f"at most 3.0e-06 | {worst:.1e} | yes |" in errors[0]


def test_a_folder_without_results_is_told(tmp_path: Path) -> None:
    command = [sys.executable, FOLDER / "report.py", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert f"no results in {tmp_path}" in done.stderr
