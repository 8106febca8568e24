"""How fast signatures are scored, as a ratio to scanpy and pyucell in the same run.

    python tests/benchmarks/bench_score.py

100,000 cells × 2,000 genes, about 10 % non-zero, 50 genes; our store is in place, their AnnData is in memory.
"""

from __future__ import annotations

import os
import platform
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
from scipy import sparse


def best(work: Callable[[], object], repeats: int) -> float:
    """Return the shortest of some runs, in seconds."""
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)


def main() -> None:
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CELLUCID_HOME"] = folder
        import pyucell
        import scanpy as sc

        from cellucid_core.dataset import View, default_mapping, open_dataset
        from cellucid_core.signature import match_in_view, score_cells

        rng = np.random.default_rng(0)
        X = sparse.random(100_000, 2_000, density=0.1, format="csr", dtype=np.float32, rng=rng)
        X.data = np.log1p(np.ceil(X.data * 20)).astype(np.float32)
        genes = [f"g{i}" for i in rng.choice(2_000, 50, replace=False)]
        adata = anndata.AnnData(X, var=pd.DataFrame(index=[f"g{i}" for i in range(2_000)]))
        adata.write_h5ad(Path(folder) / "bench.h5ad")
        dataset = open_dataset(Path(folder) / "bench.h5ad")
        view = View(dataset, default_mapping(dataset))
        expression, match = view.expression, match_in_view(view, genes)

        ours = {}
        for method in ("mean", "score_genes", "ucell"):
            score_cells(expression, match, method, gene_ids=view.gene_ids)  # compile, warm the page cache
            ours[method] = best(lambda m=method: score_cells(expression, match, m, gene_ids=view.gene_ids), 5)
        scanpys = best(lambda: sc.tl.score_genes(adata, genes), 3)
        theirs = best(lambda: pyucell.compute_ucell_scores(adata, {"s": genes}, n_jobs=2), 1)

        print(
            f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
        )
        print(
            f"mean         {ours['mean']:.4f} s   scanpy.tl.score_genes {scanpys:.3f} s   {scanpys / ours['mean']:.0f}×"
        )
        print(f"score_genes  {ours['score_genes']:.4f} s   scanpy.tl.score_genes {scanpys:.3f} s   "
              f"{scanpys / ours['score_genes']:.1f}×")  # fmt: skip
        print(
            f"ucell        {ours['ucell']:.4f} s   pyucell, 2 jobs       {theirs:.2f} s   {theirs / ours['ucell']:.0f}×"
        )


if __name__ == "__main__":
    main()
