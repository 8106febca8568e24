"""Highly variable genes, from the gene-major store in constant memory.

The ``seurat`` flavor of ``scanpy.pp.highly_variable_genes`` (Satija et al. 2015; scanpy's default): genes are put into
20 bins by the logarithm of their mean, and ranked by how far the logarithm of their dispersion (variance / mean) lies
above their bin's mean, in the bin's standard deviations. Means and variances are of ``expm1`` of the log values. scanpy
itself would need the whole matrix in memory, twice; the tests compare with it.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from cellucid_core.errors import WorkRefused

if TYPE_CHECKING:
    from cellucid_core.dataset import Expression

Flavor = Literal["seurat", "cell_ranger"]

_BINS = 20
#: Genes between two reports.
_BLOCK = 512
#: The normal distribution's third quartile: a median absolute deviation over it is a standard deviation.
_QUARTILE = 0.6744897501960817


def highly_variable(
    expression: Expression,
    n: int,
    threads: int = 1,
    *,
    factor: np.ndarray | None = None,
    flavor: Flavor = "seurat",
) -> tuple[np.ndarray, list[str]]:
    """Return the `n` most variable genes.

    Parameters
    ----------
    expression, threads, factor, flavor
        As in `variability`.
    n
        How many. Genes without any variance are never taken, so there can be fewer.

    Returns
    -------
    tuple
        Positions of the genes, ascending int64, and warnings in plain words.

    Raises
    ------
    WorkRefused
        If no gene varies.
    """
    score, warnings = variability(expression, threads, factor=factor, flavor=flavor)
    positions, more = most_variable(score, n)
    return positions, [*warnings, *more]


def variability(
    expression: Expression,
    threads: int = 1,
    *,
    factor: np.ndarray | None = None,
    flavor: Flavor = "seurat",
    report: Callable[[int, int], None] | None = None,
) -> tuple[np.ndarray, list[str]]:
    """Return how variable each gene is, as `normalized_dispersion` measures it.

    Parameters
    ----------
    expression
        Log values; counts are first brought to the median depth of the cells (and need no logarithm then, since the
        method takes it back). Values that are not finite are left out of means and variances.
    threads
        How many genes are worked on at a time.
    factor
        (n_cells,) what values that are not logged are multiplied by; without it logs are taken back, and counts are
        brought to the median depth.
    flavor
        As scanpy's ``flavor``.
    report
        Called with (genes done, all genes); it may raise to cancel.

    Returns
    -------
    tuple
        float64 (n_genes,), NaN for a gene without variance; and warnings in plain words.
    """
    warnings = []
    scale = factor
    if scale is not None:
        pass
    elif looks_like_counts(expression):
        total = expression.cell_total
        with np.errstate(divide="ignore"):
            scale = np.where(total > 0, np.median(total[total > 0]) / total, 0.0)
        warnings.append("The matrix holds counts: highly variable genes were found on values normalized per cell.")
    elif np.nanmin(expression.stats.minimum, initial=0.0) < 0:
        warnings.append(
            "The matrix holds negative values: highly variable genes are meant for log values, choose that matrix."
        )
    moments: list[tuple[float, float]] = []
    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, expression.n_genes, _BLOCK):
            block = range(start, min(start + _BLOCK, expression.n_genes))
            moments += pool.map(lambda g: _moments(expression, g, scale, flavor), block)
            if report is not None:
                report(block.stop, expression.n_genes)
    dispersion = normalized_dispersion if flavor == "seurat" else cell_ranger_dispersion
    return dispersion(np.array([m for m, _ in moments]), np.array([v for _, v in moments])), warnings


def most_variable(score: np.ndarray, n: int) -> tuple[np.ndarray, list[str]]:
    """Return the positions of the `n` highest scores, ascending int64, and a warning if there are fewer.

    Raises
    ------
    WorkRefused
        If no gene has a score.
    """
    usable = np.flatnonzero(np.isfinite(score))
    if len(usable) == 0:
        raise WorkRefused("No gene varies between cells.", "Choose another matrix, or name the genes.")
    best = usable[np.argsort(-score[usable], kind="stable")[:n]]
    few = [f"Only {len(best):,} genes vary between cells; {n:,} were asked for."] if len(best) < n else []
    return np.sort(best).astype(np.int64), few


def looks_like_counts(expression: Expression, n_sample: int = 50) -> bool:
    """Tell from a sample of genes whether a matrix holds counts: whole numbers, none negative, some above 1."""
    above_one = False
    for position in np.unique(np.linspace(0, expression.n_genes - 1, n_sample).astype(int)):
        _, values = expression.gene_stored(int(position))
        values = values[np.isfinite(values)]
        if len(values) and (values.min() < 0 or not np.array_equal(values, np.rint(values))):
            return False
        above_one = above_one or bool((values > 1).any())
    return above_one


def _moments(expression: Expression, position: int, scale: np.ndarray | None, flavor: Flavor) -> tuple[float, float]:
    """Mean and sample variance of one gene: ``seurat`` of normalized counts, ``cell_ranger`` of their logarithms."""
    cells, values = expression.gene_stored(position)
    n = expression.n_cells
    finite = np.isfinite(values)
    if not finite.all():
        n -= int((~finite).sum())
        cells, values = cells[finite], values[finite]
    with np.errstate(over="ignore", invalid="ignore"):
        # scanpy takes expm1 in the matrix's own type; a later sum in float64 must start from the same numbers.
        if scale is not None:
            level = values.astype(np.float64) * scale[cells]
            level = np.log1p(level) if flavor == "cell_ranger" else level
        else:
            level = (values if flavor == "cell_ranger" else np.expm1(values)).astype(np.float64)
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
        float64 (n_genes,); NaN for a gene without variance, or in a bin whose dispersions are all the same.
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
