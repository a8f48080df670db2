"""The overview that `make bench` ends with, made of results as the scripts write them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "bench" / "python" / "report.py"


def report(folder: Path, isa: str, ratios: list[float]) -> str:
    """What is printed of a sweep in which PyTorch takes `ratios` times as long as pyneuro."""
    about = {"date": "2026-11-21", "processor": "one", "isa": isa, "threads": 2}
    sizes = [
        {"name": f"size {i}", "ratio": r, "seconds": {"pyneuro": [1.0], "torch": [r]}}
        for i, r in enumerate(ratios)
    ]
    (folder / "conv_sweep.json").write_text(json.dumps({"about": about, "sizes": sizes}))
    done = subprocess.run(
        [sys.executable, SCRIPT, folder], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("isa", "wanted", "met"), [("avx512", "1.10", "**no**"), ("avx2", "1.04", "yes")]
)
def test_aims_are_what_the_machine_is_good_for(
    tmp_path: Path, isa: str, wanted: str, met: str
) -> None:
    lines = report(tmp_path, isa, [1.07] * 9).splitlines()
    mean = next(line for line in lines if "geometric mean" in line)
    assert f"at least {wanted}x | 1.07x | {met} |" in mean
    assert any("5th percentile" in line and "| yes |" in line for line in lines)


def test_the_slowest_come_first(tmp_path: Path) -> None:
    text = report(tmp_path, "avx2", [2.0, 0.5, 1.5])
    assert text.index("| size 1 |") < text.index("| size 2 |") < text.index("| size 0 |")
    assert "3 sizes, 1 slower" in text


def test_a_folder_without_results(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, SCRIPT, tmp_path], capture_output=True, text=True, timeout=60
    )
    assert done.returncode != 0
    assert "no results in" in done.stderr
