"""The native ground under load: thread pool, allocator, forks and exits, in plain programs.

One of them is watched by the thread sanitizer.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
CSRC = HERE.parents[1] / "csrc"
# Only the ground is built: what it stands on needs no kernels.
GROUND = ("thread_pool.cpp", "cpu_features.cpp", "allocator.cpp", "block_cache.cpp")


def build(folder: Path, *flags: str) -> Path | str:
    """The stress program, or why it cannot be built."""
    compiler = os.environ.get("CXX", "g++")
    if shutil.which(compiler) is None:
        return f"there is no C++ compiler {compiler}"
    program = folder / "stress"
    sources = [HERE / "stress.cpp", *(CSRC / "runtime" / name for name in GROUND)]
    command = [compiler, "-std=c++20", "-O2", *flags, f"-I{CSRC}", *map(str, sources)]
    done = subprocess.run(
        [*command, "-pthread", "-ldl", "-o", str(program)], capture_output=True, text=True
    )
    if done.returncode != 0:
        pytest.fail(f"the stress program does not compile:\n{done.stderr[-4000:]}")
    return program


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = build(tmp_path_factory.mktemp("plain"), "-Wall", "-Wextra")
    if isinstance(program, str):
        pytest.skip(program)
    return program


@pytest.mark.parametrize("section", ["pool", "allocator", "forks", "exits", "refusals", "machine"])
def test_section(plain: Path, section: str) -> None:
    done = subprocess.run([plain, section], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_an_unknown_section_fails(plain: Path) -> None:
    done = subprocess.run([plain, "nothing"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "every section named is known" in done.stderr


def test_no_race_under_the_thread_sanitizer(tmp_path: Path) -> None:
    probe = tmp_path / "probe.cpp"
    probe.write_text("int main() { return 0; }\n")
    compiler = os.environ.get("CXX", "g++")
    built = subprocess.run(
        [compiler, "-fsanitize=thread", str(probe), "-o", str(tmp_path / "probe")],
        capture_output=True,
    )
    if (
        built.returncode != 0
        or subprocess.run([tmp_path / "probe"], capture_output=True).returncode
    ):
        pytest.skip("the thread sanitizer does not run on this machine")
    program = build(tmp_path, "-fsanitize=thread", "-g")
    if isinstance(program, str):
        pytest.skip(program)
    done = subprocess.run(
        [program, "pool", "allocator"], capture_output=True, text=True, timeout=280,
        env={**os.environ, "TSAN_OPTIONS": "halt_on_error=0:exitcode=66"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
