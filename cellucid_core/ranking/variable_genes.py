"""Highly variable genes, from the gene-major store in constant memory.

The ``seurat`` flavor of ``scanpy.pp.highly_variable_genes`` (Satija et al. 2015; scanpy's default): genes are put into
20 bins by the logarithm of their mean, and ranked by how far the logarithm of their dispersion (variance / mean) lies
above their bin's mean, in the bin's standard deviations. Means and variances are of ``expm1`` of the log values. The
``cell_ranger`` flavor (Zheng et al. 2017) takes them of the log values themselves. scanpy itself would need the whole
matrix in memory, twice; the tests compare with it. ``seurat_v3`` (Stuart et al. 2019) is of counts: the variance of
each gene that is left when its trend over the mean (loess, by ``scikit-misc``) is taken out.

The first two flavors are defined on log-normalized values. What a matrix holds is decided elsewhere (`Dataset.scale`),
and comes here as a `LogRule`: counts, and values that are normalized but not logged, are logged on the way. Values that
have no dispersion (scaled, centred, logged twice) are refused; no other matrix is taken in their place unasked.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import pandas as pd

from cellucid_core.dataset import NO_LOGS, LogRule, over_genes
from cellucid_core.errors import InputError, WorkRefused
from cellucid_core.names import listed

if TYPE_CHECKING:
    from cellucid_core.dataset import Expression

Flavor = Literal["seurat", "cell_ranger", "seurat_v3"]
FLAVORS: tuple[Flavor, ...] = get_args(Flavor)

_BINS = 20
#: Fewest varying genes that a trend is fitted to.
_LEAST_GENES = 20
#: The normal distribution's third quartile: a median absolute deviation over it is a standard deviation.
_QUARTILE = 0.6744897501960817


def highly_variable(
    expression: Expression,
    n: int,
    threads: int = 1,
    *,
    rule: LogRule,
    flavor: Flavor = "seurat",
) -> tuple[np.ndarray, list[str]]:
    """Return the `n` most variable genes.

    Parameters
    ----------
    expression, threads, rule, flavor
        As in `variability`.
    n
        How many, as `most_variable` takes them.

    Returns
    -------
    tuple
        Positions of the genes, ascending int64, and warnings in plain words.

    Raises
    ------
    WorkRefused
        If no gene varies, or as `variability`.
    """
    score, warnings = variability(expression, threads, rule=rule, flavor=flavor)
    positions, more = most_variable(score, n, flavor)
    return positions, [*warnings, *more]


def variability(
    expression: Expression,
    threads: int = 1,
    *,
    rule: LogRule,
    flavor: Flavor = "seurat",
    report: Callable[[int, int], None] | None = None,
) -> tuple[np.ndarray, list[str]]:
    """Return how variable each gene is, as `normalized_dispersion` or `cell_ranger_dispersion` measures it.

    Parameters
    ----------
    expression
        Values that are logs, or become logs by `rule`. Those that are not finite are left out of means and variances.
    threads
        How many genes are worked on at a time.
    rule
        What the values are, and how they become logs.
    flavor
        As scanpy's ``flavor``.
    report
        Called with (genes done, all genes); it may raise to cancel.

    Returns
    -------
    tuple
        float64 (n_genes,), NaN for a gene without variance; and warnings in plain words.

    Raises
    ------
    WorkRefused
        If the values are neither logs nor become logs by logging them; for ``seurat_v3``, if they are not counts.
    InputError
        If ``seurat_v3`` is asked for and ``scikit-misc`` is not installed.
    """
    if flavor == "seurat_v3":
        return _standardized_variance(expression, threads, rule, report), []
    refuse_without_logs(rule)
    moments = np.zeros((expression.n_genes, 2))
    how = (rule.factor, rule.base, flavor)
    for block, found in over_genes(_moments, expression, *how, threads=threads, report=report):
        moments[block] = found
    dispersion = normalized_dispersion if flavor == "seurat" else cell_ranger_dispersion
    return dispersion(moments[:, 0], moments[:, 1]), rule.done("highly variable genes")


def _standardized_variance(
    expression: Expression, threads: int, rule: LogRule, report: Callable[[int, int], None] | None
) -> np.ndarray:
    """Return the variance of counts that were standardized by their trend and clipped; NaN without variance.

    With the loess trend of log10 variance over log10 mean (span 0.3, degree 2) giving a gene's SD s, counts are cut at
    mean + s·√N; the score is their mean squared distance from the mean in units of s (Stuart et al. 2019,
    10.1016/j.cell.2019.05.031), as `scanpy.pp.highly_variable_genes` computes it.
    """
    try:
        from skmisc.loess import loess
    except ImportError:
        raise InputError(
            "The flavour seurat_v3 needs scikit-misc, which is not installed.",
            "Install it: pip install 'cellucid-dashboard[seurat_v3]'; or use another flavour.",
        ) from None
    if rule.scale.kind != "counts":
        raise WorkRefused(
            f"The matrix holds {rule.scale.words}; seurat_v3 is defined on counts.",
            "Choose the matrix of counts, or another flavour.",
        )
    stats, n = expression.stats, expression.n_cells
    mean = stats.total / n
    variance = np.maximum(stats.square_total - n * mean * mean, 0) / max(n - 1, 1)
    varies = variance > 0
    if not varies.any():
        return np.full(len(mean), np.nan)
    if varies.sum() < _LEAST_GENES:  # of fewer than five, the library would end the process
        raise WorkRefused("There are too few genes for seurat_v3.", "Use another flavour.")
    trend = loess(np.log10(mean[varies]), np.log10(variance[varies]), span=0.3, degree=2)
    try:
        trend.fit()
    except ValueError as error:
        raise WorkRefused("seurat_v3 finds no trend in these counts.", "Use another flavour.") from error
    deviation = np.full(len(mean), np.nan)
    deviation[varies] = np.sqrt(10.0**trend.outputs.fitted_values)
    score = np.full(len(mean), np.nan)
    genes = np.flatnonzero(varies)
    for block, found in over_genes(
        _clipped_variance, expression, mean, deviation, genes=genes, threads=threads, report=report
    ):
        score[genes[block]] = found
    return score


def _clipped_variance(expression: Expression, position: int, mean: np.ndarray, deviation: np.ndarray) -> float:
    """Return the variance of one gene's counts in units of what its trend gives, none farther away than √N of it."""
    n, middle, unit = expression.n_cells, mean[position], deviation[position]
    values = expression.gene_stored(position)[1].astype(np.float64)
    values = np.minimum(values[np.isfinite(values)], unit * math.sqrt(n) + middle)
    left = n * middle**2 + float(values @ values) - 2 * float(values.sum()) * middle
    return float(left / ((n - 1) * unit**2))


