"""What a file is, told from its content: which reader opens it, or why none does and how to convert it.

The name decides only where the content cannot: a text is a table if its name ends as one.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import stat
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cellucid_core.cache import once_per_content
from cellucid_core.errors import InputError
from cellucid_core.reading.archives import checked_entries
from cellucid_core.reading.elements import is_old_layout
from cellucid_core.reading.foreign import foreign_by_content, foreign_by_name
from cellucid_core.reading.remote import RemoteFile, hdf5_file
from cellucid_core.reading.safety import check_hdf5, check_heaps, check_texts
from cellucid_core.reading.sample_files import Container
from cellucid_core.reading.samples import find_samples, is_matrix_market

if TYPE_CHECKING:
    import h5py

FileKind = Literal[
    "h5ad", "h5mu", "10x h5", "10x matrix folder", "loom", "zarr", "table", "workbook", "prepared export"
]

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
#: Endings of names under which a text is taken for a table; "" and ``.gz`` because uploads may have lost the rest.
TABLE_ENDINGS = frozenset([".csv", ".tsv", ".txt", ".tab", ".gz", ""])
#: What a file or folder must hold to be opened, for messages.
SUPPORTED = (
    ".h5ad, .zarr (folder or zip), .h5mu, 10x .h5, a 10x matrix folder (or a zip of it), .loom, .csv or .tsv, "
    "or a Cellucid prepared export (folder or zip)"
)
CONVERT = "In Python: adata.write_h5ad('file.h5ad'), then open that file."
_ENDINGS: dict[FileKind, str] = {"h5ad": ".h5ad", "h5mu": ".h5mu", "10x h5": ".h5", "loom": ".loom"}
_HEAD = 64 * 1024
_IDENTITY = "dataset_identity.json"
_ZARR = ("zarr.json", ".zgroup")


@dataclass(frozen=True)
class Recognised:
    """What a file is.

    Attributes
    ----------
    kind
        The format; None where it is known only after unpacking.
    packed
        ``"gzip"`` or ``"zip file"`` if one file has to be unpacked first, ``"zip folder"`` if a folder has to be;
        ``"samples"`` if the names in a folder or archive have to tell what it holds (`samples_of`).
    inside
        Of a zip: the folder in it (ending in ``/``, or empty) or the file that is read. Of a gzip file: the name of
        the file in it.
    container
        With ``"samples"``: what they are in.
    """

    kind: FileKind | None
    packed: Literal["", "gzip", "zip file", "zip folder", "samples"] = ""
    inside: str = ""
    container: Container = "folder"


def check_file_name(file_name: str) -> None:
    """Refuse a name whose ending stands for a format that cannot be opened, before the file is uploaded.

    Raises
    ------
    InputError
        If it is such a name; says how to convert the file.
    """
    foreign = foreign_by_name(file_name)
    if foreign is not None:
        raise foreign.error(file_name)


def recognise(path: Path, file_name: str) -> Recognised:
    """Tell what a file or folder is.

    Parameters
    ----------
    path
        Where it is.
    file_name
        What the user calls it.

    Raises
    ------
    InputError
        If it is missing, empty, damaged, or of a kind that cannot be opened.
    """
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            return _folder(path, file_name)
        if not stat.S_ISREG(mode):
            raise InputError(f"{file_name} is neither a file nor a folder.", "Name a file.")
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"There is no file {path}.", "Check the path for a typing error.") from None
    except OSError as error:
        raise InputError(
            f"{file_name} cannot be read ({error.strerror or error}).", "Check its permissions."
        ) from error
    if not head:
        raise InputError(f"{file_name} is empty (0 bytes).", "Save or download it again, then open it.")
    # Tar before HDF5: in a tar archive of one HDF5 file, that file begins at a place where HDF5 may begin.
    if _is_tar(path, head):
        return Recognised(None, "samples", container="tar")
    # The HDF5 signature may stand at 0, 512, 1024, 2048 … (HDF5 File Format Specification, II.A).
    if any(head[at : at + 8] == HDF5_SIGNATURE for at in (0, 512, 1024, 2048, 4096, 8192, 16384, 32768)):
        return Recognised(hdf5_kind(path, file_name))
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zip(path, file_name)
    if head.startswith(b"\x1f\x8b"):
        return _gzip(path, head, file_name)
    return Recognised(_plain(head, file_name))


def _is_tar(path: Path, head: bytes) -> bool:
    for opening, magic in ((bz2.open, b"BZh"), (lzma.open, b"\xfd7zXZ")):
        if head.startswith(magic):
            try:
                with opening(path) as file:
                    head = bytes(file.read(512))
            except (OSError, EOFError, lzma.LZMAError, ValueError):
                return False
    return head[257:262] == b"ustar"


def _plain(head: bytes, file_name: str) -> FileKind:
    """Return ``"table"`` for a text that is one; raise an `InputError` for any other file (none is HDF5 or packed)."""
    foreign = foreign_by_content(head)
    if foreign is not None:
        raise foreign.error(file_name)
    ending = Path(file_name).suffix.lower()
    if not _is_text(head):
        foreign = foreign_by_name(file_name)
        if foreign is not None:
            raise foreign.error(file_name)
        if ending in _ENDINGS.values():
            raise InputError(f"{file_name} is not what its name says: its first bytes are not HDF5.", CONVERT)
        raise InputError(f"{file_name} is of an unknown format.", f"Open {SUPPORTED}.")
    if head.startswith(b"%%MatrixMarket"):
        raise InputError(
            f"{file_name} is only the matrix of a 10x folder.",
            "Zip it together with its barcodes and features (or genes) files and open the zip, or open the folder.",
        )
    if ending not in TABLE_ENDINGS:
        foreign = foreign_by_name(file_name)
        if foreign is not None:
            raise foreign.error(file_name)
        raise InputError(
            f"{file_name} is a text file, not what its name says, so its format is unknown.",
            "If it is a table of cells and genes, name it .csv or .tsv; otherwise write an .h5ad file.",
        )
    return "table"


def _is_text(head: bytes) -> bool:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):  # UTF-16, as Excel writes "Unicode text"
        return True
    control = sum(head.count(code) for code in range(32) if code not in (9, 10, 12, 13))
    return control == 0


def recognise_remote(file: RemoteFile) -> Recognised | None:
    """Tell what a remote file or folder is, if it can be read where it is; None if it has to be copied to this disk.

    Raises
    ------
    InputError
        If it cannot be reached, is damaged, or holds nothing that can be opened.
    """
    if file.is_dir():
        return Recognised("zarr") if file.is_zarr() else Recognised(None, "samples")
    if file.head(len(HDF5_SIGNATURE)) != HDF5_SIGNATURE or file.identity() is None:
        return None
    kind = hdf5_kind(file, file.name)
    if kind == "loom":  # its reader opens the file several times
        return None
    with hdf5_file(file) as content:
        return None if kind == "h5ad" and is_old_layout(content) else Recognised(kind)


@contextmanager
def checked_hdf5(path: Path | RemoteFile, file_name: str) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading, after checking that it is safe to read (`reading.safety`).

    Raises
    ------
    InputError
        If it is unsafe. If it is damaged, h5py raises errors of many types.
    """
    if isinstance(path, Path):  # a remote file would have to be read whole for this
        once_per_content(path, "heaps", lambda: check_heaps(path, file_name))
    with hdf5_file(path) as file:
        check_hdf5(file, file_name)  # before any link is followed
        if isinstance(path, Path):
            once_per_content(path, "texts", lambda: check_texts(file, file_name))
        yield file


