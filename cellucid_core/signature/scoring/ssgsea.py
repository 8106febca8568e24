"""ssGSEA: how far the signature's genes stand before the others in a cell's ranking (Barbie et al. 2009).

Source: 10.1038/nature08460. As PyPI ``gseapy`` computes ES with its defaults (``sample_norm_method="rank"``,
``weight=0.25``): the N genes are ranked from the highest, of equal values the last one first. A gene whose mean rank
from the lowest is m weighs (10,000 m/N)^0.25. ES is the sum over all N ranks of the weighted share of the signature's
genes met so far, less the share of the other genes met so far. It is not divided by its range over the cells (gseapy's
NES), so that a cell's score does not depend on other cells.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from cellucid_core.genes import GeneMatch
from cellucid_core.signature.scoring.ranking import rank_tables
from cellucid_core.signature.scoring.whole_ranking import Membership, many_wanted, ssgsea_sums, walk_cells

if TYPE_CHECKING:
    from cellucid_core.dataset import Expression

_WEIGHT, _SCALE = 0.25, 10_000


def ssgsea_many(
    expression: Expression, matches: Sequence[GeneMatch], *, progress: Callable[[float], None] | None = None
) -> np.ndarray:
    """Score cells by several signatures in one walk through the matrix.

    Parameters
    ----------
    expression
        The chosen matrix. NaN counts as 0.
    matches
        The genes as found; signs are ignored, and each gene counts once.
    progress
        Called with the done share, 0 to 1.

    Returns
    -------
    numpy.ndarray
        (signatures, n_cells) float64; NaN for a signature that holds every gene.
    """
    n = expression.n_genes
    sets = [np.unique(match.positions) for match in matches]
    genes = np.unique(np.concatenate(sets))
    scores = np.full((len(matches), expression.n_cells), np.nan)
    if len(matches) > 1 and many_wanted(expression, genes):
        members = Membership.of([n - 1 - mine for mine in sets], [np.ones(len(mine)) for mine in sets], n)
        every, products, reaches = (np.zeros((members.n, expression.n_cells)) for _ in range(3))
        about = (members.start, members.which, float(_SCALE), _WEIGHT)
        walk_cells(expression, np.arange(n)[::-1], ssgsea_sums, [every, products, reaches], about, progress)
        for row, mine in enumerate(sets):
            if len(mine) < n:
                others = (n * (n + 1) / 2 - reaches[row]) / (n - len(mine))
                scores[row] = products[row] / every[row] - others
        return scores
    place = n - 1 - genes
    for table in rank_tables(expression, genes, order=np.arange(n)[::-1], progress=progress):
        higher, tied = table.higher()
        zeros = n - table.nonzero
        behind = np.where(table.value < 0, zeros[table.cell], 0)
        # A gene counts in every sum from its own rank to the last: in so many of the N sums.
        reach = table.by_gene((n - higher - behind - table.earlier).astype(np.float64))
        weights = table.by_gene(_weight(n + 1 - (higher + behind + (tied + 1) / 2), n))
        none_weight = _weight(n + 1 - (table.positive + (zeros + 1) / 2), n)
        each = []
        for gene in range(len(genes)):
            cells, mine = reach[gene]
            ranks = (n - table.positive - (place[gene] - table.before[gene])).astype(np.float64)
            weight = none_weight.copy()
            ranks[cells], weight[cells] = mine, weights[gene][1]
            each.append((ranks, weight))
        for row, mine in enumerate(sets):
            if len(mine) == n:
                continue
            total, weighted, reached = np.zeros(table.n_cells), np.zeros(table.n_cells), np.zeros(table.n_cells)
            for gene in np.searchsorted(genes, mine).tolist():
                ranks, weight = each[gene]
                total += weight
                weighted += weight * ranks
                reached += ranks
            others = (n * (n + 1) / 2 - reached) / (n - len(mine))
            scores[row, table.first : table.last] = weighted / total - others
    return scores


def _weight(rank: np.ndarray, n: int) -> np.ndarray:
    weight: np.ndarray = (_SCALE * rank / n) ** _WEIGHT
    return weight
