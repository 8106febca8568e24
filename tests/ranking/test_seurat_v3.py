"""The flavour seurat_v3 against scanpy."""

from __future__ import annotations

import builtins

import anndata
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from scipy import sparse

from cellucid_core.dataset import View, default_mapping, log_rule_of, open_dataset
from cellucid_core.errors import InputError, WorkRefused
from cellucid_core.library import BuildSettings, build_signature
from cellucid_core.ranking import highly_variable, variability


def counts(seed, n_cells=90, n_genes=300):
    rng = np.random.default_rng(seed)
    level = rng.gamma(0.5, 3, n_genes)
    x = rng.negative_binomial(2, 2 / (2 + level), (n_cells, n_genes)).astype(np.float32)
    x[:, 3] = 0
    x[:, 4] = 2
    return x


def view_of(x, folder):
    adata = anndata.AnnData(x, var=pd.DataFrame(index=[f"g{i}" for i in range(x.shape[1])]))
    adata.obs["kind"] = pd.Categorical(np.arange(x.shape[0]) % 3)
    adata.write_h5ad(folder / "x.h5ad")
    dataset = open_dataset(folder / "x.h5ad")
    return adata, View(dataset, default_mapping(dataset))


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize("seed", range(5))
def test_the_same_genes_and_variances_as_scanpy(tmp_path, kind, seed):
    adata, view = view_of(kind(counts(seed)), tmp_path)
    sc.pp.highly_variable_genes(adata, flavor="seurat_v3", n_top_genes=40)
    score, said = variability(view.expression, rule=log_rule_of(view), flavor="seurat_v3")
    assert said == []
    varies = ~np.isnan(score)
    assert not varies[3]
    assert not varies[4]
    np.testing.assert_allclose(score[varies], adata.var["variances_norm"].to_numpy()[varies], rtol=1e-6)
    positions, _ = highly_variable(view.expression, 40, rule=log_rule_of(view), flavor="seurat_v3")
    theirs = np.flatnonzero(adata.var["highly_variable"])
    assert len(positions) == 40
    # Of equal ones scanpy takes any; which are taken otherwise is the same.
    np.testing.assert_allclose(np.sort(score[positions]), np.sort(score[theirs]), rtol=1e-6)
    last = score[positions].min()
    assert set(positions[score[positions] > last * 1.0001]) == set(theirs[score[theirs] > last * 1.0001])


def test_what_is_not_counts_is_refused(tmp_path):
    _, view = view_of(np.log1p(counts(0) / counts(0).sum(axis=1, keepdims=True) * 1e4), tmp_path)
    with pytest.raises(WorkRefused, match="defined on counts"):
        variability(view.expression, rule=log_rule_of(view), flavor="seurat_v3")


def test_too_few_genes_are_told(tmp_path):
    _, view = view_of(counts(0)[:, 5:8], tmp_path)
    with pytest.raises(WorkRefused, match="few genes"):
        variability(view.expression, rule=log_rule_of(view), flavor="seurat_v3")


def test_without_scikit_misc_it_is_told(tmp_path, monkeypatch):
    _, view = view_of(counts(0), tmp_path)
    real = builtins.__import__

    def without(name, *arguments, **more):
        if name.startswith("skmisc"):
            raise ImportError(name)
        return real(name, *arguments, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputError, match="scikit-misc"):
        variability(view.expression, rule=log_rule_of(view), flavor="seurat_v3")


def test_the_library_builds_with_it(tmp_path):
    _, view = view_of(counts(0), tmp_path)
    settings = BuildSettings(n_hvg=40, n_degs=6, generations=20, flavor="seurat_v3")
    assert len(build_signature(view, ["kind"], settings).levels[0].hvgs) == 40