def hdf5_kind(path: Path | RemoteFile, file_name: str) -> FileKind:
    """Tell what an HDF5 file holds, after checking that it is safe to read (`reading.safety`).

    Raises
    ------
    InputError
        If it is damaged or unsafe, or holds nothing that can be opened.
    """
    import h5py

    try:
        with checked_hdf5(path, file_name) as file:
            names = set(file.keys())
            groups = [name for name in names if isinstance(file.get(name), h5py.Group)]
            inner = {name: set(file[name].keys()) for name in groups}
    except InputError:
        raise
    except Exception as error:  # h5py raises many types for broken content
        raise InputError(
            f"{file_name} is damaged or was cut off while it was copied.",
            "Copy or download it again, then open it.",
        ) from error
    if "mod" in groups and "obs" in names:
        return "h5mu"
    if {"obs", "var"} <= names:
        return "h5ad"
    if {"matrix", "row_attrs", "col_attrs"} <= names:
        return "loom"
    if {"barcodes", "data", "indices", "indptr", "shape"} <= inner.get("matrix", set()):
        return "10x h5"
    if any({"barcodes", "genes", "data", "indices", "indptr", "shape"} <= inner[name] for name in groups):
        return "10x h5"
    if {"assays", "cell.names"} <= names or {"active.ident", "meta.data"} <= names:
        foreign = foreign_by_name("x.h5seurat")
        assert foreign is not None
        raise foreign.error(file_name)
    missing = next((table for table in ("obs", "var") if table not in names), "obs")
    listed = ", ".join(sorted(map(str, names))[:6]) or "nothing"  # h5py returns bytes where a name is no UTF-8
    raise InputError(
        f"{file_name} is an HDF5 file but not an AnnData: it has no {missing} table (it holds {listed}).", CONVERT
    )


