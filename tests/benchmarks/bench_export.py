"""Export against cellucid 0.0.9, in one run on one machine: time, bytes and memory.

Not a test: run by hand with a python that has ``cellucid==0.0.9``, and anndata to read the file for it.

    python tests/benchmarks/bench_export.py --peer /path/to/peer/bin/python [--cells 100000] [--genes 2000]

Both programs get one h5ad file (log-normalized, 10 % not zero, as a droplet experiment; 50 principal components, a 2-D
embedding, two columns, a graph of 15 neighbours) and write 8-bit codes with gzip level 6. The peer reads the file and
prepares it. Ours does so in three situations: the dataset is open, its gene-major store in place (written, and written
and read back, which is what users get); the file was never seen before (opened, stored, written, read back); and the
graph alone: on both sides an export without genes with the graph, less one without. Every run is a process of its own,
so that its peak memory is its own; the clocks leave the loading of code out, on both sides (ours has loaded what a
worker of the server has). Each is run several times, and the shortest time counts. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from importlib import import_module
from pathlib import Path
from typing import Any

PEER = """
import sys, time, json
import anndata
from pathlib import Path
from cellucid import prepare
path, out, what = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
began = time.perf_counter()
a = anndata.read_h5ad(path)
read = time.perf_counter() - began
genes = {"gene_expression": a.X, "var": a.var, "var_quantization": 8} if what == "genes" else {}
graph = {"connectivities": a.obsp["connectivities"]} if what == "graph" else {}
prepare(latent_space=a.obsm["X_pca"], obs=a.obs, X_umap_2d=a.obsm["X_umap"], out_dir=out,
        obs_continuous_quantization=8, compression=6, force=True, **genes, **graph)
done = time.perf_counter() - began
files = [f for f in out.rglob("*") if f.is_file()]
print("RESULT" + json.dumps({"seconds": done, "read_seconds": read,
      "bytes": sum(f.stat().st_size for f in files),
      "gene_bytes": sum(f.stat().st_size for f in files if f.parent.name == "var"),
      "peak_mb": [int(l.split()[1]) / 1024 for l in open("/proc/self/status") if l.startswith("VmHWM")][0]}))
