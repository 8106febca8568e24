"""Highly variable genes, from the gene-major store in constant memory.

The flavors are those of ``scanpy.pp.highly_variable_genes``, which would need the whole matrix in memory, twice; the
tests compare with it.

- ``seurat`` (Satija et al. 2015; scanpy's default): genes are put into 20 bins by the logarithm of their mean and
  ranked by how far the logarithm of their dispersion (variance / mean) is above their bin's mean, in the bin's standard
  deviations. Means and variances are those of ``expm1`` of the log values.
- ``cell_ranger`` (Zheng et al. 2017): means and variances are those of the log values, see `cell_ranger_dispersion`.
- ``seurat_v3`` (Stuart et al. 2019) is defined on counts: the variance of each gene after the trend of the variance
  over the mean (loess, by ``scikit-misc``) is taken out.

The first two flavors are defined on log-normalized values. What a matrix holds is decided elsewhere (`Dataset.scale`)
and given as a `LogRule`; counts, and values that are normalized but not logged, are logged first. Values whose
dispersion means nothing (scaled, centred, logged twice) are refused; another matrix is never used without being asked
for.
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
#: A trend is fitted only to at least so many varying genes.
_LEAST_GENES = 20
#: The normal distribution's third quartile: a median absolute deviation divided by it estimates a standard deviation.
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
        How many genes, see `most_variable`.

    Returns
    -------
    tuple
        Positions of the genes, ascending int64, and warnings in plain words.

    Raises
    ------
    WorkRefused, InputError
        As `variability` and `most_variable`.
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
    """Return how variable each gene is by the measure of a flavor.

    Parameters
    ----------
    expression
        Values that are logs, or become logs by `rule`; counts for ``seurat_v3``. Values that are not finite are left
        out of means and variances.
    threads
        How many threads work on genes.
    rule
        What the values are, and how they become logs.
    flavor
        ``seurat`` (`normalized_dispersion`), ``cell_ranger`` (`cell_ranger_dispersion`) or ``seurat_v3``.
    report
        Called with (genes done, all genes); it may raise to cancel.

    Returns
    -------
    tuple
        float64 (n_genes,), NaN for a gene without variance; and warnings in plain words.

    Raises
    ------
    WorkRefused
        The values are neither logs nor become logs by logging them; or, for ``seurat_v3``, they are not counts, fewer
        than 20 genes vary, or no trend can be fitted.
    InputError
        ``seurat_v3`` is asked for and ``scikit-misc`` is not installed.
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
    """Return each gene's variance of counts that are standardized by the trend and clipped; NaN without variance.

    The loess trend of log10 variance over log10 mean (span 0.3, degree 2) gives a gene's expected SD s. Counts are cut
    at mean + s·√N; the score is Σ(count − mean)²/((N − 1)·s²) (Stuart et al. 2019, 10.1016/j.cell.2019.05.031), as
    `scanpy.pp.highly_variable_genes` computes it.
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
    if varies.sum() < _LEAST_GENES:  # with fewer than five, the library would end the process
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
    """Return the score of one gene, see `_standardized_variance`; `deviation` holds the genes' expected SDs."""
    n, middle, unit = expression.n_cells, mean[position], deviation[position]
    values = expression.gene_stored(position)[1].astype(np.float64)
    values = np.minimum(values[np.isfinite(values)], unit * math.sqrt(n) + middle)
    left = n * middle**2 + float(values @ values) - 2 * float(values.sum()) * middle
    return float(left / ((n - 1) * unit**2))


def refuse_without_logs(rule: LogRule, others: Sequence[str] = ()) -> None:
    """Refuse values whose dispersion means nothing: those that are neither logs nor become logs by logging them.

    Parameters
    ----------
    rule
        What the values are.
    others
        Names of matrices that could be used instead, for the message.

    Raises
    ------
    WorkRefused
        The values are of a kind in `NO_LOGS`.
    """
    if rule.scale.kind in NO_LOGS:
        which = f": {listed(others)}" if others else " as the expression matrix, or name the genes"
        raise WorkRefused(
            f"The matrix holds {rule.scale.words}; highly variable genes are found on log-normalized values or counts.",
            f"Choose such a matrix{which}.",
        )


def most_variable(score: np.ndarray, n: int, flavor: Flavor = "seurat") -> tuple[np.ndarray, list[str]]:
    """Return the positions of the `n` highest scores, ascending int64, and a warning if there are more or fewer.

    As in ``scanpy.pp.highly_variable_genes``, all genes whose score equals the `n`-th highest are taken, so there can
    be more than `n`; for ``seurat_v3`` only the first of them. Genes without any variance are never taken, so there can
    be fewer.

    Raises
    ------
    WorkRefused
        No gene has a score.
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
    """Return one gene's mean and sample variance: of normalized counts (``seurat``) or their logs (``cell_ranger``)."""
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
        elif flavor == "cell_ranger":  # the result is the same for logs to any base
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
    """Return each gene's log dispersion less the mean of its bin, in the bin's standard deviations.

    The flavor ``seurat`` (Satija et al. 2015): 20 bins of equal width over log1p of the mean.

    Parameters
    ----------
    mean, variance
        (n_genes,) of values that are not logarithms.

    Returns
    -------
    numpy.ndarray
        float64 (n_genes,); NaN for a gene without variance. A gene alone in its bin has 1, as in scanpy.
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
    """Return each gene's dispersion less the median of its bin, in units of the bin's scaled median absolute deviation.

    The flavor ``cell_ranger`` (Zheng et al. 2017): 20 bins by quantiles of the mean; dispersions are not logged. The
    median absolute deviation is divided by 0.674, the normal distribution's third quartile.

    Parameters
    ----------
    mean, variance
        (n_genes,) of log values.

    Returns
    -------
    numpy.ndarray
        float64 (n_genes,); NaN for a gene without variance. Where more than half of a bin's genes have the same
        dispersion, the deviation is 0; then it is NaN for these genes and infinite for the others, as in scanpy.
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