def refuse_without_logs(rule: LogRule, others: Sequence[str] = ()) -> None:
    """Refuse values that dispersions mean nothing of.

    Parameters
    ----------
    others
        Matrices that would do, for the sentence.

    Raises
    ------
    WorkRefused
        If the values are such.
    """
    if rule.scale.kind in NO_LOGS:
        which = f": {listed(others)}" if others else " as the expression matrix, or name the genes"
        raise WorkRefused(
            f"The matrix holds {rule.scale.words}; highly variable genes are found on log-normalized values or counts.",
            f"Choose such a matrix{which}.",
        )


def most_variable(score: np.ndarray, n: int, flavor: Flavor = "seurat") -> tuple[np.ndarray, list[str]]:
    """Return the positions of the `n` highest scores, ascending int64, and what there is to say about their number.

    Genes whose score equals the `n`-th highest are all taken, as ``scanpy.pp.highly_variable_genes`` takes them, so
    there can be more than `n`; of ``seurat_v3`` the first of them are taken, as there. Genes without
    any variance are never taken, so there can be fewer.

    Raises
    ------
    WorkRefused
        If no gene has a score.
    """
    known = np.sort(score[~np.isnan(score)])[::-1]
    if len(known) == 0:
        raise WorkRefused("No gene varies between cells.", "Choose another matrix, or name the genes.")
    best = np.flatnonzero(score >= known[min(n, len(known)) - 1]).astype(np.int64)
    if flavor == "seurat_v3":
        best = np.sort(best[np.argsort(-score[best], kind="stable")[:n]])
    said = []
    if len(best) < n:
        said = [f"Only {len(best):,} genes vary between cells; {n:,} were asked for."]
    elif len(best) > n:
        said = [f"{len(best):,} genes are taken where {n:,} were asked for: the last ones vary equally (as in scanpy)."]
    return best, said


