"""Several signatures at once: each scored as if it were alone."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest

from cellucid_core.cell_pages import Page
from cellucid_core.errors import InputError
from cellucid_core.genes import GeneSet
from cellucid_core.signature import METHODS, long_csv, match_in_view, score_cells, score_many, wide_csv
from cellucid_core.signature.scoring import many, ranking
from cellucid_core.signature.statistics.effects import Sample, cohens_d
from tests.signature.signature_values import as_adata, store_kinds, values

SIGNATURES = [
    GeneSet("one", ("g1", "g2", "g3")),
    GeneSet('o"d,d\n', ("g3", "g9", "nope", "g3"), None, "twice g3"),
    GeneSet("none", ("nope",)),
    GeneSet("weighted", ("g5", "g2"), (2.0, 0.5)),
    GeneSet("no mean", ("g5", "g2"), (2.0, -2.0)),
    GeneSet("page", tuple(f"g{i}" for i in range(20, 60))),
]
PAGES = [Page("A", np.arange(0, 50)), Page("B", np.arange(40, 150))]


@pytest.fixture(params=["clean", "dirty"])
def view(request, viewed):
    return viewed(as_adata(values(160, 90, seed=2, dirty=request.param == "dirty"), "sparse"))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("batch", [100, 10**9], ids=["batches", "at once"])
def test_scores_are_those_of_each_alone(view, method, batch, monkeypatch):
    monkeypatch.setattr("cellucid_core.signature.scoring.linear.SCORES_AT_ONCE", batch)
    monkeypatch.setattr(many, "SCORES_AT_ONCE", 10**9)
    monkeypatch.setattr(ranking, "_MOST_ENTRIES", 700 if batch == 100 else 10**9)
    result = score_many(view, SIGNATURES, method=method, pages=PAGES, repeats="count")
    for signature, scores, note in zip(SIGNATURES, result.scores, result.table["note"], strict=True):
        match = match_in_view(view, signature, repeats="count")
        if not match.found or (signature.name == "no mean" and method == "mean"):
            assert note
            assert np.isnan(scores).all()
            continue
        assert not note
        want = score_cells(view.expression, match, method, gene_ids=view.gene_ids)
        np.testing.assert_allclose(scores, want, rtol=1e-12, atol=1e-12)


def test_the_tables_are_those_of_the_scores(view):
    result = score_many(view, SIGNATURES, pages=PAGES)
    assert result.table["found"].tolist() == [3, 2, 0, 2, 2, 40]
    assert result.table["genes"].tolist() == [3, 3, 1, 2, 2, 40]
    for i, signature in enumerate(SIGNATURES):
        rows = result.long[result.long["signature"] == signature.name]
        assert rows["page"].tolist() == ["A", "B"]
        if result.table["note"][i]:
            assert rows["n"].tolist() == [0, 0]
            assert rows[["mean", "std", "d", "z"]].isna().all(axis=None)
            continue
        scores = result.scores[i]
        for row, page in zip(rows.to_dict("records"), PAGES, strict=True):
            inside = Sample.of(scores[page.cells])
            outside = Sample.of(np.delete(scores, page.cells))
            assert row["n"] == inside.n
            assert (row["mean"], row["std"]) == pytest.approx((inside.mean, np.sqrt(inside.variance)))
            assert row["d"] == pytest.approx(cohens_d(inside, outside), abs=1e-12)
        np.testing.assert_allclose(rows["z"], (rows["mean"] - rows["mean"].mean()) / rows["mean"].std(ddof=0))
        best = rows.loc[rows["mean"].idxmax()]
        assert (result.table["highest"][i], result.table["d"][i]) == (best["page"], pytest.approx(best["d"]))


@pytest.mark.parametrize("kept", [True, False], ids=["kept", "scored again"])
def test_csv_joins_back(view, kept, monkeypatch):
    full = score_many(view, SIGNATURES, pages=PAGES)
    if not kept:
        monkeypatch.setattr(many, "SCORES_AT_ONCE", 0)
    result = score_many(view, SIGNATURES, pages=PAGES)
    assert (result.scores is not None) == kept
    wide = pd.read_csv(io.StringIO("".join(wide_csv(view, result))), float_precision="round_trip")
    assert wide.columns.tolist() == [
        "cell_id", "cell_index", "page: A", "page: B", "one", 'o"d,d\n', "weighted", "page"
    ]  # fmt: skip
    assert wide["cell_id"].tolist() == view.cell_ids.tolist()
    assert wide["page: B"].to_numpy().nonzero()[0].tolist() == PAGES[1].cells.tolist()
    np.testing.assert_array_equal(wide['o"d,d\n'], full.scores[1])
    long = pd.read_csv(io.StringIO("".join(long_csv(view, result))), float_precision="round_trip")
    assert long["signature"].unique().tolist() == ["one", 'o"d,d\n', "weighted", "page"]
    mine = long[(long["signature"] == "page") & (long["page"] == "B")]
    np.testing.assert_array_equal(mine["score"], full.scores[5][PAGES[1].cells])
    assert mine["cell_index"].tolist() == PAGES[1].cells.tolist()


def test_pages_apart_are_one_column_and_names_never_collide(view):
    apart = [Page("A", np.arange(3)), Page("x,y", np.arange(5, 9))]
    result = score_many(view, SIGNATURES, pages=apart)
    wide = pd.read_csv(io.StringIO("".join(wide_csv(view, result))))
    assert wide.columns.tolist()[:4] == ["cell_id", "cell_index", "page", "one"]
    assert wide.columns.tolist()[-1] == "page-1"
    assert wide["page"].value_counts().to_dict() == {"x,y": 4, "A": 3}


@store_kinds
def test_constant_scores_have_no_effect(viewed, store_kind):
    x = values(60, 5, seed=0)
    x[:, 1] = 0.1
    view = viewed(as_adata(x, store_kind))
    row = score_many(view, [GeneSet("flat", ("g1",))], pages=[Page("A", np.arange(20))]).long.iloc[0]
    assert row["mean"] == pytest.approx(0.1)
    assert np.isnan(row["d"])
    assert row["z"] == 0


def test_nothing_to_score_is_said(demo_view):
    with pytest.raises(InputError, match="no signatures"):
        score_many(demo_view, [])
    with pytest.raises(InputError, match="no score"):
        score_many(demo_view, SIGNATURES, method="best")
