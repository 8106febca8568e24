"""`score_genes`: a signature's mean less the mean of control genes of similar expression.

The method of Satija et al. (2015, 10.1038/nbt.3192), as `scanpy.tl.score_genes` computes it: the same control genes are
drawn for the same seed, so the values are the same. The defaults are scanpy's (ctrl_size 50, n_bins 25, all genes as
the pool).
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np

from cellucid_core.compiled import COMPILED_FROM, compiled
from cellucid_core.errors import InputError
from cellucid_core.genes import GeneMatch
from cellucid_core.signature.scoring.linear import weighted_sum
from cellucid_core.signature.scoring.options import DEFAULT_OPTIONS, MethodOptions

if TYPE_CHECKING:
    from cellucid_core.dataset import Expression

_REPORT_EVERY = 256


def score_genes(
    expression: Expression,
    match: GeneMatch,
    *,
    seed: int = 0,
    options: MethodOptions = DEFAULT_OPTIONS,
    gene_ids: np.ndarray | None = None,
    means: np.ndarray | None = None,
    progress: Callable[[float], None] | None = None,
) -> np.ndarray:
    """Score cells as `scanpy.tl.score_genes` does: the mean of the signature's genes less that of control genes.

    Each gene counts once, as in scanpy. Values that are not finite are left out of every mean.

    Parameters
    ----------
    expression
        The chosen matrix.
    match
        The genes as found.
    seed
        Of numpy's legacy generator, as scanpy's ``random_state``.
    options
        ``ctrl_size``, ``n_bins`` and ``gene_pool`` are used.
    gene_ids
        (n_genes,) ids; of genes that share an id only the first is in the pool. None means that all ids differ and that
        every gene is in the pool, whatever ``gene_pool`` says.
    means
        From `gene_means`, where they are known.
    progress
        Called with the done share, 0 to 1.

    Returns
    -------
    numpy.ndarray
        (n_cells,) float64; NaN in a cell without a finite value of the signature or of the controls.

    Raises
    ------
    InputError
        The signature holds every gene of similar expression, so that no control genes are left; or none of the genes of
        ``gene_pool`` is in the dataset.
    """
    genes = np.unique(match.positions)
    means = gene_means(expression, progress) if means is None else means
    controls = control_genes(means, genes, seed=seed, options=options, pool=_pool(expression, gene_ids, options, genes))
    if len(controls) == 0:
        raise InputError(
            "There are no control genes for score_genes: the signature holds every gene of similar expression.",
            "Use the mean, or a dataset with more genes.",
        )
    ours, our_weight = weighted_sum(expression, genes, np.ones(len(genes)))
    theirs, their_weight = weighted_sum(expression, controls, np.ones(len(controls)))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(ours / our_weight - theirs / their_weight)


def control_genes(
    means: np.ndarray,
    genes: np.ndarray,
    *,
    seed: int,
    options: MethodOptions = DEFAULT_OPTIONS,
    pool: np.ndarray | None = None,
) -> np.ndarray:
    """Draw control genes from the expression bins of a signature.

    The genes of the pool are ranked by mean (ties take the lowest rank) and cut into bins of equal size. From each bin
    that holds a gene of the signature, in ascending order, ``ctrl_size`` genes are drawn; the signature's own genes are
    then removed.

    Parameters
    ----------
    means
        (n_genes,) mean of each gene; one that is not finite is not in the pool.
    genes
        Positions of the signature's genes.
    seed
        Of numpy's legacy generator.
    options
        ``ctrl_size`` and ``n_bins`` are used.
    pool
        Positions of the genes to draw from, ascending; None means all.

    Returns
    -------
    numpy.ndarray
        Positions, int64, ascending.
    """
    from scipy.stats import rankdata

    pool = np.arange(len(means)) if pool is None else pool
    pool = pool[np.isfinite(means[pool])]
    per_bin = round(len(pool) / (options.n_bins - 1))
    ranks = rankdata(means[pool], method="min")
    bins = ranks // per_bin if per_bin else np.zeros(len(pool))
    random = np.random.RandomState(seed)  # scanpy draws from the legacy generator
    drawn: list[np.ndarray] = []
    for cut in np.unique(bins[np.isin(pool, genes)]):
        members = pool[bins == cut]
        if len(members) > options.ctrl_size:
            members = members[random.choice(len(members), size=options.ctrl_size, replace=False)]
        drawn.append(members)
    together = np.unique(np.concatenate(drawn)) if drawn else np.empty(0, dtype=np.int64)
    return np.setdiff1d(together, genes).astype(np.int64)


def gene_means(expression: Expression, progress: Callable[[float], None] | None = None) -> np.ndarray:
    """Return each gene's mean over its finite values, added up as scanpy adds them; computed once per matrix.

    The rounding of these sums decides which of two near-equal genes is ranked first, hence which controls are drawn. So
    they are added up in the precision that the installed scanpy uses: dense matrices in their own precision, sparse
    ones in float64 since scanpy 1.12 and in their own precision before.

    Returns
    -------
    numpy.ndarray
        (n_genes,) float64; NaN for a gene without finite values.
    """
    return expression.once("gene means", lambda: _gene_means(expression, progress))


def _gene_means(expression: Expression, progress: Callable[[float], None] | None) -> np.ndarray:
    means = np.full(expression.n_genes, np.nan)
    not_finite = expression.stats.n_not_finite
    precision = np.dtype(np.float64) if expression.is_sparse and _sums_in_float64() else expression.dtype
    add = compiled(_add_up) if expression.n_stored >= COMPILED_FROM else _add_up_in_numpy
    zero = precision.type(0)

    def work(genes: range) -> None:
        for gene in genes:
            _, values = expression.gene_stored(gene)
            n = expression.n_cells - int(not_finite[gene])
            if n:
                # scanpy divides a sparse sum in float64, a dense one in the matrix's precision.
                mean = float(add(values, zero)) / n
                means[gene] = mean if expression.is_sparse else expression.dtype.type(mean)

    with ThreadPoolExecutor(2) as pool:
        for first in range(0, expression.n_genes, _REPORT_EVERY):
            last = min(first + _REPORT_EVERY, expression.n_genes)
            list(pool.map(work, (range(first, last, 2), range(first + 1, last, 2))))
            if progress is not None:
                progress(first / expression.n_genes)
    return means


def _add_up(values: np.ndarray, total: Any) -> Any:
    """Add finite values one after the other, in the precision of `total`, which is 0 (to be `compiled`)."""
    for value in values:
        if np.isfinite(value):
            total += value
    return total


def _add_up_in_numpy(values: np.ndarray, zero: Any) -> Any:
    """Do the same as `_add_up` with numpy, for matrices too small to be worth compiling for."""
    finite = np.where(np.isfinite(values), values, 0)
    return np.cumsum(finite, dtype=zero.dtype)[-1] if len(finite) else zero


def _sums_in_float64() -> bool:
    """Tell whether the installed scanpy (or the newest, where there is none) adds sparse values up in float64."""
    try:
        major, minor = metadata.version("scanpy").split(".")[:2]
    except metadata.PackageNotFoundError:
        return True
    return (int(major), int(minor)) >= (1, 12)


def _pool(expression: Expression, gene_ids: np.ndarray | None, options: MethodOptions, genes: np.ndarray) -> np.ndarray:
    """Return the genes to draw from: the first of those that share an id, and of a chosen pool those in the dataset.

    The signature's own genes are always among them, because their bins are needed; scanpy refuses a pool without them.
    """
    if gene_ids is None:
        return np.arange(expression.n_genes)
    first: dict[str, int] = {}
    for i, gene in enumerate(gene_ids):
        first.setdefault(gene, i)
    if options.gene_pool:
        wanted = set(options.gene_pool)
        ours = set(genes.tolist())
        first = {gene: at for gene, at in first.items() if gene in wanted or at in ours}
        if wanted.isdisjoint(first):
            raise InputError(
                "None of the control genes in gene_pool is in the dataset.",
                "Name genes of the dataset, or leave gene_pool empty.",
            )
    return np.fromiter(first.values(), dtype=np.int64, count=len(first))
