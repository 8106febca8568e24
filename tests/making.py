"""Small datasets made to order."""

from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
from scipy import sparse

from cellucid_core.dataset import Dataset, View, default_mapping, open_dataset


def make_adata(n_cells: int = 60, n_genes: int = 30, seed: int = 0) -> anndata.AnnData:
    """Return a clean dataset: preflight finds nothing but a note on the scale of the values."""
    rng = np.random.default_rng(seed)
    counts = rng.poisson(1.5, (n_cells, n_genes)).astype(np.float64)
    counts[:, 0] += 1  # no empty cell
    logged = np.log1p(counts / counts.sum(axis=1, keepdims=True) * 1e4).astype(np.float32)
    obs = pd.DataFrame(
        {
            "cell_type": pd.Categorical(rng.choice(["B", "T", "NK cell"], n_cells)),
            "donor": pd.Categorical(rng.choice(["d1", "d2", "d3"], n_cells)),
            "score": rng.normal(size=n_cells),
            "treated": rng.random(n_cells) < 0.5,
        },
        index=[f"cell-{i}" for i in range(n_cells)],
    )
    var = pd.DataFrame({"symbol": [f"SYM{i}" for i in range(n_genes)]}, index=[f"GENE{i}" for i in range(n_genes)])
    neighbours = sparse.random(n_cells, n_cells, density=0.1, random_state=seed, format="csr")
    neighbours = neighbours + neighbours.T
    neighbours.setdiag(0)
    neighbours.eliminate_zeros()
    return anndata.AnnData(
        X=sparse.csr_matrix(logged),
        obs=obs,
        var=var,
        obsm={"X_pca": rng.normal(size=(n_cells, 8)), "X_umap": rng.normal(size=(n_cells, 2))},
        obsp={"connectivities": neighbours.tocsr()},
    )


def write_and_view(adata: anndata.AnnData, folder: Path) -> View:
    """Write an AnnData to a folder and return its view with the default mapping, for fixtures that outlive a test."""
    path = folder / "data.h5ad"
    adata.write_h5ad(path)
    dataset = open_dataset(path)
    return View(dataset, default_mapping(dataset))


def stored_values(dataset: Dataset, matrix: str = "X") -> np.ndarray:
    """Return a matrix as its gene-major store holds it, (n_cells, n_genes) float64."""
    store = dataset.store(matrix)
    found = np.zeros((store.n_cells, store.n_genes))
    for gene in range(store.n_genes):
        cells, stored = store.gene(gene)
        found[cells, gene] = stored
    return found
