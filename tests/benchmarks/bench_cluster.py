"""Parts on a Dask cluster of this machine's processes: overhead, efficiency, memory, the time for 100 million cells.

Run on demand, not by the test suite::

    python tests/benchmarks/bench_cluster.py FOLDER [N_PARTS [N_CELLS [N_GENES]]]

FOLDER gets the parts (made once) and the stores. Every worker is one process with one thread on one core, and stands
for a machine; the driver shares the cores with them. Each setting begins with an empty home. The peer is what a user
would write: ``dask.array`` over `anndata.experimental.read_elem_lazy`, the mean of 50 genes, by the same workers.
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

sys.path.insert(0, str(Path(__file__).parents[2]))

STEPS = (
    "opening",
    "UCell of 50 genes",
    "mean of 50 genes",
    "highly variable genes",
    "means and variances of types",
    "export of all genes",
)


def measure(address: str, parts: list[str]) -> dict[str, float]:
    """Open, score and export on a cluster; return seconds of each."""
    import tempfile

    from cellucid_core.dataset import View, default_mapping, log_rule_of, open_dataset
    from cellucid_core.export import ExportSettings, write
    from cellucid_core.library import read_labels
    from cellucid_core.library.statistics import type_statistics
    from cellucid_core.ranking import highly_variable
    from cellucid_core.running import executor
    from cellucid_core.signature import match_in_view, score_cells

    os.environ["CELLUCID_CLUSTER"] = address
    engine = executor()
    list(engine.map(warm_up, [(number,) for number in range(16)]))  # imports and compiled loops are not measured
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = {}
    began = time.perf_counter()
    dataset = open_dataset(parts)
    view = View(dataset, default_mapping(dataset))
    expression = view.expression
    assert expression is not None
    found["opening"] = time.perf_counter() - began
    genes = [f"GENE{i * 7}" for i in range(50)]
    match = match_in_view(view, genes)
    for name, method in (("UCell of 50 genes", "ucell"), ("mean of 50 genes", "mean")):
        began = time.perf_counter()
        score_cells(expression, match, method)  # type: ignore[arg-type]
        found[name] = time.perf_counter() - began
    began = time.perf_counter()
    highly_variable(expression, 200, rule=log_rule_of(view))
    found["highly variable genes"] = time.perf_counter() - began
    labels = read_labels(view, "group")
    began = time.perf_counter()
    type_statistics(expression, [(labels.codes, len(labels.types))])
    found["means and variances of types"] = time.perf_counter() - began
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=Path(parts[0]).parent) as folder:
        write(view, ExportSettings(), Path(folder) / "out.zip", verify=False)
    found["export of all genes"] = time.perf_counter() - began
    found["driver"] = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1e6
    return found


def warm_up(number: int, report) -> None:
    """Import and compile what the measured steps use."""
    import tempfile

    import anndata
    import numpy as np
    from scipy import sparse

    from cellucid_core.dataset import open_dataset
    from cellucid_core.library import build_signature  # noqa: F401
    from cellucid_core.signature import score_cells  # noqa: F401
    from cellucid_core.store import Store

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.h5ad"
        anndata.AnnData(sparse.random(4000, 300, 0.3, format="csr", dtype=np.float32)).write_h5ad(path)
        store = open_dataset(path).store("X")
        assert isinstance(store, Store)


def idle(_: int, report) -> None:
    """Do nothing."""


def overhead(address: str, n: int = 1000) -> float:
    """Return the seconds that parts take in which nothing is done."""
    from cellucid_core.running import executor

    os.environ["CELLUCID_CLUSTER"] = address
    engine = executor()
    list(engine.map(idle, [(0,)]))
    began = time.perf_counter()
    assert len(list(engine.map(idle, [(number,) for number in range(n)]))) == n
    return time.perf_counter() - began


def lazy_mean(address: str, parts: list[str]) -> float:
    """Do as a user would: a lazy array of every file, the mean of 50 genes, on the same workers."""
    import dask.array as da
    import h5py
    from anndata.experimental import read_elem_lazy
    from distributed import Client

    with Client(address) as client:
        client.run(lambda: __import__("anndata.experimental"))
        began = time.perf_counter()
        means = []
        for path in parts:
            with h5py.File(path) as file:
                matrix = read_elem_lazy(file["X"])
                means.append(
                    matrix[:, [i * 7 for i in range(50)]].map_blocks(
                        _row_mean, dtype="f8", chunks=(matrix.chunks[0], (1,))
                    )
                )
        da.concatenate(means).compute()
        return time.perf_counter() - began


def _row_mean(block):
    import numpy as np

    return np.asarray(block.mean(axis=1)).reshape(-1, 1)


def with_workers(n: int, folder: Path, what: str, parts: list[str]) -> dict[str, float]:
    """Start a cluster of n workers with a core each, and measure in a process of its own."""
    home = folder / "home"
    shutil.rmtree(home, ignore_errors=True)
    environment = {**os.environ, "CELLUCID_HOME": str(home), "PYTHONPATH": str(Path(__file__).parents[2])}
    for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        environment[name] = "1"
    about = folder / "scheduler.json"
    about.unlink(missing_ok=True)
    dask, quiet = [sys.executable, "-m", "dask"], {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    scheduler = subprocess.Popen(
        [*dask, "scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(about), "--no-dashboard"],
        env=environment,
        **quiet,
    )
    workers = []
    try:
        while not about.exists():
            time.sleep(0.1)
        time.sleep(0.5)
        address = json.loads(about.read_text())["address"]
        cores = sorted(os.sched_getaffinity(0))
        for number in range(n):
            options = ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory", str(folder)]
            worker = subprocess.Popen([*dask, "worker", address, *options], env=environment, **quiet)
            os.sched_setaffinity(worker.pid, {cores[number % len(cores)]})
            workers.append(worker)
        time.sleep(4)
        program = [sys.executable, str(Path(__file__)), what, address, *parts]
        result = subprocess.run(program, env=environment, check=True, stdout=subprocess.PIPE, text=True)
        found = json.loads(result.stdout)
        found["worker"] = max(_peak(worker.pid) for worker in workers)
        return found
    finally:
        for process in (*workers, scheduler):
            process.kill()
            process.wait()


def _peak(pid: int) -> float:
    """Return a process's largest resident size that no file backs, in GB (Linux)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1e6
    return float("nan")


