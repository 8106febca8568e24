"""UCell: a score from the ranks of a cell's genes (Andreatta & Carmona 2021, 10.1016/j.csbj.2021.06.043).

As PyPI ``pyucell`` computes it: in each cell the values that are not 0 are ranked from the highest (ties share their
mean rank). A rank above `max_rank` (1500), a value of 0 and a gene that the dataset lacks all count as `max_rank`. With
n genes and rank sum R, U = 1 − (R − n(n+1)/2) / (max_rank·n − n(n+1)/2). The score is U of the genes of sign +1 less U
of those of sign −1, and at least 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from cellucid_core.genes import GeneMatch
from cellucid_core.signature.scoring.options import DEFAULT_OPTIONS
from cellucid_core.signature.scoring.ranking import RankTable, rank_tables
from cellucid_core.signature.scoring.whole_ranking import Membership, many_wanted, ucell_sums, walk_cells

if TYPE_CHECKING:
    from cellucid_core.dataset import Expression


def ucell_many(
    expression: Expression,
    matches: Sequence[GeneMatch],
    *,
    max_rank: int = DEFAULT_OPTIONS.max_rank,
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
        How many threads count, each for its own cells; where whole cells are sorted there are always two.
    progress
        Called with the done share, 0 to 1.

    Returns
    -------
    numpy.ndarray
        (signatures, n_cells) float64 in [0, 1].
    """
    genes = np.unique(np.concatenate([match.positions for match in matches]))
    if len(matches) > 1 and many_wanted(expression, genes):
        return _all_ranked(expression, matches, max_rank, progress)
    scores = np.zeros((len(matches), expression.n_cells))
    for table in rank_tables(expression, genes, threads=threads, progress=progress):
        by_gene = table.by_gene(_gaps(table, max_rank))
        for row, match in enumerate(matches):
            which = np.searchsorted(genes, match.positions)
            scores[row, table.first : table.last] = _scores(by_gene, which, match, table.n_cells, max_rank)
    return scores


def _all_ranked(
    expression: Expression, matches: Sequence[GeneMatch], max_rank: int, progress: Callable[[float], None] | None
) -> np.ndarray:
    """Do the work of `ucell_many` by ranking whole cells."""
    halves = [(row, sign) for row, match in enumerate(matches) for sign in (1, -1) if (match.signs == sign).any()]
    ours = [matches[row].signs == sign for row, sign in halves]
    places = [matches[row].positions[mine] for (row, _), mine in zip(halves, ours, strict=True)]
    weights = [matches[row].weights[mine] for (row, _), mine in zip(halves, ours, strict=True)]
    members = Membership.of(places, weights, expression.n_genes)
    saved = np.zeros((members.n, expression.n_cells))
    about = (members.start, members.which, members.weight, max_rank)
    walk_cells(expression, np.arange(expression.n_genes), ucell_sums, [saved], about, progress)
    for (row, sign), sums in zip(halves, saved, strict=True):
        sums *= _share(matches[row], sign, max_rank)
    if [row for row, _ in halves] == list(range(len(matches))):  # one half each
        return np.maximum(saved, 0, out=saved)
    scores = np.zeros((len(matches), expression.n_cells))
    for (row, _), sums in zip(halves, saved, strict=True):
        scores[row] += sums
    return np.maximum(scores, 0, out=scores)


def _share(match: GeneMatch, sign: int, max_rank: int) -> float:
    """Return what genes of one sign add to the score for each rank by which their rank sum is below the worst.

    U is ``(worst − R) / (worst − best)`` with the rank sum R, the worst possible sum n × `max_rank` and the best one
    n (n + 1) / 2; this is the sign over the denominator.
    """
    n = float(match.weights[match.signs == sign].sum() + match.missing_weights[match.missing_signs == sign].sum())
    between = n * max_rank - n * (n + 1) / 2
    return sign / between if between else 0.0


def _scores(
    by_gene: list[tuple[np.ndarray, np.ndarray]], which: np.ndarray, match: GeneMatch, n_cells: int, max_rank: int
) -> np.ndarray:
    """Return one signature's scores from the gaps (`_gaps`) of its genes, whose places in `by_gene` are `which`."""
    score = np.zeros(n_cells)
    for sign in (1, -1):
        ours = match.signs == sign
        saved = np.zeros(n_cells)
        for gene, weight in zip(which[ours].tolist(), match.weights[ours].tolist(), strict=True):
            cells, gaps = by_gene[gene]
            np.add.at(saved, cells, gaps if weight == 1 else gaps * weight)
        score += saved * _share(match, sign, max_rank)
    return np.maximum(score, 0)


def _gaps(table: RankTable, max_rank: int) -> np.ndarray:
    """Return how far each entry's rank is below `max_rank`, 0 where it is not below; float64."""
    higher, tied = table.higher()
    rank = higher + (tied + 1) / 2
    return np.where(rank <= max_rank, max_rank - rank, 0.0)
