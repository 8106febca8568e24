"""Find cells by their ids, several at once, and say what was not found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cellucid_core.names import listed

if TYPE_CHECKING:
    from cellucid_core.dataset import View


@dataclass(frozen=True, eq=False)
class Found:
    """The cells that a list of ids names, and the ids that need a remark.

    Attributes
    ----------
    rows
        Rows of the source file, int64, ascending, each once.
    unknown
        Ids that no cell has, in order, each once.
    repeated
        Ids that several cells have, in order, each once; all of these cells are in `rows`.
    """

    rows: np.ndarray
    unknown: list[str]
    repeated: list[str]


class CellLookup:
    """The cell ids of a dataset, those of left-out cells included.

    Parameters
    ----------
    view
        The dataset as mapped. Where a fix replaced the ids, the new ones are looked up.

    Attributes
    ----------
    ids
        (n_cells of the source,) object: the id of each row.
    """

    def __init__(self, view: View) -> None:
        given = view.mapping.cell_ids
        self.ids: np.ndarray = np.asarray(view.dataset.obs.index if given is None else given, dtype=object)
        self._codes, distinct = pd.factorize(self.ids)
        self._index = pd.Index(distinct, dtype=object)
        self._cells = np.bincount(self._codes[self._codes >= 0], minlength=len(distinct))

    @property
    def unique(self) -> bool:
        """Whether no two cells have the same id."""
        return len(self._index) == len(self.ids)

    def known(self, ids: Sequence[str]) -> np.ndarray:
        """Tell for each of k ids whether a cell has it, (k,) bool."""
        found: np.ndarray = self._index.get_indexer(pd.Index(list(ids), dtype=object)) >= 0
        return found

    def find(self, ids: Sequence[str]) -> Found:
        """Return the cells of some ids; an id that several cells have stands for all of them."""
        asked = np.array(list(dict.fromkeys(ids)), dtype=object)
        places = self._index.get_indexer(pd.Index(asked, dtype=object))
        there = places >= 0
        chosen = np.zeros(len(self._index), dtype=bool)
        chosen[places[there]] = True
        rows = np.flatnonzero(chosen[self._codes]).astype(np.int64) if len(self._index) else np.empty(0, np.int64)
        several = asked[there][self._cells[places[there]] > 1]
        return Found(rows, asked[~there].tolist(), several.tolist())

    def examples(self) -> str:
        """Return the first two ids, to show how ids look: ``'AAAC-1', 'AAAG-1'``."""
        return ", ".join(repr(str(i)) for i in self.ids[:2]) or "none"


def some(ids: Sequence[str]) -> str:
    """Return the first five ids as text, each cut to 40 characters, and how many more there are."""
    # Only the ids that are shown are cut: there may be a million.
    return listed([*(i if len(i) <= 40 else f"{i[:39]}…" for i in ids[:5]), *ids[5:]], 5)


def notes_on(found: Found, view: View, name: str = "") -> list[str]:
    """Return what the user should know: unknown ids, repeated ids, cells that are left out of the view."""
    start = f"{name}: " if name else ""
    notes = []
    if n := len(found.unknown):
        notes.append(f"{start}{_ids(n)} not in the dataset: {some(found.unknown)}.")
    if n := len(found.repeated):
        words = "id belongs" if n == 1 else "ids belong"
        notes.append(f"{start}{n:,} {words} to several cells, which are all included: {some(found.repeated)}.")
    if out := left_out(found.rows, view):
        notes.append(f"{start}{out:,} of the cells {'is' if out == 1 else 'are'} left out by a fix.")
    return notes


def left_out(rows: np.ndarray, view: View) -> int:
    """Return how many rows of the source a view leaves out."""
    return 0 if view.all_cells else int(np.isin(rows, view.mapping.cells_out).sum())


def _ids(n: int) -> str:
    return "1 id is" if n == 1 else f"{n:,} ids are"
