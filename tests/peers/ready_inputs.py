"""Datasets of which cellucid 0.9.5 makes Cellucid-ready AnnData, and how it was asked: fixed seeds, numpy and anndata.

Each is made for `prepare` (``data`` and further arguments) and, where it is a part of a larger file, for the file.
"""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
from scipy import sparse

N_CELLS, N_GENES = 240, 30
#: What the case "chosen" leaves.
CELLS_OUT = (0, 7, 8, 100, 239)
GENES = ("G4", "G0", "G28", "G12")
COLUMNS = ("with gaps", "flag", "cell type", "depth")


def make_file():
    """Return an AnnData with everything that is special and that AnnData can hold."""
    rng = np.random.default_rng(9_5)
    n = N_CELLS
    X = sparse.random(n, N_GENES, 0.2, format="csr", rng=np.random.default_rng(1), dtype=np.float64)
    X.data = np.log1p(X.data * 10)
    X.data[::17] = 0.0  # stored zeros
    X.data[5] = 1e-60  # 0 in float32
    labels = rng.choice(["B cell", "T/NK", "rare"], n, p=[0.6, 0.37, 0.03]).astype(object)
    gaps = labels.copy()
    gaps[::9] = None
    whole = pd.array(rng.integers(0, 50, n), dtype="Int32")
    whole[3] = pd.NA
    yes = pd.array(rng.random(n) < 0.5, dtype="boolean")
    yes[4] = pd.NA
    holes = rng.normal(50, 10, n)
    holes[::5] = np.nan
    obs = pd.DataFrame(
        {
            "cell type": pd.Categorical(labels, categories=["T/NK", "B cell", "rare", "unused"]),
            "stage": pd.Categorical(rng.choice(["late", "early"], n), categories=["early", "late"], ordered=True),
            "cluster": pd.Categorical(rng.integers(0, 4, n)),
            "with gaps": pd.Categorical(gaps),
            "no label": pd.Categorical([None] * n, categories=[]),
            "barcode": [f"id-{i}" for i in range(n)],
            "flag": rng.random(n) < 0.3,
            "yes": yes,
            "whole": whole,
            "n counts": rng.integers(100, 9000, n),
            "depth": rng.normal(size=n).astype(np.float32),
            "holes": holes,
            "all missing": np.full(n, np.nan),
        },
        index=[f"cell {i}" for i in range(n)],
    )
    var = pd.DataFrame(
        {
            "symbol": [f"SYM{i // 2}" for i in range(N_GENES)],
            "highly_variable": rng.random(N_GENES) < 0.5,
            "mean": rng.random(N_GENES),
        },
        index=[f"G{i}" for i in range(N_GENES)],
    )
    weights = sparse.random(n, n, 0.03, format="csr", rng=np.random.default_rng(2))
    weights = sparse.csr_matrix(weights.maximum(weights.T))
    weights.setdiag(0)
    weights.eliminate_zeros()
    return anndata.AnnData(
        X=sparse.csr_matrix(X),
        obs=obs,
        var=var,
        obsm={
            "X_pca": rng.normal(size=(n, 6)),
            "X_umap_1d": rng.normal(size=(n, 1)),
            "X_umap": rng.normal(3, 5, size=(n, 2)),
            "X_umap_3d": rng.normal(size=(n, 3)).astype(np.float32),
            "X_tsne": rng.normal(size=(n, 2)),
            "velocity_umap": rng.normal(size=(n, 2)),
            "drift_umap_3d": rng.normal(size=(n, 3)),
        },
        obsp={"connectivities": weights},
    )


def dense():
    """Return the file with a dense matrix, negative values included, and neither graph nor vectors."""
    adata = make_file()
    adata.X = np.round(np.random.default_rng(3).normal(size=adata.shape), 1).astype(np.float32)
    del adata.obsp["connectivities"], adata.obsm["velocity_umap"], adata.obsm["drift_umap_3d"]
    return adata


def counts():
    """Return the file with counts, some of them too large for float32."""
    adata = make_file()
    numbers = np.random.default_rng(4).poisson(0.5, adata.shape).astype(np.int64)
    numbers[3, 4] = 2**24 + 1
    adata.X = sparse.csr_matrix(numbers)
    return adata


def bare():
    """Return a file without expression, with one embedding and names only."""
    adata = make_file()
    return anndata.AnnData(obs=pd.DataFrame(index=adata.obs_names), obsm={"X_umap": adata.obsm["X_umap"]})


def cut(adata):
    """Return what choices leave of the file: some cells, some genes and columns in another order."""
    keep = np.setdiff1d(np.arange(N_CELLS), CELLS_OUT)
    adata = adata[keep, list(GENES)].copy()
    adata.obs = adata.obs[list(COLUMNS)]
    return adata


def named():
    """Return the arguments that name and describe a dataset."""
    return {
        "dataset_description": "Made by the peer.",
        "citation_text": "Somebody et al. 2026",
        "source_name": "nowhere",
        "source_url": "https://example.org/data",
    }


def whole(adata):
    """Return the file as it is."""
    return adata


#: name → (the file, what is left of it, further arguments of prepare)
CASES = {
    "sparse": (make_file, whole, named()),
    "dense": (dense, whole, {}),
    "counts": (counts, whole, {}),
    "bare": (bare, whole, {}),
    "chosen": (
        make_file,
        cut,
        {
            "latent_key": "X_pca",
            "embedding_defaults": {"2d": "X_tsne"},
            "var_gene_id_column": "symbol",
            "centroid_min_points": 7,
        },
    ),
    "latent": (make_file, whole, {"latent_key": "X_pca"}),
}
