"""mean, sum and median against numpy."""

from __future__ import annotations

import numpy as np
import pytest

from cellucid_core.errors import InputError
from cellucid_core.genes import match_genes
from cellucid_core.signature import genes_used, score_cells
from tests.signature.signature_values import as_adata, store_kinds, values

ASKED = ["g3", "g0", "g7", "g11", "g3", "g14", "absent"]


def expected(x: np.ndarray, method: str, columns: list[int]) -> np.ndarray:
    block = np.where(np.isfinite(x), x, np.nan)[:, columns].astype(np.float32).astype(np.float64)
    with np.errstate(all="ignore"):
        out = {"mean": np.nanmean, "sum": np.nansum, "median": np.nanmedian}[method](block, axis=1)
    return np.where(np.isnan(block).all(axis=1), np.nan, out)


@pytest.mark.filterwarnings("ignore:Mean of empty slice", "ignore:All-NaN slice")
@pytest.mark.parametrize("repeats", ["once", "count"])
@pytest.mark.parametrize("shape", ["plain", "negative", "dirty"])
@pytest.mark.parametrize("method", ["mean", "sum", "median"])
@store_kinds
def test_scores_as_numpy_does(viewed, store_kind, method, shape, repeats):
    x = values(40, 16, seed=1, negative=shape != "plain", dirty=shape == "dirty")
    view = viewed(as_adata(x, store_kind))
    match = match_genes(ASKED, view.gene_ids, repeats=repeats)
    columns = [3, 0, 7, 11, 14] + ([3] if repeats == "count" else [])
    want = expected(x, method, columns)
    np.testing.assert_allclose(score_cells(view.expression, match, method), want, rtol=1e-12, atol=1e-12)
    finite = np.isfinite(x[:, [3, 0, 7, 11, 14]]).sum(axis=1)
    assert genes_used(view.expression, match.positions).tolist() == finite.tolist()


@pytest.mark.parametrize("n_asked", [1, 2, 3, 8])
@store_kinds
def test_median_of_odd_and_even_numbers_of_genes(viewed, store_kind, n_asked):
    x = values(200, 8, seed=2, negative=True)
    view = viewed(as_adata(x, store_kind))
    match = match_genes([f"g{i}" for i in range(n_asked)], view.gene_ids)
    want = np.median(x[:, :n_asked].astype(np.float32).astype(np.float64), axis=1)
    np.testing.assert_allclose(score_cells(view.expression, match, "median"), want, atol=1e-12)


def test_median_in_several_blocks_is_the_same(viewed, monkeypatch):
    view = viewed(as_adata(values(150, 8, seed=3, dirty=True), "sparse"))
    match = match_genes([f"g{i}" for i in range(5)], view.gene_ids)
    whole = score_cells(view.expression, match, "median")
    monkeypatch.setattr("cellucid_core.signature.scoring.methods._MEDIAN_VALUES", 35)
    np.testing.assert_array_equal(score_cells(view.expression, match, "median"), whole)


def test_sums_are_made_in_float64(viewed):
    x = np.full((3, 2), 1.0)
    x[:, 1] = 2.0**-30
    view = viewed(as_adata(x, "dense"))
    match = match_genes(["g0", "g1"], view.gene_ids)
    assert score_cells(view.expression, match, "sum").tolist() == [1 + 2.0**-30] * 3


def test_no_gene_and_no_such_method(viewed):
    view = viewed(as_adata(values(5, 4, seed=0), "dense"))
    with pytest.raises(InputError, match="None of"):
        score_cells(view.expression, match_genes(["x"], view.gene_ids), "mean")
    with pytest.raises(InputError, match="geometric"):
        score_cells(view.expression, match_genes(["g0"], view.gene_ids), "geometric")
