"""Open any supported input. A new format is a new entry in `READERS`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from cellucid_core.dataset.demo import demo_file
from cellucid_core.dataset.h5ad import read_h5ad
from cellucid_core.dataset.model import Dataset
from cellucid_core.errors import InputError
from cellucid_core.names import safe_key

#: File ending → reader.
READERS: dict[str, Callable[[Path], Dataset]] = {".h5ad": read_h5ad}

DEMO = "demo"


def open_dataset(source: str | Path, name: str | None = None) -> Dataset:
    """Open a dataset.

    Parameters
    ----------
    source
        Path of a file, or ``"demo"`` for the demo that ships with scanpy.
    name
        What to call it, where the file on disk has another name than the user's file had.

    Returns
    -------
    Dataset
        Tables in memory, matrices still in the file.

    Raises
    ------
    InputError
        If the file does not exist, is of an unknown kind or cannot be read.
    """
    if source == DEMO:
        return replace(read_h5ad(demo_file()), id="pbmc68k_reduced", name="PBMC 68k, reduced")
    path = Path(source)
    reader = reader_for(path.name)
    dataset = reader(path)
    return dataset if name is None else replace(dataset, id=safe_key(name), name=name)


def reader_for(file_name: str) -> Callable[[Path], Dataset]:
    """Return the reader for a file, by its ending.

    Raises
    ------
    InputError
        If no reader knows the ending.
    """
    reader = READERS.get(Path(file_name).suffix.lower())
    if reader is None:
        raise InputError(
            f"{file_name} does not end in {', '.join(sorted(READERS))}, so its format is unknown.",
            "Save your data with adata.write_h5ad('file.h5ad') and open that file.",
        )
    return reader
