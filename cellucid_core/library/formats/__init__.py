"""Signature files: every format has a reader and a writer; the suffix decides the writer, the content the reader."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from cellucid_core.atomic import complete_or_absent
from cellucid_core.errors import InputError
from cellucid_core.library.formats.pickle_file import read_pickle, write_pickle
from cellucid_core.library.formats.portable import (
    read_csv_zip,
    read_h5,
    read_zarr,
    write_csv_zip,
    write_h5,
    write_zarr,
)
from cellucid_core.library.formats.statescope import read_statescope, write_statescope
from cellucid_core.library.model import Level, Signature

__all__ = ["SUFFIXES", "read_signature", "suffix_of", "write_h5", "write_signature"]

#: Suffix → name of the format for the user.
SUFFIXES = {
    ".pickle": "Pickle",
    ".txt": "Statescope table",
    ".h5": "HDF5 (AnnData)",
    ".zarr": "zarr (AnnData)",
    ".zip": "CSV files",
}
_OTHER = {".pkl": ".pickle", ".tsv": ".txt", ".h5ad": ".h5", ".hdf5": ".h5"}
_GZIP = b"\x1f\x8b"


def suffix_of(name: str) -> str:
    """Return the key of `SUFFIXES` for the name of a file to write.

    Raises
    ------
    InputError
        If the name has no known suffix.
    """
    suffix = Path(name).suffix.lower()
    suffix = _OTHER.get(suffix, suffix)
    if suffix not in SUFFIXES:
        raise InputError(f"{Path(name).name} has none of the known endings.", f"Use one of {', '.join(SUFFIXES)}.")
    return suffix


def read_signature(path: str | Path, name: str | None = None) -> Signature:
    """Read a signature file of any format, recognised by its content; nothing in it is ever run.

    Parameters
    ----------
    path
        A file or a zarr folder.
    name
        What the user calls the file, where it has another name on disk.

    Raises
    ------
    InputError
        If it does not exist, cannot be read, is no signature, or is damaged.
    """
    path = Path(path)
    file_name = name or path.name
    if not path.exists():
        raise InputError(f"{path} does not exist.", "Check the path.")
    if path.is_dir():
        return read_zarr(path, file_name)
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except OSError as error:
        raise InputError(f"{file_name} cannot be read ({error.strerror}).", "Check its permissions.") from None
    if not head:
        raise InputError(f"{file_name} is empty.", "Copy or download it again.")
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        return read_h5(path, file_name)
    if head.startswith(b"PK"):
        return (read_zarr if _is_zarr_zip(path) else read_csv_zip)(path, file_name)
    if _is_pickle(head, file_name, path):
        return read_pickle(path, file_name)
    return read_statescope(path, file_name)


def _is_zarr_zip(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return any(entry.rpartition("/")[2] in (".zgroup", "zarr.json") for entry in archive.namelist())
    except (zipfile.BadZipFile, OSError):
        return False


def _is_pickle(head: bytes, file_name: str, path: Path) -> bool:
    """Tell a pickle from a table: by its first bytes from protocol 2 on, else by its name."""
    if head.startswith(_GZIP):
        import gzip
        import zlib

        try:
            with gzip.open(path) as file:
                head = file.read(8)
        except (OSError, EOFError, zlib.error):
            head = b""
    named = file_name.lower().removesuffix(".gz")
    return (head[:1] == b"\x80" and head[1:2] in b"\x02\x03\x04\x05") or named.endswith((".pickle", ".pkl"))


def write_signature(signature: Signature, path: str | Path, *, level: str | None = None) -> Path:
    """Write a signature and return its path; the file is complete or absent.

    Parameters
    ----------
    signature
        What to write.
    path
        Target; its suffix decides the format (`SUFFIXES`).
    level
        For a Statescope table, which holds only one: the name of the level, where there are several.

    Raises
    ------
    InputError
        If the suffix is unknown, its folder does not exist, something else is in its place, or a Statescope table
        cannot hold the signature.
    """
    path = Path(path)
    suffix = suffix_of(path.name)
    if not path.parent.is_dir():
        raise InputError(f"There is no folder {path.parent}.", "Make it first, or name another file.")
    if path.is_dir() and suffix != ".zarr":
        raise InputError(f"{path} is a folder.", "Name a file.")
    if suffix == ".zarr":
        _write_folder(signature, path)
        return path
    writers: dict[str, Callable[[Path], None]] = {
        ".pickle": lambda draft: write_pickle(signature, draft),
        ".h5": lambda draft: write_h5(signature, draft),
        ".zip": lambda draft: write_csv_zip(signature, draft),
        ".txt": lambda draft: write_statescope(_one(signature, level), draft),
    }
    with complete_or_absent(path) as draft:
        writers[suffix](draft)
    return path


def _one(signature: Signature, level: str | None) -> Level:
    if level is not None:
        return signature.level(level)
    if len(signature.levels) > 1:
        names = ", ".join(one.name for one in signature.levels)
        raise InputError(
            f"A Statescope table holds one level, and the signature has {len(signature.levels)}: {names}.",
            "Name one, or write .pickle or .h5, which hold all.",
        )
    return signature.levels[0]


def _write_folder(signature: Signature, path: Path) -> None:
    if path.exists() and (not path.is_dir() or not ((path / ".zgroup").exists() or not any(path.iterdir()))):
        raise InputError(f"{path} exists and is not a zarr store.", "Choose another name.")
    draft = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        write_zarr(signature, draft / "new")
        if path.exists():
            path.replace(draft / "old")
        (draft / "new").replace(path)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
