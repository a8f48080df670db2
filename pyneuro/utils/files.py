"""Files from the network, kept in a folder of the user's and checked before anyone reads them."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tarfile
import tempfile
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from pathlib import Path

from ..errors import ArgumentError, FileFormatError

__all__ = ["get_file", "home"]

_CHUNK = 1 << 20
_ARCHIVES = {"tar": (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz"), "zip": (".zip",)}
_DIGITS = {32: "md5", 64: "sha256"}


def home() -> Path:
    """The folder of pyneuro's downloads: the environment's PYNEURO_HOME, or else `~/.pyneuro`.

    Returns:
        The path; the folder may not exist yet.

    Example:
        >>> home().name != ""
        True
    """
    return Path(os.environ.get("PYNEURO_HOME") or Path.home() / ".pyneuro")


def get_file(
    fname: str | None = None,
    origin: str | None = None,
    untar: bool = False,
    md5_hash: str | None = None,
    file_hash: str | None = None,
    cache_subdir: str = "datasets",
    hash_algorithm: str = "auto",
    extract: bool = False,
    archive_format: str | tuple[str, ...] | list[str] | None = "auto",
    cache_dir: str | os.PathLike[str] | None = None,
    force_download: bool = False,
) -> str:
    """Give the path of a file from the network, downloading it unless it is there already.

    A file appears under its name when all of it has arrived and its hash is right, never before.

    Args:
        fname: name of the file in the cache; default: the last part of `origin`.
        origin: where it is, a URL. Without a hash only https is taken, and the file's SHA-256 is
            printed, to be passed from then on.
        untar: the same as `extract`, kept because Keras has it.
        md5_hash: the same as `file_hash`, kept because Keras has it.
        file_hash: hexadecimal SHA-256 (or MD5) of the file as it is downloaded.
        cache_subdir: folder below `cache_dir`; an absolute path stands for itself.
        hash_algorithm: "sha256", "md5", or "auto", by the number of digits.
        extract: unpack the file, a tar or zip archive, into a folder beside it.
        archive_format: "tar", "zip", several of them, "auto" for both, or None for neither.
        cache_dir: default: PYNEURO_HOME from the environment, or else `~/.pyneuro`.
        force_download: download even if the file is there.

    Returns:
        Path of the file; with `extract`, of the folder that it was unpacked into, which has the
        file's name and `_extracted`.

    Raises:
        ArgumentError: a missing or unsafe `origin` or `fname`, or an unknown hash or format.
        FileFormatError: the hash of what arrived is another, or an archive cannot be unpacked.
        ConnectionError: the file could not be downloaded.

    Example:
        >>> get_file("digits.csv", origin="http://example.com/digits.csv")
        Traceback (most recent call last):
        pyneuro.errors.ArgumentError: get_file: ... pass file_hash, or an https:// address
    """
    if not origin:
        raise ArgumentError("get_file: origin is missing: the URL that the file comes from")
    expected = file_hash or md5_hash
    algorithm = _algorithm(expected, hash_algorithm)
    scheme = urllib.parse.urlsplit(origin).scheme
    if expected is None and scheme != "https":
        raise ArgumentError(
            f"get_file: without a hash nobody can tell whether what {origin!r} sends is what was "
            "meant; pass file_hash, or an https:// address"
        )
    name = os.fspath(fname) if fname else os.path.basename(urllib.parse.urlsplit(origin).path)
    if not name or os.path.basename(name) != name or name in (".", ".."):
        raise ArgumentError(
            f"get_file: fname must be the name of a file, without folders: {name!r}"
        )
    folder = Path(cache_dir) if cache_dir else home()
    path = folder / cache_subdir / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if force_download or not _is_right(path, expected, algorithm):
        _download(origin, path, expected, algorithm)
    if extract or untar:
        return str(_unpacked(path, archive_format, again=force_download))
    return str(path)


def _algorithm(expected: str | None, wanted: str) -> str:
    if wanted not in ("auto", "sha256", "md5"):
        raise ArgumentError(f"get_file: hash_algorithm must be auto, sha256 or md5, got {wanted!r}")
    if expected is None or wanted != "auto":
        return "sha256" if wanted == "auto" else wanted
    if len(expected) not in _DIGITS:
        raise ArgumentError(
            f"get_file: file_hash has {len(expected)} digits, but SHA-256 has 64 and MD5 32"
        )
    return _DIGITS[len(expected)]


def _digest(path: Path, algorithm: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def _is_right(path: Path, expected: str | None, algorithm: str) -> bool:
    return path.is_file() and (expected is None or _digest(path, algorithm) == expected.lower())


def _download(origin: str, path: Path, expected: str | None, algorithm: str) -> None:
    print(f"downloading {origin} to {path}", file=sys.stderr)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    partial = Path(name)
    try:
        request = urllib.request.Request(origin, headers={"User-Agent": "pyneuro"})
        with os.fdopen(handle, "wb") as file, urllib.request.urlopen(request, timeout=60) as source:
            shutil.copyfileobj(source, file, _CHUNK)
        got = _digest(partial, algorithm)
        if expected is None:
            print(f"its SHA-256 is {got}; pass it as file_hash from now on", file=sys.stderr)
        elif got != expected.lower():
            raise FileFormatError(
                f"get_file: what {origin} sent has the {algorithm} {got}, but {expected} was "
                "expected; nothing was kept"
            )
        partial.chmod(0o644)
        partial.replace(path)
    except (urllib.error.URLError, TimeoutError) as error:
        raise ConnectionError(
            f"get_file: {origin} could not be downloaded: {error}; where there is no network, put "
            f"the file at {path}"
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def _unpacked(path: Path, formats: str | tuple[str, ...] | list[str] | None, again: bool) -> Path:
    """The folder with an archive's files, complete: it is renamed once all are unpacked."""
    wanted = tuple(_ARCHIVES) if formats == "auto" else (formats or ())
    wanted = (wanted,) if isinstance(wanted, str) else tuple(wanted)
    if unknown := [w for w in wanted if w not in _ARCHIVES]:
        raise ArgumentError(f"get_file: archive_format must be tar or zip, got {unknown[0]!r}")
    folder = path.with_name(f"{path.name}_extracted")
    if folder.exists() and not again and folder.stat().st_mtime >= path.stat().st_mtime:
        return folder
    kind = next((w for w in wanted if path.name.endswith(_ARCHIVES[w])), None)
    if kind is None:
        raise ArgumentError(f"get_file: {path.name} is no archive of the formats {wanted}")
    with tempfile.TemporaryDirectory(dir=path.parent) as temporary:
        inside = Path(temporary) / "inside"
        try:
            if kind == "tar":
                with tarfile.open(path) as archive:
                    archive.extractall(inside, filter="data")
            else:
                with zipfile.ZipFile(path) as zipped:
                    zipped.extractall(inside)  # leaves out drives, roots and ".."
        except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError) as error:
            raise FileFormatError(f"get_file: {path} cannot be unpacked: {error}") from error
        inside.touch()
        if folder.exists():
            shutil.rmtree(folder)
        inside.rename(folder)
    return folder
