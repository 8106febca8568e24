"""score_genes against scanpy, and its parts by hand."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest
import scanpy as sc

from cellucid_core.errors import InputError
from cellucid_core.genes import match_genes
from cellucid_core.signature import MethodOptions, score_cells
from cellucid_core.signature.scoring.control_genes import control_genes, gene_means
from tests.signature.signature_values import as_adata, store_kinds, values


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("seed", [0, 1, 42])
@store_kinds
def test_same_values_as_scanpy(viewed, store_kind, seed, dtype):
    # 1,300 genes make bins of 54, so that 50 are really drawn from each
    x = values(30, 1300, seed=seed)
    adata = as_adata(x, store_kind, dtype)
    view = viewed(adata)
    asked = [f"g{i}" for i in (5, 90, 417, 800, 1299, 90)]
    sc.tl.score_genes(adata, list(dict.fromkeys(asked)), random_state=seed, use_raw=False)
    ours = score_cells(view.expression, match_genes(asked, view.gene_ids), "score_genes", seed=seed)
    np.testing.assert_allclose(ours, adata.obs["score"].to_numpy(), rtol=1e-5, atol=1e-6)


def test_the_demo_as_scanpy(demo_view):
    adata = sc.datasets.pbmc68k_reduced()
    genes = ["CD3D", "CD3E", "CD8A", "CD8B", "NKG7", "GZMK", "CCL5"]
    if demo_view.mapping.matrix == "raw" or (adata.raw is not None and demo_view.n_genes != adata.n_vars):
        adata = adata.raw.to_adata()
    matrix = demo_view.expression.block(range(demo_view.n_genes)).T
    theirs = anndata.AnnData(matrix.copy(), var=pd.DataFrame(index=demo_view.gene_ids.astype(str)))
    sc.tl.score_genes(theirs, genes, random_state=7, use_raw=False)
    ours = score_cells(demo_view.expression, match_genes(genes, demo_view.gene_ids), "score_genes", seed=7)
    np.testing.assert_allclose(ours, theirs.obs["score"].to_numpy(), rtol=1e-5, atol=1e-6)


@store_kinds
def test_nan_is_left_out_as_in_scanpy(viewed, store_kind):
    x = values(25, 400, seed=5)
    x[np.random.default_rng(0).random(x.shape) < 0.05] = np.nan
    adata = as_adata(x, store_kind, "float64")
    view = viewed(adata)
    asked = ["g1", "g2", "g3"]
    sc.tl.score_genes(adata, asked, use_raw=False)
    ours = score_cells(view.expression, match_genes(asked, view.gene_ids), "score_genes")
    np.testing.assert_allclose(ours, adata.obs["score"].to_numpy(), rtol=1e-6, atol=1e-9)


def test_controls_come_from_the_bins_of_the_signature_and_not_from_it():
    means = np.arange(2400.0)  # bins of 100: ranks 1–99, 100–199, …
    genes = np.array([150, 160, 2000])
    controls = control_genes(means, genes, seed=3)
    assert not set(controls) & set(genes)
    bins = (controls + 1) // 100
    assert set(bins) == {1, 20}
    assert 48 <= (bins == 1).sum() <= 50
    assert controls.tolist() == control_genes(means, genes, seed=3).tolist()
    assert controls.tolist() != control_genes(means, genes, seed=4).tolist()


def test_few_genes_make_one_bin(viewed):
    adata = as_adata(values(20, 6, seed=1), "dense", "float64")
    view = viewed(adata)
    sc.tl.score_genes(adata, ["g0"], use_raw=False)
    ours = score_cells(view.expression, match_genes(["g0"], view.gene_ids), "score_genes")
    np.testing.assert_allclose(ours, adata.obs["score"].to_numpy(), atol=1e-9)


def test_no_control_genes_is_an_error(viewed):
    view = viewed(as_adata(values(10, 3, seed=1), "dense"))
    with pytest.raises(InputError, match="no control genes"):
        score_cells(view.expression, match_genes(["g0", "g1", "g2"], view.gene_ids), "score_genes")


@store_kinds
def test_controls_from_a_pool_as_scanpy(viewed, store_kind):
    # Means that differ: of a dense part scanpy adds them up in another order than of the whole.
    x = values(30, 1300, seed=3) * np.random.default_rng(0).uniform(1, 2, (30, 1300))
    adata = as_adata(x, store_kind, "float32")
    view = viewed(adata)
    asked = ["g5", "g90", "g417", "g800"]
    pool = [f"g{i}" for i in range(1300) if i % 2 == 0 or f"g{i}" in asked]
    sc.tl.score_genes(adata, asked, gene_pool=pool, ctrl_size=20, random_state=1, use_raw=False)
    options = MethodOptions(ctrl_size=20, gene_pool=(*pool[::-1], "not there"))
    match = match_genes(asked, view.gene_ids)
    ours = score_cells(view.expression, match, "score_genes", seed=1, options=options, gene_ids=view.gene_ids)
    np.testing.assert_allclose(ours, adata.obs["score"].to_numpy(), rtol=1e-5, atol=1e-6)
    with pytest.raises(InputError, match="None of the control genes"):
        score_cells(
            view.expression,
            match,
            "score_genes",
            options=MethodOptions(gene_pool=("nowhere",)),
            gene_ids=view.gene_ids,
        )


def test_means_are_computed_once(viewed, monkeypatch):
    view = viewed(as_adata(values(30, 300, seed=3), "sparse", "float32"))
    first = gene_means(view.expression)
    assert gene_means(view.expression) is first