def _moments(
    expression: Expression, position: int, factor: np.ndarray | None, base: float, flavor: Flavor
) -> tuple[float, float]:
    """Mean and sample variance of one gene: ``seurat`` of normalized counts, ``cell_ranger`` of their logarithms."""
    cells, values = expression.gene_stored(position)
    n = expression.n_cells
    finite = np.isfinite(values)
    if not finite.all():
        n -= int((~finite).sum())
        cells, values = cells[finite], values[finite]
    with np.errstate(over="ignore", invalid="ignore"):
        if factor is not None:
            level = values.astype(np.float64) * factor[cells]
            level = np.log1p(level) if flavor == "cell_ranger" else level
        elif flavor == "cell_ranger":  # to the same result, whatever the base
            level = values.astype(np.float64)
        else:
            # scanpy takes expm1 in the matrix's own type; a later sum in float64 must start from the same numbers.
            natural = values if base == math.e else values * values.dtype.type(math.log(base))
            level = np.expm1(natural).astype(np.float64)
    if n < 2:
        return 0.0, 0.0
    mean = float(level.sum()) / n
    spread = float(np.square(level - mean).sum()) + (n - len(level)) * mean * mean
    return mean, spread / (n - 1)


def normalized_dispersion(mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Return each gene's dispersion in standard deviations of its bin.

    Parameters
    ----------
    mean, variance
        (n_genes,) of values that are not logarithms.

    Returns
    -------
    numpy.ndarray
        float64 (n_genes,); NaN for a gene without variance. A gene alone in its bin has 1.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        dispersion = variance / np.where(mean == 0, 1e-12, mean)
        dispersion[dispersion == 0] = np.nan
        table = pd.DataFrame({"mean": np.log1p(mean), "dispersion": np.log(dispersion)})
    table = table.where(np.isfinite(table))
    if not table["mean"].notna().any():
        return np.full(len(mean), np.nan)
    of_bin = table.groupby(pd.cut(table["mean"], bins=_BINS), observed=True)["dispersion"]
    center, width = of_bin.transform("mean"), of_bin.transform("std")
    alone = width.isna()
    width = width.where(~alone, center)
    center = center.where(~alone, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return ((table["dispersion"] - center) / width).to_numpy(dtype=np.float64)


def cell_ranger_dispersion(mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Return how far each gene's dispersion lies from its bin's median, in the bin's median absolute deviations.

    The ``cell_ranger`` flavor of scanpy (Zheng et al. 2017): 20 bins by quantiles of the mean; nothing is logged here.

    Parameters
    ----------
    mean, variance
        (n_genes,) of log values.

    Returns
    -------
    numpy.ndarray
        float64 (n_genes,); NaN for a gene without variance. Where half of a bin have one dispersion, so that the
        deviation is 0, it is NaN for these and infinite for the others, as in scanpy.
    """
    mean = np.where(mean == 0, 1e-12, mean)
    with np.errstate(divide="ignore", invalid="ignore"):
        dispersion = variance / mean
    inner = np.unique(np.percentile(mean, np.arange(10, 105, 5)))
    of_bin = pd.Series(dispersion).groupby(np.digitize(mean, inner, right=True))
    middle = of_bin.transform("median")
    deviation = (pd.Series(dispersion) - middle).abs().groupby(np.digitize(mean, inner, right=True))
    with np.errstate(divide="ignore", invalid="ignore"):
        score = (dispersion - middle.to_numpy()) / (deviation.transform("median").to_numpy() / _QUARTILE)
    return np.where(variance > 0, score, np.nan)
