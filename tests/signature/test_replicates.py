"""Samples as the unit, against scipy on hand-made sample means."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from cellucid_core.cell_pages import Page
from tests.signature.comparing import by_sample


@pytest.fixture
def cells():
    """300 cells of 6 donors in two pages that share all donors; scores rise with the donor."""
    rng = np.random.default_rng(2)
    donor = rng.integers(0, 6, 300)
    first = rng.random(300) < 0.5
    score = donor + rng.normal(size=300) + 0.5 * first
    names = pd.Series(np.array([f"d{i}" for i in range(6)])[donor]).astype("category")
    return names, score, first


def test_pages_that_share_samples_are_paired(cells):
    donor, score, first = cells
    pages = [Page("A", np.flatnonzero(first)), Page("B", np.flatnonzero(~first))]
    scores = [score[p.cells] for p in pages]
    scores[0][0] = np.nan
    t, w = by_sample(pages, scores, donor)
    a, b = (pd.Series(s).groupby(donor.to_numpy()[p.cells]).mean() for s, p in zip(scores, pages, strict=True))
    want = stats.ttest_rel(a, b)
    assert (t.test, t.unit, t.n) == ("paired-t", "sample", (6, 6))
    assert (t.statistic, t.df, t.p_value) == pytest.approx((want.statistic, want.df, want.pvalue))
    difference = (a - b).to_numpy()
    assert t.effect_size == pytest.approx(difference.mean() / difference.std(ddof=1))
    want = stats.wilcoxon(a, b)
    assert (w.test, w.statistic, w.p_value) == ("wilcoxon", pytest.approx(want.statistic), pytest.approx(want.pvalue))
    ranks = stats.rankdata(np.abs(difference))
    assert w.effect_size == pytest.approx((ranks * np.sign(difference)).sum() / ranks.sum())


def test_only_common_samples_are_paired(cells):
    donor, score, first = cells
    a_cells = np.flatnonzero(first & donor.isin(["d0", "d1", "d2", "d3"]))
    b_cells = np.flatnonzero(~first & donor.isin(["d1", "d2", "d3", "d4"]))
    pages = [Page("A", a_cells), Page("B", b_cells)]
    assert by_sample(pages, [score[a_cells], score[b_cells]], donor)[0].n == (3, 3)


def test_pages_of_different_samples_are_independent(cells):
    donor, score, _ = cells
    treated = donor.isin(["d0", "d1", "d2"]).to_numpy()
    pages = [Page("A", np.flatnonzero(treated)), Page("B", np.flatnonzero(~treated))]
    welch, mwu = by_sample(pages, [score[p.cells] for p in pages], donor)
    means = pd.Series(score).groupby(donor.to_numpy()).mean()
    want = stats.ttest_ind(means[:3], means[3:], equal_var=False)
    assert (welch.test, welch.unit, welch.n) == ("welch-t", "sample", (3, 3))
    assert (welch.statistic, welch.p_value) == pytest.approx((want.statistic, want.pvalue))
    assert mwu.p_value == pytest.approx(stats.mannwhitneyu(means[:3], means[3:]).pvalue)


def test_three_pages_of_different_samples_also_get_overall_tests(cells):
    donor, score, _ = cells
    pages = [Page(f"{a}{b}", np.flatnonzero(donor.isin([a, b]))) for a, b in (("d0", "d1"), ("d2", "d3"), ("d4", "d5"))]
    results = by_sample(pages, [score[p.cells] for p in pages], donor)
    assert [r.test for r in results] == ["anova", "kruskal-wallis", *["welch-t", "mann-whitney-u"] * 3]
    assert all(r.p_adjusted is not None for r in results[2:])
    assert {r.unit for r in results} == {"sample"}


def test_cells_without_a_sample_are_left_out(cells):
    donor, score, first = cells
    pages = [Page("A", np.flatnonzero(first)), Page("B", np.flatnonzero(~first))]
    some = donor.astype(object)
    some[donor == "d5"] = None
    assert by_sample(pages, [score[p.cells] for p in pages], some)[0].n == (5, 5)


def test_one_sample_is_not_enough(cells):
    _, score, first = cells
    pages = [Page("A", np.flatnonzero(first)), Page("B", np.flatnonzero(~first))]
    results = by_sample(pages, [score[p.cells] for p in pages], pd.Series(["one"] * 300))
    assert results[0].statistic is None
    assert results[0].note


def test_no_difference_in_any_sample():
    pages = [Page("A", np.arange(4)), Page("B", np.arange(4, 8))]
    samples = pd.Series(["x", "x", "y", "y"] * 2)
    for result in by_sample(pages, [np.array([1.0, 1, 2, 2])] * 2, samples):
        assert result.statistic is None
        assert result.note
