"""Compare pages by their scores: effect sizes first, two-sided tests on finite values.

Statistics, p-values and defaults agree with scipy.stats: ``ttest_ind(equal_var=False)``, ``mannwhitneyu``,
``f_oneway``, ``kruskal``. Every page is sorted once (`effects.Sample`), and all pairs are counted together
(`all_pairs.Pooled`).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

from cellucid_core.signature.statistics import tails
from cellucid_core.signature.statistics.adjustment import adjust
from cellucid_core.signature.statistics.all_pairs import Pooled
from cellucid_core.signature.statistics.effects import (
    Sample,
    cohens_d,
    cohens_d_interval,
    rank_biserial,
    tie_term,
    u_statistic,
)
from cellucid_core.signature.statistics.result import Adjustment, TestResult, floored

Unit = Literal["cell", "sample"]

#: Above this many pages only the overall tests are made.
MAX_PAIRED_PAGES = 100
#: Mann–Whitney's p is exact if a page has at most this many scores and there are no ties, as in `mannwhitneyu` …
_EXACT_SIZE = 8
#: … but only up to this many pairs of scores: beyond, the exact distribution takes seconds.
_EXACT_PAIRS = 100_000


def compare_samples(
    names: Sequence[str],
    samples: Sequence[Sample],
    *,
    p_adjust: Adjustment = "bh",
    pooled: Pooled | None = None,
) -> list[TestResult]:
    """Compare pages.

    Parameters
    ----------
    names, samples
        Of the pages, in order: an effect is the first page of a pair less the second.
    p_adjust
        How the p-values of all pairs are adjusted together, per test: ``bh`` or ``holm``.
    pooled
        The scores of all pages together, where that is known.

    Returns
    -------
    list of TestResult
        Two pages: Welch's t and Mann–Whitney U. More: ANOVA and Kruskal–Wallis, then both tests for each pair; beyond
        `MAX_PAIRED_PAGES` pages without the pairs. Fewer than two pages: an empty list.

    Raises
    ------
    InputError
        The adjustment is unknown (three or more pages).
    """
    if len(names) < 2:
        return []
    if len(names) == 2:
        two = ((names[0], names[1]), samples[0], samples[1])
        return [welch_t(*two), mann_whitney_u(*two)]
    together = Pooled.of(samples) if pooled is None else pooled
    overall = [anova(names, samples), kruskal_wallis(names, samples, pooled=together)]
    if len(names) > MAX_PAIRED_PAGES:
        return overall
    pairs = list(itertools.combinations(range(len(names)), 2))
    t_tests = [welch_t((names[i], names[j]), samples[i], samples[j]) for i, j in pairs]
    u_tests = [
        mann_whitney_u(
            (names[i], names[j]),
            samples[i],
            samples[j],
            counted=(float(together.u[i, j]), float(together.ties[i, j])),
        )
        for i, j in pairs
    ]
    each = zip(adjust(t_tests, p_adjust), adjust(u_tests, p_adjust), strict=True)
    return overall + list(itertools.chain.from_iterable(each))


def welch_t(names: tuple[str, str], a: Sample, b: Sample, unit: Unit = "cell") -> TestResult:
    """Return Welch's t with Welch–Satterthwaite degrees of freedom (Welch 1947), Cohen's d and its 95 % interval."""
    d = cohens_d(a, b)
    low, high = cohens_d_interval(d, a.n, b.n) if d is not None else (None, None)
    statistic = df = p = log_p = note = None
    if a.n < 2 or b.n < 2:
        note = _too_few(names, (a, b), 2, unit)
    elif a.squares == 0 and b.squares == 0:
        note = f"{names[0]} and {names[1]} have no variance, so t and d are not defined."
    else:
        error_a, error_b = a.variance / a.n, b.variance / b.n
        statistic = (a.mean - b.mean) / math.sqrt(error_a + error_b)
        df = (error_a + error_b) ** 2 / (error_a**2 / (a.n - 1) + error_b**2 / (b.n - 1))
        p, log_p = tails.student_t(statistic, df)
        p = floored(p)
    return TestResult("welch-t", names, d, "cohens-d", statistic, df, p, log_p, (a.n, b.n), unit, low, high, note=note)


def mann_whitney_u(
    names: tuple[str, str], a: Sample, b: Sample, unit: Unit = "cell", counted: tuple[float, float] | None = None
) -> TestResult:
    """Return Mann–Whitney U of the first page (Mann & Whitney 1947) with rank-biserial r and AUC = U/(n_A·n_B).

    p as scipy's default: exact where a page has at most 8 scores and there are no ties, else normal with tie and
    continuity correction. One difference: beyond 100,000 pairs of scores it is always the normal one. `counted` is U
    and the tie term (`tie_term`) where they are known.
    """
    if a.n == 0 or b.n == 0:
        note = _too_few(names, (a, b), 1, unit)
        return TestResult(
            "mann-whitney-u", names, None, "rank-biserial", None, None, None, None, (a.n, b.n), unit, note=note
        )
    u, ties = (u_statistic(a, b), tie_term(a, b)) if counted is None else counted
    n, pairs = a.n + b.n, a.n * b.n
    if min(a.n, b.n) <= _EXACT_SIZE and ties == 0 and pairs <= _EXACT_PAIRS:
        from scipy.stats import mannwhitneyu  # without ties `values` holds every score

        p = float(mannwhitneyu(a.values, b.values, method="exact").pvalue)
        log_p = math.log10(p)
    else:
        spread = math.sqrt(max(pairs / 12 * ((n + 1) - ties / (n * (n - 1))), 0))
        distance = max(u, pairs - u) - pairs / 2 - 0.5
        p, log_p = tails.normal(distance / spread) if spread > 0 else (1.0, 0.0)
    return TestResult(
        "mann-whitney-u",
        names,
        rank_biserial(u, a.n, b.n),
        "rank-biserial",
        u,
        None,
        floored(p),
        log_p,
        (a.n, b.n),
        unit,
        auc=u / pairs,
    )


def anova(names: Sequence[str], samples: Sequence[Sample], unit: Unit = "cell") -> TestResult:
    """Return a one-way ANOVA (Fisher 1925) with η² = SSB/SST."""
    filled = [s for s in samples if s.n]
    n, k = sum(s.n for s in filled), len(samples)
    statistic = p = log_p = effect = note = None
    if len(filled) < k or n <= k:
        note = _too_few(names, samples, 1 if len(filled) < k else 2, unit)
    else:
        mean = sum(s.n * s.mean for s in filled) / n
        between = sum(s.n * (s.mean - mean) ** 2 for s in filled)
        within = sum(s.squares for s in filled)
        if within == 0:
            note = "No page has any variance, so F is not defined."
        else:
            statistic = between / (k - 1) / (within / (n - k))
            effect = between / (between + within)
            p, log_p = tails.f_ratio(statistic, k - 1, n - k)
            p = floored(p)
    sizes = tuple(s.n for s in samples)
    df = (float(k - 1), float(max(n - k, 0)))
    return TestResult("anova", tuple(names), effect, "eta-squared", statistic, df, p, log_p, sizes, unit, note=note)


def kruskal_wallis(
    names: Sequence[str], samples: Sequence[Sample], unit: Unit = "cell", pooled: Pooled | None = None
) -> TestResult:
    """Return Kruskal–Wallis H (Kruskal & Wallis 1952), tie-corrected, and ε² = H/(N − 1) (Tomczak & Tomczak 2014)."""
    n, k = sum(s.n for s in samples), len(samples)
    statistic = p = log_p = effect = note = None
    if any(s.n == 0 for s in samples):
        note = _too_few(names, samples, 1, unit)
    else:
        together = Pooled.of(samples) if pooled is None else pooled
        if together.n_distinct < 2:
            note = "All scores are equal, so H is not defined."
        else:
            middle = (n + 1) / 2
            mean_ranks = together.rank_sums / np.array([s.n for s in samples])
            spread = sum(s.n * (rank - middle) ** 2 for s, rank in zip(samples, mean_ranks.tolist(), strict=True))
            ties = together.total_ties
            statistic = 12 * spread / (n * (n + 1)) / (1 - ties / (float(n) ** 3 - n))
            effect = statistic / (n - 1)
            p, log_p = tails.chi_square(statistic, k - 1)
            p = floored(p)
    sizes = tuple(s.n for s in samples)
    return TestResult(
        "kruskal-wallis",
        tuple(names),
        effect,
        "epsilon-squared",
        statistic,
        float(k - 1),
        p,
        log_p,
        sizes,
        unit,
        note=note,
    )


def _too_few(names: Sequence[str], samples: Sequence[Sample], least: int, unit: Unit) -> str:
    """Say which pages have too few values for a test."""
    what = "score" if unit == "cell" else "sample"
    few = [f"{name} has {s.n}" for name, s in zip(names, samples, strict=True) if s.n < least]
    need = f"the test needs at least {least} {what}{'s' if least > 1 else ''} per page"
    return f"{', '.join(few)}; {need}." if few else f"There are no more {what}s than pages; {need}."
