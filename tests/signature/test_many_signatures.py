"""Several signatures together, against scipy."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.cluster import hierarchy

from cellucid_core import charts
from cellucid_core.cell_pages import pages_from_column
from cellucid_core.errors import InputError
from cellucid_core.genes import GeneSet
from cellucid_core.signature import (
    clustered,
    compare_signatures,
    pages_of_highest,
    score_many,
    shared_prefix,
    wide_parquet,
)
from cellucid_core.signature.many_signatures import cluster_order
from tests.making import make_adata, write_and_view

SETS = [
    GeneSet("HALLMARK_ONE", ("GENE1", "GENE2")),
    GeneSet("HALLMARK_TWO", ("GENE3", "GENE4", "GENE5")),
    GeneSet("HALLMARK_NONE", ("NOT1", "NOT2")),
    GeneSet("HALLMARK_THREE", ("GENE6", "GENE7")),
]


@pytest.fixture(scope="module")
def view(tmp_path_factory):
    return write_and_view(make_adata(300), tmp_path_factory.mktemp("many"))


@pytest.fixture(scope="module")
def many(view):
    return score_many(view, SETS, pages=pages_from_column(view, "cell_type"))


def test_p_values_are_those_of_welch_and_adjusted_over_all(view, many):
    table = compare_signatures(view, many)
    assert table["unit"].eq("cell").all()
    for row in table.itertuples():
        scores = many.scores[[one.name for one in SETS].index(row.signature)]
        page = next(page for page in many.pages if page.name == row.page)
        rest = np.setdiff1d(np.arange(view.n_cells), page.cells)
        if row.signature == "HALLMARK_NONE":
            assert np.isnan(row.p_value)
            continue
        assert row.p_value == pytest.approx(stats.ttest_ind(scores[page.cells], scores[rest], equal_var=False).pvalue)
    known = table.dropna()
    expected = stats.false_discovery_control(known["p_value"], method="bh")
    np.testing.assert_allclose(known["p_adjusted"], expected)


def test_by_sample_pages_are_compared_within_samples(view, many):
    table = compare_signatures(view, many, sample_key="donor").dropna()
    donors = view.obs("donor").astype(str).to_numpy()
    for row in table.itertuples():
        scores = many.scores[[one.name for one in SETS].index(row.signature)]
        inside = np.zeros(view.n_cells, bool)
        inside[next(page for page in many.pages if page.name == row.page).cells] = True
        both = [
            (scores[inside & (donors == d)].mean(), scores[~inside & (donors == d)].mean()) for d in np.unique(donors)
        ]
        assert row.p_value == pytest.approx(stats.ttest_rel(*zip(*both, strict=True)).pvalue)
        assert row.unit == "sample"


def test_samples_on_one_side_only_are_compared_by_their_means(view):
    donors = view.obs("donor").astype(str).to_numpy()
    many = score_many(view, SETS[:1], pages=pages_from_column(view, "donor")[:1])
    alone = view.obs("donor").astype(str) + (np.arange(300) % 2).astype(str)  # two samples of each donor
    view_obs = view.obs

    class Seen:
        n_cells = view.n_cells

        @staticmethod
        def obs(key):
            return alone if key == "alone" else view_obs(key)

    table = compare_signatures(Seen(), many, sample_key="alone")
    inside = donors == many.pages[0].name
    means = [
        [many.scores[0][(alone == one).to_numpy()].mean() for one in np.unique(alone[rows])]
        for rows in (inside, ~inside)
    ]
    assert table["p_value"][0] == pytest.approx(stats.ttest_ind(*means, equal_var=False).pvalue)


def test_likes_stand_together_as_scipy_orders_them(many):
    table = np.random.default_rng(0).normal(size=(12, 4))
    tree = hierarchy.linkage(table, method="average", optimal_ordering=True)
    np.testing.assert_array_equal(cluster_order(table), hierarchy.leaves_list(tree))
    assert cluster_order(table[:2]).tolist() == [0, 1]
    alike = np.array([[0.0, 0], [9, 9], [0.1, 0], [9, 9.1]])
    order = cluster_order(alike).tolist()
    assert abs(order.index(0) - order.index(2)) == 1
    long = clustered(many.long)
    assert sorted(map(tuple, long[["signature", "page"]].to_numpy())) == sorted(
        map(tuple, many.long[["signature", "page"]].to_numpy())
    )
    both = long.merge(many.long, on=["signature", "page"])
    np.testing.assert_array_equal(both["mean_x"], both["mean_y"])
    pages = long["page"].tolist()
    assert pages[:3] * 4 == pages  # still a table
    assert clustered(many.long, rows=False, columns=False).equals(many.long)


@pytest.mark.parametrize(
    ("names", "prefix"),
    [
        (["HALLMARK_HYPOXIA", "HALLMARK_HEME"], "HALLMARK_"),
        (["GO:BP x", "GO:BP y"], "GO:BP "),
        (["A_", "A_B"], ""),
        (["one", "other"], ""),
        (["ALONE_X"], ""),
        (["same_a", "same_a"], "same_"),
        ([], ""),
    ],
)
def test_a_shared_prefix(names, prefix):
    assert shared_prefix(names) == prefix


@given(st.lists(st.text("AB_- ", min_size=1, max_size=8), max_size=6))
def test_names_without_their_prefix_are_still_told_apart(names):
    prefix = shared_prefix(names)
    assert all(name.startswith(prefix) for name in names)
    left = [name.removeprefix(prefix) for name in names]
    assert all(left)
    assert len(set(left)) == len(set(names))


@pytest.mark.parametrize("standardized", [True, False])
def test_the_highest_signature_makes_pages(view, many, standardized):
    made = pages_of_highest(view, many, standardized=standardized)
    scores = many.scores[[0, 1, 3]]
    if standardized:
        scores = (scores - scores.mean(axis=1, keepdims=True)) / scores.std(axis=1, keepdims=True)
    best = scores.argmax(axis=0)
    ties = (scores == scores.max(axis=0)).sum(axis=0) > 1
    for name, number in (("ONE", 0), ("TWO", 1), ("THREE", 2)):
        page = next(page for page in made.pages if page.name == name)
        np.testing.assert_array_equal(page.rows, np.flatnonzero((best == number) & ~ties))
    assert bool(made.notes) == bool(ties.any())


@pytest.mark.parametrize("standardized", [True, False])
def test_cells_without_a_score_are_not_called_alike(view, many, standardized):
    scores = many.scores.copy()
    scores[:, :7] = np.nan
    notes = pages_of_highest(view, replace(many, scores=scores), standardized=standardized).notes
    assert any(note.startswith("7 cells are in no page: no signature") for note in notes)


def test_one_signature_has_no_highest(view):
    with pytest.raises(InputError, match="Fewer than two"):
        pages_of_highest(view, score_many(view, SETS[:1]))


def test_parquet_holds_every_cell_and_signature(view, many):
    table = pd.read_parquet(io.BytesIO(wide_parquet(view, many)))
    assert table.columns.tolist() == ["cell_id", "HALLMARK_ONE", "HALLMARK_TWO", "HALLMARK_THREE"]
    assert table["cell_id"].tolist() == view.cell_ids.tolist()
    np.testing.assert_array_equal(table["HALLMARK_TWO"], many.scores[1])


def test_scores_that_are_not_kept_are_computed_with_the_same_choices(view, monkeypatch):
    from cellucid_core.signature import MethodOptions

    options = MethodOptions(top_share=0.4)
    kept = score_many(view, SETS, method="aucell", options=options)
    monkeypatch.setattr("cellucid_core.signature.scoring.many.SCORES_AT_ONCE", 1)
    spooled = score_many(view, SETS, method="aucell", options=options)
    assert spooled.scores is None
    assert wide_parquet(view, spooled) == wide_parquet(view, kept)


def test_the_heatmap_draws_means_or_z(many):
    standardized = charts.signature_heatmap(many.long).to_dict()
    means = charts.signature_heatmap(many.long, standardized=False).to_dict()
    assert "isValid(datum.z)" in str(standardized["encoding"]["color"])
    assert "isValid(datum.mean)" in str(means["encoding"]["color"])
