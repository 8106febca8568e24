"""Cellucid-ready AnnData against cellucid 0.9.5, in one run on one machine: time, processor time, bytes and memory.

Not a test: run by hand with a python that has ``cellucid==0.9.5``.

    python tests/benchmarks/bench_ready.py --peer /path/to/peer/bin/python [--file DATA.h5ad] [--cells 100000]

The peer's clock runs from opening the file to the end of ``prepare``; ours from the open dataset (its gene-major store
in place) to the published file, without and with reading everything back. Each run is a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

PEER = """
import sys, time, json, anndata
from cellucid import prepare
source, target, kind = sys.argv[1:]
wall, cpu = time.perf_counter(), time.process_time()
prepare(target, format=kind, data=anndata.read_h5ad(source), dataset_id="bench", dataset_name="Bench", force=True)
print("RESULT" + json.dumps({"seconds": time.perf_counter() - wall, "cpu": time.process_time() - cpu,
      "peak_mb": [int(l.split()[1]) / 1024 for l in open("/proc/self/status") if l.startswith("VmHWM")][0]}))
"""

OURS = """
import sys, time, json, anndata, zarr
from cellucid_core.dataset import View, default_mapping, open_dataset
from cellucid_core.export import ExportSettings, write
source, target, kind = sys.argv[1:]
dataset = open_dataset(source)
view = View(dataset, default_mapping(dataset))
assert view.expression is not None
found, settings = {}, ExportSettings(format=kind, dataset_id="bench", name="Bench")
for word, verify in (("", False), ("_verified", True)):
    wall, cpu = time.perf_counter(), time.process_time()
    write(view, settings, target, verify=verify, force=True)
    found |= {"seconds" + word: time.perf_counter() - wall, "cpu" + word: time.process_time() - cpu}
found["peak_mb"] = [int(l.split()[1]) / 1024 for l in open("/proc/self/status") if l.startswith("VmHWM")][0]
print("RESULT" + json.dumps(found))
"""


def make_file(path: Path, n_cells: int, n_genes: int) -> None:
    """Write a log-normalized matrix that is 10 % dense, with two embeddings and three columns."""
    import anndata
    import numpy as np
    import pandas as pd
    from scipy import sparse

    rng = np.random.default_rng(0)
    X = sparse.random(n_cells, n_genes, 0.1, format="csr", dtype=np.float32, rng=rng)
    X.data = np.ceil(X.data * 20)
    depth = np.asarray(X.sum(axis=1)).ravel()
    X.data = np.log1p(X.data * np.repeat(1e4 / np.maximum(depth, 1), np.diff(X.indptr))).astype(np.float32)
    columns = {
        "group": pd.Categorical(rng.integers(0, 14, n_cells).astype(str)),
        "donor": pd.Categorical(rng.integers(0, 6, n_cells).astype(str)),
        "depth": depth,
    }
    anndata.AnnData(
        X=X,
        obs=pd.DataFrame(columns, index=[f"c{i}" for i in range(n_cells)]),
        var=pd.DataFrame(index=[f"GENE{i}" for i in range(n_genes)]),
        obsm={"X_umap": rng.normal(size=(n_cells, 2)), "X_pca": rng.normal(size=(n_cells, 20)).astype(np.float32)},
    ).write_h5ad(path)


def _run(python: str, script: str, arguments: list[str], environment: dict[str, str]) -> dict[str, float]:
    done = subprocess.run(
        [python, "-c", script, *arguments], capture_output=True, text=True, check=True, env=environment
    )
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT"))
    return dict(json.loads(line.removeprefix("RESULT")))


def main() -> None:
    """Run both for both formats and print the ratios."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--peer", default=os.environ.get("CELLUCID_READY_PEER_PYTHON"), help="has cellucid==0.9.5")
    parser.add_argument("--file", type=Path, help="an .h5ad; else one is made")
    parser.add_argument("--cells", type=int, default=100_000)
    parser.add_argument("--genes", type=int, default=2000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = options.file or folder / "data.h5ad"
        if options.file is None:
            make_file(source, options.cells, options.genes)
        bare = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        own = {**bare, "PYTHONPATH": str(Path(__file__).resolve().parents[2]), "CELLUCID_HOME": str(folder / "home")}
        for kind in ("h5ad", "zarr.zip"):
            both = []
            for who, python, script, environment in (
                ("ours", sys.executable, OURS, own),
                ("peer", options.peer, PEER, bare),
            ):
                if python is None:
                    continue
                target = folder / f"{who}.{kind}"
                if who == "ours":  # once before: building the store does not count in the peak
                    _run(python, script, [str(source), str(target), kind], environment)
                found = _run(python, script, [str(source), str(target), kind], environment)
                found["mb"] = target.stat().st_size / 1e6
                both.append(found)
                print(kind, who, {key: round(value, 2) for key, value in found.items()})
            if len(both) == 2:
                mine, theirs = both
                print(f"{kind}: as fast {theirs['seconds'] / mine['seconds']:.1f}x,", end=" ")
                print(f"read back as well {theirs['seconds'] / mine['seconds_verified']:.1f}x,", end=" ")
                print(f"processor time {theirs['cpu'] / mine['cpu']:.1f}x,", end=" ")
                print(f"memory {mine['peak_mb'] / theirs['peak_mb']:.2f}, bytes {mine['mb'] / theirs['mb']:.3f}")


if __name__ == "__main__":
    main()
