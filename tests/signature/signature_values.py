"""Datasets with all that a score can meet: zeros, negative numbers, NaN and infinities."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

store_kinds = pytest.mark.parametrize("store_kind", ["sparse", "dense"])


def values(n_cells: int, n_genes: int, seed: int, *, negative: bool = False, dirty: bool = False) -> np.ndarray:
    rng = np.random.default_rng(seed)
    x = rng.poisson(0.8, (n_cells, n_genes)) * rng.choice([0.5, 1.0, 1.7], (n_cells, n_genes))
    if negative:
        x = x - 0.5 * (rng.random(x.shape) < 0.4)
    if dirty:
        x[rng.random(x.shape) < 0.08] = np.nan
        x[rng.random(x.shape) < 0.02] = np.inf
        x[rng.random(x.shape) < 0.02] = -np.inf
        x[3] = np.nan
    return x


def as_adata(x: np.ndarray, kind: str, dtype: str = "float32") -> anndata.AnnData:
    matrix = sparse.csr_matrix(x.astype(dtype)) if kind == "sparse" else np.ascontiguousarray(x.astype(dtype))
    n_cells, n_genes = x.shape
    return anndata.AnnData(
        matrix,
        obs=pd.DataFrame({"group": pd.Categorical(np.arange(n_cells) % 2)}, index=[f"c{i}" for i in range(n_cells)]),
        var=pd.DataFrame(index=[f"g{i}" for i in range(n_genes)]),
        obsm={"X_umap": np.random.default_rng(0).normal(size=(n_cells, 2))},
    )
