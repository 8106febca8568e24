"""Open any supported input: tell what it is, unpack it if it must be, and hand it to its reader."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cellucid_core.cache import cellucid_home, combined_hash, content_hash, home_folder
from cellucid_core.dataset.cell_metadata import read_cell_metadata, with_cell_metadata
from cellucid_core.dataset.model import Dataset
from cellucid_core.errors import CellucidError, InputError
from cellucid_core.names import safe_key
from cellucid_core.reading import (
    CONVERT,
    HDF5_SIGNATURE,
    Contents,
    FileKind,
    Recognised,
    Source,
    demo_file,
    first_line,
    gunzip,
    is_adata,
    read_adata,
    recognise,
    unpack_entry,
)

if TYPE_CHECKING:
    import anndata

DEMO = "demo"

#: A file in an archive in an archive is opened; deeper nesting is somebody's mistake.
_MAX_DEPTH = 3
_ENDINGS = (".gz", ".zip", ".h5ad", ".h5mu", ".h5", ".hdf5", ".zarr", ".loom", ".csv", ".tsv", ".txt", ".tab")


def open_dataset(
    source: str | Path | anndata.AnnData,
    name: str | None = None,
    *,
    modality: str | None = None,
    cell_metadata: str | Path | None = None,
) -> Dataset:
    """Open a dataset.

    Parameters
    ----------
    source
        A file or folder of any format in `formats.READERS`, told from its content; ``"demo"`` for the demo that ships
        with scanpy; or an AnnData in memory.
    name
        What to call it, where the file on disk has another name than the user's file had.
    modality
        Which part, where a file holds several: a modality of ``.h5mu``, a kind of feature (or genome) of 10x files.
        By default gene expression, else the first.
    cell_metadata
        A CSV or TSV of cell annotations, cell ids in its first column, that joins the cell table.

    Returns
    -------
    Dataset
        Tables in memory, matrices still in the file.

    Raises
    ------
    InputError
        If the file does not exist, is of an unknown kind or cannot be read.
    """
    if is_adata(source):
        return _open_adata(source, name, modality, cell_metadata)
    if isinstance(source, str) and source == DEMO:
        dataset = _open(demo_file(), "pbmc68k_reduced.h5ad", modality, cell_metadata)
        return replace(dataset, id="pbmc68k_reduced", name="PBMC 68k, reduced")
    if not isinstance(source, str | os.PathLike):
        kind = type(source).__name__
        fix = "Give one of its parts: mdata['rna']." if kind == "MuData" else "Give a path, or an AnnData."
        raise InputError(f"A {kind} cannot be opened.", fix)
    path = Path(source)
    # An upload lies on disk under its hash: messages say the user's name.
    file_name = path.name or path.resolve().name if name is None else f"{name}{path.suffix}"
    dataset = _open(path, file_name, modality, cell_metadata)
    return dataset if name is None else replace(dataset, id=safe_key(name), name=name)


def _open_adata(
    adata: anndata.AnnData, name: str | None, modality: str | None, cell_metadata: str | Path | None
) -> Dataset:
    if modality is not None:
        raise InputError("An AnnData does not hold several modalities.", "Leave the modality out.")
    if cell_metadata is not None:
        raise InputError(
            "A file of cell metadata joins a dataset that is opened from a file.",
            "Join it yourself: adata.obs = adata.obs.join(pandas.read_csv('cells.csv', index_col=0)).",
        )
    file = Path(adata.filename) if adata.filename else None
    name = name or ("adata" if file is None else _stem(file.name))
    # An export must not overwrite the file of a backed one; what is only in memory has none.
    path = file or cellucid_home() / "in-memory" / "adata.h5ad"
    return Dataset(id=safe_key(name), name=name, path=path, **vars(read_adata(adata)))


def _open(path: Path, file_name: str, modality: str | None, cell_metadata: str | Path | None) -> Dataset:
    left = threading.Event()

    def go_on(done: int) -> None:
        if left.is_set():
            raise InputError(f"{file_name} is not wanted any more.", "Open it again.")

    # A large file can be checked and its tables be read while it is hashed; one that is refused need not be.
    hashing = ThreadPoolExecutor(1)
    try:
        early = hashing.submit(content_hash, path, go_on) if _is_hdf5(path) else None
        found = recognise(path, file_name)
        digest = early or hashing.submit(content_hash, path, go_on)
        return _open_as(path, file_name, found, digest.result, modality, cell_metadata)
    finally:
        left.set()
        hashing.shutdown(wait=False)


def _open_as(
    path: Path,
    file_name: str,
    found: Recognised,
    digest: Callable[[], str],
    modality: str | None,
    cell_metadata: str | Path | None,
) -> Dataset:
    source = Source(path, _stem(file_name), file_name, digest, found.inside, modality)
    kind: FileKind | None = found.kind
    depth = 0
    while kind is None:
        depth += 1
        if depth > _MAX_DEPTH:
            raise InputError(f"{file_name} is packed several times over.", "Unpack it and open what is inside.")
        inner_name = found.inside.rpartition("/")[2]
        inner = home_folder("unpacked") / f"{source.digest[:40]}-{depth}-{safe_key(inner_name)}"
        if not inner.exists():
            if found.packed == "gzip":
                gunzip(source.path, inner, file_name)
            else:
                unpack_entry(source.path, found.inside, inner, file_name)
        with suppress(OSError):
            os.utime(inner)  # it is in use: see `serving.starting.sweep`
        found = recognise(inner, inner_name)
        kind = found.kind
        source = replace(source, path=inner, file_name=inner_name, inside=found.inside)
    table = None if cell_metadata is None else read_cell_metadata(Path(cell_metadata))
    contents = _read(kind, replace(source, cell_metadata=table))
    if modality is not None and not contents.modalities:
        raise InputError(f"{file_name} does not hold several modalities.", "Leave the modality out.")
    stem = _stem(file_name)
    dataset = Dataset(id=safe_key(stem), name=stem, path=path, **vars(contents))
    if table is not None and cell_metadata is not None:
        metadata = Path(cell_metadata)
        identity = combined_hash(dataset.content_hash, "cell metadata", content_hash(metadata))
        dataset = with_cell_metadata(dataset, table, metadata, identity)
    return dataset


def _is_hdf5(path: Path) -> bool:
    if not path.is_file():  # reading a pipe would wait for ever
        return False
    try:
        with path.open("rb") as file:
            return file.read(len(HDF5_SIGNATURE)) == HDF5_SIGNATURE
    except OSError:  # told when it is opened
        return False


def _read(kind: FileKind, source: Source) -> Contents:
    from cellucid_core.reading.formats import READERS

    try:
        return READERS[kind](source)
    except CellucidError:
        raise
    except MemoryError:
        raise InputError(f"{source.file_name} does not fit into memory.", "Open it on a larger machine.") from None
    except Exception as error:
        # h5py, zarr, anndata and pandas raise many types for broken content; to the user they are one thing.
        raise InputError(
            f"{source.file_name} cannot be read as {_WORDS[kind]} ({first_line(error)}).",
            "It may be damaged or cut off: copy or download it again. " + CONVERT,
        ) from error


_WORDS: dict[FileKind, str] = {
    "h5ad": "AnnData",
    "h5mu": "MuData",
    "10x h5": "a 10x .h5 file",
    "10x matrix folder": "a 10x matrix folder",
    "loom": "a loom file",
    "zarr": "AnnData in zarr format",
    "table": "a table",
    "prepared export": "a Cellucid prepared export",
}


def _stem(file_name: str) -> str:
    """Return a file's name without the endings of its format: ``pbmc.zarr.zip`` is called pbmc."""
    stem = file_name
    while True:
        ending = next(
            (ending for ending in _ENDINGS if stem.lower().endswith(ending) and len(stem) > len(ending)), None
        )
        if ending is None:
            return stem
        stem = stem[: -len(ending)]
