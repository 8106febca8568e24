"""UCell: a score from the ranks of a cell's genes (Andreatta & Carmona 2021, 10.1016/j.csbj.2021.06.043).

As PyPI ``pyucell`` computes it: in each cell the values that are not 0 are ranked from the highest (ties share their
mean rank); a rank above 1500, a 0 and a gene that the dataset lacks all count as 1500. With n genes and rank sum R,
U = 1 − (R − n(n+1)/2) / (1500·n − n(n+1)/2); the score is U of the positive genes less U of the negative ones, not
below 0.

No cell is ever sorted. The rank of a signature gene is the number of values above it plus half the ties, so the store
is walked once, gene by gene, and each value is counted against the few signature values of its cell.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cellucid_core.compiled import compiled
from cellucid_core.genes import GeneMatch

if TYPE_CHECKING:
    from cellucid_core.dataset import Expression

MAX_RANK = 1500
#: Values of the signatures' genes that are in memory at once (about 400 MB with what is made of them).
_MOST_ENTRIES = 8_000_000
_GENES_AT_ONCE = 128
_CELLS_PER_THREAD = 20_000


def ucell(
    expression: Expression,
    match: GeneMatch,
    *,
    threads: int = 2,
    progress: Callable[[float], None] | None = None,
) -> np.ndarray:
    """Score cells by UCell.

    Parameters
    ----------
    expression
        The chosen matrix. NaN counts as 0, as in pyucell.
    match
        Found and missing genes with weights and signs (`match_genes` with ``signed=True`` reads them).
    threads
        How many parts of the cells are worked on at once.
    progress
        Called with the done share, 0 to 1.

    Returns
    -------
    numpy.ndarray
        (n_cells,) float64 in [0, 1].
    """
    return np.asarray(ucell_many(expression, [match], threads=threads, progress=progress)[0])


def ucell_many(
    expression: Expression,
    matches: Sequence[GeneMatch],
    *,
    threads: int = 2,
    progress: Callable[[float], None] | None = None,
) -> np.ndarray:
    """Score cells by several signatures, as `ucell` by one, in one walk through the matrix.

    Where the signatures have very many values together, it is walked through for some cells at a time.

    Returns
    -------
    numpy.ndarray
        (signatures, n_cells) float64 in [0, 1].
    """
    genes = np.unique(np.concatenate([match.positions for match in matches]))
    scores = np.zeros((len(matches), expression.n_cells))
    stored = int(expression.stats.n_nonzero[genes].sum())
    parts = max(1, -(-stored // _MOST_ENTRIES))
    bounds = np.linspace(0, expression.n_cells, parts + 1).astype(np.int64)
    for part, (first, last) in enumerate(itertools.pairwise(bounds.tolist())):

        def report(share: float, part: int = part) -> None:
            if progress is not None:
                progress((part + share) / parts)

        table = gather_stats(expression, genes, first, last)
        _count(expression, table, first, threads, report)
        by_gene = _by_gene(table, _gaps(table), len(genes))
        for row, match in enumerate(matches):
            scores[row, first:last] = _scores(by_gene, np.searchsorted(genes, match.positions), match, last - first)
    return scores


def _by_gene(table: _Table, gap: np.ndarray, n_genes: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return each gene's cells that have a rank for it, and the gap of that rank to 1500."""
    order = np.argsort(table.gene, kind="stable")  # within a gene the cells stay in order
    cell, gap = table.cell[order], gap[order]
    ends = np.cumsum(np.bincount(table.gene, minlength=n_genes))[:-1]
    return list(zip(np.split(cell, ends), np.split(gap, ends), strict=True))


def _scores(
    by_gene: list[tuple[np.ndarray, np.ndarray]], which: np.ndarray, match: GeneMatch, n_cells: int
) -> np.ndarray:
    """Return one signature's scores from the gaps of its genes, whose places in `by_gene` are `which`."""
    score = np.zeros(n_cells)
    for sign in (1, -1):
        ours = match.signs == sign
        n = float(match.weights[ours].sum() + match.missing_weights[match.missing_signs == sign].sum())
        best = n * (n + 1) / 2
        if n == 0 or n * MAX_RANK == best:
            continue
        # Every gene that has no rank below 1500 adds 1500; so only the gaps to 1500 need adding up.
        saved = np.zeros(n_cells)
        for gene, weight in zip(which[ours].tolist(), match.weights[ours].tolist(), strict=True):
            cells, gaps = by_gene[gene]
            np.add.at(saved, cells, gaps if weight == 1 else gaps * weight)
        score += sign * (1 - (n * MAX_RANK - saved - best) / (n * MAX_RANK - best))
    return np.maximum(score, 0)


