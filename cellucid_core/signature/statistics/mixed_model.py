"""A linear mixed model of the cells' scores: page fixed, sample a random intercept, by restricted maximum likelihood.

With one random intercept the likelihood needs only sums per sample, and only one number is searched for: the ratio λ of
the two variances. V = σ²(I + λJ) in a sample of n cells has the inverse (I − λ/(1 + nλ) J)/σ² (Laird & Ware 1982,
10.2307/2529876). So all cells are used, however many there are. ``statsmodels`` fits the same model where it converges.

Cells of one sample are alike, so they are not independent. The model gives each sample a level of its own and asks what
difference is left between the pages. It assumes that this difference is the same in every sample; where it is not, the
tests by sample are safer.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from cellucid_core.cell_pages import Page
from cellucid_core.errors import InputError
from cellucid_core.signature.statistics import tails
from cellucid_core.signature.statistics.adjustment import adjusted
from cellucid_core.signature.statistics.replicates import sample_codes
from cellucid_core.signature.statistics.result import Adjustment, floored


@dataclass(frozen=True)
class MixedPair:
    """The mixed model of two pages; numbers are None where there is no fit.

    Attributes
    ----------
    pages
        Names of the two pages; the difference is the first less the second.
    difference, low, high
        The difference of the pages within a sample, in units of the score, and its 95 % interval.
    t, df, p_value, p_adjusted
        df is that of the between–within method (Schluchter & Elashoff 1990, J. Stat. Comput. Simul. 37, 69–87): cells
        less samples less 1 where a sample has both pages, else samples less 2. p is two-sided, and adjusted over all
        pairs where there are several.
    sample_sd, cell_sd
        Standard deviations between samples, and between cells of a sample and page.
    n_cells, n_samples
        How many the model was fitted to.
    note
        Why there is no fit, or what to keep in mind.
    """

    pages: tuple[str, str]
    difference: float | None
    low: float | None
    high: float | None
    t: float | None
    df: float | None
    p_value: float | None
    p_adjusted: float | None
    sample_sd: float | None
    cell_sd: float | None
    n_cells: int
    n_samples: int
    note: str = ""


def mixed_model(
    pages: Sequence[Page],
    scores: Sequence[np.ndarray],
    samples: pd.Series | np.ndarray,
    *,
    p_adjust: Adjustment = "bh",
) -> list[MixedPair]:
    """Fit the model to each pair of pages.

    Parameters
    ----------
    pages, scores
        The pages and their cells' scores; what is not finite is left out, and so are cells that are in both pages.
    samples
        (n_cells,) the sample or donor of each cell of the view; cells without one are left out.
    p_adjust
        How the p-values of all pairs are adjusted together: ``bh`` or ``holm``.

    Raises
    ------
    InputError
        There are fewer than two pages.
    """
    if len(pages) < 2:
        raise InputError("A model needs two pages.", "Choose at least two pages to compare them.")
    owner, _ = sample_codes(samples)
    pairs = list(itertools.combinations(range(len(pages)), 2))
    fits = []
    for i, j in pairs:
        fits.append(_fit((pages[i], pages[j]), (scores[i], scores[j]), owner))
    known = [at for at, fit in enumerate(fits) if fit.p_value is not None]
    if len(pairs) > 1:
        for at, p in zip(known, adjusted([fits[at].p_value or 0.0 for at in known], p_adjust), strict=True):
            fits[at] = replace(fits[at], p_adjusted=p)
    return fits


def _fit(pages: tuple[Page, Page], scores: tuple[np.ndarray, np.ndarray], owner: np.ndarray) -> MixedPair:
    from scipy import optimize, stats

    names = (pages[0].name, pages[1].name)
    both = np.intersect1d(pages[0].cells, pages[1].cells, assume_unique=True)
    n_owners = int(owner.max(initial=-1)) + 1
    counts, sums, squares = np.zeros((2, n_owners)), np.zeros((2, n_owners)), 0.0
    finite = np.concatenate([values[np.isfinite(values)] for values in scores])
    center = float(finite.mean()) if len(finite) else 0.0
    for number, (page, mine) in enumerate(zip(pages, scores, strict=True)):
        kept = np.isfinite(mine) & (owner[page.cells] >= 0)
        if len(both):
            kept &= ~np.isin(page.cells, both)
        y, whose = mine[kept] - center, owner[page.cells][kept]
        counts[number] = np.bincount(whose, minlength=n_owners)
        sums[number] = np.bincount(whose, weights=y, minlength=n_owners)
        squares += float(y @ y)
    some = counts.sum(axis=0) > 0
    counts, sums = counts[:, some], sums[:, some]
    n, (n_first, n_second) = int(counts.sum()), counts.sum(axis=1)
    n_samples, shared = counts.shape[1], bool(((counts > 0).all(axis=0)).any())
    df = n - n_samples - 1 if shared else n_samples - 2
    note = f"{len(both):,} cells that are in both pages are left out." if len(both) else ""
    none = MixedPair(names, None, None, None, None, None, None, None, None, None, n, n_samples)
    if df < 1 or n_samples < 2 or not n_first or not n_second:
        return replace(none, note="There are too few samples in these pages.")
    if squares - sums.sum() ** 2 / n <= 1e-24 * n * max(1.0, center * center):
        return replace(none, note="The score does not vary in these pages.")
    # Design columns: 1 for every cell, and 1 for the cells of the first page.
    size, x_sum, y_sum = counts.sum(axis=0), counts[0], sums.sum(axis=0)
    xx = np.array([[n, n_first], [n_first, n_first]])
    xy = np.array([y_sum.sum(), sums[0].sum()])

    def solved(ratio: float) -> tuple[np.ndarray, np.ndarray, float]:
        """Return σ²XᵀV⁻¹X, the coefficients, and σ² times the weighted sum of squared residuals, rᵀV⁻¹r."""
        shrink = ratio / (1 + size * ratio)
        mixed = float((shrink * size * x_sum).sum())
        a = xx - np.array([[(shrink * size**2).sum(), mixed], [mixed, (shrink * x_sum**2).sum()]])
        b = xy - np.array([(shrink * size * y_sum).sum(), (shrink * x_sum * y_sum).sum()])
        beta = np.linalg.solve(a, b)
        return a, beta, float(squares - (shrink * y_sum**2).sum() - beta @ b)

    def objective(log_ratio: float) -> float:
        ratio = float(np.exp(log_ratio))
        a, _, rest = solved(ratio)
        return float((n - 2) * np.log(max(rest, 1e-300)) + np.log1p(size * ratio).sum() + np.linalg.slogdet(a)[1])

    grid = np.linspace(-18.0, 12.0, 61)
    best = int(np.argmin([objective(one) for one in grid]))
    low, high = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    found = optimize.minimize_scalar(objective, bounds=(low, high), method="bounded", options={"xatol": 1e-10})
    ratio = float(np.exp(found.x)) if best else 0.0
    a, beta, rest = solved(ratio)
    variance = rest / (n - 2)
    if variance <= 0:
        return replace(none, note="The score is the same in all cells of a sample.")
    error = math.sqrt(variance * np.linalg.inv(a)[1, 1])
    t = float(beta[1]) / error
    p, _ = tails.student_t(t, df)
    reach = float(stats.t.ppf(0.975, df)) * error
    return MixedPair(
        names,
        float(beta[1]),
        float(beta[1]) - reach,
        float(beta[1]) + reach,
        t,
        float(df),
        floored(p),
        None,
        math.sqrt(ratio * variance),
        math.sqrt(variance),
        n,
        n_samples,
        note,
    )
