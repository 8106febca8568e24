"""What fixes compute: neighbours of many cells, and what a kept result depends on."""

from __future__ import annotations

from dataclasses import replace

import anndata
import numpy as np
import pytest
from scipy import sparse
from scipy.spatial import cKDTree

from cellucid_core.dataset import View
from cellucid_core.dataset.computed import NotComputed
from cellucid_core.errors import InputError
from cellucid_core.preflight import Scope, apply_fixes
from cellucid_core.preflight import compute as module
from cellucid_core.preflight.compute import compute_umap
from cellucid_core.preflight.nearest_cells import NearestCells
from cellucid_core.preflight.umap import layouts
from tests.making import make_adata
from tests.programs import run_program
from tests.scales import dataset_of


@pytest.fixture
def no_umap(monkeypatch):
    """The neighbour graph is all that is looked at; returns the AnnData that UMAP was asked of."""
    import scanpy as sc

    asked, neighbors = [], sc.pp.neighbors

    def found(adata, **how):
        asked.append(adata)
        neighbors(adata, **how)

    def layouts(graph, latent, many, report):
        return {dimension: latent[:, :dimension] for dimension in (2, 3)}

    monkeypatch.setattr(sc.pp, "neighbors", found)
    monkeypatch.setattr(module, "layouts", layouts)
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


def test_a_layout_is_scanpys_and_says_how_far_it_is():
    import scanpy as sc

    latent = np.random.default_rng(1).normal(size=(300, 6)).astype(np.float32)
    adata = anndata.AnnData(obsm={"X": latent}, shape=(300, 0))
    sc.pp.neighbors(adata, use_rep="X", random_state=0, transformer="sklearn")
    graph = adata.obsp["connectivities"]
    for many in (False, True):
        shares = []
        found = layouts(graph, latent, many, shares.append)
        assert shares == sorted(shares)
        assert 0.5 < shares[-1] <= 1
        for d in (2, 3):
            init = latent[:, :d] if many else "spectral"
            expected = sc.tl.umap(adata, n_components=d, random_state=0, init_pos=init, copy=True).obsm["X_umap"]
            np.testing.assert_array_equal(found[d], expected)


def test_what_is_compiled_of_umap_is_kept_for_the_next_process(tmp_path):
    latent = np.random.default_rng(1).normal(size=(60, 6)).astype(np.float32)
    anndata.AnnData(obsm={"X_pca": latent}, shape=(60, 0)).write_h5ad(tmp_path / "data.h5ad")
    code = """
import sys
from umap import umap_
from cellucid_core.dataset import View, default_mapping, open_dataset
from cellucid_core.preflight import Scope
from cellucid_core.preflight.compute import compute_umap
dataset = open_dataset(sys.argv[1])
compute_umap(View(dataset, default_mapping(dataset)), Scope())
print(umap_.smooth_knn_dist.stats.cache_hits.total())
"""
    run_program(code, tmp_path / "data.h5ad", CELLUCID_HOME=str(tmp_path / "one"))
    assert run_program(code, tmp_path / "data.h5ad", CELLUCID_HOME=str(tmp_path / "two")).stdout == "1\n"


@pytest.mark.parametrize("many", [False, True])
def test_a_layout_that_is_not_wanted_any_more_ends(many, home):
    def stop(share):
        raise InputError("Not wanted any more.")

    latent = np.random.default_rng(1).normal(size=(300, 6)).astype(np.float32)
    graph = sparse.random(300, 300, 0.05, "csr", dtype=np.float32, random_state=1)
    with pytest.raises(InputError, match="Not wanted"):
        layouts(graph + graph.T, latent, many, stop)
    assert not list((home / "scratch").glob("*-*"))


def test_many_cells_get_approximate_neighbours_and_begin_at_their_first_components(viewed, monkeypatch):
    import scanpy as sc

    monkeypatch.setattr(module, "EXACT_CELLS", 500)
    latent = np.random.default_rng(2).normal(size=(900, 5)).astype(np.float32)
    latent[:40] = latent[0]  # at one place
    view = viewed(anndata.AnnData(obsm={"X_pca": latent}, shape=(len(latent), 0)))
    said = []
    made = compute_umap(view, Scope(progress=lambda what, share: said.append((what, share))))
    assert [share for _, share in said] == sorted(share for _, share in said)
    assert {what for what, _ in said} >= {"Finding neighbours", "Computing UMAP in 2D and 3D"}
    adata = anndata.AnnData(obsm={"X_pca": latent}, shape=(len(latent), 0))
    exec(made.words[1], {"adata": adata, "sc": sc})
    for d in (2, 3):
        np.testing.assert_array_equal(adata.obsm[f"X_umap_{d}d"], made.arrays[f"X_umap_{d}d"])


@pytest.mark.parametrize(("n", "least"), [(30, 1.0), (3_000, 0.95), (20_000, 0.95)])
def test_nearest_cells_are_nearly_all_found(n, least):
    rng = np.random.default_rng(n)
    cells = (rng.normal(size=(20, 10))[rng.integers(0, 20, n)] * 3 + rng.normal(size=(n, 10))).astype(np.float32)
    found = NearestCells(15).fit_transform(cells)
    assert found.shape == (n, n)
    near = found.indices.reshape(n, 15)
    np.testing.assert_array_equal(near[:, 0], np.arange(n))
    assert all(len(set(row)) == 15 for row in near)
    distances = np.linalg.norm(cells[near] - cells[:, None], axis=2)
    np.testing.assert_allclose(found.data.reshape(n, 15), distances, rtol=1e-3, atol=1e-3)
    _, exact = cKDTree(cells).query(cells, k=15)
    recall = np.mean([len(set(a) & set(b)) / 15 for a, b in zip(near, exact, strict=True)])
    assert recall >= least


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
