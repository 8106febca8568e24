"""What a file is, told from its bytes: its hash and its kind."""

from __future__ import annotations

import hashlib
from pathlib import Path

from cellucid_core.errors import InputError

#: Leading bytes of files that people upload by mistake → what the file is, and what to do.
_KNOWN_KINDS: tuple[tuple[bytes, str, str], ...] = (
    (b"%PDF", "a PDF document", "Upload the .h5ad file that belongs to it."),
    (b"PK\x03\x04", "a zip archive", "Unpack it and upload the .h5ad file inside."),
    (b"\x1f\x8b", "a gzip-compressed file", "Unpack it first (gunzip), then upload the .h5ad file."),
    (
        b"RDX",
        "an R workspace",
        "Convert it in R, for example with zellkonverter::writeH5AD() or SeuratDisk::Convert().",
    ),
)


def content_hash(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as 64 hexadecimal digits (streamed; constant memory)."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def require_hdf5(path: Path) -> None:
    """Check that a file is what ``.h5ad`` promises, and say what it is when it is not.

    Raises
    ------
    InputError
        If the file is missing, a folder, empty or not HDF5.
    """
    if not path.exists():
        raise InputError(f"There is no file {path}.", "Check the path for a typing error.")
    if path.is_dir():
        raise InputError(f"{path.name} is a folder, not a file.", "Name the .h5ad file inside it.")
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError as error:
        raise InputError(
            f"{path.name} cannot be read ({error.strerror or error}).", "Check its permissions."
        ) from error
    if not head:
        raise InputError(f"{path.name} is empty (0 bytes).", "Save or download it again, then upload it.")
    # The HDF5 signature may stand at 0, 512, 1024, 2048 … (HDF5 File Format Specification, II.A).
    if any(head[at : at + 8] == b"\x89HDF\r\n\x1a\n" for at in (0, 512, 1024, 2048)):
        return
    for magic, kind, mend in _KNOWN_KINDS:
        if head.startswith(magic):
            raise InputError(f"{path.name} is {kind}, not an AnnData file.", mend)
    text = b"\0" not in head
    raise InputError(
        f"{path.name} is not an AnnData file: {'it is a text file' if text else 'its first bytes are not HDF5'}.",
        "Save your data with adata.write_h5ad('file.h5ad') and open that file.",
    )
