"""How fast signatures are scored, as a ratio to scanpy and pyucell in the same run.

    python tests/benchmarks/bench_score.py [--peer PYTHON]

100,000 cells × 2,000 genes, about 10 % non-zero, 50 genes; our store is in place, their AnnData is in memory. Then 50
signatures at once, and tests and violins of 1,000,000 scores against scipy. PYTHON has decoupler and gseapy, for
AUCell, z-score, ULM and ssGSEA (of 2,000 cells there, times 50).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
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


def main(peer: str | None) -> None:
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CELLUCID_HOME"] = folder
        import pyucell
        import scanpy as sc

        from cellucid_core.cell_pages import Page
        from cellucid_core.dataset import View, default_mapping, open_dataset
        from cellucid_core.genes import GeneSet
        from cellucid_core.signature import METHODS, against_chance, match_in_view, score_cells, score_many

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
        first = best(lambda: score_cells(expression, match, "score_genes", gene_ids=view.gene_ids), 1)
        for method in METHODS:
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

        print(f"score_genes  {first:.4f} s the first time, when the means of all genes are computed and kept")
        if peer is not None:
            program = [peer, str(Path(__file__).with_name("peer_scores.py")), str(Path(folder) / "bench.h5ad"), *genes]
            theirs = json.loads(subprocess.run(program, check=True, stdout=subprocess.PIPE, text=True).stdout)
            for method, seconds in theirs.items():
                who = "gseapy, of 2,000 cells" if method == "ssgsea" else "decoupler"
                print(f"{method:12} {ours[method]:.4f} s   {who} {seconds:.2f} s   {seconds / ours[method]:.0f}×")
        signatures = [GeneSet(f"s{i}", tuple(f"g{j}" for j in rng.choice(2_000, 50, replace=False))) for i in range(50)]
        together = best(lambda: score_many(view, signatures), 3)
        print(f"50 means     {together:.4f} s   scanpy, each    {scanpys:.3f} s   {50 * scanpys / together:.0f}×")
        for method in ("ucell", "aucell", "ssgsea"):
            score_many(view, signatures[:2], method=method)
            every = best(lambda m=method: score_many(view, signatures, method=m), 2)
            print(f"50 {method:9} {every:.4f} s   {every / ours[method]:.1f} × one")
        a, b = np.arange(20_000), np.arange(20_000, 100_000)
        chance = best(lambda: against_chance(view, match, Page("A", a), Page("B", b), n_sets=500), 2)
        print(f"500 random sets against chance: {chance:.2f} s")
    million()


def million() -> None:
    """Compare 20 pages of 1,000,000 scores, and draw them."""
    from scipy import stats

    from cellucid_core.cell_pages import Page
    from cellucid_core.charts import violin
    from cellucid_core.signature import summarize
    from tests.signature.comparing import compare

    rng = np.random.default_rng(0)
    scores = [rng.normal(i / 20, 1, 50_000) for i in range(20)]
    pages = [Page(f"P{i}", np.arange(50_000)) for i in range(20)]
    tests = best(lambda: compare(pages, scores), 3)
    pair = best(lambda: stats.mannwhitneyu(scores[0], scores[1]), 3)
    welch = best(lambda: stats.ttest_ind(scores[0], scores[1], equal_var=False), 3)
    theirs = 190 * (pair + welch) + best(lambda: stats.kruskal(*scores), 1) + best(lambda: stats.f_oneway(*scores), 1)
    print(f"20 pages     {tests:.4f} s   scipy, pair by pair   {theirs:.1f} s   {theirs / tests:.0f}×")
    drawn = best(lambda: violin(pages, scores, "Score"), 3)
    grid = np.linspace(-4, 5, 128)
    kde = 20 * best(lambda: stats.gaussian_kde(scores[0])(grid), 1)
    print(f"20 violins   {drawn:.4f} s   scipy.gaussian_kde    {kde:.1f} s   {kde / drawn:.0f}×")
    table = best(lambda: summarize(pages, scores), 3)
    described = best(lambda: [pd.Series(s).describe() for s in scores], 3)
    print(f"summary      {table:.4f} s   pandas describe       {described:.2f} s   {described / table:.1f}×")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", default=os.environ.get("CELLUCID_SCORES_PEER_PYTHON"), help="has decoupler, gseapy")
    main(parser.parse_args().peer)
