"""Run the peer, with a python that has ``cellucid==0.0.9`` and ``pandas<3``. To make the golden files again:

    /path/to/peer/bin/python tests/peers/make_golden.py

This writes ``tests/peers/golden/<case>.zip``, what ``cellucid.prepare`` makes of the case's arrays, and the digests of
the one that is too large to be kept. To run it on cases, each into a folder of its name (as live tests do):

    /path/to/peer/bin/python tests/peers/make_golden.py FOLDER CASE …
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import sys
import tempfile
import warnings
import zipfile
from pathlib import Path

import pandas as pd
from scipy import sparse

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from golden_inputs import CASES, LARGE, Case, live_cases, make_inputs  # noqa: E402


def run(case: Case, folder: Path) -> None:
    """Let the peer export a case into a folder."""
    from cellucid import prepare

    given = make_inputs(case)
    X = given["X"]
    if X is not None and case.matrix in ("csr", "csc", "counts"):
        X = sparse.csc_matrix(X) if case.matrix == "csc" else sparse.csr_matrix(X)
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        prepare(
            latent_space=given["latent"],
            obs=given["obs"],
            var=None if X is None else pd.DataFrame(index=given["genes"]),
            gene_expression=X,
            gene_identifiers=case.genes,
            connectivities=given["graph"],
            vector_fields=given["vectors"] or None,
            out_dir=folder,
            dataset_id="golden",
            dataset_name="Golden files",
            dataset_description="made by the peer",
            var_quantization=case.var,
            obs_continuous_quantization=case.obs,
            obs_categorical_dtype=case.dtype,
            compression=case.compression,
            centroid_outlier_quantile=case.quantile,
            centroid_min_points=case.min_points,
            **case.words,
            **{f"X_umap_{d}d": array for d, array in given["embeddings"].items()},
        )


def digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every binary, decompressed."""
    found = {}
    for path in sorted(folder.rglob("*.gz")):
        raw = gzip.decompress(path.read_bytes())
        found[path.relative_to(folder).as_posix()] = hashlib.sha256(raw).hexdigest()
    return found


def main() -> None:
    """Make the golden files, or run the cases that are named."""
    if len(sys.argv) > 2:
        known = {**CASES, **live_cases(), "large": LARGE}
        for name in sys.argv[2:]:
            run(known[name], Path(sys.argv[1]) / name)
        return
    golden = HERE / "golden"
    golden.mkdir(exist_ok=True)
    for name, case in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            run(case, Path(folder))
            with zipfile.ZipFile(golden / f"{name}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
                for path in sorted(Path(folder).rglob("*")):
                    if path.is_file():
                        entry = zipfile.ZipInfo(f"golden/{path.relative_to(folder).as_posix()}")
                        archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)
    with tempfile.TemporaryDirectory() as folder:
        run(LARGE, Path(folder))
        manifest = json.loads((Path(folder) / "connectivity_manifest.json").read_text(encoding="utf-8"))
        kept = {"digests": digests(Path(folder)), "connectivity_manifest.json": manifest}
        (golden / "large.json").write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
