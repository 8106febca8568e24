"""The ranks of a few genes among all genes of each cell, by one walk through the matrix; whole cells are never sorted.

The rank of a gene is the number of values above it plus a part of those that equal it: half of them (mean rank), or
those of genes that come before it in a given order (ordinal rank). So the store is walked once, gene by gene, and each
value is counted against the few wanted values of its cell.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cellucid_core.compiled import COMPILED_FROM, compiled

if TYPE_CHECKING:
    from cellucid_core.dataset import Expression

#: Values of the wanted genes that are in memory at once (about 400 MB with what is made of them).
_MOST_ENTRIES = 8_000_000
_GENES_AT_ONCE = 128
_CELLS_PER_THREAD = 20_000


@dataclass(frozen=True, eq=False)
class RankTable:
    """The wanted genes' values that are not 0 in some cells, cell by cell, ascending within a cell; NaN counts as 0.

    Attributes
    ----------
    first, last
        The table holds the cells from `first` to before `last`; all its arrays count cells from `first`.
    start
        (n_cells + 1,) int64: where the entries of each cell begin.
    cell, gene, value
        (entries,) the cell, the place among the wanted genes, and the value.
    above, tied
        (entries,) int32 counts, see `_count_gene`.
    earlier
        (entries,) int32: how many genes that come before in the order have the same value.
    positive, nonzero
        (n_cells,) int32: how many of all genes in the order are above 0, and other than 0.
    before
        (wanted genes, n_cells) int32: how many genes that come before are other than 0. Without an order, `earlier`,
        `positive`, `nonzero` and `before` are empty.
    place, sizes
        (entries,) where the entries of the first wanted gene are, in the order of cells, then those of the second, …;
        (wanted genes,) how many entries each gene has.
    """

    first: int
    last: int
    start: np.ndarray
    cell: np.ndarray
    gene: np.ndarray
    value: np.ndarray
    above: np.ndarray
    tied: np.ndarray
    earlier: np.ndarray
    positive: np.ndarray
    nonzero: np.ndarray
    before: np.ndarray
    place: np.ndarray
    sizes: np.ndarray

    @property
    def n_cells(self) -> int:
        """How many cells the table holds."""
        return self.last - self.first

    def higher(self) -> tuple[np.ndarray, np.ndarray]:
        """Return per entry how many nonzero values of its cell are above it, and how many equal it, itself included."""
        n = len(self.cell)
        if n == 0:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        # Sum of `above` from an entry to its cell's end, by differences of one running sum.
        running = np.concatenate([[0], np.cumsum(self.above, dtype=np.int64)])
        higher = running[self.start[self.cell + 1]] - running[:-1]
        new = np.ones(n, dtype=bool)
        new[1:] = (self.cell[1:] != self.cell[:-1]) | (self.value[1:] != self.value[:-1])
        # Entries of equal value in one cell share the first one's counts.
        first = np.maximum.accumulate(np.where(new, np.arange(n), 0))
        return higher[first], self.tied[first]

    def by_gene(self, values: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return, for each wanted gene, the cells of its entries and the entries' values, given one value per entry."""
        ends = np.cumsum(self.sizes)[:-1]
        return list(zip(np.split(self.cell[self.place], ends), np.split(values[self.place], ends), strict=True))


