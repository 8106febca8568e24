"""Run by a python that has decoupler and gseapy, from `bench_score.py`: the seconds of each method, as JSON."""

from __future__ import annotations

import json
import sys
import time
import warnings

import anndata
import pandas as pd

warnings.simplefilter("ignore")


def timed(work) -> float:
    """Return the seconds that something takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main() -> None:
    import decoupler as dc
    import gseapy

    path, *genes = sys.argv[1:]
    adata = anndata.read_h5ad(path)
    net = pd.DataFrame({"source": "s", "target": genes, "weight": 1.0})
    few = adata[:200].copy()
    found = {}
    for name in ("aucell", "zscore", "ulm"):
        method = getattr(dc.mt, name)
        method(few, net, tmin=1)  # compiles
        found[name] = timed(lambda method=method: method(adata, net, tmin=1))
    some = adata[:2000].to_df().T
    settings = {"sample_norm_method": "rank", "min_size": 1, "max_size": 5000, "threads": 2, "outdir": None}
    found["ssgsea"] = timed(lambda: gseapy.ssgsea(data=some, gene_sets={"s": genes}, **settings)) * adata.n_obs / 2000
    print(json.dumps(found))


main()
