"""Scores as files that go with the dataset: a Parquet table, the cell table as CSV, a copy of the ``.h5ad`` file."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cellucid_core.atomic import complete_or_absent
from cellucid_core.csv_safety import neutral_table
from cellucid_core.errors import InputError
from cellucid_core.hdf5_file import Hdf5Writing
from cellucid_core.names import unique

if TYPE_CHECKING:
    from cellucid_core.dataset import View
    from cellucid_core.signature.run import SignatureRun

SCORE_COLUMN = "signature_score"
PAGE_COLUMN = "signature_page"
_ROWS_AT_ONCE = 50_000
#: What joins the names of pages for a cell that is in several.
_AND = " & "


def write_parquet(view: View, run: SignatureRun, target: Path) -> None:
    """Write the scores table (one row per page and cell, see `scores_table`) as Parquet; complete or absent.

    Raises
    ------
    InputError
        The file cannot be written, for example because the disk is full.
    """
    with _told(target), complete_or_absent(target) as draft:
        run.table(view).to_parquet(draft, index=False)


def obs_csv(view: View, run: SignatureRun) -> Iterator[str]:
    """Yield the cell table with the score as CSV: ``cell_id``, its columns, ``signature_score``, ``signature_page``.

    One row per cell of the view. The score is the one before normalization, because normalization depends on the pages.
    A cell in several pages has their names joined by " & "; a cell in no page has an empty field. A column name that is
    already taken gets a number.
    """
    columns = {str(key): view.obs(key) for key in dict.fromkeys(map(str, view.dataset.obs.columns))}
    names = unique(["cell_id", *columns, SCORE_COLUMN, PAGE_COLUMN])
    pages = _page_names(run, view.n_cells)
    table = dict(zip(names, [view.cell_ids, *columns.values(), run.raw, pages], strict=True))
    frame = pd.DataFrame({name: np.asarray(values) if not isinstance(values, pd.Categorical) else values
                          for name, values in table.items()})  # fmt: skip
    for at in range(0, max(view.n_cells, 1), _ROWS_AT_ONCE):
        part = neutral_table(frame.iloc[at : at + _ROWS_AT_ONCE], exact=("cell_id",))
        yield part.to_csv(index=False, header=at == 0, lineterminator="\n")


def write_h5ad(view: View, run: SignatureRun, target: Path) -> tuple[str, str]:
    """Write a copy of the dataset's ``.h5ad`` file with the score and the page of each cell as obs columns.

    The file is copied as it is and two columns are added to its cell table; no matrix is read. The score is the one
    before normalization, NaN for cells that were left out.

    Parameters
    ----------
    view
        The dataset as mapped.
    run
        The run whose scores and pages are written.
    target
        The file to write; complete or absent, and never the dataset itself.

    Returns
    -------
    tuple of str
        Names of the two new columns; a name that is already taken gets a number.

    Raises
    ------
    InputError
        The dataset is not one ``.h5ad`` file of anndata 0.7 or later on this computer, was opened transposed, or is the
        target; or the target cannot be written, for example because the disk is full.
    """
    path = view.dataset.path
    _check_h5ad(view)
    if target.exists() and path.exists() and target.samefile(path):
        raise InputError(f"{target.name} is the dataset itself.", "Choose another file; the input is never replaced.")
    n_cells = view.dataset.n_cells
    scores = np.full(n_cells, np.nan)
    scores[view.cell_index] = run.raw
    mine = _page_names(run, view.n_cells)
    codes = np.full(n_cells, -1, dtype=np.int64)
    codes[view.cell_index] = mine.codes
    with _told(target), complete_or_absent(target) as draft:
        shutil.copyfile(path, draft)
        return _add_columns(
            draft, {SCORE_COLUMN: scores, PAGE_COLUMN: pd.Categorical.from_codes(codes, mine.categories)}
        )


@contextmanager
def _told(target: Path) -> Iterator[None]:
    """Turn an error of the file system into an `InputError` that says what happened."""
    try:
        yield
    except OSError as error:
        if error.errno is None:  # h5py's own, about the content
            raise
        raise InputError(
            f"{target.name} could not be written ({os.strerror(error.errno)}).", "Check the free disk space."
        ) from error


def _check_h5ad(view: View) -> None:
    """Refuse a dataset that is not one ``.h5ad`` file with a cell table that columns can be added to."""
    import h5py

    path, fix = view.dataset.path, "Download the CSV or the Parquet table, and join it by cell id."
    if view.dataset.parts:
        raise InputError("Scores of several samples cannot be added to one of their files.", fix)
    if not path.exists():
        raise InputError("The dataset has no file on this computer that scores could be added to.", fix)
    if view.mapping.turn == "all":
        raise InputError("The file keeps cells as columns, so scores cannot be added to its cell table.", fix)
    try:
        with h5py.File(path, "r", locking="best-effort") as file:
            obs = file.get("obs")
            index = None if obs is None else obs[str(obs.attrs["_index"])]
            if isinstance(index, h5py.Group):  # text that may be missing, as anndata 0.13 writes it with pandas 3
                index = index["values"]
            whole = (
                isinstance(obs, h5py.Group)
                and "var" in file
                and obs.attrs.get("encoding-type") == "dataframe"
                and index is not None
                and index.shape[0] == view.dataset.n_cells
            )
    except (OSError, KeyError, AttributeError):
        whole = False
    if not whole:
        raise InputError(f"{path.name} is not an .h5ad file that columns can be added to.", fix)


def _add_columns(path: Path, columns: dict[str, Any]) -> tuple[str, str]:
    """Add columns to the cell table of an ``.h5ad`` file in place."""
    import h5py
    from anndata.io import write_elem

    with Hdf5Writing(path, "r+") as writing:
        obs = writing.file["obs"]
        order = [str(name) for name in obs.attrs["column-order"]]
        names = unique([*order, str(obs.attrs["_index"]), *columns])[-len(columns) :]
        for name, values in zip(names, columns.values(), strict=True):
            write_elem(obs, name, values)
        text = h5py.string_dtype("utf-8")
        obs.attrs["column-order"] = np.array([*order, *names], dtype=text)
    return names[0], names[1]


def _page_names(run: SignatureRun, n_cells: int) -> pd.Categorical:
    """Return the page of each cell, names joined where it is in several."""
    times = np.zeros(n_cells, dtype=np.int32)
    codes = np.full(n_cells, -1, dtype=np.int64)
    for i, page in enumerate(run.pages):
        times[page.cells] += 1
        codes[page.cells] = i
    names = unique([page.name for page in run.pages])
    shared = np.flatnonzero(times > 1)
    if len(shared):
        several: list[list[str]] = [[] for _ in shared]
        for page, name in zip(run.pages, names, strict=True):
            for i in np.flatnonzero(np.isin(shared, page.cells)).tolist():
                several[i].append(name)
        joined = [_AND.join(one) for one in several]
        more = [name for name in dict.fromkeys(joined) if name not in set(names)]
        place = {name: i for i, name in enumerate([*names, *more])}
        codes[shared] = [place[name] for name in joined]
        names = [*names, *more]
    return pd.Categorical.from_codes(codes, pd.Index(names, dtype=object))
