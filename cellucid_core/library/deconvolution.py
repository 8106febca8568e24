"""Fractions of cell types in bulk samples, estimated by two of the methods that AutoGeneS offers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from cellucid_core.errors import InputError, WorkRefused
from cellucid_core.library.bulk import Bulk, matching_rows
from cellucid_core.library.model import Level

Method = Literal["nnls", "nusvr"]
Logged = Literal["none", "2", "e", "10"]
METHODS: tuple[Method, ...] = ("nnls", "nusvr")
_UNLOG: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "none": lambda x: x,
    "2": lambda x: np.exp2(x) - 1,
    "e": np.expm1,
    "10": lambda x: 10.0**x - 1,
}
#: The defaults of `autogenes`. With nu 0.5 at most half of the genes lie outside the tube, and at least half are
#: support vectors.
_NU, _C = 0.5, 0.5
#: Added to each gene's height, as a share of the mean height: below it a gene's noise would outweigh what it tells.
_FLOOR = 0.01


@dataclass(frozen=True, eq=False)
class Deconvolution:
    """Fractions of cell types.

    Attributes
    ----------
    fractions
        Samples × cell types, float64; each sample sums to 1.
    fit
        Sample → Pearson correlation of the bulk values with the mixture of the means by the fractions, over `genes`.
    genes
        DEGs that were used.
    """

    fractions: pd.DataFrame
    fit: pd.Series
    genes: list[str]


def linear_means(level: Level, genes: list[str]) -> np.ndarray:
    """Return the expected linear expression of genes in each cell type, (n_genes, n_types) float64.

    Bulk samples are sums over cells, so means of logs must not be used. How the mean of x follows from mean m and
    variance v of log1p(x) depends on the shape of the distribution, which a signature does not keep. Droplet data are
    mostly zeros, so a gene is taken to be 0 in some cells and to have one logged value in the others: m and v give that
    value as m + v/m and the share of those cells as m² / (m² + v).
    """
    mean, variance = level.mean.loc[genes].to_numpy(), level.variance.loc[genes].to_numpy()
    height = mean + np.divide(variance, mean, out=np.zeros_like(mean), where=mean > 0)
    share = np.divide(mean, height, out=np.zeros_like(mean), where=height > 0)
    return np.asarray(share * np.expm1(height))


def deconvolve(bulk: Bulk, level: Level, method: Method = "nnls", *, logged: Logged = "none") -> Deconvolution:
    """Estimate the fractions of cell types in every sample from the level's DEGs.

    Parameters
    ----------
    bulk
        Linear values, or logarithms whose base `logged` names.
    level
        A level with DEGs.
    method
        ``nnls``: non-negative least squares (Lawson & Hanson 1974), each gene relative to its mean over the types, so
        that the few highest do not decide alone. ``nusvr``: nu support-vector regression with a linear kernel on
        standardized values, weights below 0 set to 0 (CIBERSORT, Newman et al. 2015). Either way the weights are
        divided by their sum.
    logged
        Base of the logarithm of value + 1 that the values are and that is undone, or ``none``.

    Raises
    ------
    InputError
        If the method or the logarithm is unknown, or undoing the logarithm gives no finite values.
    WorkRefused
        If there are fewer shared DEGs than cell types, a sample is 0 in all of them, or no mixture of the types
        resembles a sample.
    """
    if method not in METHODS:
        raise InputError(f"There is no method {method!r}.", f"Use {' or '.join(METHODS)}.")
    if logged not in _UNLOG:
        raise InputError(f"Values cannot be logged to the base {logged!r}.", f"Use {', '.join(_UNLOG)}.")
    rows = matching_rows(bulk, level.degs)
    genes = list(rows)
    n_types = len(level.cell_types)
    if len(genes) < max(n_types, 2):
        raise WorkRefused(
            f"The bulk matrix has {len(genes):,} of the signature's {len(level.degs):,} DEGs; {n_types:,} cell types "
            "need at least as many.",
            "Check that both name genes in the same way, or use a signature with more DEGs.",
        )
    with np.errstate(over="ignore"):
        samples = _UNLOG[logged](bulk.values.to_numpy()[list(rows.values())])
    if not np.isfinite(samples).all():
        raise InputError("Undoing the logarithm gives infinite values.", "The values are linear already: choose none.")
    empty = bulk.values.columns[samples.sum(axis=0) <= 0]
    if len(empty):
        raise WorkRefused(f"The sample {empty[0]} is 0 in all DEGs.", "Remove it, or check its gene names.")
    profiles = linear_means(level, genes)
    solve = _nnls if method == "nnls" else _nusvr
    # On a common scale, so that neither depth nor the unit of the matrix matters.
    scaled = samples / samples.mean(axis=0)
    weights = np.array([solve(profiles, scaled[:, i]) for i in range(scaled.shape[1])])
    total = weights.sum(axis=1, keepdims=True)
    if (total <= 0).any():
        name = bulk.values.columns[int(np.flatnonzero(total <= 0)[0])]
        raise WorkRefused(f"No mixture of these cell types resembles the sample {name}.", "Check what the sample is.")
    fractions = weights / total
    modelled = profiles @ fractions.T
    fit = [_correlation(modelled[:, i], samples[:, i]) for i in range(samples.shape[1])]
    index = pd.Index(bulk.values.columns, dtype=object, name="sample")
    types = pd.Index(level.cell_types, dtype=object)
    return Deconvolution(
        pd.DataFrame(fractions, index=index, columns=types), pd.Series(fit, index=index, name="fit"), genes
    )


def _nnls(profiles: np.ndarray, sample: np.ndarray) -> np.ndarray:
    from scipy.optimize import nnls

    height = profiles.mean(axis=1) + _FLOOR * profiles.mean()
    try:
        weights: np.ndarray = nnls(profiles / height[:, None], sample / height)[0]
    except RuntimeError as error:
        raise WorkRefused("Least squares found no solution.", "Try nu-SVR instead.") from error
    return weights


def _nusvr(profiles: np.ndarray, sample: np.ndarray) -> np.ndarray:
    from sklearn.svm import NuSVR

    spread, height = profiles.std() or 1.0, sample.std() or 1.0
    model = NuSVR(nu=_NU, C=_C, kernel="linear", cache_size=200)
    model.fit((profiles - profiles.mean()) / spread, (sample - sample.mean()) / height)
    return np.asarray(np.maximum(model.coef_.ravel(), 0.0))


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    if one.std() == 0 or other.std() == 0:
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])
