"""get_file: a file from the network, once, and only if it is the one that was meant."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
import urllib.parse
import urllib.request
import zipfile

from ..errors import ArgumentError, FileFormatError

__all__ = ["get_file"]

_LENGTHS = {32: "md5", 64: "sha256"}


def _digest(path: str, algorithm: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def _algorithm(algorithm: str, digest: str) -> str:
    if algorithm == "auto":
        algorithm = _LENGTHS.get(len(digest), "")
    if algorithm not in ("md5", "sha256"):
        raise ArgumentError(
            "get_file: hash_algorithm must be 'auto', 'sha256' or 'md5' and fit the hash "
            f"{digest!r}"
        )
    return algorithm


def get_file(
    fname: str | None = None,
    origin: str | None = None,
    untar: bool = False,
    md5_hash: str | None = None,
    file_hash: str | None = None,
    cache_subdir: str = "datasets",
    hash_algorithm: str = "auto",
    extract: bool = False,
    archive_format: str | None = "auto",
    cache_dir: str | None = None,
    force_download: bool = False,
) -> str:
    """Fetch a file, unless it is in the cache.

    Args:
        fname: its name in the cache; by default the last part of the address.
        origin: the address: https, or http where a hash is given.
        untar: the same as `extract`.
        md5_hash: the MD5 sum; rather give `file_hash`.
        file_hash: the SHA-256 (or MD5) sum that the file must have.
        cache_subdir: the folder within the cache.
        hash_algorithm: "sha256", "md5" or "auto", by the length of the hash.
        extract: whether to extract the file, a tar or zip archive, into a folder beside it.
        archive_format: "tar", "zip" or "auto".
        cache_dir: the cache; by default what `PYNEURO_HOME` says, else `~/.pyneuro`.
        force_download: fetch also what is there.

    Returns:
        The path of the file, or of the folder that it was extracted to.

    Raises:
        ArgumentError: no address, or one that is not safe without a hash.
        FileFormatError: the file has another hash, or is no archive; nothing is kept.
        OSError: the network, or the disk.

    Example:
        >>> get_file("digits.npz", "http://example.org/digits.npz")
        Traceback (most recent call last):
        pyneuro.errors.ArgumentError: get_file: origin must begin with https:// ...
    """
    if origin is None:
        raise ArgumentError("get_file: origin is missing")
    address = urllib.parse.urlsplit(origin)
    expected = file_hash or md5_hash
    algorithm = "md5" if md5_hash and not file_hash else hash_algorithm
    if address.scheme != "https" and not (address.scheme == "http" and expected):
        raise ArgumentError(
            f"get_file: origin must begin with https:// (or http:// where file_hash is given), got "
            f"{origin!r}"
        )
    name = fname or os.path.basename(address.path)
    if not name or os.path.basename(name) != name:
        raise ArgumentError(f"get_file: fname must be the name of a file, got {name!r}")
    root = cache_dir or os.environ.get("PYNEURO_HOME") or os.path.expanduser("~/.pyneuro")
    folder = os.path.join(root, cache_subdir)
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, name)
    kind = _algorithm(algorithm, expected) if expected else None
    is_good = os.path.exists(path) and (kind is None or _digest(path, kind) == expected)
    if force_download or not is_good:
        _fetch(origin, path, kind, expected)
    return _extract(path, archive_format) if extract or untar else path


def _fetch(origin: str, path: str, algorithm: str | None, expected: str | None) -> None:
    """Download to a file beside the place, check it, and move it there."""
    beside = f"{path}.{os.urandom(6).hex()}.tmp"
    try:
        with urllib.request.urlopen(origin, timeout=60) as source, open(beside, "xb") as target:
            shutil.copyfileobj(source, target)
        if algorithm is None:
            print(f"{origin} has no hash to check; its sha256 is {_digest(beside, 'sha256')}")
        elif (found := _digest(beside, algorithm)) != expected:
            raise FileFormatError(
                f"{origin} has the {algorithm} {found}, but {expected} was expected; it is not kept"
            )
        os.replace(beside, path)
    finally:
        if os.path.exists(beside):
            os.unlink(beside)


def _extract(path: str, archive_format: str | None) -> str:
    """Extract an archive into a folder of its name; what would land outside is refused."""
    if archive_format not in ("auto", "tar", "zip"):
        raise ArgumentError(
            f"get_file: archive_format must be 'auto', 'tar' or 'zip', got {archive_format!r}"
        )
    folder = f"{path}_extracted"
    if archive_format != "tar" and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:  # drops leading slashes and ".." by itself
            archive.extractall(folder)
    elif archive_format != "zip" and tarfile.is_tarfile(path):
        with tarfile.open(path) as tar:
            tar.extractall(folder, filter="data")
    else:
        raise FileFormatError(f"{path} is no {archive_format} archive")
    return folder
