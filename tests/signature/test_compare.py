"""Tests between pages against scipy, effects against their definitions."""

from __future__ import annotations

import itertools
import json
import math
import warnings

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from cellucid_core.cell_pages import Page
from cellucid_core.errors import InputError
from tests.signature.comparing import compare


def pages(*sizes: int) -> list[Page]:
    ends = np.cumsum([0, *sizes])
    return [Page("ABCDEFGH"[i], np.arange(ends[i], ends[i + 1])) for i in range(len(sizes))]


def draws(kind: str, *sizes: int, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    shifted = [rng.normal(0.4 * i, 1 + 0.2 * i, n) for i, n in enumerate(sizes)]
    return shifted if kind == "smooth" else [np.maximum(np.round(s, 1), 0) for s in shifted]


@pytest.mark.parametrize("kind", ["smooth", "tied"])
@pytest.mark.parametrize("sizes", [(3, 4), (8, 30), (40, 25), (2, 2), (300, 7)])
def test_two_pages_as_scipy(kind, sizes):
    a, b = draws(kind, *sizes, seed=sum(sizes))
    welch, mwu = compare(pages(*sizes), [a, b])
    want = stats.ttest_ind(a, b, equal_var=False)
    interval = stats.ttest_ind(a, b, equal_var=False)
    assert (welch.statistic, welch.df, welch.p_value) == pytest.approx((want.statistic, interval.df, want.pvalue))
    n_a, n_b = sizes
    spread = math.sqrt(((n_a - 1) * a.var(ddof=1) + (n_b - 1) * b.var(ddof=1)) / (n_a + n_b - 2))
    d = (a.mean() - b.mean()) / spread
    half = stats.norm.ppf(0.975) * math.sqrt((n_a + n_b) / (n_a * n_b) + d * d / (2 * (n_a + n_b)))
    assert (welch.effect_size, welch.ci_low, welch.ci_high) == pytest.approx((d, d - half, d + half))
    want = stats.mannwhitneyu(a, b)
    assert (mwu.statistic, mwu.p_value) == pytest.approx((want.statistic, want.pvalue))
    greater = np.mean([(x > y) + (x == y) / 2 for x in a for y in b])
    assert (mwu.auc, mwu.effect_size) == pytest.approx((greater, 2 * greater - 1))
    assert welch.p_adjusted is None


@pytest.mark.parametrize("kind", ["smooth", "tied"])
def test_three_and_more_pages_as_scipy(kind):
    sizes = (30, 12, 50, 9)
    groups = draws(kind, *sizes)
    results = compare(pages(*sizes), groups)
    assert [r.test for r in results] == ["anova", "kruskal-wallis", *["welch-t", "mann-whitney-u"] * 6]
    anova, kruskal = results[:2]
    want = stats.f_oneway(*groups)
    assert (anova.statistic, anova.p_value) == pytest.approx((want.statistic, want.pvalue))
    assert anova.df == (3, 97)
    pooled = np.concatenate(groups)
    between = sum(len(g) * (g.mean() - pooled.mean()) ** 2 for g in groups)
    assert anova.effect_size == pytest.approx(between / ((pooled - pooled.mean()) ** 2).sum())
    want = stats.kruskal(*groups)
    assert (kruskal.statistic, kruskal.p_value) == pytest.approx((want.statistic, want.pvalue))
    assert kruskal.df == 3
    assert kruskal.effect_size == pytest.approx(want.statistic / 100)
    pairs = list(itertools.combinations(range(4), 2))
    assert [r.pages for r in results[2::2]] == [("ABCD"[i], "ABCD"[j]) for i, j in pairs]
    for result, (i, j) in zip(results[3::2], pairs, strict=True):
        assert result.p_value == pytest.approx(stats.mannwhitneyu(groups[i], groups[j]).pvalue)


@pytest.mark.parametrize(("how", "theirs"), [("bh", "fdr_bh"), ("holm", "holm")])
def test_pairs_are_adjusted_together_per_test(how, theirs):
    sizes = (40, 30, 20, 25, 10)
    results = compare(pages(*sizes), draws("tied", *sizes), p_adjust=how)[2:]
    for family in (results[::2], results[1::2]):
        want = multipletests([r.p_value for r in family], method=theirs)[1]
        assert [r.p_adjusted for r in family] == pytest.approx(want.tolist())


def test_unknown_adjustment():
    with pytest.raises(InputError, match="bonferroni"):
        compare(pages(5, 5, 5), draws("smooth", 5, 5, 5), p_adjust="bonferroni")


def test_not_finite_scores_are_left_out():
    a, b = draws("smooth", 20, 15)
    dirty = [np.concatenate([a, [np.nan, np.inf]]), np.concatenate([[-np.inf], b])]
    clean, got = compare(pages(20, 15), [a, b]), compare(pages(22, 16), dirty)
    assert [r.to_json() for r in clean] == [r.to_json() for r in got]
    assert got[0].n == (20, 15)


def test_positive_means_the_first_page_is_higher():
    high, low = np.array([3.0, 4, 5, 6]), np.array([0.0, 1, 2, 3])
    for result in compare(pages(4, 4), [high, low]):
        assert result.effect_size > 0.5
    for result in compare(pages(4, 4), [low, high]):
        assert result.effect_size < -0.5


def test_many_cells_as_scipy():
    a, b = draws("tied", 20_000, 15_000)
    welch, mwu = compare(pages(20_000, 15_000), [a, b])
    assert welch.statistic == pytest.approx(stats.ttest_ind(a, b, equal_var=False).statistic)
    want = stats.mannwhitneyu(a, b)
    assert mwu.statistic == want.statistic
    assert mwu.log10_p == pytest.approx(math.log10(want.pvalue), rel=1e-9)


def test_a_tiny_p_is_never_0():
    a, b = draws("smooth", 30_000, 30_000)
    groups = [a, b + 3, b - 3]
    for result in compare(pages(30_000, 30_000, 30_000), groups):
        assert result.p_value == 1e-300
        assert result.log10_p < -1000
        assert result.p_text.endswith("p < 1e-300")
        assert result.to_json()["log10_p"] == result.log10_p


DEGENERATE = {
    "constant": [np.zeros(5), np.zeros(4)],
    "two constants": [np.full(5, 0.1), np.full(4, 0.3)],
    "one cell": [np.array([1.0]), np.array([2.0, 3])],
    "one cell each": [np.array([1.0]), np.array([2.0])],
    "empty": [np.empty(0), np.array([1.0, 2])],
    "all missing": [np.full(3, np.nan), np.full(3, np.nan)],
    "three constant": [np.ones(3), np.ones(3), np.ones(3)],
    "three with an empty one": [np.array([1.0, 2]), np.empty(0), np.array([1.0, 5, 2])],
    "three of one cell": [np.ones(1), np.zeros(1), np.full(1, 2.0)],
}


@pytest.mark.parametrize("groups", DEGENERATE.values(), ids=DEGENERATE)
def test_what_is_not_defined_is_none_with_words_and_no_warning(groups):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        results = compare(pages(*map(len, groups)), groups)
    for result in results:
        json.dumps(result.to_json(), allow_nan=False)
        if result.statistic is None:
            assert result.note
            assert result.p_value is None


def test_constants_have_no_t_but_a_u():
    welch, mwu = compare(pages(5, 4), DEGENERATE["constant"])
    assert welch.statistic is None
    assert welch.effect_size is None
    assert (mwu.statistic, mwu.p_value, mwu.auc) == (10, 1.0, 0.5)


def test_one_page_has_no_tests():
    assert compare(pages(5), [np.arange(5.0)]) == []


def test_json_has_the_contracts_keys():
    welch = compare(pages(9, 8), draws("smooth", 9, 8))[0].to_json()
    keys = {"test", "pages", "statistic", "df", "p_value", "effect_size", "effect_size_type", "unit"}
    assert keys <= set(welch)
    assert welch["effect_size_type"] == "cohens-d"
    assert welch["unit"] == "cell"
    assert compare(pages(9, 8, 7), draws("smooth", 9, 8, 7))[0].to_json()["df"] == [2.0, 21.0]
