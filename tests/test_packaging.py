"""What is built and shipped: the wheel, the source archive, the C++ side, the command.

Builds in the folder that `make test` built in, so that only what changed is compiled again.
"""

import email
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

import pyneuro

ROOT = Path(__file__).resolve().parents[1]
SYSTEM_LIBRARIES = {"libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2"}
PUBLIC_FOLDERS = ("core", "ops", "runtime", "plan")
MIB = 1024 * 1024

pytestmark = pytest.mark.timeout(1800)  # a first build may be among it


def run(*command: str | Path, cwd: Path, env: dict[str, str] | None = None) -> str:
    """Runs a command and returns what it printed; fails with all that it printed."""
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **(env or {})}, text=True, capture_output=True
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def build(kind: str, source: Path, out: Path, env: dict[str, str] | None = None) -> Path:
    run(sys.executable, "-m", "build", f"--{kind}", "--no-isolation", "--outdir", out, source,
        cwd=out, env=env)  # fmt: skip
    (built,) = out.glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return built


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def unpacked(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder into which the wheel was unpacked."""
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture(scope="module")
def source_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder into which the source archive was unpacked."""
    out = tmp_path_factory.mktemp("sdist")
    with tarfile.open(build("sdist", ROOT, out)) as archive:
        archive.extractall(out, filter="data")
    (folder,) = (path for path in out.iterdir() if path.is_dir())
    return folder


def python_of(folder: Path, code: str) -> str:
    """Runs code on the package in `folder`; -S keeps the installed one out of the way."""
    path = os.pathsep.join([str(folder), sysconfig.get_path("purelib")])
    return run(sys.executable, "-S", "-c", code, cwd=folder, env={"PYTHONPATH": path})


def relative_files(folder: Path, *patterns: str) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for pattern in patterns
        for path in folder.rglob(pattern)
    }


# -------------------------------------------------------------------------------------- the wheel


def test_the_wheel_holds_every_python_file_as_it_is(unpacked: Path) -> None:
    patterns = ("*.py", "*.pyi", "py.typed")
    ours = relative_files(ROOT / "pyneuro", *patterns)
    assert relative_files(unpacked / "pyneuro", *patterns) == ours
    assert {"_core.pyi", "py.typed"} <= ours
    for name in ours:
        assert (unpacked / "pyneuro" / name).read_bytes() == (ROOT / "pyneuro" / name).read_bytes()


def test_the_wheel_is_small(wheel: Path) -> None:
    assert wheel.stat().st_size < 10 * MIB


def test_libraries_need_the_system_only(unpacked: Path) -> None:
    libraries = sorted((unpacked / "pyneuro").glob("*.so"))
    x86_64 = ("generic", "avx2", "avx512", "avx512_bf16")
    isas = x86_64 if platform.machine() == "x86_64" else ("generic",)
    assert {path.name.split(".")[0] for path in libraries} == {
        "_core", "libpyneuro", *(f"libpyneuro_cpu_{isa}" for isa in isas)
    }  # fmt: skip
    for library in libraries:
        entries = run("readelf", "--dynamic", "--wide", library, cwd=unpacked).splitlines()
        needed = {line.split("[")[1].rstrip("]") for line in entries if "(NEEDED)" in line}
        loader = {name for name in needed if name.startswith("ld-linux")}
        own = {"libpyneuro.so"} if library.name.startswith("_core") else set()
        assert needed - loader <= SYSTEM_LIBRARIES | own, library.name
        paths = [line.split("[")[1].rstrip("]") for line in entries if "(RUNPATH)" in line]
        assert paths == ["$ORIGIN"], library.name


def test_the_metadata_says_what_is_needed(unpacked: Path) -> None:
    (folder,) = unpacked.glob("pyneuro-*.dist-info")
    metadata = email.message_from_string((folder / "METADATA").read_text(encoding="utf-8"))
    assert metadata["Version"] == pyneuro.__version__
    assert metadata["License-Expression"] == "Apache-2.0"
    required = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    names = {line.split(">")[0].split(";")[0].strip() for line in required}
    assert names == {"numpy", "ml_dtypes", "safetensors"}


def test_the_wheel_computes(unpacked: Path) -> None:
    code = (
        "import pyneuro, numpy as np; from pyneuro import ops; print(pyneuro.__file__);"
        "print(ops.matmul(np.eye(3, dtype='float32'), np.ones((3, 2), 'float32')).numpy().sum())"
    )
    file, total = python_of(unpacked, code).split()
    assert Path(file).is_relative_to(unpacked)
    assert float(total) == 6.0


# ----------------------------------------------------------------------------- the source archive


def test_the_source_archive_holds_what_is_built_and_tested(source_archive: Path) -> None:
    for folder in ("csrc", "cmake", "pyneuro", "tests", "bench", "examples"):
        patterns = (
            "*.py",
            "*.pyi",
            "*.h",
            "*.cpp",
            "*.cmake",
            "*.in",
            "py.typed",
            "CMakeLists.txt",
        )
        ours = relative_files(ROOT / folder, *patterns)
        assert ours
        assert relative_files(source_archive / folder, *patterns) == ours
    for name in ("CMakeLists.txt", "LICENSE", "Makefile", "README.md", "pyproject.toml"):
        assert (source_archive / name).read_bytes() == (ROOT / name).read_bytes()
    strays = relative_files(source_archive, "*.so", "*.pyc", ".git*", ".venv")
    assert strays == set()