@dataclass(frozen=True, eq=False)
class _Table:
    """The signature's values that are not 0, cell by cell, ascending within a cell.

    ``start`` (n_cells + 1) says where a cell begins; ``cell``, ``gene`` (place in the signature) and ``value`` are one
    per entry. ``above`` and ``tied`` are the counts, see `_count_gene`.
    """

    start: np.ndarray
    cell: np.ndarray
    gene: np.ndarray
    value: np.ndarray
    above: np.ndarray
    tied: np.ndarray


def gather_stats(expression: Expression, genes: np.ndarray, first: int, last: int) -> _Table:
    """Collect the signatures' values by cell, of the cells from `first` to before `last`, which count from 0."""
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
    gene = np.repeat(np.arange(len(genes), dtype=np.int32), [len(c) for c in cells])
    order = np.lexsort((value, cell))
    cell, value, gene = cell[order], value[order], gene[order]
    start = np.zeros(last - first + 1, dtype=np.int64)
    np.cumsum(np.bincount(cell, minlength=last - first), out=start[1:])
    counts = (np.zeros(len(cell), dtype=np.int32), np.zeros(len(cell), dtype=np.int32))
    return _Table(start, cell, gene, value, *counts)


def _count(expression: Expression, table: _Table, offset: int, threads: int, progress: Callable[[float], None]) -> None:
    """Count every value of the table's cells, the first of which is `offset`, against the signatures' values there."""
    kernel = compiled(_count_gene)
    n_cells = len(table.start) - 1
    parts = max(1, min(threads, n_cells // _CELLS_PER_THREAD))
    bounds = np.linspace(0, n_cells, parts + 1).astype(np.int64)

    def work(part: int, stored: list[tuple[np.ndarray, np.ndarray]]) -> None:
        for cells, values in stored:
            at, end = np.searchsorted(cells, bounds[part : part + 2] + offset)
            kernel(offset, table.start, table.value, table.above, table.tied, cells[at:end], values[at:end])

    with ThreadPoolExecutor(parts) as pool:
        for first in range(0, expression.n_genes, _GENES_AT_ONCE):
            last = min(first + _GENES_AT_ONCE, expression.n_genes)
            stored = [expression.gene_stored(gene) for gene in range(first, last)]
            for done in [pool.submit(work, part, stored) for part in range(parts)]:
                done.result()
            progress(last / expression.n_genes)


def _count_gene(
    offset: int,
    start: np.ndarray,
    value: np.ndarray,
    above: np.ndarray,
    tied: np.ndarray,
    cells: np.ndarray,
    values: np.ndarray,
) -> None:
    """Count one gene's values against the table (to be `compiled`).

    ``above[j]`` grows where a value stands between entry j and the next higher one of its cell, so that the number of
    values above entry j is the sum of ``above`` from j to the cell's end; ``tied`` counts at the first of
    equal entries.
    """
    for k in range(len(cells)):
        this = values[k]
        if this == 0 or this != this:
            continue
        cell = cells[k] - offset
        begin, end = start[cell], start[cell + 1]
        low, high = begin, end
        while high - low > 12:
            middle = (low + high) // 2
            if value[middle] < this:
                low = middle + 1
            else:
                high = middle
        # Counting has no branch to guess wrong, so for a few entries it beats halving.
        for j in range(low, high):
            low += value[j] < this
        if low > begin:
            above[low - 1] += 1
        if low < end and value[low] == this:
            tied[low] += 1


def _gaps(table: _Table) -> np.ndarray:
    """Return how far each entry's rank is below 1500 (0 if it is not), float64."""
    n = len(table.cell)
    if n == 0:
        return np.zeros(0)
    # Sum of `above` from an entry to its cell's end, by differences of one running sum.
    running = np.concatenate([[0], np.cumsum(table.above, dtype=np.int64)])
    higher = running[table.start[table.cell + 1]] - running[:-1]
    new = np.ones(n, dtype=bool)
    new[1:] = (table.cell[1:] != table.cell[:-1]) | (table.value[1:] != table.value[:-1])
    # Entries of equal value in one cell share the first one's counts.
    first = np.maximum.accumulate(np.where(new, np.arange(n), 0))
    rank = higher[first] + (table.tied[first] + 1) / 2
    return np.where(rank <= MAX_RANK, MAX_RANK - rank, 0.0)
