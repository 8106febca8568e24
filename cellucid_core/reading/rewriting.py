"""Formats that cannot be read in pieces are rewritten in the cache as AnnData files, once per content."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

import pandas as pd
from scipy import sparse

from cellucid_core.atomic import complete_or_absent
from cellucid_core.cache import alone_with, home_folder, is_sound, seal
from cellucid_core.errors import InputError
from cellucid_core.hdf5_file import Hdf5Writing, put_anndata
from cellucid_core.reading.contents import Contents
from cellucid_core.reading.elements import read_elements
from cellucid_core.reading.source import Source

#: Increased when a reader changes what it makes of the same content.
_VERSION = 2
#: Stands for "/" in names of columns, since anndata writes no name with "/"; from Unicode's private use area.
_SLASH = "\ue02f"


def read_rewritten(source: Source, identity: str, write: Callable[[Path], Iterable[str]]) -> Contents:
    """Return the contents of a file that is rewritten as ``.h5ad`` on its first opening.

    If two processes open the same file at once, one writes it and the other waits.

    Parameters
    ----------
    source
        The file.
    identity
        Hash of the content and of the choices that change what is written.
    write
        Writes the ``.h5ad`` and returns notes for the user, which are kept beside it.

    Raises
    ------
    InputError
        As raised by `write`, or if the disk is full.
    """
    import h5py

    folder = home_folder("rewritten")
    target = folder / f"v{_VERSION}-{identity[:40]}.h5ad"
    notes_file, record = target.with_suffix(".json"), target.with_suffix(".seal.json")
    if not is_sound(record):
        with alone_with(target):
            if not is_sound(record):
                try:
                    with complete_or_absent(target) as draft:
                        notes = list(write(draft))
                        with complete_or_absent(notes_file) as notes_draft:
                            notes_draft.write_text(json.dumps(notes), encoding="utf-8")
                    seal([target, notes_file], record)
                except OSError as error:
                    if error.errno is None:  # h5py raises these for damaged content
                        raise
                    raise InputError(
                        f"{source.file_name} could not be rewritten ({os.strerror(error.errno)}).",
                        "Free some disk space, or point CELLUCID_HOME to a larger disk.",
                    ) from error
    with suppress(OSError):
        os.utime(record)  # it is in use: see `serving.starting.sweep`
    contents = read_elements(h5py.File(target, "r", locking="best-effort"), source)
    restore_names(contents)
    notes = json.loads(notes_file.read_text(encoding="utf-8"))
    return replace(contents, content_hash=identity, notes=tuple(notes))


def restore_names(contents: Contents) -> None:
    """Put "/" back into the names of columns that `write_adata` wrote, in place."""
    for table in (contents.obs, *contents.variables.values()):
        table.columns = [str(column).replace(_SLASH, "/") for column in table.columns]


def write_adata(adata: Any, path: Path) -> None:
    """Write a whole AnnData, without its ``uns`` and without warnings about names, which preflight judges.

    The AnnData itself loses its ``uns`` and gets the names of columns that are written.

    Raises
    ------
    OSError
        With ``errno``, if the disk is full.
    """
    with Hdf5Writing(path, "w") as writing:
        _put(adata, writing.file)


def _put(adata: Any, file: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Nothing here reads uns, and uns of old files may hold what today's anndata refuses to write.
        adata.uns.clear()
        for table in (adata.obs, adata.var):
            table.columns = [str(column).replace("/", _SLASH) for column in table.columns]
        put_anndata(adata, file)


class GrowingFile:
    """An ``.h5ad`` whose X grows block by block, so that no more than a block is in memory.

    Parameters
    ----------
    path
        The file.
    tables
        An AnnData without X.

    Raises
    ------
    OSError
        With ``errno``, also by every method, if the disk is full.
    """

    def __init__(self, path: Path, tables: Any) -> None:
        self._started = False
        with ExitStack() as closing:
            self._writing = closing.enter_context(Hdf5Writing(path, "w"))
            _put(tables, self._writing.file)
            self._writing.check()
            self._closing = closing.pop_all()

    def append(self, block: sparse.csr_matrix | sparse.csc_matrix) -> None:
        """Append cells (a CSR block, n × n_genes) or genes (a CSC block, n_cells × n)."""
        from anndata.io import sparse_dataset, write_elem

        file = self._writing.file
        if self._started:
            sparse_dataset(file["X"]).append(block)
        else:
            write_elem(file, "X", block)
            self._started = True
        self._writing.check()

    def replace(self, name: str, table: pd.DataFrame) -> None:
        """Replace the table ``obs`` or ``var``."""
        from anndata.io import write_elem

        write_elem(self._writing.file, name, table)
        self._writing.check()

    def __enter__(self) -> GrowingFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.__exit__(kind, error, trace)


def as_categories(table: pd.DataFrame) -> pd.DataFrame:
    """Return a copy of a table in which columns of text that repeats are categories, as anndata writes them."""
    table = table.copy()
    for column in table.columns:
        values = table[column]
        if not pd.api.types.is_numeric_dtype(values.dtype) and values.nunique() < len(values):
            table[column] = values.astype("category")
    return table
