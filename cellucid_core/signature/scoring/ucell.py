"""UCell: a score from the ranks of a cell's genes (Andreatta & Carmona 2021, 10.1016/j.csbj.2021.06.043).

As PyPI ``pyucell`` computes it: in each cell the values that are not 0 are ranked from the highest (ties share their
mean rank); a rank above the largest one that counts (`max_rank`, 1500), a 0 and a gene that the dataset lacks all count
as that. With n genes and rank sum R, U = 1 − (R − n(n+1)/2) / (max_rank·n − n(n+1)/2); the score is U of the positive
genes less U of the negative ones, not below 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from cellucid_core.genes import GeneMatch
from cellucid_core.signature.scoring.ranking import RankTable, rank_tables

if TYPE_CHECKING:
    from cellucid_core.dataset import Expression

MAX_RANK = 1500


def ucell_many(
    expression: Expression,
    matches: Sequence[GeneMatch],
    *,
    max_rank: int = MAX_RANK,
    threads: int = 2,
    progress: Callable[[float], None] | None = None,
) -> np.ndarray:
    """Score cells by several signatures in one walk through the matrix.

    Parameters
    ----------
    expression
        The chosen matrix. NaN counts as 0, as in pyucell.
    matches
        Found and missing genes with weights and signs (`match_genes` with ``signed=True`` reads them).
    max_rank
        The largest rank that counts.
    threads
        How many parts of the cells are worked on at once.
    progress
        Called with the done share, 0 to 1.

    Returns
    -------
    numpy.ndarray
        (signatures, n_cells) float64 in [0, 1].
    """
    genes = np.unique(np.concatenate([match.positions for match in matches]))
    scores = np.zeros((len(matches), expression.n_cells))
    for table in rank_tables(expression, genes, threads=threads, progress=progress):
        by_gene = table.by_gene(_gaps(table, max_rank))
        for row, match in enumerate(matches):
            which = np.searchsorted(genes, match.positions)
            scores[row, table.first : table.last] = _scores(by_gene, which, match, table.n_cells, max_rank)
    return scores


def _scores(
    by_gene: list[tuple[np.ndarray, np.ndarray]], which: np.ndarray, match: GeneMatch, n_cells: int, max_rank: int
) -> np.ndarray:
    """Return one signature's scores from the gaps of its genes, whose places in `by_gene` are `which`."""
    score = np.zeros(n_cells)
    for sign in (1, -1):
        ours = match.signs == sign
        n = float(match.weights[ours].sum() + match.missing_weights[match.missing_signs == sign].sum())
        best = n * (n + 1) / 2
        if n == 0 or n * max_rank == best:
            continue
        # Every gene that has no rank below the largest adds that; so only the gaps to it need adding up.
        saved = np.zeros(n_cells)
        for gene, weight in zip(which[ours].tolist(), match.weights[ours].tolist(), strict=True):
            cells, gaps = by_gene[gene]
            np.add.at(saved, cells, gaps if weight == 1 else gaps * weight)
        score += sign * (1 - (n * max_rank - saved - best) / (n * max_rank - best))
    return np.maximum(score, 0)


def _gaps(table: RankTable, max_rank: int) -> np.ndarray:
    """Return how far each entry's rank is below the largest one that counts (0 if it is not), float64."""
    higher, tied = table.higher()
    rank = higher + (tied + 1) / 2
    return np.where(rank <= max_rank, max_rank - rank, 0.0)
