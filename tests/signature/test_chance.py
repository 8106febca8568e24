"""The check against chance: right numbers, the same for the same seed, and uniform where there is nothing to find."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from cellucid_core.cell_pages import Page, rest_of
from cellucid_core.errors import InputError
from cellucid_core.genes import GeneSet
from cellucid_core.signature import against_chance, match_in_view, score_cells
from cellucid_core.signature.statistics import chance
from cellucid_core.signature.statistics.chance import expression_bins
from cellucid_core.signature.statistics.effects import Sample, cohens_d
from tests.signature.signature_values import as_adata, store_kinds, values

HALF = Page("A", np.arange(60))


def d_of(scores: np.ndarray, a: np.ndarray, b: np.ndarray) -> float:
    return cohens_d(Sample.of(scores[a]), Sample.of(scores[b]))


@store_kinds
@pytest.mark.parametrize("dirty", [False, True])
def test_d_is_that_of_the_mean_score(viewed, store_kind, dirty):
    view = viewed(as_adata(values(150, 300, seed=3, dirty=dirty), store_kind))
    match = match_in_view(view, GeneSet("s", ("g3", "g50", "g80"), (1.0, 2.0, 3.0)))
    raw = score_cells(view.expression, match, "mean")
    rest = rest_of(HALF, 150)
    result = against_chance(view, match, HALF, n_sets=30, seed=4)
    assert result.d == pytest.approx(d_of(raw, HALF.cells, rest.cells))
    assert result.pages == ("A", "Rest of A")
    assert result.p_value == (1 + (np.abs(result.random) >= abs(result.d)).sum()) / 31
    assert str(result.n_genes) in result.sentence
    again = against_chance(view, match, HALF, n_sets=30, seed=4)
    np.testing.assert_array_equal(result.random, again.random)
    assert not np.array_equal(result.random, against_chance(view, match, HALF, n_sets=30, seed=5).random)


@pytest.mark.parametrize("dirty", [False, True])
def test_genes_that_count_against_the_signature_keep_their_signs(viewed, dirty, monkeypatch):
    x = values(150, 300, seed=3, dirty=dirty)
    view = viewed(as_adata(x, "sparse"))
    match = match_in_view(view, GeneSet("s", ("g3", "g50", "g80"), (1.0, -1.0, -1.0), halves=("up", "down")))
    rest = rest_of(HALF, 150).cells
    monkeypatch.setattr(chance, "_random_sets", lambda *_: ([np.array([7, 5, 9])] * 20, 0))
    result = against_chance(view, match, HALF, n_sets=20)
    for method in ("mean",) if dirty else ("mean", "sum"):
        score = score_cells(view.expression, match, method)
        assert result.d == pytest.approx(d_of(score, HALF.cells, rest))
    replaced = match_in_view(view, GeneSet("s", ("g7", "g5", "g9"), (1.0, -1.0, -1.0), halves=("up", "down")))
    drawn = score_cells(view.expression, replaced, "mean")
    assert result.random == pytest.approx(d_of(drawn, HALF.cells, rest))


def test_the_sets_that_reach_d_are_counted_once_and_names_stay_as_they_are():
    random = np.array([0.3 - 1e-15, -0.4, 0.1, np.nan])
    found = chance.Chance(("CD4-T", "NK"), -0.3, random, n_genes=2, seed=0)
    assert (found.n_reached, found.p_value) == (2, 3 / 5)
    assert found.sentence.startswith("2 of 4 random sets")
    assert "CD4-T and NK" in found.sentence
    assert "between d = −0.3" in found.sentence


def test_random_sets_match_the_signature_bin_by_bin():
    rng = np.random.default_rng(0)
    means = rng.gamma(1, 1, 2000)
    genes = np.sort(rng.choice(2000, 40, replace=False))
    bins = expression_bins(means)
    assert np.bincount(bins).max() <= 2000 // 24 + 2
    sets, short = chance._random_sets(genes, means, 50, rng)
    assert short == 0
    for one in sets:
        assert len(np.unique(one)) == 40
        np.testing.assert_array_equal(bins[one], bins[genes])
    assert len({tuple(one) for one in sets}) == 50


def test_uniform_where_there_is_nothing_to_find(viewed):
    """Signatures drawn at random are no better than chance: their p-values are uniform."""
    rng = np.random.default_rng(6)
    x = values(120, 400, seed=6)
    x[:60, ::3] *= 1.4  # genes differ between the pages, so that d is not 0
    view = viewed(as_adata(x, "sparse"))
    p = [
        against_chance(
            view,
            match_in_view(view, [f"g{i}" for i in rng.choice(400, 8, replace=False)]),
            HALF,
            n_sets=49,
            seed=int(seed),
        ).p_value
        for seed in range(120)
    ]
    assert stats.kstest(p, "uniform").pvalue > 0.01
    assert 0.4 < np.mean(p) < 0.6


def test_a_real_signature_is_beyond_chance(viewed):
    x = values(120, 300, seed=7)
    x[:60, :10] += 1
    x[60:, :10] -= 1  # the means stay, and so do the bins
    view = viewed(as_adata(x, "sparse"))
    result = against_chance(view, match_in_view(view, [f"g{i}" for i in range(10)]), HALF, n_sets=99)
    assert result.p_value == 0.01
    assert result.d > result.random.max()


def test_many_cells_are_sampled_and_a_small_page_is_kept(viewed, monkeypatch):
    monkeypatch.setattr(chance, "MOST_CELLS", 50)
    view = viewed(as_adata(values(400, 100, seed=1), "sparse"))
    small = Page("small", np.arange(10))
    result = against_chance(view, match_in_view(view, ["g1", "g2"]), small, n_sets=20)
    assert "random sample of 50 of the 400 cells" in result.notes[0]
    a, b = chance._sampled(small, rest_of(small, 400), np.random.default_rng(0))
    assert (len(a), len(b)) == (10, 40)
    a, b = chance._sampled(Page("x", np.arange(200)), Page("y", np.arange(200, 400)), np.random.default_rng(0))
    assert (len(a), len(b)) == (25, 25)


def test_what_cannot_be_checked_is_said(viewed):
    x = values(60, 30, seed=1)
    x[:, 2] = 1
    view = viewed(as_adata(x, "dense"))
    good, pages = match_in_view(view, ["g1"]), (Page("A", np.arange(5)), Page("B", np.arange(5, 9)))
    for match, page, options in (
        (match_in_view(view, ["x"]), pages[0], {}),
        (good, Page("one", np.arange(1)), {}),
        (good, pages[0], {"n_sets": 3}),
        (good, pages[0], {"seed": -1}),
        (match_in_view(view, ["g2"]), pages[0], {}),
        (match_in_view(view, [f"g{i}" for i in range(30)]), pages[0], {}),
    ):
        with pytest.raises(InputError):
            against_chance(view, match, page, pages[1], **options)
