"""Neighbours and UMAPs in 2D and 3D of many cells: seconds and memory.

    PYTHONPATH=. python tests/benchmarks/bench_embedding.py --cells 1000000

The latent space is 50 columns of twenty groups of cells. There is no peer: exact neighbours of a million cells, which
scanpy would search, take hours.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import threading
import time
from pathlib import Path

import anndata
import numpy as np

import cellucid_core as cc


def latent(n_cells: int, seed: int = 0) -> np.ndarray:
    """Return (n_cells, 50) float32."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(scale=4, size=(20, 50)).astype(np.float32)
    found = rng.standard_normal((n_cells, 50), dtype=np.float32)
    found += centres[rng.integers(0, 20, n_cells)]
    return found


def resident() -> int:
    """Return the bytes that this process and its children hold."""
    pages = 0
    parents = {str(os.getpid())}
    for entry in sorted(Path("/proc").glob("[0-9]*"), key=lambda path: int(path.name)):
        try:
            parent = (entry / "stat").read_text().rsplit(")", 1)[1].split()[1]
            if entry.name in parents or parent in parents:
                parents.add(entry.name)
                held = (entry / "statm").read_text().split()
                pages += int(held[1]) - int(held[2])  # what it shares with others is counted nowhere
        except OSError:
            continue
    return pages * os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    """Run as a program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=1_000_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ["CELLUCID_HOME"] = home
        from cellucid_core.preflight import Scope
        from cellucid_core.preflight.compute import compute_umap

        adata = anndata.AnnData(obsm={"X_pca": latent(options.cells)}, shape=(options.cells, 0))
        adata.obs_names = np.arange(options.cells).astype(str)
        view = cc.open(adata)
        before, peak, ended = resident(), [0], threading.Event()

        def watch() -> None:
            while not ended.wait(1):
                peak[0] = max(peak[0], resident())

        watching = threading.Thread(target=watch)
        watching.start()
        began, steps = time.perf_counter(), {}
        compute_umap(view, Scope(progress=lambda what, share: steps.setdefault(what, time.perf_counter() - began)))
        took = time.perf_counter() - began
        ended.set()
        watching.join()
    for what, at in steps.items():
        print(f"{at:8.1f} s  {what}")
    print(f"{took:8.1f} s  done: {options.cells:,} cells × 50, 2D and 3D")
    print(f"{peak[0] / 1e9:8.2f} GB at most, {(peak[0] - before) / 1e9:.2f} GB more than the data")


if __name__ == "__main__":
    main()
