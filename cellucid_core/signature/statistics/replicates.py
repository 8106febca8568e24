"""Compare pages by replicate: each sample's mean score is one value, because cells of one donor are not replicates."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from cellucid_core.cell_pages import Page
from cellucid_core.signature.statistics import tails
from cellucid_core.signature.statistics.adjustment import adjust
from cellucid_core.signature.statistics.compare import (
    MAX_PAIRED_PAGES,
    anova,
    kruskal_wallis,
    mann_whitney_u,
    welch_t,
)
from cellucid_core.signature.statistics.effects import Sample, paired_d, paired_d_interval
from cellucid_core.signature.statistics.result import Adjustment, TestResult, floored


def by_owner(names: Sequence[str], owned: Sequence[Owned], *, p_adjust: Adjustment = "bh") -> list[TestResult]:
    """Compare pages with the sample as the unit.

    Parameters
    ----------
    names, owned
        Of the pages, in order: an effect is the first page of a pair less the second; see `owned_scores`.
    p_adjust
        How the p-values of all pairs are adjusted together: ``bh`` or ``holm``.

    Returns
    -------
    list of TestResult
        With ``unit="sample"``. A pair of pages with at least two common samples is compared on those: paired t and
        Wilcoxon signed-rank; any other pair by Welch's t and Mann–Whitney U on the sample means. Three or more pages
        that share no samples also get ANOVA and Kruskal–Wallis, which must not be used on dependent values. p-values
        are adjusted together over all pairs, t-tests and rank tests apart. Beyond `MAX_PAIRED_PAGES` pages there are no
        pairs.

    Raises
    ------
    InputError
        The adjustment is unknown (three or more pages).
    """
    means = [one.means() for one in owned]
    if len(names) < 2:
        return []
    pairs = list(itertools.combinations(range(len(names)), 2))
    shared = {(i, j): means[i].index.intersection(means[j].index) for i, j in pairs}
    overall: list[TestResult] = []
    if len(names) > 2 and not any(len(common) for common in shared.values()):
        groups = [Sample.of(m.to_numpy()) for m in means]
        overall = [anova(names, groups, "sample"), kruskal_wallis(names, groups, "sample")]
    if len(names) > MAX_PAIRED_PAGES:
        return overall
    t_tests: list[TestResult] = []
    rank_tests: list[TestResult] = []
    for i, j in pairs:
        both = (names[i], names[j])
        common = shared[i, j]
        if len(common) >= 2:
            a, b = means[i].loc[common].to_numpy(), means[j].loc[common].to_numpy()
            t_tests.append(paired_t(both, a, b))
            rank_tests.append(wilcoxon(both, a, b))
            continue
        x, y = Sample.of(means[i].to_numpy()), Sample.of(means[j].to_numpy())
        note = f"{both[0]} and {both[1]} share one sample, too few to pair them." if len(common) else None
        for results, test in ((t_tests, welch_t), (rank_tests, mann_whitney_u)):
            result = test(both, x, y, "sample")
            results.append(replace(result, note=result.note or note))
    if len(pairs) > 1:
        t_tests, rank_tests = adjust(t_tests, p_adjust), adjust(rank_tests, p_adjust)
    return overall + list(itertools.chain.from_iterable(zip(t_tests, rank_tests, strict=True)))


@dataclass(frozen=True, eq=False)
class Owned:
    """The finite scores of one page, added up by sample.

    Attributes
    ----------
    owners
        (samples,) names of all samples of the column, ascending.
    sums, counts
        (samples,) float64 and int64: sum and number of the page's finite scores in each.
    """

    owners: np.ndarray
    sums: np.ndarray
    counts: np.ndarray

    def means(self) -> pd.Series:
        """Return the mean score of each sample that has a score in the page, indexed by sample; float64."""
        some = self.counts > 0
        return pd.Series(self.sums[some] / self.counts[some], index=pd.Index(self.owners[some], dtype=object))


def owned_scores(pages: Sequence[Page], scores: Sequence[np.ndarray], samples: pd.Series | np.ndarray) -> list[Owned]:
    """Add up the scores of each page by sample.

    Parameters
    ----------
    pages, scores
        The pages and their scores; what is not finite is left out.
    samples
        (n_cells,) the sample of each cell of the view; cells without one are left out.
    """
    return owned_by(pages, scores, *sample_codes(samples))


def owned_by(pages: Sequence[Page], scores: Sequence[np.ndarray], owner: np.ndarray, names: np.ndarray) -> list[Owned]:
    """Do the same as `owned_scores` for samples that `sample_codes` has numbered."""
    result = []
    for page, values in zip(pages, scores, strict=True):
        mine = owner[page.cells]
        kept = np.isfinite(values) & (mine >= 0)
        if not kept.all():
            mine, values = mine[kept], values[kept]
        sums = np.bincount(mine, weights=values, minlength=len(names))
        result.append(Owned(names, sums, np.bincount(mine, minlength=len(names))))
    return result


def sample_codes(samples: pd.Series | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the number of each cell's sample, (n_cells,) int64, −1 for none; and the samples' names, ascending."""
    column = pd.Series(samples)
    if isinstance(column.dtype, pd.CategoricalDtype):
        codes, values = column.cat.codes.to_numpy(), column.cat.categories
    else:
        codes, values = pd.factorize(column)
    names, place = np.unique(np.array([str(value) for value in values], dtype=object), return_inverse=True)
    # Code −1, no sample, picks the last entry.
    return np.append(place, -1).astype(np.int64)[codes], names


