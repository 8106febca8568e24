"""What fixes compute: neighbours of many cells, and what a kept result depends on."""

from __future__ import annotations

from dataclasses import replace

import anndata
import numpy as np
import pytest
from scipy.spatial import cKDTree

from cellucid_core.dataset import View
from cellucid_core.dataset.computed import NotComputed
from cellucid_core.preflight import Scope, apply_fixes
from cellucid_core.preflight import compute as module
from cellucid_core.preflight.compute import compute_umap
from tests.making import make_adata
from tests.scales import dataset_of


@pytest.fixture
def no_umap(monkeypatch):
    """The neighbour graph is all that is looked at; returns the AnnData that UMAP was asked of."""
    import scanpy as sc

    asked = []

    def umap(adata, n_components, random_state):
        asked.append(adata)
        adata.obsm["X_umap"] = adata.obsm["X_pca"][:, :n_components]

    monkeypatch.setattr(sc.tl, "umap", umap)
    return asked


def test_neighbours_of_many_cells_are_the_nearest(viewed, no_umap):
    latent = np.random.default_rng(0).normal(size=(8_300, 4)).astype(np.float32)
    view = viewed(anndata.AnnData(obsm={"X_pca": latent}, shape=(len(latent), 0)))
    made = compute_umap(view, Scope())
    np.testing.assert_array_equal(made.arrays["X_umap_2d"], latent[:, :2])
    distances = no_umap[0].obsp["distances"].tocsr()
    expected, _ = cKDTree(latent.astype(np.float64)).query(latent, k=15)  # itself and 14 others
    assert (np.diff(distances.indptr) == 14).all()
    np.testing.assert_allclose(np.sort(distances.data.reshape(-1, 14)), expected[:, 1:], rtol=1e-3, atol=1e-5)
    code = made.words[1]
    assert f"transformer='{module._SEARCH}')" in code
    compile(code, "code", "exec")


def test_a_umap_depends_on_what_it_is_computed_from(viewed, no_umap, home, monkeypatch):
    monkeypatch.setenv("CELLUCID_HOME", str(home / "umap_depends"))
    adata = make_adata(60, 30, seed=77)
    adata.obsm["X_other"] = adata.obsm["X_pca"] * 2
    del adata.obsm["X_umap"]
    view = viewed(adata)
    dataset, mapping = view.dataset, view.mapping
    once = Scope(ready_only=True)
    with pytest.raises(NotComputed, match="The UMAP"):
        compute_umap(view, once)
    compute_umap(view, Scope())
    compute_umap(View(dataset, replace(mapping, matrix="raw", genes_kept=np.arange(3))), once)  # no matter
    for other in (replace(mapping, cells_out=np.array([2])), replace(mapping, latent="X_other")):
        with pytest.raises(NotComputed):
            compute_umap(View(dataset, other), once)
    with pytest.raises(NotComputed, match="The PCA"):
        compute_umap(View(dataset, replace(mapping, latent=None)), once)


def test_a_store_is_not_built_where_nothing_long_is_to_begin(viewed, home, monkeypatch):
    monkeypatch.setenv("CELLUCID_HOME", str(home / "no_store"))
    adata = make_adata(60, 30, seed=78)
    adata.obs["barcode"] = [f"b{i}" for i in range(60)]
    view = viewed(adata)
    quick = apply_fixes(view.dataset, view.mapping, ["obs-one-value-per-cell"], Scope(ready_only=True))
    assert len(quick.fixes) == 1  # its check reads no expression
    with pytest.raises(NotComputed, match="arranged by gene"):
        apply_fixes(view.dataset, view.mapping, ["genes-all-zero"], Scope(ready_only=True))
    assert not [path for path in (home / "no_store" / "stores").iterdir() if path.is_dir()]


@pytest.mark.parametrize("kind", ["log", "log2", "counts"])
def test_the_pca_is_of_the_genes_that_its_lines_take(viewed, monkeypatch, kind):
    monkeypatch.setattr(module, "N_HVG", 50)
    adata, _ = dataset_of(kind)
    made = module.compute_pca(viewed(adata), Scope())
    names = {"adata": adata}
    exec(made.words[1], names)  # the signs of components are nobody's choice
    ours, lines = (np.abs(pca[:, :2]) for pca in (made.arrays["X_pca"], names["adata"].obsm["X_pca"]))
    np.testing.assert_allclose(ours, lines, rtol=0.01, atol=0.01)
