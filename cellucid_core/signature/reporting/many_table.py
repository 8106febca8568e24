"""Scores of several signatures as files: wide (one column per signature) and long (one row per signature and cell)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

import numpy as np

from cellucid_core.cache import scratch_folder
from cellucid_core.cell_pages import Page
from cellucid_core.csv_safety import neutral
from cellucid_core.names import unique
from cellucid_core.signature.reporting.scores_table import number_field, quoted
from cellucid_core.signature.scoring import ManySignatures, iter_scores

if TYPE_CHECKING:
    from cellucid_core.dataset import View

#: How many numbers are turned into text at once.
_AT_ONCE = 500_000


def wide_csv(view: View, many: ManySignatures, *, cells_only: bool = False) -> Iterator[str]:
    """Yield a CSV with one row per cell of the dataset and one column per signature.

    Columns: ``cell_id`` exactly as in obs_names, ``cell_index`` (row in the source file, from 0), ``page`` (empty for a
    cell in no page; where pages share cells, one column ``page: <name>`` of True and False per page), then the
    signatures that have scores. A cell without a score has an empty field. With ``cells_only`` there are only
    ``cell_id`` and the scores.
    """
    rows = [i for i, note in enumerate(many.table["note"]) if not note]
    with _spooled(view, many, rows) as scores:
        header, page_text = ([], []) if cells_only else _page_columns(many.pages, view.n_cells)
        if not cells_only:
            header = ["cell_index", *header]
        names = unique(["cell_id", *header, *(many.signatures[i].name for i in rows)])
        yield ",".join(quoted(neutral(name)) for name in names) + "\n"
        step = max(1, _AT_ONCE // max(len(rows), 1))
        for at in range(0, view.n_cells, step):
            end = min(view.n_cells, at + step)
            columns = [
                map(quoted, view.cell_ids[at:end]),
                *([] if cells_only else [map(str, view.cell_index[at:end].tolist())]),
                *(text[at:end] for text in page_text),
                *(map(number_field, scores[i, at:end].tolist()) for i in range(len(rows))),
            ]
            yield "".join([",".join(fields) + "\n" for fields in zip(*columns, strict=True)])


def long_csv(view: View, many: ManySignatures) -> Iterator[str]:
    """Yield a CSV with one row per signature, page and cell: ``signature,cell_id,page,score,cell_index``."""
    yield "signature,cell_id,page,score,cell_index\n"
    ids = [quoted(cell) for cell in view.cell_ids]
    index = view.cell_index.tolist()
    names = [quoted(neutral(page.name)) for page in many.pages]
    for i, scores in all_scores(view, many):
        title = quoted(neutral(many.signatures[i].name))
        for page, name in zip(many.pages, names, strict=True):
            for at in range(0, page.n, _AT_ONCE):
                cells = page.cells[at : at + _AT_ONCE]
                each = zip(cells.tolist(), scores[cells].tolist(), strict=True)
                yield "".join([f"{title},{ids[c]},{name},{number_field(s)},{index[c]}\n" for c, s in each])


def all_scores(view: View, many: ManySignatures) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the number and the scores, (n_cells,) float64, of every signature that has some; scored again if not kept.

    From memory they come in order; scored again, the order is that of `iter_scores`.
    """
    if many.scores is not None:
        yield from ((i, many.scores[i]) for i, note in enumerate(many.table["note"]) if not note)
        return
    for i, scores in iter_scores(view, many.matches, many.method, seed=many.seed, options=many.options):
        if not isinstance(scores, str):
            yield i, scores


def wide_parquet(view: View, many: ManySignatures) -> bytes:
    """Return a Parquet file, a row per cell: ``cell_id`` and one float64 column per signature that has scores."""
    import pyarrow as pa
    from pyarrow import parquet

    rows = [i for i, note in enumerate(many.table["note"]) if not note]
    with _spooled(view, many, rows) as scores:
        names = unique(["cell_id", *(many.signatures[i].name for i in rows)])
        schema = pa.schema([(names[0], pa.string()), *((name, pa.float64()) for name in names[1:])])
        sink, step = pa.BufferOutputStream(), max(1, _AT_ONCE // max(len(rows), 1))
        with parquet.ParquetWriter(sink, schema, compression="zstd") as writer:
            for at in range(0, view.n_cells, step):
                ids = pa.array([str(cell) for cell in view.cell_ids[at : at + step]])
                columns = [ids, *(pa.array(one[at : at + step]) for one in scores)]
                writer.write_table(pa.Table.from_arrays(columns, schema=schema))
    return bytes(sink.getvalue())


class _spooled:  # noqa: N801
    """Scores as one array, (signatures, n_cells): from memory, or in a file on disk that is deleted afterwards."""

    def __init__(self, view: View, many: ManySignatures, rows: list[int]) -> None:
        self._view, self._many, self._rows = view, many, rows
        self._folder = ExitStack()

    def __enter__(self) -> np.ndarray:
        if self._many.scores is not None:
            return self._many.scores[self._rows]
        folder = self._folder.enter_context(scratch_folder())
        shape = (len(self._rows), self._view.n_cells)
        spool = np.lib.format.open_memmap(folder / "scores.npy", "w+", np.float64, shape)
        place = {i: row for row, i in enumerate(self._rows)}
        for i, scores in all_scores(self._view, self._many):
            spool[place[i]] = scores
        return np.asarray(spool)

    def __exit__(self, *_: object) -> None:
        self._folder.close()


def _page_columns(pages: Sequence[Page], n_cells: int) -> tuple[list[str], list[list[str]]]:
    """Return names and fields of the page columns: one column, or one per page where pages share cells."""
    times = np.zeros(n_cells, dtype=np.int32)
    for page in pages:
        times[page.cells] += 1
    if not (times > 1).any():
        text = np.full(n_cells, "", dtype=object)
        for page in pages:
            text[page.cells] = quoted(neutral(page.name))
        return ["page"], [text.tolist()]
    columns = []
    for page in pages:
        inside = np.full(n_cells, "False", dtype=object)
        inside[page.cells] = "True"
        columns.append(inside.tolist())
    return [f"page: {page.name}" for page in pages], columns
