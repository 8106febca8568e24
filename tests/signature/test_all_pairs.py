"""All pairs from one walk: the numbers of scipy for each pair by itself."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from cellucid_core.cell_pages import Page
from cellucid_core.signature.statistics.all_pairs import Pooled
from cellucid_core.signature.statistics.effects import Sample, cohens_d, tie_term
from tests.signature.comparing import compare


def groups(kind: str) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    if kind == "ties":
        return [rng.integers(0, 6 + i, 40 + 13 * i).astype(float) for i in range(5)]
    if kind == "empty":
        return [rng.normal(size=30), np.empty(0), rng.normal(size=4), np.full(5, 0.25)]
    return [rng.normal(i / 4, 1, 50 + i) for i in range(5)]


@pytest.mark.parametrize("kind", ["ties", "empty", "normal"])
def test_u_ties_and_ranks(kind):
    values = groups(kind)
    pooled = Pooled.of([Sample.of(v) for v in values])
    for i, j in itertools.permutations(range(len(values)), 2):
        if len(values[i]) and len(values[j]):
            assert pooled.u[i, j] == stats.mannwhitneyu(values[i], values[j]).statistic
            counts = np.unique(np.concatenate([values[i], values[j]]), return_counts=True)[1]
            assert pooled.ties[i, j] == (counts**3 - counts).sum()
            assert tie_term(Sample.of(values[i]), Sample.of(values[j])) == pooled.ties[i, j]
    ranks = np.split(stats.rankdata(np.concatenate(values)), np.cumsum([len(v) for v in values])[:-1])
    np.testing.assert_allclose(pooled.rank_sums, [r.sum() for r in ranks])


def test_one_against_all_others():
    values = groups("ties")
    pooled = Pooled.of([Sample.of(v) for v in values])
    rest = np.concatenate(values[:2] + values[3:])
    d, auc = pooled.against_others(2)
    assert d == pytest.approx(cohens_d(Sample.of(values[2]), Sample.of(rest)))
    assert auc == pytest.approx(stats.mannwhitneyu(values[2], rest).statistic / len(values[2]) / len(rest))
    assert Pooled.of([Sample.of(np.ones(3)), Sample.of(np.empty(0))]).against_others(0) is None


def test_every_pair_of_a_comparison_is_scipys():
    values = groups("ties")
    pages = [Page(f"P{i}", np.arange(len(v))) for i, v in enumerate(values)]
    for test in compare(pages, values)[2:]:
        a, b = (values[int(name[1:])] for name in test.pages)
        want = stats.mannwhitneyu(a, b) if test.test == "mann-whitney-u" else stats.ttest_ind(a, b, equal_var=False)
        assert (test.statistic, test.p_value) == pytest.approx((want.statistic, want.pvalue))


def test_quantiles_are_numpys():
    rng = np.random.default_rng(1)
    shares = np.linspace(0, 1, 23)
    for values in (rng.normal(size=101), rng.integers(0, 4, 57).astype(float), np.array([2.0]), np.array([1.0, 5.0])):
        assert Sample.of(values).quantiles(shares) == pytest.approx(np.quantile(values, shares), abs=0, rel=1e-15)
    assert all(np.isnan(Sample.of(np.empty(0)).quantiles([0.5])))
