"""Export against cellucid 0.0.9, in one run on one machine: time, bytes and memory.

Not a test: run by hand with a python that has ``cellucid==0.0.9``.

    python tests/benchmarks/bench_export.py --peer /path/to/peer/bin/python [--cells 100000] [--genes 2000]

Both programs get the same 10 % dense log-normalized matrix in memory or on disk, write 8-bit codes with gzip level 6,
and nothing but genes, two columns and a 2-D embedding. The peer's clock starts at its call of ``prepare``; ours at
``write``, once without and once with reading everything back, after the gene-major store was built (its time is
printed, too).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

PEER = """
import sys, time, json
import numpy as np, pandas as pd
from pathlib import Path
from scipy import sparse
from cellucid import prepare
folder = Path(sys.argv[1])
X = sparse.load_npz(folder / "x.npz")
umap = np.load(folder / "umap.npy")
group, depth = np.load(folder / "group.npy").astype(str), np.load(folder / "depth.npy")
obs = pd.DataFrame({"group": pd.Categorical(group), "depth": depth})
var = pd.DataFrame(index=[f"GENE{i}" for i in range(X.shape[1])])
began = time.perf_counter()
prepare(latent_space=umap, obs=obs, var=var, gene_expression=X, X_umap_2d=umap, out_dir=folder / "peer",
        var_quantization=8, obs_continuous_quantization=8, compression=6, force=True)
seconds = time.perf_counter() - began
files = [f for f in (folder / "peer").rglob("*") if f.is_file()]
print("RESULT" + json.dumps({"seconds": seconds, "bytes": sum(f.stat().st_size for f in files),
      "gene_bytes": sum(f.stat().st_size for f in files if f.parent.name == "var"),
      "peak_mb": [int(l.split()[1]) / 1024 for l in open("/proc/self/status") if l.startswith("VmHWM")][0]}))
"""


def make_inputs(folder: Path, n_cells: int, n_genes: int, share: float) -> None:
    """Write a log-normalized matrix like that of a droplet experiment, an embedding and two columns."""
    rng = np.random.default_rng(0)
    depth = rng.lognormal(8.5, 0.4, n_cells)
    per_row = rng.binomial(n_genes, share, n_cells)
    indptr = np.concatenate([[0], np.cumsum(per_row)])
    indices = np.concatenate([np.sort(rng.choice(n_genes, k, replace=False)) for k in per_row]).astype(np.int32)
    counts = rng.poisson(1.0, indptr[-1]) + 1
    values = np.log1p(counts * 1e4 / np.repeat(depth, per_row)).astype(np.float32)
    sparse.save_npz(folder / "x.npz", sparse.csr_matrix((values, indices, indptr), shape=(n_cells, n_genes)), False)
    np.save(folder / "umap.npy", rng.normal(size=(n_cells, 2)).astype(np.float32))
    np.save(folder / "group.npy", rng.integers(0, 20, n_cells))
    np.save(folder / "depth.npy", depth)


def ours(folder: Path) -> None:
    """Export with this project in a process of its own, and print what it took."""
    import anndata

    from cellucid_core.dataset import View, default_mapping, open_dataset
    from cellucid_core.export import ExportSettings, write

    path = folder / "data.h5ad"
    if not path.exists():
        X = sparse.load_npz(folder / "x.npz")
        umap = np.load(folder / "umap.npy")
        columns = {
            "group": pd.Categorical(np.load(folder / "group.npy").astype(str)),
            "depth": np.load(folder / "depth.npy"),
        }
        obs = pd.DataFrame(columns, index=[f"c{i}" for i in range(X.shape[0])])
        var = pd.DataFrame(index=[f"GENE{i}" for i in range(X.shape[1])])
        anndata.AnnData(X=X, obs=obs, var=var, obsm={"X_umap": umap}).write_h5ad(path)
        return
    began = time.perf_counter()
    dataset = open_dataset(path)
    view = View(dataset, default_mapping(dataset))
    assert view.expression is not None
    store = time.perf_counter() - began
    settings = ExportSettings(compression=6)
    result = {"store_seconds": store}
    for name, verify in (("seconds", False), ("seconds_verified", True), ("seconds", False)):
        done = write(view, settings, folder / "ours.zip", verify=verify, force=True)
        result[name] = min(done.seconds, result.get(name, done.seconds))
    with zipfile.ZipFile(folder / "ours.zip") as archive:
        entries = archive.infolist()
    result["bytes"] = sum(e.file_size for e in entries)
    result["gene_bytes"] = sum(e.file_size for e in entries if "/var/" in e.filename)
    # Not getrusage: a child inherits the peak of the process that started it.
    status = Path("/proc/self/status").read_text().splitlines()
    result["peak_mb"] = next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))
    print("RESULT" + json.dumps(result))


def _run(command: list[str], environment: dict[str, str] | None = None) -> dict[str, float]:
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    line = next((line for line in done.stdout.splitlines() if line.startswith("RESULT")), "RESULT{}")
    return dict(json.loads(line.removeprefix("RESULT")))


def main() -> None:
    """Run both and print the ratios."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--peer", default=os.environ.get("CELLUCID_PEER_PYTHON"), help="a python with cellucid==0.0.9")
    parser.add_argument("--cells", type=int, default=100_000)
    parser.add_argument("--genes", type=int, default=2000)
    parser.add_argument("--share", type=float, default=0.1)
    parser.add_argument("--ours", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.ours:
        ours(options.ours)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_inputs(folder, options.cells, options.genes, options.share)
        root = str(Path(__file__).resolve().parents[2])
        environment = {**os.environ, "PYTHONPATH": root, "CELLUCID_HOME": str(folder / "home")}
        command = [sys.executable, __file__, "--ours", name]
        _run(command, environment)  # writes the h5ad, so that making it does not count in the peak
        mine = _run(command, environment)
        print("ours ", {key: round(value, 3) for key, value in mine.items()})
        if options.peer:
            theirs = _run([options.peer, "-c", PEER, name])
            print("peer ", {key: round(value, 3) for key, value in theirs.items()})
            print(f"as fast: {theirs['seconds'] / mine['seconds']:.1f}x, read back as well:", end=" ")
            print(f"{theirs['seconds'] / mine['seconds_verified']:.1f}x")
            print(f"bytes of genes: {mine['gene_bytes'] / theirs['gene_bytes']:.3f}")


if __name__ == "__main__":
    main()
