"""Make the golden trees of Cellucid-ready AnnData again, with a python that has ``cellucid==0.9.5``:

    /path/to/peer/bin/python tests/peers/make_golden_ready.py [DEMO.h5ad]

Writes ``tests/peers/golden/ready.json.gz``: for every case and format the elements (`ready_tree.tree`) of what
``cellucid.prepare`` makes of `ready_inputs`, and of the demo's file (``python -m cellucid_core demo --out DEMO.h5ad``).
"""

from __future__ import annotations

import gzip
import json
import sys
import tempfile
import warnings
from pathlib import Path

import anndata

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from ready_inputs import CASES, whole  # noqa: E402
from ready_tree import tree  # noqa: E402

FORMATS = ("h5ad", "zarr.zip")


def prepared(source, left, options, path):
    """Run the peer on what is left of a file, and return the elements of what it writes."""
    from cellucid import prepare

    data = left(anndata.read_h5ad(source))
    suffix = path.name.partition(".")[2]
    prepare(path, format=suffix, data=data, dataset_id="golden", dataset_name="Golden", force=True, **options)
    return tree(path)


def main() -> None:
    """Run the peer on every case."""
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        cases = {}
        for name, (make, left, options) in CASES.items():
            source = Path(folder) / f"{name}-source.h5ad"
            make().write_h5ad(source)
            cases[name] = (source, left, options)
        if len(sys.argv) > 1:
            cases["demo"] = (sys.argv[1], whole, {})
        found = {
            f"{name}.{kind}": prepared(*case, Path(folder) / f"{name}.{kind}")
            for name, case in cases.items()
            for kind in FORMATS
        }
    raw = json.dumps(found, allow_nan=False, sort_keys=True).encode()
    (HERE / "golden" / "ready.json.gz").write_bytes(gzip.compress(raw, mtime=0))


if __name__ == "__main__":
    main()