def _folder(path: Path, file_name: str) -> Recognised:
    names = {entry.name for entry in path.iterdir()}
    if _IDENTITY in names or any((path / name / _IDENTITY).is_file() for name in names):
        return Recognised("prepared export")
    if names & set(_ZARR):
        return Recognised("zarr")
    if _is_matrix_folder(names):
        return Recognised("10x matrix folder")
    if not names:
        raise InputError(f"The folder {file_name} is empty.", "Copy or download it again, then open it.")
    return Recognised(None, "samples", container="folder")


def _is_matrix_folder(names: Iterable[str]) -> bool:
    """Tell whether a folder holds one matrix with its lists as 10x names them, and no other."""
    low = {name.lower().removesuffix(".gz") for name in names}
    matrices = [name for name in low if name.endswith(".mtx")]
    if len(matrices) != 1 or not _is_matrix(matrices[0]):
        return False
    prefix = matrices[0].removesuffix("matrix.mtx")
    return {f"{prefix}barcodes.tsv"} <= low and bool({f"{prefix}features.tsv", f"{prefix}genes.tsv"} & low)


def _outermost(roots: Iterable[str]) -> set[str]:
    known = set(roots)
    return {
        root for root in known if not any(root.startswith(f"{other}/" if other else "") for other in known - {root})
    }


def _is_matrix(name: str) -> bool:
    return name.lower().endswith(("matrix.mtx", "matrix.mtx.gz"))


def _zip(path: Path, file_name: str) -> Recognised:
    try:
        with zipfile.ZipFile(path) as archive:
            names = checked_entries(archive, file_name)
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            f"{file_name} is a zip that is damaged or was cut off.", "Copy or download it again, then open it."
        ) from error
    if "[Content_Types].xml" in names:
        part = next((word for word in ("xl/", "word/", "ppt/") if any(name.startswith(word) for name in names)), "")
        if part == "xl/":
            return Recognised("workbook")
        foreign = foreign_by_name("x.docx" if part == "word/" else "x.pptx")
        assert foreign is not None
        raise foreign.error(file_name)
    if any(name.rpartition("/")[2] == _IDENTITY for name in names):
        return Recognised("prepared export")
    roots = {name.rpartition("/")[0] for name in names if name.rpartition("/")[2] in _ZARR}
    if roots and len(_outermost(roots)) == 1:
        top = min(roots, key=lambda root: (root.count("/") + bool(root), root))
        return Recognised("zarr", inside=f"{top}/" if top else "")
    matrices = [name for name in names if is_matrix_market(name)]
    if len(matrices) == 1:
        folder = matrices[0].rpartition("/")[0]
        if _is_matrix_folder(name.rpartition("/")[2] for name in names if name.rpartition("/")[0] == folder):
            return Recognised("10x matrix folder", "zip folder", f"{folder}/" if folder else "")
    data = [name for name in names if _holds_data(name)]
    if len(data) == 1 and not matrices:
        return Recognised(None, "zip file", data[0])
    if find_samples(names):
        return Recognised(None, "samples", container="zip")
    listed = ", ".join(sorted(names)[:4]) or "nothing"
    raise InputError(f"{file_name} is a zip without a dataset: it holds {listed}.", f"Zip one of: {SUPPORTED}.")


def _holds_data(name: str) -> bool:
    low = name.lower().removesuffix(".gz")
    return low.endswith((".h5ad", ".h5mu", ".h5", ".hdf5", ".loom", ".csv", ".tsv", ".txt", ".tab", ".xlsx"))


def may_hold_data(name: str) -> bool:
    """Tell by its name whether a file may be one that can be opened; every archive may be."""
    return _holds_data(name) or name.lower().endswith((".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz"))


def is_openable_folder(path: Path) -> bool:
    """Tell by the names in it whether a folder is one dataset: a prepared export, a zarr store or a 10x matrix."""
    names = {entry.name for entry in path.iterdir()}
    return _IDENTITY in names or bool(names & set(_ZARR)) or any(is_matrix_market(name) for name in names)


def _gzip(path: Path, head: bytes, file_name: str) -> Recognised:
    try:
        with gzip.open(path) as file:
            inner = file.read(_HEAD)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(
            f"{file_name} is a gzip file that is damaged or was cut off.", "Copy or download it again, then open it."
        ) from error
    if not inner:
        raise InputError(f"{file_name} is a gzip file with nothing in it.", "Save or download it again, then open it.")
    if inner[257:262] == b"ustar":
        return Recognised(None, "samples", container="tar")
    inner_name = file_name.removesuffix(".gz") if file_name.lower().endswith(".gz") else file_name
    if inner.startswith(HDF5_SIGNATURE):
        return Recognised(None, "gzip", inner_name)
    if inner.startswith(b"PK\x03\x04"):
        raise InputError(f"{file_name} is a zip within a gzip file.", "Unpack it once (gunzip), then open the zip.")
    return Recognised(_plain(inner, inner_name))