def main() -> None:
    """Measure, print and model."""
    from tests.benchmarks.bench_samples import make_samples

    folder = Path(sys.argv[1])
    n_parts, n_cells, n_genes = (
        int(sys.argv[at]) if len(sys.argv) > at else usual for at, usual in ((2, 8), (3, 250_000), (4, 1000))
    )
    make_samples(folder / f"{n_parts}x{n_cells}x{n_genes}", n_parts, n_cells, n_genes)
    parts = sorted(map(str, (folder / f"{n_parts}x{n_cells}x{n_genes}").glob("*.h5ad")))
    none = with_workers(2, folder, "overhead", parts)
    print(f"1,000 parts in which nothing is done: {none['seconds']:.2f} s, {none['seconds']:.1f} ms each")
    one, two = (with_workers(n, folder, "measure", parts) for n in (1, 2))
    print(f"{n_parts} parts of {n_cells:,} × {n_genes:,}:   1 worker   2 workers   2 : 1")
    for step in STEPS:
        print(f"{step:28} {one[step]:8.1f} s {two[step]:8.1f} s {two[step] / one[step]:8.2f}")
    print(f"memory: a worker {max(one['worker'], two['worker']):.2f} GB, the driver grew by {two['driver']:.2f} GB")
    lazy = with_workers(2, folder, "lazy", parts)["seconds"]
    ours = two["mean of 50 genes"]
    print(
        f"mean of 50 genes: dask.array {lazy:.1f} s, ours {ours:.2f} s ({lazy / ours:.1f} ×), "
        f"with the opening {ours + two['opening']:.1f} s ({lazy / (ours + two['opening']):.2f} ×)"
    )
    cells = n_parts * n_cells / 1e6
    print("computed from this, not measured, for 100,000,000 cells of this kind:")
    for step in STEPS:
        rate = one[step] / cells  # seconds per million cells and core
        on_8, on_64 = rate * 100 / 8, rate * 100 / 64
        print(f"{step:28} {rate:6.2f} s per million cells and core; 8 cores {on_8:7.0f} s, 64 {on_64:6.0f} s")


def run(what: str, address: str, parts: list[str]) -> dict[str, float]:
    """Measure one thing; the workers import its tasks from this module."""
    if what == "measure":
        return measure(address, parts)
    return {"seconds": overhead(address) if what == "overhead" else lazy_mean(address, parts)}


if __name__ == "__main__":
    if sys.argv[1] in ("overhead", "measure", "lazy"):
        from tests.benchmarks import bench_cluster

        print(json.dumps(bench_cluster.run(sys.argv[1], sys.argv[2], sys.argv[3:])))
    else:
        main()
