"""A weighted sum of genes, or many sums in one pass that reads each gene once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from cellucid_core.compiled import COMPILED_FROM, compiled

if TYPE_CHECKING:
    from cellucid_core.dataset import Expression

#: Scores that are in memory at once (256 MB as float64).
SCORES_AT_ONCE = 32_000_000
_REPORT_EVERY = 64


def weighted_sum(
    expression: Expression, positions: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray | float]:
    """Add up genes per cell, leaving out values that are not finite.

    Parameters
    ----------
    expression
        The chosen matrix.
    positions, weights
        (genes,) places among the dataset's genes, and the weight of each.

    Returns
    -------
    tuple
        (n_cells,) float64 sums, and the total weight of the finite values in each sum: one number if every value is
        finite, else (n_cells,) float64.
    """
    total = np.zeros(expression.n_cells)
    not_finite = expression.stats.n_not_finite
    if expression.stats.n_nonzero[positions].sum() >= COMPILED_FROM and not not_finite[positions].any():
        _add_genes(expression, positions, weights, total)
        return total, float(weights.sum())
    lost: np.ndarray | None = None
    for gene, weight in zip(positions.tolist(), weights.tolist(), strict=True):
        cells, values = expression.gene_stored(gene)
        if not_finite[gene]:
            finite = np.isfinite(values)
            lost = np.zeros(expression.n_cells) if lost is None else lost
            lost[cells[~finite]] += weight
            cells, values = cells[finite], values[finite]
        terms = values.astype(np.float64) if weight == 1 else values * np.float64(weight)
        if len(cells) == len(total):
            total += terms
        else:
            # With equal dtypes this takes half the time of ``total[cells] += values``.
            np.add.at(total, cells, terms)
    whole = float(weights.sum())
    return total, whole if lost is None else whole - lost


def _add_genes(expression: Expression, positions: np.ndarray, weights: np.ndarray, total: np.ndarray) -> None:
    """Add up many genes, in their order, in two threads that each take half of the cells."""
    middle, whole = expression.n_cells // 2, expression.gene_major()
    if whole is not None:  # one call for all genes
        add = compiled(_add_all)
        genes, each = whole.genes(positions), weights.astype(np.float64)

        def half(low: int, high: int) -> None:
            add(whole.indptr, whole.indices, whole.data, genes, each, low, high, total)

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(half, (0, middle), (middle, expression.n_cells)))
        return
    kernel = compiled(_add)

    def work(half: int, stored: list[tuple[np.ndarray, np.ndarray]], some: list[float]) -> None:
        for (cells, values), weight in zip(stored, some, strict=True):
            at = int(np.searchsorted(cells, middle))
            part = slice(0, at) if half == 0 else slice(at, None)
            kernel(cells[part], values[part], weight, total)

    with ThreadPoolExecutor(2) as pool:
        for first in range(0, len(positions), _REPORT_EVERY):
            stored = [expression.gene_stored(gene) for gene in positions[first : first + _REPORT_EVERY].tolist()]
            some = weights[first : first + _REPORT_EVERY].astype(np.float64).tolist()
            list(pool.map(work, (0, 1), (stored, stored), (some, some)))


def _add(cells: np.ndarray, values: np.ndarray, weight: float, total: np.ndarray) -> None:
    """Add a gene's values, times its weight, to its cells' sums (to be `compiled`)."""
    for k in range(len(cells)):
        total[cells[k]] += values[k] * weight


def _add_all(
    indptr: np.ndarray,
    indices: np.ndarray,
    data: np.ndarray,
    genes: np.ndarray,
    weights: np.ndarray,
    low: int,
    high: int,
    total: np.ndarray,
) -> None:
    """Add genes, times their weights, to the sums of the cells from low to high (to be `compiled`)."""
    for gene, weight in zip(genes, weights):  # noqa: B905 - numba has no strict
        begin, end = indptr[gene], indptr[gene + 1]
        mine = indices[begin:end]
        for k in range(begin + np.searchsorted(mine, low), begin + np.searchsorted(mine, high)):
            total[indices[k]] += data[k] * weight


def batches(n: int, n_cells: int) -> Iterator[tuple[int, int]]:
    """Yield (start, stop) of batches of the n sums whose scores fit into memory."""
    step = max(1, SCORES_AT_ONCE // max(n_cells, 1))
    for start in range(0, n, step):
        yield start, min(n, start + step)


def weighted_sums(
    expression: Expression,
    positions: Sequence[np.ndarray],
    weights: Sequence[np.ndarray],
    *,
    counts: Sequence[np.ndarray] | None = None,
    cells: np.ndarray | None = None,
    progress: Callable[[float], None] | None = None,
) -> tuple[np.ndarray, list[np.ndarray | float]]:
    """Add up genes per cell for several lists of genes, leaving out values that are not finite.

    Parameters
    ----------
    expression
        The chosen matrix.
    positions, weights
        Per list: places among the dataset's genes, and the weight of each.
    counts
        Per list: what each gene adds to the total weight; None: its weight. It differs where weights carry signs.
    cells
        Cells to add up for, ascending; None means all.
    progress
        Called with the done share, 0 to 1.

    Returns
    -------
    tuple
        (lists, cells) float64 sums; and per list the total weight of the finite values in its sums: one number if every
        value is finite, else (cells,) float64.
    """
    n = expression.n_cells if cells is None else len(cells)
    place = None
    if cells is not None and n < expression.n_cells:
        place = np.full(expression.n_cells, -1, dtype=np.int32)
        place[cells] = np.arange(n, dtype=np.int32)
    total = np.zeros((len(positions), n))
    lost: dict[int, np.ndarray] = {}
    not_finite = expression.stats.n_not_finite
    lengths = [len(genes) for genes in positions]
    gene = np.concatenate([*positions, np.empty(0, np.int64)]).astype(np.int64)
    weight = np.concatenate([*weights, np.empty(0)])
    counts = weights if counts is None else counts
    count = np.concatenate([*counts, np.empty(0)])
    which = np.repeat(np.arange(len(positions)), lengths)
    order = np.argsort(gene, kind="stable")
    gene, weight, count, which = gene[order], weight[order], count[order], which[order]
    distinct, starts = np.unique(gene, return_index=True)
    ends = np.append(starts, len(gene))[1:]
    for done, (this, at, end) in enumerate(zip(distinct.tolist(), starts.tolist(), ends.tolist(), strict=True)):
        where, values = expression.gene_stored(this)
        if place is not None:
            where = place.take(where)
            kept = where >= 0
            where, values = where[kept], values[kept]
        wide = values.astype(np.float64)
        if not_finite[this]:
            finite = np.isfinite(wide)
            for i, w in zip(which[at:end].tolist(), count[at:end].tolist(), strict=True):
                lost.setdefault(i, np.zeros(n))[where[~finite]] += w
            where, wide = where[finite], wide[finite]
        for i, w in zip(which[at:end].tolist(), weight[at:end].tolist(), strict=True):
            terms = wide if w == 1 else wide * w
            if len(where) == n:
                total[i] += terms
            else:
                np.add.at(total[i], where, terms)
        if progress is not None and done % _REPORT_EVERY == 0:
            progress(done / len(distinct))
    whole = [float(w.sum()) for w in counts]
    return total, [whole[i] - lost[i] if i in lost else whole[i] for i in range(len(positions))]
