"""Marker genes of groups of cells, from the gene-major store in bounded memory.

The ranking of ``scanpy.tl.rank_genes_groups`` with ``method="t-test"`` (its default) and ``use_raw=False``: for each
group, genes are ranked by Welch's t between the group's cells and all other cells, those without a group included. This
needs only counts, means and variances per group, so one pass over the stored values is enough; scanpy would copy the
matrix twice for every group. The tests compare with scanpy. Values that are not logs are logged first (`LogRule`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from cellucid_core.dataset import LogRule, over_genes
from cellucid_core.errors import WorkRefused

if TYPE_CHECKING:
    from cellucid_core.dataset import Expression

#: How many scores, groups × genes, are held before the best of them are taken.
_HELD_SCORES = 2**21


def marker_genes(
    expression: Expression,
    codes: np.ndarray,
    n_groups: int,
    n: int,
    threads: int = 1,
    report: Callable[[int, int], None] | None = None,
    *,
    rule: LogRule,
) -> tuple[list[np.ndarray], list[str]]:
    """Return the `n` genes that mark each group best.

    Parameters
    ----------
    expression
        Values that are logs, or become logs by `rule`. Other values are taken as they are, as in scanpy, and a warning
        says so (scaling a gene does not change its t). Values that are not finite are left out.
    codes
        (n_cells,) integer: each cell's group, −1 for none.
    n_groups
        Number of groups.
    n
        How many genes for each group. Genes that are not higher in a group than elsewhere never mark it, so there can
        be fewer.
    threads
        How many threads work on genes.
    report
        Called with (genes done, all genes); it may raise to cancel.
    rule
        What the values are, and how they become logs.

    Returns
    -------
    tuple
        For each group the positions of its genes, best first, int64; and warnings in plain words. Equal scores are in
        the order of the genes. A group has no genes if it has fewer than two cells, or if fewer than two cells are
        outside it, because a variance is then not defined.

    Raises
    ------
    WorkRefused
        No group has at least two cells inside and two outside it.
    """
    sizes = np.bincount(codes[codes >= 0], minlength=n_groups)
    usable = (sizes >= 2) & (len(codes) - sizes >= 2)
    if not usable.any():
        raise WorkRefused(
            "No group has two cells and two others to be compared with, so no marker genes can be found.",
            "Choose another column.",
        )
    warnings = rule.done("marker genes")
    # Cells without a group form one more group at the end, so that they are among the others of every group.
    places = np.where(codes < 0, n_groups, codes).astype(np.int64)
    cells_of = np.bincount(places, minlength=n_groups + 1).astype(np.float64)
    best = [np.zeros(0, np.int64)] * n_groups
    best_scores = [np.zeros(0)] * n_groups
    found = over_genes(_scores, expression, places, cells_of, rule.factor, threads=threads, report=report)
    for positions, scores in _together(found, max(1, _HELD_SCORES // max(1, n_groups))):
        for group in np.flatnonzero(usable):
            genes, scored = np.append(best[group], positions), np.append(best_scores[group], scores[:, group])
            kept = np.lexsort([genes, -scored])[:n]
            kept = kept[scored[kept] > 0]
            best[group], best_scores[group] = genes[kept], scored[kept]
    alone = int((sizes[~usable] > 0).sum())
    if alone:
        warnings.append(
            f"Groups of fewer than two cells, or with fewer than two cells outside, have no marker genes "
            f"({alone:,} left out)."
        )
    return best, warnings


def _together(found: Iterable[tuple[slice, np.ndarray]], n_genes: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Join blocks of genes until there are at least `n_genes`; yield the positions and scores of each such batch."""
    positions: list[np.ndarray] = []
    scores: list[np.ndarray] = []
    for block, values in found:
        positions.append(np.arange(block.start, block.stop))
        scores.append(values)
        if sum(map(len, scores)) >= n_genes:
            yield np.concatenate(positions), np.concatenate(scores)
            positions, scores = [], []
    if scores:
        yield np.concatenate(positions), np.concatenate(scores)


def _scores(
    expression: Expression, position: int, places: np.ndarray, cells_of: np.ndarray, factor: np.ndarray | None
) -> np.ndarray:
    """Return Welch's t of one gene for each group against all other cells, (n_groups,); 0 where it is not defined."""
    cells, values = expression.gene_stored(position)
    level = values.astype(np.float64)
    if factor is not None:
        level = np.log1p(level * factor[cells])
    n, group = cells_of, places[cells]
    finite = np.isfinite(level)
    if not finite.all():
        n = n - np.bincount(group[~finite], minlength=len(n))
        group, level = group[finite], level[finite]
    # Centred on the gene's mean, so that sums of squares lose no digits.
    middle = float(level.sum()) / max(1.0, float(n.sum()))
    level -= middle
    absent = n - np.bincount(group, minlength=len(n))
    total = np.bincount(group, weights=level, minlength=len(n)) - absent * middle
    squares = np.bincount(group, weights=level * level, minlength=len(n)) + absent * (middle * middle)
    t: np.ndarray
    with np.errstate(divide="ignore", invalid="ignore"):
        mean, spread = _mean_and_error(total[:-1], squares[:-1], n[:-1])
        others, others_spread = _mean_and_error(
            total.sum() - total[:-1], squares.sum() - squares[:-1], n.sum() - n[:-1]
        )
        t = (mean - others) / np.sqrt(spread + others_spread)
    t[np.isnan(t)] = 0.0
    return t


def _mean_and_error(total: np.ndarray, squares: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return means, and sample variances divided by the number of cells."""
    mean = total / n
    return mean, np.maximum(squares - total * mean, 0.0) / (n - 1) / n
