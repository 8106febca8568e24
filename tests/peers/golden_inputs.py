"""The arrays that golden files were made from: a fixed seed, nothing but numpy, pandas and scipy."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import sparse

N_CELLS, N_GENES = 420, 14

#: name → keyword arguments of cellucid.prepare, and whether the matrix is given sparse.
CASES = {
    "u8_gzip_sparse": ({"var_quantization": 8, "obs_continuous_quantization": 8, "compression": 6}, True),
    "u16_plain_dense": ({"var_quantization": 16, "obs_continuous_quantization": 16, "compression": None}, False),
    "f32_gzip_dense": (
        {
            "var_quantization": None,
            "obs_continuous_quantization": None,
            "compression": 1,
            "obs_categorical_dtype": "uint16",
            "centroid_outlier_quantile": None,
        },
        False,
    ),
}


def make_inputs():
    """Return a dict of arrays with everything that is special: gaps, infinities, constants, many categories, dates."""
    rng = np.random.default_rng(20261121)
    n = N_CELLS
    X = np.where(rng.random((n, N_GENES)) < 0.2, rng.gamma(2.0, 1.0, (n, N_GENES)), 0.0).astype(np.float32)
    X[:, 1] = 0
    X[:, 2] = 3.5
    X[:, 3] = rng.normal(size=n)
    X[::7, 4] = np.nan
    X[3, 5], X[4, 5], X[5, 5] = np.inf, -np.inf, np.nan
    X[:, 6] = np.nan
    X[:, 7] = rng.integers(0, 128, n)
    genes = [f"GENE{i}" for i in range(N_GENES)]
    genes[8:11] = ["HLA-DRA", "MT-CO1", "a b/c"]
    numbers = rng.normal(50, 10, n)
    holes = numbers.copy()
    holes[::5], holes[1], holes[2] = np.nan, np.inf, -np.inf
    small = rng.choice(["B cell", "T/NK", "rare"], n, p=[0.6, 0.38, 0.02]).astype(object)
    gaps = small.copy()
    gaps[::9] = None
    days = np.array(["2026-01-01", "2026-03-05", "2025-12-31"], dtype="datetime64[ns]")
    many = np.array([f"c{i:03d}" for i in range(300)])
    obs = pd.DataFrame(
        {
            "n counts": rng.integers(100, 9000, n),
            "numbers": numbers,
            "with holes": holes,
            "constant": np.full(n, 2.0),
            "all missing": np.full(n, np.nan),
            "negative": -np.abs(rng.normal(size=n)).astype(np.float32),
            "cell type": pd.Categorical(small, categories=["T/NK", "B cell", "rare", "unused"]),
            "strings": small,
            "gaps/here": gaps,
            "flag": rng.random(n) < 0.3,
            "date": pd.Series(days[rng.integers(0, 3, n)]),
            "c254": pd.Categorical(many[rng.integers(0, 254, n)], categories=many[:254]),
            "c255": pd.Categorical(many[rng.integers(0, 255, n)], categories=many[:255]),
            "c300": pd.Categorical(many[rng.integers(0, 300, n)], categories=many),
            "numbered": pd.Categorical(rng.integers(0, 4, n)),
        }
    )
    weights = sparse.random(n, n, 0.02, random_state=3, format="lil")
    weights.setdiag(0)
    weights = weights.tocsr()
    weights.eliminate_zeros()
    return {
        "obs": obs,
        "X": X,
        "genes": genes,
        "latent": rng.normal(size=(n, 10)),
        "embeddings": {
            1: rng.normal(size=(n, 1)),
            2: rng.normal(3, 5, size=(n, 2)),
            3: rng.normal(-1, 2, size=(n, 3)).astype(np.float32),
        },
        "graph": weights,
        "vectors": {
            "velocity_umap_2d": rng.normal(size=(n, 2)),
            "velocity_umap": rng.normal(size=(n, 3)),
            "drift_umap": rng.normal(size=(n, 2)),
            "other_1d": rng.normal(size=n),
        },
    }
