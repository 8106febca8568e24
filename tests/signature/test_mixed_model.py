"""The mixed model against statsmodels, and what the tests call significant where there is nothing."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from cellucid_core.cell_pages import Page
from cellucid_core.errors import InputError
from cellucid_core.signature.statistics import mixed_model
from tests.signature.comparing import by_sample, compare


def simulated(rng, *, n_samples=8, cells=40, donor=1.0, effect=0.0, shared=False):
    """Return pages, scores and samples: donors of their own in each page, or in both."""
    level = rng.normal(scale=donor, size=n_samples)
    owner = np.repeat(np.arange(n_samples), cells)
    first = rng.random(len(owner)) < 0.5 if shared else owner < n_samples // 2
    score = level[owner] + effect * first + rng.normal(size=len(owner))
    pages = [Page("A", np.flatnonzero(first)), Page("B", np.flatnonzero(~first))]
    return pages, [score[page.cells] for page in pages], np.array([f"d{i}" for i in owner], dtype=object)


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("seed", range(6))
def test_it_agrees_with_statsmodels(seed, shared):
    from statsmodels.regression.mixed_linear_model import MixedLM

    rng = np.random.default_rng(seed)
    pages, scores, samples = simulated(rng, donor=1.5, effect=0.7, shared=shared, cells=int(rng.integers(5, 60)))
    (ours,) = mixed_model(pages, scores, samples)
    y = np.concatenate(scores)
    x = np.repeat([1.0, 0.0], [pages[0].n, pages[1].n])
    groups = np.concatenate([samples[page.cells] for page in pages])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = MixedLM(y, np.column_stack([np.ones(len(y)), x]), groups=groups).fit(reml=True, method="bfgs")
    assert fit.converged
    np.testing.assert_allclose(ours.difference, fit.fe_params[1], rtol=1e-4)
    np.testing.assert_allclose(ours.difference / ours.t, fit.bse_fe[1], rtol=1e-3)
    np.testing.assert_allclose(ours.sample_sd**2, np.asarray(fit.cov_re)[0, 0], rtol=1e-2)
    np.testing.assert_allclose(ours.cell_sd**2, fit.scale, rtol=1e-3)
    assert (ours.n_cells, ours.n_samples) == (len(y), 8)


def test_balanced_data_have_a_closed_form():
    """With donors of their own and equal sizes, t is that of the samples' means."""
    from scipy import stats

    pages, scores, samples = simulated(np.random.default_rng(1), effect=1.0)
    (ours,) = mixed_model(pages, scores, samples)
    owners = [samples[page.cells] for page in pages]
    means = [[mine[own == d].mean() for d in np.unique(own)] for mine, own in zip(scores, owners, strict=True)]
    expected = stats.ttest_ind(*means)
    np.testing.assert_allclose([ours.t, ours.p_value], [expected.statistic, expected.pvalue], rtol=1e-6)
    assert ours.df == 6
    assert ours.low < ours.difference < ours.high


def test_where_there_is_nothing_tests_by_sample_and_the_model_keep_five_percent():
    """600 null data sets with donor effects, each way of design."""
    found = {"sample": [], "model": [], "model shared": [], "sample shared": [], "cell": []}
    for seed in range(600):  # of 200, one in ten lies outside by chance
        rng = np.random.default_rng(seed)
        pages, scores, samples = simulated(rng, n_samples=16)
        found["cell"].append(compare(pages, scores)[0].p_value)
        found["sample"].append(by_sample(pages, scores, samples)[0].p_value)
        found["model"].append(mixed_model(pages, scores, samples)[0].p_value)
        both = simulated(rng, shared=True)
        found["model shared"].append(mixed_model(*both)[0].p_value)
        found["sample shared"].append(by_sample(*both)[0].p_value)
    rates = {name: float(np.mean(np.array(p) < 0.05)) for name, p in found.items()}
    assert rates["cell"] > 0.3, rates
    for name in ("sample", "model", "model shared", "sample shared"):
        assert 0.03 <= rates[name] <= 0.07, rates


def test_pairs_are_adjusted_together():
    rng = np.random.default_rng(0)
    owner = np.repeat(np.arange(9), 30)
    score = rng.normal(size=9)[owner] + rng.normal(size=270)
    pages = [Page(name, np.flatnonzero(owner % 3 == k)) for k, name in enumerate("ABC")]
    fits = mixed_model(pages, [score[page.cells] for page in pages], owner)
    assert [fit.pages for fit in fits] == [("A", "B"), ("A", "C"), ("B", "C")]
    raw = sorted(fit.p_value for fit in fits)
    expected = np.minimum.accumulate([raw[k] * 3 / (k + 1) for k in (2, 1, 0)])[::-1]
    np.testing.assert_allclose(sorted(fit.p_adjusted for fit in fits), np.minimum(expected, 1))


@pytest.mark.parametrize(
    ("owner", "score", "words"),
    [
        ([0, 0, 1, 1], [1.0, 2, 3, 4], "too few samples"),
        ([0, 0, 1, 1, 2, 2, 3, 3], [1.0] * 8, "does not vary"),
        ([0, 0, 1, 1, 2, 2, 3, 3], [np.nan] * 8, "too few samples"),
    ],
)
def test_what_has_no_model_says_why(owner, score, words):
    half = len(owner) // 2
    pages = [Page("A", np.arange(half)), Page("B", np.arange(half, len(owner)))]
    (fit,) = mixed_model(pages, [np.array(score)[page.cells] for page in pages], np.array(owner))
    assert fit.p_value is None
    assert words in fit.note


def test_cells_of_both_pages_are_left_out_and_one_page_is_refused():
    rng = np.random.default_rng(0)
    owner = np.repeat(np.arange(8), 20)
    score = rng.normal(size=160)
    pages = [Page("A", np.arange(100)), Page("B", np.arange(80, 160))]
    (fit,) = mixed_model(pages, [score[page.cells] for page in pages], owner)
    assert fit.n_cells == 140
    assert "20 cells" in fit.note
    with pytest.raises(InputError, match="two pages"):
        mixed_model(pages[:1], [score[:100]], owner)