def paired_t(names: tuple[str, str], a: np.ndarray, b: np.ndarray) -> TestResult:
    """Return a paired t-test with d_z (`effects.paired_d`); it agrees with ``scipy.stats.ttest_rel``.

    Parameters
    ----------
    names
        The two pages.
    a, b
        (n,) means of the same samples in both pages.
    """
    differences = np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64)
    n = len(differences)
    d = paired_d(differences)
    if d is None:
        note = (
            "The difference is the same in every sample, so t and d are not defined."
            if n > 1
            else "A paired test needs at least 2 samples that are in both pages."
        )
        return TestResult("paired-t", names, None, "cohens-d", None, None, None, None, (n, n), "sample", note=note)
    statistic = d * math.sqrt(n)
    p, log_p = tails.student_t(statistic, n - 1)
    low, high = paired_d_interval(d, n)
    return TestResult(
        "paired-t",
        names,
        d,
        "cohens-d",
        statistic,
        float(n - 1),
        floored(p),
        log_p,
        (n, n),
        "sample",
        low,
        high,
        note="d is the mean difference over the SD of the differences (d_z).",
    )


def wilcoxon(names: tuple[str, str], a: np.ndarray, b: np.ndarray) -> TestResult:
    """Return a Wilcoxon signed-rank test, as ``scipy.stats.wilcoxon``, with the matched-pairs rank-biserial r.

    r = (W₊ − W₋)/(W₊ + W₋) over the differences that are not 0 (Kerby 2014, 10.2466/11.IT.3.1); `a` and `b` are as in
    `paired_t`.
    """
    from scipy import stats

    differences = np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64)
    n = len(differences)
    moved = differences[differences != 0]
    if n < 2 or len(moved) == 0:
        note = "No sample differs between the pages, so the signed-rank test is not defined."
        return TestResult("wilcoxon", names, None, "rank-biserial", None, None, None, None, (n, n), "sample", note=note)
    ranks = stats.rankdata(np.abs(moved))
    up, down = float(ranks[moved > 0].sum()), float(ranks[moved < 0].sum())
    p = float(stats.wilcoxon(differences).pvalue)
    return TestResult(
        "wilcoxon",
        names,
        (up - down) / (up + down),
        "rank-biserial",
        min(up, down),
        None,
        floored(p),
        math.log10(floored(p)),
        (n, n),
        "sample",
    )
