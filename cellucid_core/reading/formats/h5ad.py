"""``.h5ad``: AnnData in one HDF5 file."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cellucid_core.errors import InputError
from cellucid_core.reading.contents import Contents
from cellucid_core.reading.elements import is_old_layout, read_elements
from cellucid_core.reading.remote import hdf5_file
from cellucid_core.reading.rewriting import read_rewritten, write_adata
from cellucid_core.reading.safety import declared_size, require_memory
from cellucid_core.reading.source import Source


def open_hdf5(source: Source) -> Any:
    """Return the file as an `h5py.File`, opened for reading.

    Raises
    ------
    InputError
        If it is damaged.
    """
    try:
        return hdf5_file(source.path)
    except OSError as error:
        raise InputError(
            f"{source.file_name} is damaged or was cut off while it was copied.",
            "Copy or download it again, then open it.",
        ) from error


def read_h5ad(source: Source) -> Contents:
    """Open an AnnData file; anndata first rewrites one in the layout from before its version 0.7."""
    file = open_hdf5(source)
    try:
        if not is_old_layout(file):
            return read_elements(file, source)
        require_memory(declared_size(file), f"{source.file_name}, in its old layout,")
    except BaseException:
        file.close()
        raise
    file.close()

    def write(target: Path) -> Iterable[str]:
        import anndata

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            write_adata(anndata.read_h5ad(source.path), target)
        return ()

    return read_rewritten(source, source.digest, write)
