"""get_file and the data sets: downloads appear whole and checked, or not at all."""

import hashlib
import http.server
import io
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pyneuro import datasets
from pyneuro.errors import ArgumentError, FileFormatError
from pyneuro.utils import get_file

CONTENT = b"digits\n" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[str, Path, list[str]]]:
    """A web server on this machine: its address, its folder, and what was asked of it."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "digits.csv").write_bytes(CONTENT)
    asked: list[str] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: object) -> None:
            super().__init__(*args, directory=str(folder))  # type: ignore[arg-type]

        def log_message(self, format: str, *args: object) -> None:
            asked.append(self.path)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/", folder, asked
        server.shutdown()


def test_a_file_is_downloaded_once(site, tmp_path: Path, monkeypatch) -> None:
    address, _, asked = site
    monkeypatch.setenv("PYNEURO_HOME", str(tmp_path / "home"))
    path = get_file(origin=address + "digits.csv?version=2", file_hash=SHA256.upper())
    assert path == str(tmp_path / "home" / "datasets" / "digits.csv")
    assert Path(path).read_bytes() == CONTENT
    assert get_file(origin=address + "digits.csv", file_hash=SHA256) == path
    assert len(asked) == 1
    md5 = hashlib.md5(CONTENT).hexdigest()
    get_file(origin=address + "digits.csv", md5_hash=md5, force_download=True)
    assert len(asked) == 2
    Path(path).write_bytes(b"changed")
    get_file(origin=address + "digits.csv", file_hash=SHA256)
    assert Path(path).read_bytes() == CONTENT


def test_nothing_is_kept_of_a_wrong_file(site, tmp_path: Path) -> None:
    address, _, _ = site
    with pytest.raises(FileFormatError, match="nothing was kept"):
        get_file("a.csv", address + "digits.csv", file_hash="0" * 64, cache_dir=tmp_path / "c")
    with pytest.raises(ConnectionError, match="put the file at"):
        get_file("a.csv", address + "absent.csv", file_hash=SHA256, cache_dir=tmp_path / "c")
    assert list((tmp_path / "c" / "datasets").iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "origin is missing"),
        ({"origin": "http://x/y.csv"}, "https"),
        ({"origin": "https://x/y.csv", "fname": "../y.csv"}, "without folders"),
        ({"origin": "https://x/"}, "name of a file"),
        ({"origin": "https://x/y.csv", "file_hash": "12"}, "2 digits"),
        ({"origin": "https://x/y.csv", "hash_algorithm": "crc"}, "hash_algorithm"),
    ],
)
def test_bad_calls(arguments: dict[str, str], said: str, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=said):
        get_file(**arguments, cache_dir=tmp_path)


def archives() -> Iterator[tuple[str, bytes]]:
    for mode, suffix in (("w:gz", ".tar.gz"), ("w", ".tar")):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode=mode) as archive:
            entry = tarfile.TarInfo("inside/digits.csv")
            entry.size = len(CONTENT)
            archive.addfile(entry, io.BytesIO(CONTENT))
        yield suffix, buffer.getvalue()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as zipped:
        zipped.writestr("inside/digits.csv", CONTENT)
    yield ".zip", buffer.getvalue()


def test_archives_are_unpacked(site, tmp_path: Path) -> None:
    address, folder, _ = site
    for suffix, packed in archives():
        (folder / f"all{suffix}").write_bytes(packed)
        known = hashlib.sha256(packed).hexdigest()
        for _ in range(2):
            unpacked = get_file(
                origin=f"{address}all{suffix}", file_hash=known, extract=True, cache_dir=tmp_path
            )
            assert unpacked.endswith(f"all{suffix}_extracted")
            assert Path(unpacked, "inside", "digits.csv").read_bytes() == CONTENT
    with pytest.raises(ArgumentError, match="no archive"):
        get_file(origin=address + "digits.csv", file_hash=SHA256, extract=True, cache_dir=tmp_path)


def test_archives_stay_in_their_folder(site, tmp_path: Path) -> None:
    address, folder, _ = site
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo("../../escaped.csv")
        entry.size = len(CONTENT)
        archive.addfile(entry, io.BytesIO(CONTENT))
    (folder / "evil.tar").write_bytes(buffer.getvalue())
    known = hashlib.sha256(buffer.getvalue()).hexdigest()
    with pytest.raises(FileFormatError, match="cannot be unpacked"):
        get_file(origin=address + "evil.tar", file_hash=known, extract=True, cache_dir=tmp_path)
    assert not list(tmp_path.rglob("escaped.csv"))
    assert not list(tmp_path.rglob("evil.tar_extracted"))


def test_mnist_comes_from_the_cache_or_a_path(tmp_path: Path, monkeypatch) -> None:
    arrays = {
        name: np.zeros(shape, np.uint8)
        for name, shape in (
            ("x_train", (2, 28, 28)), ("y_train", 2), ("x_test", (1, 28, 28)), ("y_test", 1)
        )
    }  # fmt: skip
    np.savez(tmp_path / "mnist.npz", **arrays)
    (_, _), (x, y) = datasets.mnist.load_data(str(tmp_path / "mnist.npz"))
    assert (x.shape, y.shape) == ((1, 28, 28), (1,))
    monkeypatch.setenv("PYNEURO_HOME", str(tmp_path))
    (x, y), _ = datasets.mnist.load_data()
    assert (x.shape, y.shape) == ((2, 28, 28), (2,))
