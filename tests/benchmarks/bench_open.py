"""How long opening takes and how much memory: one million cells × 1,000 genes, first and second time.

Run on demand, not by the test suite::

    python tests/benchmarks/bench_open.py FOLDER

FOLDER gets the file (1.1 GB, made once) and the stores. Each opening is a process of its own, so that its peak memory
is its own; the clock starts before the imports. "First" empties the stores, "second" finds them.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

N_CELLS, N_GENES, N_STORED = 1_000_000, 1_000, 100_000_000
LIMITS = {"first": (15.0, 1.2), "second": (3.0, 1.2)}


def make_file(path: Path, layout: str) -> None:
    """Write the file block by block: log-normalized values, genes from rare to ubiquitous, a UMAP and 50 PCs."""
    import anndata
    import h5py
    import numpy as np
    import pandas as pd
    from anndata.io import sparse_dataset, write_elem
    from scipy import sparse

    rng = np.random.default_rng(0)
    share = rng.beta(0.5, 4.5, N_GENES).astype(np.float32)
    share *= N_STORED / N_CELLS / share.sum()
    n_cells = N_CELLS if layout == "sparse" else N_CELLS // 10
    obs = pd.DataFrame(
        {"cell_type": pd.Categorical(rng.choice([f"type {i}" for i in range(20)], n_cells))},
        index=[f"cell-{i}" for i in range(n_cells)],
    )
    obsm = {
        "X_umap": rng.normal(size=(n_cells, 2)).astype(np.float32),
        "X_pca": rng.normal(size=(n_cells, 50)).astype(np.float32),
    }
    var = pd.DataFrame(index=[f"GENE{i}" for i in range(N_GENES)])
    anndata.AnnData(obs=obs, var=var, obsm=obsm).write_h5ad(path)
    step = 20_000
    with h5py.File(path, "r+") as file:
        if "X" in file:
            del file["X"]
        if layout == "dense":
            file.create_dataset("X", (n_cells, N_GENES), np.float32, chunks=(1000, N_GENES))
            file["X"].attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
        for start in range(0, n_cells, step):
            present = rng.random((step, N_GENES), dtype=np.float32) < share
            block = np.where(present, np.log1p(rng.exponential(20, present.shape).astype(np.float32)), 0)
            if layout == "dense":
                file["X"][start : start + step] = block
            elif start == 0:
                write_elem(file, "X", sparse.csr_matrix(block))
            else:
                sparse_dataset(file["X"]).append(sparse.csr_matrix(block))


def measure(path: Path) -> dict[str, float]:
    """Open the file up to the statistics of every gene; return seconds and peak memory in GB."""
    started = time.perf_counter()
    peak = _PrivatePeak()
    from cellucid_core.dataset import View, default_mapping, open_dataset

    dataset = open_dataset(path)
    tables = time.perf_counter() - started
    view = View(dataset, default_mapping(dataset))
    expression = view.expression
    assert expression is not None
    assert expression.stats.total.shape == (N_GENES,)
    seconds = time.perf_counter() - started
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {"seconds": seconds, "tables": tables, "resident_gb": resident, "private_gb": peak.stop() / 2**30}


class _PrivatePeak:
    """Peak of resident memory without clean or dirty pages of mapped files, sampled every 10 ms (Linux)."""

    def __init__(self) -> None:
        self._peak, self._running = 0, True
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        page = os.sysconf("SC_PAGE_SIZE")
        while self._running:
            resident, shared = (int(field) for field in Path("/proc/self/statm").read_text().split()[1:3])
            self._peak = max(self._peak, (resident - shared) * page)
            time.sleep(0.01)

    def stop(self) -> int:
        self._running = False
        self._thread.join()
        return self._peak


def main() -> int:
    """Make the files where they are missing and print a table."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "CELLUCID_HOME": str(folder / "home"), "PYTHONPATH": str(Path(__file__).parents[2])}
    missed = False
    for layout in sys.argv[2:] or ["sparse", "dense"]:
        path = folder / f"{layout}.h5ad"
        if not path.exists():
            draft = path.with_suffix(".draft")
            make_file(draft, layout)
            draft.replace(path)
        shutil.rmtree(folder / "home", ignore_errors=True)
        for which in ("first", "second"):
            text = subprocess.run(
                [sys.executable, __file__, "--measure", str(path)],
                env=environment,
                check=True,
                capture_output=True,
                text=True,
            ).stdout
            found = json.loads(text)
            seconds, memory = LIMITS[which]
            within = found["seconds"] < seconds and found["resident_gb"] < memory
            missed |= not within
            print(f"{layout:6} {path.stat().st_size / 1e9:.2f} GB  {which:6}", end="  ")
            print("  ".join(f"{name} {value:.2f}" for name, value in found.items()), "" if within else "OVER THE LIMIT")
    return int(missed)


if __name__ == "__main__":
    if sys.argv[1] == "--measure":
        print(json.dumps(measure(Path(sys.argv[2]))))
    else:
        sys.exit(main())
