"""Sums over the cells of pages that may share cells: each cell has one code, which stands for the set of its pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cellucid_core.cell_pages import Page


@dataclass(frozen=True, eq=False)
class PageCodes:
    """The cells grouped by the set of pages that each is in.

    Attributes
    ----------
    code
        (n_cells,) int16 or int32: the number of the set that the cell's pages are.
    n_groups
        How many sets there are, the empty one included.
    member
        (groups, pages) float64: 1 where the page belongs to the set; sums per set times this are sums per page.
    in_any
        (groups,) bool: sets of at least one page.
    """

    code: np.ndarray
    n_groups: int
    member: np.ndarray
    in_any: np.ndarray

    def at(self, cells: np.ndarray) -> np.ndarray:
        """Return the codes of some cells."""
        return np.asarray(self.code.take(cells))

    def count(self, mask: np.ndarray | None) -> np.ndarray:
        """Count the cells of each set, all or those in a mask; (groups,) float64."""
        code = self.code if mask is None else self.code[mask]
        return np.bincount(code, minlength=self.n_groups).astype(np.float64)

    def add(self, mask: np.ndarray | None, values: np.ndarray) -> np.ndarray:
        """Add up values, (n_cells,), for each set, over all cells or those in a mask; (groups,) float64."""
        if mask is not None:
            return np.bincount(self.code[mask], weights=values[mask], minlength=self.n_groups)
        return np.bincount(self.code, weights=values, minlength=self.n_groups)


def page_codes(pages: Sequence[Page], n_cells: int) -> PageCodes:
    """Give each cell the code of its set of pages: 0 for no page, i + 1 for page i alone, more for several pages."""
    k = len(pages)
    times = np.zeros(n_cells, dtype=np.int32)
    code = np.zeros(n_cells, dtype=np.int16 if k < 2**14 else np.int32)
    for i, page in enumerate(pages):
        times[page.cells] += 1
        code[page.cells] = i + 1
    member = [np.zeros(k), *np.eye(k)]
    shared = np.flatnonzero(times > 1)
    if len(shared):
        inside = np.zeros((len(shared), k), dtype=bool)
        for i, page in enumerate(pages):
            inside[:, i] = np.isin(shared, page.cells, assume_unique=True)
        sets, which = np.unique(np.packbits(inside, axis=1), axis=0, return_inverse=True)
        code = code.astype(np.int32)
        code[shared] = k + 1 + which.reshape(-1)
        member += list(np.unpackbits(sets, axis=1, count=k).astype(np.float64))
    table = np.array(member).reshape(-1, k)
    return PageCodes(code, len(table), table, np.asarray(table.any(axis=1)))
