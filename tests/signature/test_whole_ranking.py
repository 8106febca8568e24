"""Scores of many signatures by sorting whole cells: the same as one by one, on every kind of matrix."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import sparse

from cellucid_core.dataset import View, default_mapping, open_dataset
from cellucid_core.genes import GeneSet
from cellucid_core.signature import MethodOptions, match_many, score_cells, score_many
from cellucid_core.signature.scoring import whole_ranking

METHODS = ("ucell", "aucell", "ssgsea")


@pytest.fixture
def walks(monkeypatch):
    """Sort whole cells whatever the signatures are, and count how often that was done."""
    seen, wanted = [], [True]
    real = whole_ranking.walk_cells
    for name in METHODS:
        module = f"cellucid_core.signature.scoring.{name}"
        monkeypatch.setattr(f"{module}.many_wanted", lambda expression, genes: wanted[0])
        monkeypatch.setattr(f"{module}.walk_cells", lambda *a, **k: (seen.append(1), real(*a, **k))[1])
    return seen, wanted


def view_of(matrix, folder):
    names = [f"g{i}" for i in range(matrix.shape[1])]
    adata = anndata.AnnData(matrix, var=pd.DataFrame(index=names))
    adata.write_h5ad(folder / "x.h5ad")
    dataset = open_dataset(folder / "x.h5ad")
    return View(dataset, default_mapping(dataset))


def kinds():
    rng = np.random.default_rng(0)
    counts = rng.poisson(0.7, (60, 30)).astype(np.float32)
    counts[5] = 0
    yield "counts", sparse.csr_matrix(counts)
    yield "float64", sparse.csr_matrix(counts * 0.1234567890123)
    signed = counts - (rng.random(counts.shape) < 0.2) * 3
    yield "below 0", sparse.csr_matrix(signed.astype(np.float32))
    yield "dense", signed.astype(np.float32)
    missing = counts.copy()
    missing[rng.random(counts.shape) < 0.1] = np.nan
    yield "missing", sparse.csr_matrix(missing)
    large = np.where(counts > 2, np.inf, counts).astype(np.float32)
    yield "infinite", large
    yield "all equal", np.ones((8, 30), np.float32)
    yield "a gene of no cell", sparse.csr_matrix(np.where(np.arange(30) == 4, 0, counts).astype(np.float32))


SETS = [
    GeneSet("few", ("g1", "g2", "g3")),
    GeneSet("missing too", ("g4", "g5", "nowhere", "g29")),
    GeneSet("most", tuple(f"g{i}" for i in range(25))),
    GeneSet("one", ("g4",)),
    GeneSet("signed", ("g1", "g7", "g9"), weights=(1.0, 1.0, -1.0), halves=("signed_UP", "signed_DN")),
]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("kind", "matrix"), list(kinds()), ids=[kind for kind, _ in kinds()])
@pytest.mark.parametrize("at_once", [6_000_000, 40])
def test_the_same_as_one_by_one(walks, monkeypatch, tmp_path, method, kind, matrix, at_once):
    monkeypatch.setattr(whole_ranking, "_MOST_ENTRIES", at_once)
    view = view_of(matrix, tmp_path)
    options = MethodOptions(max_rank=9, top_share=0.3)
    many = score_many(view, SETS, method=method, seed=3, options=options)
    seen, wanted = walks
    assert len(seen) == 1
    wanted[0] = False  # one by one, values are counted
    for row, match in enumerate(match_many(view, SETS, signed=method == "ucell")):
        one = score_cells(view.expression, match, method, seed=3, options=options)
        np.testing.assert_allclose(many.scores[row], one, rtol=1e-9, atol=1e-9, err_msg=SETS[row].name)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_small_matrix(walks, tmp_path_factory, data):
    values = st.sampled_from([0.0, 0.0, 1.0, 1.0, 2.0, -1.0, 0.5, np.nan])
    rows = data.draw(st.lists(st.lists(values, min_size=6, max_size=6), min_size=1, max_size=5))
    view = view_of(sparse.csr_matrix(np.array(rows, np.float32)), tmp_path_factory.mktemp("any"))
    sets = [GeneSet("a", ("g0", "g1")), GeneSet("b", ("g1", "g3", "g5"))]
    for method in METHODS:
        walks[1][0] = True
        many = score_many(view, sets, method=method, options=MethodOptions(max_rank=4, top_share=0.5))
        walks[1][0] = False
        for row, match in enumerate(match_many(view, sets)):
            one = score_cells(view.expression, match, method, options=MethodOptions(max_rank=4, top_share=0.5))
            np.testing.assert_allclose(many.scores[row], one, rtol=1e-9, atol=1e-9, err_msg=method)


def test_it_is_used_where_most_values_are_wanted(tmp_path):
    view = view_of(sparse.csr_matrix(np.ones((5, 40), np.float32)), tmp_path)
    assert whole_ranking.many_wanted(view.expression, np.arange(20))
    assert not whole_ranking.many_wanted(view.expression, np.arange(3))
