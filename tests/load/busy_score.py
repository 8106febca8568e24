"""How long a score takes in the server's process while workers write two exports of 100,000 cells × 2,000 genes.

    python tests/load/busy_score.py

Prints the times of scores of 50 genes alone and meanwhile, and what the exports took.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
from scipy import sparse


def take_times(works: dict[str, Callable[[], object]], into: dict[str, list[float]]) -> None:
    """Do each piece of work once and note its seconds."""
    for name, work in works.items():
        began = time.perf_counter()
        work()
        into[name].append(time.perf_counter() - began)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CELLUCID_HOME"] = folder
        from cellucid_core.dataset import DatasetSource, View, default_mapping, open_dataset
        from cellucid_core.export import ExportSettings
        from cellucid_core.serving.jobs import Workers, export_job, open_job, submit
        from cellucid_core.serving.jobs.workers import set_workers
        from cellucid_core.signature import match_in_view, score_cells

        rng = np.random.default_rng(0)
        matrix = sparse.random(100_000, 2_000, density=0.1, format="csr", dtype=np.float32, rng=rng)
        matrix.data = np.log1p(np.ceil(matrix.data * 20)).astype(np.float32)
        path = Path(folder) / "bench.h5ad"
        made = anndata.AnnData(matrix, var=pd.DataFrame(index=[f"g{i}" for i in range(2_000)]))
        made.obsm["X_umap"] = rng.normal(size=(100_000, 2))
        made.write_h5ad(path)
        crew = Workers()
        set_workers(crew)
        began = time.perf_counter()
        opening = submit(open_job, {"source": DatasetSource(str(path))}, owner="a", kind="open", title="")
        opening.wait()
        print(f"opened in a worker that had to be made ready first: {time.perf_counter() - began:.1f} s")
        began = time.perf_counter()
        submit(open_job, {"source": DatasetSource(str(path))}, owner="a", kind="open", title="").wait()
        again = time.perf_counter() - began
        began = time.perf_counter()
        dataset = open_dataset(path)
        print(f"again in a ready one: {again:.2f} s; then here: {time.perf_counter() - began:.2f} s")
        mapping = default_mapping(dataset)
        view = View(dataset, mapping)
        genes = [str(gene) for gene in view.gene_ids[:50]]
        match = match_in_view(view, genes)
        scores = {
            method: (lambda method=method: score_cells(view.expression, match, method, gene_ids=view.gene_ids))
            for method in ("mean", "score_genes", "ucell")
        }
        alone: dict[str, list[float]] = {method: [] for method in scores}
        busy: dict[str, list[float]] = {method: [] for method in scores}
        take_times(scores, {method: [] for method in scores})  # compiles
        for _ in range(10):
            take_times(scores, alone)
        source = DatasetSource(str(path), content_hash=dataset.content_hash)
        order = {"mapping": mapping, "settings": ExportSettings(), "genes": None, "file_name": "x.zip"}
        jobs = [submit(export_job, {**order, "source": source}, owner=owner, kind="export", title="") for owner in "bc"]
        while not all(job.progress().what == "Writing genes" for job in jobs):
            time.sleep(0.02)
        while all(job.active for job in jobs):
            take_times(scores, busy)
        for method in scores:
            for name, times in (("alone", alone[method]), ("while two exports run", busy[method])):
                print(
                    f"{method} of 50 genes, {name}: median {np.median(times):.3f} s, longest {max(times):.3f} s "
                    f"({len(times)} times)"
                )
        for job in jobs:
            job.wait()
            print(f"export: {job.record.finished - job.record.started:.1f} s, {job.state}")
        set_workers(None)
        crew.close()


if __name__ == "__main__":
    main()
