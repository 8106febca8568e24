"""Signature library: the marker search against `autogenes` in one run, and statistics of a million cells.

Not a test: run by hand with a python that has ``autogenes``.

    python tests/benchmarks/bench_library.py --peer /path/to/peer/bin/python [--generations 5000] [--seeds 3]
    python tests/benchmarks/bench_library.py --statistics FOLDER [--cells 1000000] [--genes 1000]

Both searches get the same 20 centroids of 2,000 genes and pick 400, with 100 individuals. The hypervolume is taken up
to the worst objectives of either front. `--peer-generations` lets the peer, which takes hours, run fewer generations;
its time is then scaled up.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

TYPES, GENES, CHOSEN = 20, 2000, 400
PEER = """
import json, sys, time
import numpy as np
from autogenes.core import AutoGeneS
path, generations, seed, chosen = sys.argv[1], *map(int, sys.argv[2:5])
search = AutoGeneS(np.load(path))
began = time.perf_counter()
search.run(ngen=generations, mode="fixed", nfeatures=chosen, seed=seed, verbose=False)
print("RESULT" + json.dumps({"seconds": time.perf_counter() - began, "front": search.fitness_matrix.tolist()}))
"""


def make_centroids() -> np.ndarray:
    """Return centroids like those of a droplet experiment, every type with a few markers of its own."""
    rng = np.random.default_rng(100)
    level = rng.gamma(0.5, 1, (1, GENES))
    centroids = np.log1p(3 * level * np.exp(rng.normal(0, 0.4, (TYPES, GENES))))
    centroids[rng.integers(0, TYPES, 300), rng.choice(GENES, 300, replace=False)] += rng.gamma(2, 0.7, 300)
    return centroids


def search(peer: str | None, generations: int, peer_generations: int, seeds: int) -> None:
    """Run both searches and print times and hypervolumes."""
    from cellucid_core.library.marker_genes import find_markers
    from tests.library.fronts import hypervolume

    centroids = make_centroids()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "centroids.npy"
        np.save(path, centroids)
        for seed in range(seeds):
            began = time.perf_counter()
            ours = find_markers(centroids, CHOSEN, generations=generations, seed=seed)
            seconds = time.perf_counter() - began
            print(f"seed {seed}: ours {seconds:.1f} s, {len(ours.front)} sets", flush=True)
            if peer is None:
                continue
            command = [peer, "-c", PEER, str(path), str(peer_generations), str(seed), str(CHOSEN)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            result = json.loads(done.stdout.split("RESULT")[1])
            theirs = np.array(result["front"])
            scaled = result["seconds"] * generations / peer_generations
            both = np.concatenate([ours.front, theirs])
            worst = (float(both[:, 0].max()) * 1.01, float(both[:, 1].min()) * 0.99)
            volumes = hypervolume(ours.front, worst), hypervolume(theirs, worst)
            print(f"  peer {result['seconds']:.1f} s for {peer_generations} generations, {len(theirs)} sets")
            print(
                f"  as fast: {scaled / seconds:.1f}x, hypervolume: {volumes[0] / max(volumes[1], 1e-9):.3f}x",
                flush=True,
            )


def statistics(folder: Path, n_cells: int, n_genes: int) -> None:
    """Take means and variances of three levels in a process of its own, and print what it took."""
    import anndata
    import pandas as pd
    from scipy import sparse

    path = folder / f"library-{n_cells}x{n_genes}.h5ad"
    if not path.exists():
        rng = np.random.default_rng(0)
        per_row = rng.binomial(n_genes, 0.1, n_cells)
        indptr = np.concatenate([[0], np.cumsum(per_row)])
        indices = np.concatenate([np.sort(rng.choice(n_genes, k, replace=False)) for k in per_row]).astype(np.int32)
        values = np.log1p(rng.gamma(1, 2, indptr[-1])).astype(np.float32)
        detailed = rng.integers(0, 40, n_cells)
        obs = pd.DataFrame(
            {
                name: pd.Categorical.from_codes(detailed // step, [f"{name} {i}" for i in range(40 // step)])
                for name, step in (("major", 10), ("subtype", 4), ("detailed", 1))
            },
            index=[f"c{i}" for i in range(n_cells)],
        )
        X = sparse.csr_matrix((values, indices, indptr), shape=(n_cells, n_genes))
        anndata.AnnData(X, obs, pd.DataFrame(index=[f"GENE{i}" for i in range(n_genes)])).write_h5ad(path)
    command = [sys.executable, __file__, "--measure", str(path)]
    subprocess.run(command, check=True, env={**os.environ, "CELLUCID_HOME": str(folder / "home")})  # builds the store
    subprocess.run(command, check=True, env={**os.environ, "CELLUCID_HOME": str(folder / "home")})


def measure(path: Path) -> None:
    """Print seconds and peak memory of the statistics alone, the store being there."""
    from cellucid_core.dataset import View, default_mapping, open_dataset
    from cellucid_core.library import read_labels
    from cellucid_core.library.statistics import type_statistics

    dataset = open_dataset(path)
    view = View(dataset, default_mapping(dataset))
    assert view.expression is not None
    began = time.perf_counter()
    labels = [read_labels(view, column) for column in ("major", "subtype", "detailed")]
    type_statistics(view.expression, [(one.codes, len(one.types)) for one in labels])
    seconds = time.perf_counter() - began
    status = Path("/proc/self/status").read_text().splitlines()
    peak = next(int(line.split()[1]) / 2**20 for line in status if line.startswith("VmHWM"))
    print(f"{view.n_cells:,} cells × {view.n_genes:,} genes × 3 levels: {seconds:.1f} s, peak {peak:.2f} GB")


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--peer", help="a python with autogenes")
    parser.add_argument("--generations", type=int, default=5000)
    parser.add_argument("--peer-generations", type=int)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--statistics", type=Path, metavar="FOLDER")
    parser.add_argument("--cells", type=int, default=1_000_000)
    parser.add_argument("--genes", type=int, default=1000)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(options.measure)
    elif options.statistics:
        statistics(options.statistics, options.cells, options.genes)
    else:
        search(options.peer, options.generations, options.peer_generations or options.generations, options.seeds)


if __name__ == "__main__":
    main()
