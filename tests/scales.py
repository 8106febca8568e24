"""One dataset as counts, normalized, logged and scaled values, and the logs that scanpy's users would make of it."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import scanpy as sc
from scipy import sparse


def raw_counts(seed=0, n_cells=240, n_genes=400):
    """Return counts, (n_cells, n_genes) float32, and the group of each cell, 0 to 2."""
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, 3, n_cells)
    means = rng.gamma(0.6, 2, (3, n_genes)) * rng.lognormal(0, 0.4, (n_cells, 1))[:, 0][:, None][:3]
    values = rng.poisson(means[groups] * rng.gamma(3, 1 / 3, (n_cells, n_genes)))
    values[:, 0] += 1
    return values.astype(np.float32), groups


def dataset_of(kind, is_sparse=True, seed=0):
    """Return an AnnData with values of a kind, and one with the logs that genes should be ranked on."""
    counts, groups = raw_counts(seed)
    n_cells, n_genes = counts.shape
    obs = pd.DataFrame(
        {"group": pd.Categorical(np.array(["A", "B", "C"])[groups])}, index=[f"c{i}" for i in range(n_cells)]
    )
    adata = anndata.AnnData(counts, obs=obs, var=pd.DataFrame(index=[f"GENE{i}" for i in range(n_genes)]))
    adata.obsm["X_umap"] = np.random.default_rng(1).normal(size=(n_cells, 2))
    base = {"log2": 2, "log10": 10}.get(kind)
    if kind == "fractional":
        adata.X = adata.X * np.random.default_rng(2).uniform(0.7, 1.3, adata.shape).astype(np.float32) * 9
    elif kind == "own factors":
        adata.X = adata.X * np.random.default_rng(3).uniform(0.5, 20, (n_cells, 1)).astype(np.float32)
    elif kind == "TPM":
        adata.X = adata.X / np.random.default_rng(4).uniform(0.3, 5, n_genes).astype(np.float32)
        sc.pp.normalize_total(adata, target_sum=1e6)
    elif kind != "counts":
        sc.pp.normalize_total(adata, target_sum=1e4)
    if kind.startswith("log"):
        sc.pp.log1p(adata, base=base)
    wanted = adata.copy()
    if kind in ("counts", "fractional"):
        sc.pp.normalize_total(wanted)
    if not kind.startswith("log"):
        sc.pp.log1p(wanted)
    if is_sparse:
        adata.X, wanted.X = sparse.csr_matrix(adata.X), sparse.csr_matrix(wanted.X)
    del adata.uns  # a file need not say the base of its logs; it is found from the values
    return adata, wanted


def scaled():
    """Return an AnnData of scaled values with their logs as a layer, and one of the logs."""
    adata, wanted = dataset_of("log")
    adata.layers["logged"], adata.X = adata.X.copy(), adata.X.toarray()
    sc.pp.scale(adata)
    return adata, wanted
