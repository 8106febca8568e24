"""AUCell: the area under the recovery curve of a cell's top genes (Aibar et al. 2017, 10.1038/nmeth.4463).

As PyPI ``decoupler`` 2 computes it: genes that are 0 in every cell are left out. The others are ranked from the highest
in each cell, equal values in a random order of the genes that is the same for all cells (numpy's ``default_rng``). The
area is Σ(u − r) over the signature's genes whose rank r is below u, the number of top genes; the score is this area
divided by what it would be if the signature's genes stood first. Genes that the dataset lacks do not count.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from cellucid_core.genes import GeneMatch
from cellucid_core.signature.scoring.options import DEFAULT_OPTIONS
from cellucid_core.signature.scoring.ranking import RankTable, rank_tables
from cellucid_core.signature.scoring.whole_ranking import Membership, aucell_sums, many_wanted, walk_cells

if TYPE_CHECKING:
    from cellucid_core.dataset import Expression


def aucell_many(
    expression: Expression,
    matches: Sequence[GeneMatch],
    *,
    top_share: float = DEFAULT_OPTIONS.top_share,
    seed: int = 0,
    progress: Callable[[float], None] | None = None,
) -> np.ndarray:
    """Score cells by several signatures in one walk through the matrix.

    Parameters
    ----------
    expression
        The chosen matrix. NaN counts as 0.
    matches
        The genes as found; signs are ignored, and each gene counts once.
    top_share
        Which share of the ranked genes is the top, above 0 and at most 1; at least two genes are.
    seed
        Of the order of equal values; 0 as in decoupler.
    progress
        Called with the done share, 0 to 1.

    Returns
    -------
    numpy.ndarray
        (signatures, n_cells) float64 in [0, 1]; 0 in a cell without any value.
    """
    ranked = np.flatnonzero(expression.stats.n_nonzero > 0)
    order = ranked[np.random.default_rng(seed).choice(len(ranked), len(ranked), replace=False)]
    place = np.full(expression.n_genes, -1)
    place[order] = np.arange(len(order))
    top = int(min(max(np.ceil(top_share * len(ranked)), 2), max(len(ranked), 2)))
    sets = [np.unique(match.positions[place[match.positions] >= 0]) for match in matches]
    scores = np.zeros((len(matches), expression.n_cells))
    genes = np.unique(np.concatenate(sets))
    if not len(genes):
        return scores
    if len(matches) > 1 and many_wanted(expression, genes):
        members = Membership.of([place[mine] for mine in sets], [np.ones(len(mine)) for mine in sets], len(order))
        about = (members.start, members.which, top)
        walk_cells(expression, order, aucell_sums, [scores], about, progress)
        for row, mine in enumerate(sets):
            scores[row] = scores[row] / _best(len(mine), top) if _best(len(mine), top) else 0.0
        return scores
    for table in rank_tables(expression, genes, order=order, progress=progress):
        areas = [*_areas(table, place[genes], len(ranked), top)]
        for row, mine in enumerate(sets):
            best = _best(len(mine), top)
            if best == 0:
                continue
            area = np.zeros(table.n_cells)
            for gene in np.searchsorted(genes, mine).tolist():
                cells, gaps = areas[gene]
                area[cells] += gaps
            area[table.nonzero == 0] = 0
            scores[row, table.first : table.last] = area / best
    return scores


def _best(size: int, top: int) -> float:
    """Return the area of a signature of `size` genes that stand first."""
    return float((top - np.arange(1, min(size, top - 1) + 1)).sum())


def _areas(table: RankTable, place: np.ndarray, n_ranked: int, top: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return, for each wanted gene, some cells and what it adds to the area there; in all other cells it adds 0."""
    higher, _ = table.higher()
    zeros = n_ranked - table.nonzero
    rank = higher + table.earlier + np.where(table.value < 0, zeros[table.cell], 0) + 1
    gaps = np.maximum(top - rank, 0).astype(np.float64)
    found = []
    for gene, (cells, mine) in enumerate(table.by_gene(gaps)):
        # Where the gene is 0, it stands behind all positive values and the zeros of genes that come before it.
        none = table.positive + (place[gene] - table.before[gene]) + 1
        none[cells] = top
        low = np.flatnonzero(none < top)
        found.append((np.concatenate([cells, low]), np.concatenate([mine, (top - none[low]).astype(np.float64)])))
    return found
