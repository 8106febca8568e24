"""How soon a dataset can be read live, and what one gene costs its reader.

    python tests/benchmarks/bench_live.py

100,000 cells × 2,000 genes, about 10 % non-zero, with a UMAP: the file for the viewer is written and verified, then
`serve` answers; a reader with h5py and fsspec takes one gene, and twenty take one each at once.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


def read_gene(address: str, gene: int) -> tuple[float, int]:
    """Return the seconds and bytes that a gene takes."""
    import fsspec
    import h5py
    import numpy as np

    began = time.perf_counter()
    with fsspec.open(address, block_size=2**16, cache_type="blockcache") as remote, h5py.File(remote) as file:
        x = file["X"]
        if isinstance(x, h5py.Dataset):
            values = np.asarray(x[:, gene])
        else:
            at, end = x["indptr"][gene : gene + 2]
            values = x["data"][at:end]
        assert len(values)
        stats = remote.cache
        sent = int(getattr(stats, "total_requested_bytes", 0))
    return time.perf_counter() - began, sent


def main() -> None:
    import anndata
    import numpy as np
    import pandas as pd
    from scipy import sparse

    with tempfile.TemporaryDirectory() as folder:
        rng = np.random.default_rng(0)
        x = sparse.random(100_000, 2_000, density=0.1, format="csr", dtype=np.float32, rng=rng)
        x.data = np.log1p(np.ceil(x.data * 20)).astype(np.float32)
        adata = anndata.AnnData(x, var=pd.DataFrame(index=[f"g{i}" for i in range(2_000)]))
        adata.obsm["X_umap"] = rng.normal(size=(100_000, 2)).astype(np.float32)
        path = Path(folder) / "bench.h5ad"
        adata.write_h5ad(path)
        environment = {**os.environ, "CELLUCID_HOME": folder + "/home"}
        for times in ("never seen before", "again"):
            began = time.perf_counter()
            command = [sys.executable, "-m", "cellucid_core", "serve", str(path), "--json"]
            server = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
            assert server.stdout is not None
            said = json.loads(server.stdout.readline())
            print(f"address, file {times}: {time.perf_counter() - began:.1f} s")
            if times == "again":
                file = said["datasets"][0]["anndata"]["file"]
                address = said["url"] + file["url"]
                seconds, sent = read_gene(address, 7)
                print(f"one gene: {seconds:.2f} s, {sent / 1e6:.2f} MB of {file['size'] / 1e6:.0f} MB")
                began = time.perf_counter()
                with ThreadPoolExecutor(20) as readers:
                    list(readers.map(read_gene, [address] * 20, range(20)))
                print(f"20 readers, a gene each: {time.perf_counter() - began:.1f} s")
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