def test_the_source_archive_builds(source_archive: Path, tmp_path: Path) -> None:
    # Unoptimised and for one instruction set: the question is whether anything is missing.
    settings = {
        "SKBUILD_CMAKE_BUILD_TYPE": "Debug",
        "SKBUILD_CMAKE_DEFINE": "PYNEURO_ISAS=generic",
        "SKBUILD_INSTALL_STRIP": "true",
    }
    with zipfile.ZipFile(build("wheel", source_archive, tmp_path, settings)) as archive:
        archive.extractall(tmp_path / "unpacked")
    code = "from pyneuro import ops; print(float(ops.sum(ops.ones((2, 3)))))"
    assert float(python_of(tmp_path / "unpacked", code)) == 6.0


# --------------------------------------------------------------------------------------- C++ side


def test_installed_headers_are_complete(unpacked: Path, tmp_path: Path) -> None:
    include = unpacked / "pyneuro" / "include"
    headers = relative_files(include / "pyneuro", "*.h")
    ours = {f"{folder}/{name}" for folder in PUBLIC_FOLDERS
            for name in relative_files(ROOT / "csrc" / folder, "*.h")}  # fmt: skip
    assert headers == ours | {"backend.h", "custom_op.h"}
    program = "".join(f'#include "pyneuro/{name}"\n' for name in sorted(headers))
    (tmp_path / "all.cpp").write_text(program)
    (tmp_path / "custom.c").write_text('#include "pyneuro/custom_op.h"\n')
    strict = ("-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-I", include)
    run("g++", "-std=c++20", *strict, "all.cpp", cwd=tmp_path)
    run("gcc", "-std=c99", "-pedantic", *strict, "custom.c", cwd=tmp_path)


def test_a_cpp_program_builds_and_runs_against_the_wheel(unpacked: Path, tmp_path: Path) -> None:
    package = unpacked / "pyneuro" / "cmake"
    run("cmake", "-S", ROOT / "examples" / "cpp", "-B", tmp_path, f"-Dpyneuro_DIR={package}",
        cwd=tmp_path)  # fmt: skip
    run("cmake", "--build", tmp_path, cwd=tmp_path)
    *rows, error = run(tmp_path / "classify", cwd=tmp_path).splitlines()
    x = [[1, 2, 3], [3, 2, 1]]
    weights, bias = [[0.5, -0.5], [0.25, 0.25], [-0.5, 0.5]], [0.1, -0.1]
    expected = pyneuro.ops.softmax(pyneuro.ops.matmul(x, weights) + bias).numpy()
    got = [[float(value) for value in row.split()] for row in rows]
    np.testing.assert_allclose(got, expected, atol=2e-6)
    assert "matmul: " in error  # and so an Error thrown in libpyneuro.so was caught in the program


# -------------------------------------------------------------------------------------- the command


def command(*arguments: str, cwd: Path) -> str:
    return run(sys.executable, "-m", "pyneuro", *arguments, cwd=cwd)


def test_info_tells_what_is_in_use(tmp_path: Path) -> None:
    info = json.loads(command("info", "--json", cwd=tmp_path))
    assert info["pyneuro"] == pyneuro.__version__ == importlib.metadata.version("pyneuro")
    assert info["isa"] in info["isas"]
    assert "generic" in info["isas"]
    assert info["threads"] >= 1
    assert "cpu" in info["devices"]
    text = command("info", cwd=tmp_path)
    assert info["pyneuro"] in text
    assert info["isa"] in text


def test_info_follows_the_environment(tmp_path: Path) -> None:
    environment = {"PYNEURO_ISA": "generic", "PYNEURO_NUM_THREADS": "3"}
    said = run(sys.executable, "-m", "pyneuro", "info", "--json", cwd=tmp_path, env=environment)
    info = json.loads(said)
    assert (info["isa"], info["threads"]) == ("generic", 3)


def test_cmake_dir_names_the_package(tmp_path: Path) -> None:
    folder = Path(command("cmake-dir", cwd=tmp_path).strip())
    assert (folder / "pyneuroConfig.cmake").is_file()


def test_the_console_script_is_the_command(tmp_path: Path) -> None:
    script = Path(sysconfig.get_path("scripts")) / "pyneuro"
    assert run(script, "cmake-dir", cwd=tmp_path) == command("cmake-dir", cwd=tmp_path)


def test_import_is_quick(unpacked: Path) -> None:
    run(sys.executable, "-m", "compileall", "-q", "pyneuro", cwd=unpacked)  # as pip does
    code = (
        "import time, numpy; begin = time.perf_counter(); import pyneuro;"
        "print(time.perf_counter() - begin)"
    )
    seconds = [float(python_of(unpacked, code)) for _ in range(15)]
    assert statistics.median(seconds) < 0.060, seconds
