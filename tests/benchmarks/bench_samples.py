"""Twenty samples as one dataset: opened as parts, against joining them into one file first.

Run on demand, not by the test suite::

    python tests/benchmarks/bench_samples.py FOLDER [N_SAMPLES [N_CELLS [N_GENES]]]

FOLDER gets the samples (made once), the joined files and the stores. Each way is a process of its own with an empty
home, and does the same three things: one dataset, a mean score of 50 genes per sample, a verified export of 200 genes.
Peers: `anndata.concat` in memory, written as ``.h5ad``; `anndata.experimental.concat_on_disk`, which needs ``dask``.
Disk is what each way leaves beside the samples and the export.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

WAYS = ("parts", "concat", "concat_on_disk")


def make_samples(folder: Path, n_samples: int, n_cells: int, n_genes: int) -> None:
    """Write samples of counts, a tenth of the values above 0, with a UMAP."""
    import anndata
    import numpy as np
    import pandas as pd
    from scipy import sparse

    folder.mkdir(parents=True, exist_ok=True)
    for number in range(n_samples):
        path = folder / f"sample{number:02d}.h5ad"
        if path.exists():
            continue
        rng = np.random.default_rng(number)
        per_cell = rng.integers(n_genes // 20, n_genes * 3 // 20, n_cells)
        pointers = np.concatenate([[0], np.cumsum(per_cell)])
        columns = np.concatenate([np.sort(rng.choice(n_genes, size, replace=False)) for size in per_cell])
        values = rng.integers(1, 20, pointers[-1]).astype(np.float32)
        adata = anndata.AnnData(
            sparse.csr_matrix((values, columns.astype(np.int32), pointers), (n_cells, n_genes)),
            obs=pd.DataFrame(
                {"group": pd.Categorical(rng.choice(["a", "b", "c"], n_cells))},
                index=[f"cell-{i}" for i in range(n_cells)],
            ),
            var=pd.DataFrame(index=[f"GENE{i}" for i in range(n_genes)]),
        )
        adata.obsm["X_umap"] = rng.normal(size=(n_cells, 2)).astype(np.float32)
        draft = path.with_suffix(".draft")
        adata.write_h5ad(draft)
        draft.replace(path)


def measure(way: str, folder: Path) -> dict[str, float]:
    """Join, score and export one way; return seconds of each, peak memory and disk in GB."""
    import anndata
    from anndata.experimental import concat_on_disk

    import cellucid_core as cc

    paths = {path.stem: path for path in sorted((folder / "samples").glob("*.h5ad"))}
    joined = folder / "joined.h5ad"
    began = time.perf_counter()
    if way == "concat":
        anndata.concat(
            {name: anndata.read_h5ad(path) for name, path in paths.items()}, label="sample", index_unique="-"
        ).write_h5ad(joined)
    elif way == "concat_on_disk":
        concat_on_disk({name: str(path) for name, path in paths.items()}, joined, label="sample", index_unique="-")
    data = cc.open(paths if way == "parts" else joined)
    marks = [time.perf_counter()]
    score = cc.score(data, [f"GENE{i}" for i in range(50)], groupby="sample")
    marks.append(time.perf_counter())
    genes = [f"GENE{i}" for i in range(200)]
    cc.export(data, folder / "export.zip", genes=genes, force=True)
    marks.append(time.perf_counter())
    kept = [path for root in ("home", "joined.h5ad") for path in _files(folder / root)]
    return {
        "one dataset, s": marks[0] - began,
        "score, s": marks[1] - marks[0],
        "export, s": marks[2] - marks[1],
        "all, s": marks[2] - began,
        "peak, GB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        "disk, GB": sum(path.stat().st_size for path in kept) / 1e9,
        "mean": float(score.summary["mean"].mean()),
    }


def _files(root: Path) -> list[Path]:
    return [root] if root.is_file() else [path for path in root.rglob("*") if path.is_file()]


def main() -> None:
    """Make the samples where they are missing and print a table."""
    folder = Path(sys.argv[1])
    sizes = [int(word) for word in sys.argv[2:]]
    n_samples, n_cells, n_genes = [*sizes, *(20, 50_000, 2000)[len(sizes) :]]
    make_samples(folder / "samples", n_samples, n_cells, n_genes)
    path = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "CELLUCID_HOME": str(folder / "home"), "PYTHONPATH": path}
    found = {}
    for way in WAYS:
        shutil.rmtree(folder / "home", ignore_errors=True)
        (folder / "joined.h5ad").unlink(missing_ok=True)
        command = [sys.executable, "-W", "ignore", __file__, "--measure", way, str(folder)]
        text = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
        found[way] = json.loads(text)
        print(f"{way:15}", "  ".join(f"{name} {value:.3g}" for name, value in found[way].items()), flush=True)
    ours = found["parts"]
    for way in WAYS[1:]:
        ratios = ", ".join(
            f"{name} {found[way][name] / ours[name]:.2f}×" for name in ("all, s", "peak, GB", "disk, GB")
        )
        print(f"{way} takes {ratios} of parts")


if __name__ == "__main__":
    if sys.argv[1] == "--measure":
        print(json.dumps(measure(sys.argv[2], Path(sys.argv[3]))))
    else:
        main()