def rank_tables(
    expression: Expression,
    genes: np.ndarray,
    *,
    order: np.ndarray | None = None,
    threads: int = 2,
    progress: Callable[[float], None] | None = None,
) -> Iterator[RankTable]:
    """Yield the tables of some genes, for as many cells at a time as fit into memory.

    Parameters
    ----------
    expression
        The chosen matrix.
    genes
        Positions of the wanted genes, ascending.
    order
        All genes that are ranked, in the order that decides between equal values. None means that all genes are ranked
        and that mean ranks are enough.
    threads
        How many threads count, each for its own cells.
    progress
        Called with the done share, 0 to 1.
    """
    held = int(expression.own_stats.n_nonzero[genes].sum())
    if order is not None:
        held += len(genes) * expression.n_cells // 2
    parts = max(1, -(-held // _MOST_ENTRIES))
    bounds = np.linspace(0, expression.n_cells, parts + 1).astype(np.int64)
    for part, (first, last) in enumerate(itertools.pairwise(bounds.tolist())):

        def report(share: float, part: int = part) -> None:
            if progress is not None:
                progress((part + share) / parts)

        table = _gather(expression, genes, first, last, ordered=order is not None)
        _count(expression, table, genes, order, threads, report)
        yield table


def _gather(expression: Expression, genes: np.ndarray, first: int, last: int, *, ordered: bool) -> RankTable:
    """Collect the wanted genes' values by cell, of the cells from `first` to before `last`."""
    cells: list[np.ndarray] = []
    values: list[np.ndarray] = []
    for gene in genes.tolist():
        where, what = expression.gene_stored(gene)
        at, end = np.searchsorted(where, [first, last])
        where, what = where[at:end], what[at:end]
        kept = (what != 0) & ~np.isnan(what)
        cells.append(where[kept] - np.int32(first))
        values.append(what[kept])
    cell, value = np.concatenate(cells), np.concatenate(values)
    sizes = np.array([len(c) for c in cells])
    gene = np.repeat(np.arange(len(genes), dtype=np.int32), sizes)
    n_cells = last - first
    start = np.zeros(n_cells + 1, dtype=np.int64)
    np.cumsum(np.bincount(cell, minlength=n_cells), out=start[1:])
    taken = _cell_order(cell, value, start)
    place = np.empty(len(taken), np.int64)
    place[taken] = np.arange(len(taken))
    cell, value, gene = cell[taken], value[taken], gene[taken]
    some, each = (len(cell), n_cells) if ordered else (0, 0)
    return RankTable(
        first,
        last,
        start,
        cell,
        gene,
        value,
        above=np.zeros(len(cell), np.int32),
        tied=np.zeros(len(cell), np.int32),
        earlier=np.zeros(some, np.int32),
        positive=np.zeros(each, np.int32),
        nonzero=np.zeros(each, np.int32),
        before=np.zeros((len(genes), each), np.int32),
        place=place,
        sizes=sizes,
    )


def _cell_order(cell: np.ndarray, value: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Return the order of ``np.lexsort((value, cell))``: by cell, then by value, equal ones as they come."""
    if len(cell) < COMPILED_FROM:
        return np.lexsort((value, cell))
    order = np.empty(len(cell), np.int64)
    compiled(_bring_cells_together)(cell, start[:-1].copy(), order)
    sort, n_cells = compiled(_sort_cells), len(start) - 1
    with ThreadPoolExecutor(2) as pool:
        list(
            pool.map(lambda low, high: sort(value, start, order, low, high), (0, n_cells // 2), (n_cells // 2, n_cells))
        )
    return order


def _bring_cells_together(cell: np.ndarray, following: np.ndarray, order: np.ndarray) -> None:
    """Order entries by cell; `following` holds the next free place of each cell (to be `compiled`)."""
    for k in range(len(cell)):
        order[following[cell[k]]] = k
        following[cell[k]] += 1


def _sort_cells(value: np.ndarray, start: np.ndarray, order: np.ndarray, first: int, last: int) -> None:
    """Sort the entries of some cells by value, equal ones as they are (to be `compiled`)."""
    for cell in range(first, last):
        mine = order[start[cell] : start[cell + 1]]
        if len(mine) > 1:
            keys = value[mine]
            mine[:] = mine[np.argsort(keys, kind="mergesort")]


def _count(
    expression: Expression,
    table: RankTable,
    genes: np.ndarray,
    order: np.ndarray | None,
    threads: int,
    progress: Callable[[float], None],
) -> None:
    """Count every value of the table's cells against the wanted values there."""
    kernel = compiled(_count_gene)
    parts = max(1, min(threads, table.n_cells // _CELLS_PER_THREAD))
    bounds = np.linspace(0, table.n_cells, parts + 1).astype(np.int64)
    walked = np.arange(expression.n_genes) if order is None else order
    which = np.full(expression.n_genes, -1, np.int64)
    if order is not None:
        which[genes] = np.arange(len(genes))

    def work(part: int, some: list[tuple[int, tuple[np.ndarray, np.ndarray]]]) -> None:
        low, high = bounds[part : part + 2]
        for gene, (cells, values) in some:
            at, end = np.searchsorted(cells, (low + table.first, high + table.first))
            mine = int(which[gene])
            if mine >= 0:
                table.before[mine, low:high] = table.nonzero[low:high]
            kernel(
                table.first,
                table.start,
                table.gene,
                table.value,
                table.above,
                table.tied,
                table.earlier,
                table.positive,
                table.nonzero,
                mine,
                order is not None,
                cells[at:end],
                values[at:end],
            )

    with ThreadPoolExecutor(parts) as pool:
        for first in range(0, len(walked), _GENES_AT_ONCE):
            some = [(int(gene), expression.gene_stored(int(gene))) for gene in walked[first : first + _GENES_AT_ONCE]]
            for done in [pool.submit(work, part, some) for part in range(parts)]:
                done.result()
            progress(min(1.0, (first + _GENES_AT_ONCE) / len(walked)))


def _count_gene(
    offset: int,
    start: np.ndarray,
    gene: np.ndarray,
    value: np.ndarray,
    above: np.ndarray,
    tied: np.ndarray,
    earlier: np.ndarray,
    positive: np.ndarray,
    nonzero: np.ndarray,
    which: int,
    ordered: bool,
    cells: np.ndarray,
    values: np.ndarray,
) -> None:
    """Count one gene's values against the table (to be `compiled`).

    ``above[j]`` counts the values above entry j and not above the next entry of its cell, so that the number of values
    above entry j is the sum of ``above`` from j to the cell's end. ``tied`` counts at the first of equal entries.
    ``which`` is the gene's place among the wanted ones, or −1.
    """
    for k in range(len(cells)):
        this = values[k]
        if this == 0 or this != this:
            continue
        cell = cells[k] - offset
        if ordered:
            nonzero[cell] += 1
            positive[cell] += this > 0
        begin, end = start[cell], start[cell + 1]
        low, high = begin, end
        while high - low > 12:
            middle = (low + high) // 2
            if value[middle] < this:
                low = middle + 1
            else:
                high = middle
        # A plain count has no branch to mispredict, so for a few entries it beats halving.
        for j in range(low, high):
            low += value[j] < this
        if low > begin:
            above[low - 1] += 1
        if low < end and value[low] == this:
            if which >= 0:
                j = low
                while gene[j] != which:
                    j += 1
                earlier[j] = tied[low]
            tied[low] += 1
