"""How long preflight takes once the store exists.

``python tests/benchmarks/bench_preflight.py FOLDER [N_CELLS N_GENES]``
"""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from cellucid_core.dataset import View, default_mapping, open_dataset
from cellucid_core.preflight import RULES, Scope, preflight


def make_file(path: Path, n_cells: int, n_genes: int, per_cell: int, seed: int = 0) -> None:
    """Write a sparse data set in blocks: `per_cell` log-normalized values per cell, labels, UMAP, PCA, neighbours."""
    import anndata
    from scipy import sparse

    rng = np.random.default_rng(seed)
    obs = pd.DataFrame(
        {
            "cell_type": pd.Categorical.from_codes(rng.integers(0, 30, n_cells), [f"type {i}" for i in range(30)]),
            "leiden": pd.Categorical.from_codes(rng.integers(0, 20, n_cells), [str(i) for i in range(20)]),
            "donor": pd.Categorical.from_codes(rng.integers(0, 12, n_cells), [f"d{i}" for i in range(12)]),
            "n_counts": rng.integers(500, 20000, n_cells),
            "score": rng.normal(size=n_cells).astype(np.float32),
        },
        index=np.char.add("cell-", np.arange(n_cells).astype(str)),
    )
    rows = np.repeat(np.arange(n_cells), 15)
    knn = sparse.csr_matrix(
        (np.ones(len(rows), np.float32), (rows, (rows + np.tile(np.arange(1, 16), n_cells)) % n_cells)),
        shape=(n_cells, n_cells),
    )
    anndata.AnnData(
        obs=obs,
        var=pd.DataFrame(index=[f"GENE{i}" for i in range(n_genes)]),
        obsm={
            "X_umap": rng.normal(size=(n_cells, 2)).astype(np.float32),
            "X_pca": rng.normal(size=(n_cells, 30)).astype(np.float32),
        },
        obsp={"connectivities": (knn + knn.T).tocsr()},
    ).write_h5ad(path)
    with h5py.File(path, "r+") as file:
        if "X" in file:
            del file["X"]
        group = file.create_group("X")
        group.attrs.update(
            {"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": np.array([n_cells, n_genes])}
        )
        total = n_cells * per_cell
        group["indptr"] = np.arange(0, total + 1, per_cell)
        indices = group.create_dataset("indices", total, "i4")
        data = group.create_dataset("data", total, "f4")
        step, stride = 50_000, max(1, n_genes // per_cell)
        for start in range(0, n_cells, step):
            stop = min(n_cells, start + step)
            first = np.arange(per_cell) * stride
            block = first + rng.integers(0, stride, (stop - start, per_cell))
            counts = rng.geometric(0.4, block.shape)
            logged = np.log1p(counts / counts.sum(axis=1, keepdims=True) * 1e4)
            indices[start * per_cell : stop * per_cell] = block.ravel()
            data[start * per_cell : stop * per_cell] = logged.ravel()


def main() -> None:
    """Measure and print."""
    folder = Path(sys.argv[1])
    sizes = [(10_000, 2_000)] if len(sys.argv) < 4 else []
    sizes += [(int(sys.argv[2]), int(sys.argv[3]))] if len(sys.argv) > 3 else [(1_000_000, 1_000)]
    folder.mkdir(parents=True, exist_ok=True)
    for n_cells, n_genes in sizes:
        path = folder / f"bench_{n_cells}x{n_genes}.h5ad"
        if not path.exists():
            make_file(path, n_cells, n_genes, max(1, n_genes // 10))
        began = time.perf_counter()
        dataset = open_dataset(path)
        opened = time.perf_counter()
        _ = View(dataset, default_mapping(dataset)).expression  # builds the store
        stored = time.perf_counter()
        report = preflight(View(dataset, default_mapping(dataset)))
        done = time.perf_counter()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(
            f"{n_cells:,} × {n_genes:,}: open {opened - began:.2f} s, store {stored - opened:.2f} s, all rules "
            f"{done - stored:.2f} s, peak {peak:.2f} GB; found {[f.rule for f in report.findings]}"
        )
        view = View(dataset, default_mapping(dataset))
        slow = []
        for rule in RULES:
            start = time.perf_counter()
            rule.check(view, Scope())
            slow.append((time.perf_counter() - start, rule.id))
        print("  slowest:", ", ".join(f"{rule} {seconds:.2f} s" for seconds, rule in sorted(slow)[::-1][:6]))


if __name__ == "__main__":
    main()
