"""The scores as a table, and as a CSV that joins back to the dataset."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np
import pandas as pd

from cellucid_core.cell_pages import Page
from cellucid_core.csv_safety import exact_floats, neutral

if TYPE_CHECKING:
    from cellucid_core.dataset import View

COLUMNS = ("cell_id", "page", "score", "raw_score", "genes_used", "cell_index")
_ROWS_AT_ONCE = 50_000


def scores_table(
    view: View,
    pages: Sequence[Page],
    raw: np.ndarray,
    scores: Sequence[np.ndarray],
    genes_used: np.ndarray,
) -> pd.DataFrame:
    """Make one row per page and cell.

    Parameters
    ----------
    view
        The dataset as mapped.
    pages
        In order.
    raw
        (n_cells,) scores before normalization.
    scores
        One (n_cells of the page,) array per page: its normalized scores.
    genes_used
        (n_cells,) how many genes had a finite value in the cell.

    Returns
    -------
    pandas.DataFrame
        ``cell_id`` (as in obs_names), ``page``, ``score``, ``raw_score``, ``genes_used``, ``cell_index`` (row in the
        source file, from 0; it tells repeated ids apart).
    """
    cells = np.concatenate([page.cells for page in pages]) if pages else np.empty(0, dtype=np.int64)
    names = [page.name for page in pages]
    codes: np.ndarray = np.repeat(np.arange(len(pages)), [page.n for page in pages])
    return pd.DataFrame(
        {
            "cell_id": view.cell_ids[cells],
            "page": pd.Categorical.from_codes(codes, pd.Index(names)) if pages else [],
            "score": np.concatenate([np.asarray(s, np.float64) for s in scores]) if pages else np.empty(0),
            "raw_score": raw[cells],
            "genes_used": genes_used[cells],
            "cell_index": view.cell_index[cells],
        },
        columns=list(COLUMNS),
    )


def write_csv(table: pd.DataFrame, target: str | Path | IO[str]) -> None:
    """Write a scores table as CSV: UTF-8, line ends LF, every number with all its digits.

    Text is always quoted, so that an id comes back exactly whatever it contains. A cell without a score has an empty
    field.

    Parameters
    ----------
    table
        From `scores_table`.
    target
        A path, or a text stream opened with ``newline=""``.
    """
    if isinstance(target, str | Path):
        with Path(target).open("w", encoding="utf-8", newline="") as stream:
            write_csv(table, stream)
        return
    for text in csv_chunks(table):
        target.write(text)


def csv_chunks(table: pd.DataFrame) -> Iterator[str]:
    """Yield the CSV of a scores table in pieces of bounded size, the header first.

    Ids are exact; names of pages that a spreadsheet would run as a formula are made `neutral`.
    """
    yield ",".join(COLUMNS) + "\n"
    fields = {page: quoted(neutral(str(page))) for page in pd.unique(table["page"])}
    for at in range(0, len(table), _ROWS_AT_ONCE):
        rows = table.iloc[at : at + _ROWS_AT_ONCE]
        columns = zip(
            map(quoted, rows["cell_id"]),
            map(fields.__getitem__, rows["page"]),
            map(number_field, rows["score"].tolist()),
            map(number_field, rows["raw_score"].tolist()),
            rows["genes_used"].tolist(),
            rows["cell_index"].tolist(),
            strict=True,
        )
        yield "".join([f"{a},{b},{c},{d},{e},{f}\n" for a, b, c, d, e, f in columns])


def read_csv(source: str | Path | IO[str]) -> pd.DataFrame:
    """Read a CSV of `write_csv` back, ids exactly as they were."""
    table: pd.DataFrame = pd.read_csv(
        source,
        dtype={"cell_id": str, "page": str},
        keep_default_na=False,
        na_values={"score": [""], "raw_score": [""]},
        **exact_floats(),
    )
    return table


def quoted(text: object) -> str:
    """Return a CSV field of text, always quoted, so that it comes back exactly."""
    return '"' + str(text).replace('"', '""') + '"'


def number_field(value: float) -> str:
    """Return a CSV field that reads back as the same number; empty for NaN."""
    return repr(value) if value == value else ""