"""


def make_file(path: Path, n_cells: int, n_genes: int, share: float, n_neighbors: int) -> None:
    """Write a file like that of a droplet experiment."""
    import anndata
    import numpy as np
    import pandas as pd
    from scipy import sparse

    rng = np.random.default_rng(0)
    depth = rng.lognormal(8.5, 0.4, n_cells)
    per_row = rng.binomial(n_genes, share, n_cells)
    indptr = np.concatenate([[0], np.cumsum(per_row)])
    indices = np.concatenate([np.sort(rng.choice(n_genes, k, replace=False)) for k in per_row]).astype(np.int32)
    counts = rng.poisson(1.0, indptr[-1]) + 1
    values = np.log1p(counts * 1e4 / np.repeat(depth, per_row)).astype(np.float32)
    neighbors = (np.arange(n_cells)[:, None] + rng.integers(1, 2000, (n_cells, n_neighbors))) % n_cells
    weights = rng.random(neighbors.size).astype(np.float32)
    graph = sparse.csr_matrix((weights, neighbors.ravel(), np.arange(n_cells + 1) * n_neighbors), (n_cells, n_cells))
    graph.sum_duplicates()
    graph = sparse.csr_matrix(graph.maximum(graph.T))  # symmetric and sorted, as scanpy's
    graph.sum_duplicates()
    obs = pd.DataFrame(
        {"group": pd.Categorical(rng.integers(0, 20, n_cells).astype(str)), "depth": depth},
        index=[f"c{i}" for i in range(n_cells)],
    )
    anndata.AnnData(
        X=sparse.csr_matrix((values, indices, indptr), shape=(n_cells, n_genes)),
        obs=obs,
        var=pd.DataFrame(index=[f"GENE{i}" for i in range(n_genes)]),
        obsm={
            "X_pca": rng.normal(size=(n_cells, 50)).astype(np.float32),
            "X_umap": rng.normal(size=(n_cells, 2)).astype(np.float32),
        },
        obsp={"connectivities": graph},
    ).write_h5ad(path)


def ours(path: Path, out: Path, what: str) -> None:
    """Export with this project in a process of its own, and print what it took.

    Parameters
    ----------
    what
        ``"first"`` (opening counts), ``"open"`` (it does not); without genes: ``"graph"``, or ``"bare"`` of that, too.
    """
    from cellucid_core.dataset import View, default_mapping, open_dataset
    from cellucid_core.export import ExportSettings, GeneChoice, write

    for module in ("anndata", "h5py", "scipy.sparse", "deflate", "cellucid_core.serving.jobs.preloaded"):
        import_module(module)
    began = time.perf_counter()
    dataset = open_dataset(path)
    view = View(dataset, default_mapping(dataset))
    if what in ("first", "open"):
        assert view.expression is not None
    result = {"open_seconds": time.perf_counter() - began}
    genes = GeneChoice("all" if what in ("first", "open") else "none")
    settings = ExportSettings(genes=genes, graph=what == "graph", compression=6)
    done = write(view, settings, out, force=True)
    result["seconds"] = done.seconds if what != "first" else time.perf_counter() - began
    if what != "first":
        for verify in (False, True, False, True):
            name = "seconds" if verify else "unverified_seconds"
            seconds = write(view, settings, out, verify=verify, force=True).seconds
            result[name] = min(seconds, result.get(name, seconds))
    with zipfile.ZipFile(out) as archive:
        entries = archive.infolist()
    result["bytes"] = sum(e.file_size for e in entries)
    result["gene_bytes"] = sum(e.file_size for e in entries if "/var/" in e.filename)
    # Not getrusage: a child inherits the peak of the process that started it.
    status = Path("/proc/self/status").read_text().splitlines()
    result["peak_mb"] = next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))
    print("RESULT" + json.dumps(result))


def _run(command: list[str], environment: dict[str, str] | None = None) -> dict[str, float]:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    line = next((line for line in done.stdout.splitlines() if line.startswith("RESULT")), None)
    if line is None:
        raise SystemExit(f"{command[:3]} failed:\n{done.stderr[-2000:]}")
    return dict(json.loads(line.removeprefix("RESULT")))


def _best(runs: list[dict[str, float]]) -> dict[str, float]:
    """Return the least of everything; peaks and bytes hardly differ."""
    return {name: min(run[name] for run in runs) for name in runs[0]}


def _show(label: str, numbers: dict[str, float]) -> None:
    shown = {name: round(value, 3 if "seconds" in name else None) for name, value in numbers.items()}
    print(f"{label:34s}", *(f"{name} {value:,}" for name, value in shown.items()))


def main() -> None:
    """Run everything and print the ratios."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--peer", default=os.environ.get("CELLUCID_PEER_PYTHON"), help="a python with cellucid==0.0.9")
    parser.add_argument("--cells", type=int, default=100_000)
    parser.add_argument("--genes", type=int, default=2000)
    parser.add_argument("--share", type=float, default=0.1)
    parser.add_argument("--neighbors", type=int, default=15)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--file", type=Path, help="made there once, instead of in a temporary folder each time")
    parser.add_argument("--ours", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.ours:
        ours(Path(options.ours[0]), Path(options.ours[1]), options.ours[2])
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = options.file or folder / "data.h5ad"
        if not path.exists():
            make_file(path, options.cells, options.genes, options.share, options.neighbors)
        compare(path, folder, options.peer, options.repeats)


def compare(path: Path, folder: Path, peer: str | None, repeats: int) -> None:
    """Run both programs by turns, so that what else the machine does meets both."""
    root = str(Path(__file__).resolve().parents[2])
    home = folder / "home"
    environment = {**os.environ, "PYTHONPATH": root, "CELLUCID_HOME": str(home)}
    runs: dict[str, list[dict[str, Any]]] = {}
    for _ in range(repeats):
        for what in ("first", "open", "graph", "bare"):
            if what == "first":
                shutil.rmtree(home, ignore_errors=True)
            command = [sys.executable, __file__, "--ours", str(path), str(folder / "ours.zip"), what]
            runs.setdefault(what, []).append(_run(command, environment))
        for what in ("genes", "graph", "bare") if peer else ():
            command = [str(peer), "-c", PEER, str(path), str(folder / "peer"), what]
            runs.setdefault(f"peer {what}", []).append(_run(command))
            shutil.rmtree(folder / "peer", ignore_errors=True)
    best = {what: _best(found) for what, found in runs.items()}
    _show("ours, dataset open", best["open"])
    _show("ours, file never seen before", best["first"])
    _show("ours, graph without genes", best["graph"])
    if not peer:
        return
    _show("cellucid 0.0.9", best["peer genes"])
    _show("cellucid 0.0.9, graph, no genes", best["peer graph"])
    theirs = best["peer genes"]
    graph = _prepared(best["peer graph"]) - _prepared(best["peer bare"])
    mine = {name: best["graph"][name] - best["bare"][name] for name in ("seconds", "unverified_seconds")}
    print(f"graph alone: {mine['unverified_seconds']:.3f} s, read back {mine['seconds']:.3f} s, theirs {graph:.3f} s")
    print(f"dataset open, read back:      {theirs['seconds'] / best['open']['seconds']:6.1f} x as fast (12 wanted)")
    print(f"dataset open, only written:   {theirs['seconds'] / best['open']['unverified_seconds']:6.1f} x")
    print(f"file never seen before:       {theirs['seconds'] / best['first']['seconds']:6.1f} x (5 wanted)")
    print(f"graph alone, written:         {graph / mine['unverified_seconds']:6.1f} x (20 wanted)")
    print(f"graph alone, read back:       {graph / mine['seconds']:6.1f} x")
    print(f"bytes:                        {best['open']['bytes'] / theirs['bytes']:6.3f} of theirs (1.01 allowed)")
    print(f"bytes of genes:               {best['open']['gene_bytes'] / theirs['gene_bytes']:6.3f}")
    print(
        f"peak memory:                  {best['open']['peak_mb'] / theirs['peak_mb']:6.2f} of theirs, first time "
        f"{best['first']['peak_mb'] / theirs['peak_mb']:.2f}"
    )


def _prepared(run: dict[str, float]) -> float:
    return run["seconds"] - run["read_seconds"]


if __name__ == "__main__":
    main()
