"""One score per cell: mean, sum, median; the other methods live in their own files.

Only the signature's genes are read, and only what the store holds of them: an absent entry is a 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal, cast, get_args

import numpy as np

from cellucid_core.errors import InputError
from cellucid_core.genes import GeneMatch
from cellucid_core.signature.scoring.aucell import aucell_many
from cellucid_core.signature.scoring.control_genes import gene_means, score_genes
from cellucid_core.signature.scoring.linear import weighted_sum
from cellucid_core.signature.scoring.options import DEFAULT_OPTIONS, MethodOptions
from cellucid_core.signature.scoring.over_parts import over_parts
from cellucid_core.signature.scoring.ssgsea import ssgsea_many
from cellucid_core.signature.scoring.ucell import ucell_many
from cellucid_core.signature.scoring.whole_cell import Moments, whole_cell_many

if TYPE_CHECKING:
    from cellucid_core.dataset import Expression

Method = Literal["mean", "sum", "median", "score_genes", "ucell", "aucell", "zscore", "ulm", "ssgsea"]
METHODS = cast(tuple[Method, ...], get_args(Method))
#: Methods in which several signatures share one walk through the whole matrix.
TOGETHER: tuple[Method, ...] = ("ucell", "aucell", "zscore", "ulm", "ssgsea")
#: Methods that use given weights; the others ignore them.
WEIGHTED_METHODS: tuple[Method, ...] = ("mean", "sum", "zscore", "ulm")
#: Methods that score genes of sign +1 and genes of sign −1 apart and subtract the second score from the first.
_HALVES: tuple[Method, ...] = ("median", "score_genes", "aucell", "ssgsea")

#: Values that the median holds in memory at once (64 MB as float64).
_MEDIAN_VALUES = 8_000_000


def score_cells(
    expression: Expression,
    match: GeneMatch,
    method: Method = "mean",
    *,
    seed: int = 0,
    options: MethodOptions = DEFAULT_OPTIONS,
    gene_ids: np.ndarray | None = None,
    means: np.ndarray | None = None,
    progress: Callable[[float], None] | None = None,
) -> np.ndarray:
    """Score every cell by a signature's genes.

    Parameters
    ----------
    expression
        The chosen matrix.
    match
        The genes as found; ``ucell`` also counts the missing ones, as pyucell does.
    method
        ``mean``, ``sum``, ``median`` over the finite values x of the found genes (float64 accumulation; NaN where a
        cell has none): the mean is Σswx/Σw and the sum Σswx, with w how often a gene counts or its given weight and s
        its sign. ``score_genes``: see `control_genes`; ``ucell``, ``aucell``, ``ssgsea``: see the files of these names;
        ``zscore``, ``ulm``: see `whole_cell`. Given weights are used by `WEIGHTED_METHODS` only. Median,
        ``score_genes``, ``aucell``, ``ssgsea`` and ``ucell`` score the genes of sign −1 apart and subtract that score.
    seed
        Of the control genes' draw (``score_genes``) and of the order of equal values (``aucell``).
    options
        Options of single methods.
    gene_ids
        (n_genes,) the dataset's gene ids. ``score_genes`` needs them where ids repeat, and for ``options.gene_pool``,
        which is ignored without them.
    means
        (n_genes,) from `control_genes.gene_means`, where ``score_genes`` is asked for more than once.
    progress
        Called with the done share, 0 to 1, by methods that read the whole matrix.

    Returns
    -------
    numpy.ndarray
        (n_cells,) float64; NaN where a cell has no score.

    Raises
    ------
    InputError
        No gene was found, the method is unknown, the weights do not add up to more than 0 (mean), ``max_rank`` exceeds
        the number of genes (``ucell``), or there are no control genes (``score_genes``).
    """
    if method not in METHODS:
        raise InputError(f"There is no score {method!r}.", f"Choose one of {', '.join(METHODS)}.")
    if not match.found:
        raise InputError("None of the signature's genes is in the dataset.", "Check the gene ids.")
    check_weights(match, mean=method == "mean")
    if method == "ucell":
        options.check_rank(expression.n_genes)
    if method == "score_genes" and means is None:
        means = gene_means(expression, progress)
    return over_parts(
        _score_cells,
        expression,
        match,
        method,
        seed=seed,
        options=options,
        gene_ids=gene_ids,
        means=means,
        progress=progress,
    )


def _score_cells(
    expression: Expression,
    match: GeneMatch,
    method: Method,
    *,
    seed: int,
    options: MethodOptions,
    gene_ids: np.ndarray | None,
    means: np.ndarray | None,
    progress: Callable[[float], None] | None,
) -> np.ndarray:
    """Do the work of `score_cells` where the matrix is read: here or on a cluster."""
    if method in TOGETHER:
        scores = _score_together(expression, [match], method, seed=seed, options=options, progress=progress)
        return np.asarray(scores[0])
    if match.signed and method in _HALVES:
        up, down = (
            _score_cells(
                expression,
                half,
                method,
                seed=seed,
                options=options,
                gene_ids=gene_ids,
                means=means,
                progress=progress,
            )
            if half.found
            else np.zeros(expression.n_cells)
            for half in (match.half(1), match.half(-1))
        )
        return np.asarray(up - down)
    if method == "mean" or method == "sum":
        return _sum_or_mean(expression, match, mean=method == "mean")
    match = match.unweighted()
    if method == "median":
        return _median(expression, match)
    return score_genes(expression, match, seed=seed, options=options, gene_ids=gene_ids, means=means, progress=progress)


def score_together(
    expression: Expression,
    matches: Sequence[GeneMatch],
    method: Method,
    *,
    seed: int = 0,
    options: MethodOptions = DEFAULT_OPTIONS,
    moments: Moments | None = None,
    progress: Callable[[float], None] | None = None,
) -> np.ndarray:
    """Score every cell by several signatures that share one walk through the matrix.

    Parameters
    ----------
    expression, seed, options, progress
        See `score_cells`.
    matches
        The genes of each signature; each has at least one found gene.
    method
        One of `TOGETHER`.
    moments
        From `cell_moments`, where ``zscore`` or ``ulm`` is asked for more than once.

    Returns
    -------
    numpy.ndarray
        (signatures, n_cells) float64.

    Raises
    ------
    InputError
        ``max_rank`` exceeds the number of genes (``ucell``).
    """
    if method == "ucell":
        options.check_rank(expression.n_genes)
    return over_parts(
        _score_together,
        expression,
        matches,
        method,
        seed=seed,
        options=options,
        moments=None if expression.spread else moments,  # they are of all cells, not of a part
        progress=progress,
    )


def _score_together(
    expression: Expression,
    matches: Sequence[GeneMatch],
    method: Method,
    *,
    seed: int,
    options: MethodOptions,
    moments: Moments | None = None,
    progress: Callable[[float], None] | None,
) -> np.ndarray:
    """Do the work of `score_together` where the matrix is read: here or on a cluster."""
    if method == "ucell":
        plain = [match.unweighted() for match in matches]
        return ucell_many(expression, plain, max_rank=options.max_rank, progress=progress)
    if method == "zscore" or method == "ulm":
        return whole_cell_many(expression, matches, method, moments=moments, progress=progress)
    halves = [(row, sign, match.half(sign)) for row, match in enumerate(matches) for sign in (1, -1)]
    halves = [(row, sign, half) for row, sign, half in halves if half.found]
    each = [half for _, _, half in halves]
    if method == "aucell":
        found = aucell_many(expression, each, top_share=options.top_share, seed=seed, progress=progress)
    else:
        found = ssgsea_many(expression, each, progress=progress)
    scores = np.zeros((len(matches), expression.n_cells))
    for (row, sign, _), score in zip(halves, found, strict=True):
        scores[row] += sign * score
    return scores


def genes_used(expression: Expression, positions: np.ndarray) -> np.ndarray:
    """Count, for each cell, the genes that have a finite value in it.

    Parameters
    ----------
    expression
        The chosen matrix.
    positions
        Places of genes among the dataset's genes; each counts once however often it is named.

    Returns
    -------
    numpy.ndarray
        (n_cells,) int64.
    """
    genes = np.unique(positions)
    used = np.full(expression.n_cells, len(genes), dtype=np.int64)
    for gene in genes[expression.stats.n_not_finite[genes] > 0]:
        cells, values = expression.gene_stored(int(gene))
        used[cells[~np.isfinite(values)]] -= 1
    return used


def _sum_or_mean(expression: Expression, match: GeneMatch, *, mean: bool) -> np.ndarray:
    total, weight = weighted_sum(expression, match.positions, match.weights)
    if match.signed:  # Σ ±wx over Σ w
        down = match.half(-1)
        total = total - 2 * weighted_sum(expression, down.positions, down.weights)[0]
    if isinstance(weight, float):
        return total / weight if mean else total
    return over_weight(total, weight, expression, match, mean=mean)


def check_weights(match: GeneMatch, *, mean: bool) -> None:
    """Refuse a weighted mean whose weights do not add up to more than 0.

    Raises
    ------
    InputError
        The sum is 0, so that the mean is not defined, or negative, so that the lowest cell would get the highest score.
    """
    whole = float(match.weights.sum())
    if match.weighted and mean and whole <= 1e-9 * float(np.abs(match.weights).sum()):
        raise InputError(
            f"The weights of the found genes add up to {whole:.3g}, so their weighted mean is not defined.",
            "Choose the sum, or weights that add up to more than 0.",
        )


def over_weight(
    total: np.ndarray, weight: np.ndarray, expression: Expression, match: GeneMatch, *, mean: bool
) -> np.ndarray:
    """Turn sums over finite values into scores: NaN where a cell has no finite value, or a mean's Σw is not above 0.

    Parameters
    ----------
    total, weight
        (n_cells,) float64, from `weighted_sum`.
    expression, match
        What the sums were made from.
    mean
        Whether the score is the mean rather than the sum.
    """
    if mean:
        # Weights that were subtracted one by one do not leave exactly 0.
        least = 1e-9 * float(np.abs(match.weights).sum())
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(weight > least, total / weight, np.nan)
    some = genes_used(expression, match.positions) if match.weighted else weight
    return np.where(some > 0, total, np.nan)


def _median(expression: Expression, match: GeneMatch) -> np.ndarray:
    """Take each cell's median, sorting only the cells whose middle is not among the zeros."""
    n_cells = expression.n_cells
    stored = [expression.gene_stored(gene) for gene in match.positions.tolist()]
    times = match.weights.astype(np.int64)
    below = np.zeros(n_cells, dtype=np.int64)
    above = np.zeros(n_cells, dtype=np.int64)
    lost = np.zeros(n_cells, dtype=np.int64)
    for (cells, values), n in zip(stored, times.tolist(), strict=True):
        above[cells] += n * ((values > 0) & (values < np.inf))
        below[cells] += n * ((values < 0) & (values > -np.inf))
        lost[cells] += n * ~np.isfinite(values)
    valid = times.sum() - lost
    low, high = (valid - 1) // 2, valid // 2
    result = np.where(valid > 0, 0.0, np.nan)
    todo = np.flatnonzero((valid > 0) & ((below > low) | (high >= valid - above)))
    step = max(1, _MEDIAN_VALUES // int(times.sum()))
    row = np.full(n_cells, -1, dtype=np.int64)
    for at in range(0, len(todo), step):
        chunk = todo[at : at + step]
        row[chunk] = np.arange(len(chunk))
        first, last = int(chunk[0]), int(chunk[-1])
        block = np.zeros((len(chunk), int(times.sum())))
        column = 0
        for (cells, values), n in zip(stored, times.tolist(), strict=True):
            start, stop = np.searchsorted(cells, [first, last + 1])
            rows = row[cells[start:stop]]
            kept = rows >= 0
            here = values[start:stop][kept].astype(np.float64)
            here[~np.isfinite(here)] = np.nan
            block[rows[kept], column : column + n] = here[:, None]
            column += n
        row[chunk] = -1
        block.sort(axis=1)  # NaN goes last
        each = np.arange(len(chunk))
        result[chunk] = (block[each, low[chunk]] + block[each, high[chunk]]) / 2
    return result
