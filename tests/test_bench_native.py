"""The native benchmarks build against the package, run, and leave no op out."""

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from pyneuro import device
from pyneuro.__main__ import native_folder

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted((ROOT / "bench" / "native").glob("*.cpp"))
# Ops that only look at memory otherwise, and those whose work is their caller's.
WITHOUT_KERNEL = {"reshape", "transpose", "broadcast_to", "slice", "split", "custom", "host_call"}


def run(command: Sequence[object]) -> str:
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-4000:]
    return done.stdout


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = os.environ.get("CXX", "g++")
    if shutil.which(compiler) is None:
        pytest.skip(f"there is no C++ compiler {compiler}")
    folder, libraries = tmp_path_factory.mktemp("bench"), native_folder()
    flags = ("-std=c++20", f"-I{ROOT / 'csrc'}")

    def build(source: Path) -> Path:
        built = folder / f"{source.stem}.o"
        run([compiler, *flags, "-c", source, "-o", built])
        return built

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        objects = list(pool.map(build, SOURCES))
    made = folder / "pyneuro_bench"
    where = (f"-L{libraries}", "-lpyneuro", f"-Wl,-rpath,{libraries}", "-pthread")
    run([compiler, *objects, *where, "-o", made])
    return made


@pytest.fixture(scope="module")
def found(program: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    file = tmp_path_factory.mktemp("found") / "native.json"
    printed = run([program, "--reduced", "--json", file])
    results: dict[str, Any] = json.loads(file.read_text())
    assert all(f"| {row['name']} " in printed for row in results["rows"])
    return results


def test_each_kernel_has_a_row(found: dict[str, Any]) -> None:
    measured = {row["name"].partition(",")[0] for row in found["rows"]}
    assert set(device.op_names()) - measured == WITHOUT_KERNEL


def test_rows_are_beside_a_yardstick(found: dict[str, Any]) -> None:
    names = [row["name"] for row in found["rows"] if row["unit"]]
    assert len(names) > 200
    for row in found["rows"]:
        assert bool(row["unit"]) == ("cost" not in row["name"] and "step of" not in row["name"])
        if row["unit"]:
            assert row["median"] > 0
            assert row["rate"] == pytest.approx(row["amount"] / row["median"], rel=1e-4)
            assert row["share"] > 0


def test_rows_are_chosen_by_name(program: Path, tmp_path: Path) -> None:
    run([program, "--rows", "softmax", "--reduced", "--json", tmp_path / "found.json"])
    rows = json.loads((tmp_path / "found.json").read_text())["rows"]
    assert {row["name"].partition(",")[0] for row in rows} == {
        "softmax", "softmax_grad", "log_softmax", "log_softmax_grad",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--rows", "nothing of the kind"), "nothing of the kind"),
        (("--rounds", "0"), "--rounds must be a number from 1 on, got 0"),
        (("--json",), "--json needs a value"),
        (("--quick",), "unknown: --quick"),
    ],
)
def test_a_wrong_command_is_told(program: Path, options: tuple[str, ...], words: str) -> None:
    done = subprocess.run([program, "--reduced", *options], capture_output=True, text=True)
    assert done.returncode == 2
    assert words in done.stderr


def test_a_file_that_cannot_be_written_is_told_at_once(program: Path, tmp_path: Path) -> None:
    file = tmp_path / "no folder" / "found.json"
    done = subprocess.run([program, "--json", file], capture_output=True, text=True, timeout=20)
    assert done.returncode == 1
    assert f"cannot write {file}" in done.stderr
