"""A file of cell metadata beside a dataset: read it, and join its columns to the cell table by cell id."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd

from cellucid_core.dataset.model import Dataset, JoinedTable
from cellucid_core.errors import InputError
from cellucid_core.reading import as_categories
from cellucid_core.reading.formats import is_gzip, open_unpacked, read_layout, require_text


def read_cell_metadata(path: Path) -> pd.DataFrame:
    """Read a CSV or TSV of cell annotations; its first column holds the cell ids and becomes the index.

    Raises
    ------
    InputError
        If it does not exist, is no table or too long, or names a cell twice.
    """
    if not path.is_file():
        raise InputError(f"There is no file {path}.", "Check the path of the cell metadata.")
    layout = read_layout(path, path.name)
    require_text(path, path.name)
    try:
        with open_unpacked(path) as file:
            table = pd.read_csv(
                file,
                sep=layout.separator,
                decimal=layout.decimal,
                encoding=layout.encoding,
                header=None,
                skiprows=layout.above,
                dtype={0: str},
                keep_default_na=True,
                low_memory=False,
            )
    except Exception as error:
        raise InputError(
            f"{path.name} is not a table that can be read ({str(error).strip()[:160]}).",
            "Save the cell metadata as CSV with a header, one line per cell.",
        ) from error
    ids = table.iloc[:, 0].fillna("").astype(str)
    table = table.iloc[:, 1:]
    table.columns = pd.Index(layout.columns if layout.corner is not None else layout.columns[1:])
    table.index = pd.Index(ids.to_numpy(dtype=object))
    if table.index.has_duplicates:
        twice = table.index[table.index.duplicated()][0]
        raise InputError(
            f"{path.name} names the cell {twice} twice.", "The first column of cell metadata must hold unique cell ids."
        )
    return as_categories(table.loc[:, ~table.columns.duplicated()])


def with_cell_metadata(dataset: Dataset, table: pd.DataFrame, path: Path, digest: str) -> Dataset:
    """Return the dataset with the columns of a metadata table in its cell table; they replace columns of their names.

    Parameters
    ----------
    table
        As `read_cell_metadata` returns it.
    path
        The file that it was read from.
    digest
        Hash of the dataset with this table: the new `Dataset.content_hash`.

    Raises
    ------
    InputError
        If not a single cell of the dataset is in the table.
    """
    file_name = path.name
    found = dataset.obs.index.isin(table.index)
    if not found.any():
        raise InputError(
            f"No cell of the dataset is in {file_name}.",
            f"Cells are called {', '.join(map(str, dataset.obs.index[:2]))} here, "
            f"{', '.join(map(str, table.index[:2]))} there: make them equal.",
        )
    joined = table.reindex(dataset.obs.index)
    obs = pd.concat([dataset.obs.drop(columns=[c for c in table.columns if c in dataset.obs.columns]), joined], axis=1)
    notes = list(dataset.notes)
    if not found.all():
        notes.append(f"{int((~found).sum()):,} cells are not in {file_name}; they have no values in its columns.")
    layout = read_layout(path, file_name)
    columns = layout.columns if layout.corner is not None else layout.columns[1:]
    compression = "gzip" if is_gzip(path) else None
    joined_table = JoinedTable(
        path, tuple(columns), layout.separator, layout.decimal, layout.encoding, layout.above, compression
    )
    return replace(dataset, obs=obs, content_hash=digest, notes=tuple(notes), joined=joined_table)
