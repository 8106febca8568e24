"""Make the golden files again, with a python that has ``cellucid==0.0.9`` and ``pandas<3``:

    /path/to/peer/bin/python tests/peers/make_golden.py

Writes ``tests/peers/golden/<case>.zip``: what ``cellucid.prepare`` makes of `golden_inputs.make_inputs`, packed.
"""

from __future__ import annotations

import sys
import tempfile
import zipfile
from pathlib import Path

import pandas as pd
from scipy import sparse

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from golden_inputs import CASES, make_inputs  # noqa: E402


def main() -> None:
    """Run the peer on every case."""
    from cellucid import prepare

    for name, (options, is_sparse) in CASES.items():
        given = make_inputs()
        with tempfile.TemporaryDirectory() as folder:
            prepare(
                latent_space=given["latent"],
                obs=given["obs"],
                var=pd.DataFrame(index=given["genes"]),
                gene_expression=sparse.csr_matrix(given["X"]) if is_sparse else given["X"],
                connectivities=given["graph"],
                vector_fields=given["vectors"],
                out_dir=folder,
                dataset_id="golden",
                dataset_name="Golden files",
                dataset_description="made by the peer",
                source_name="nowhere",
                source_url="https://example.org",
                **{f"X_umap_{d}d": array for d, array in given["embeddings"].items()},
                **options,
            )
            (HERE / "golden").mkdir(exist_ok=True)
            with zipfile.ZipFile(HERE / "golden" / f"{name}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
                for path in sorted(Path(folder).rglob("*")):
                    if path.is_file():
                        entry = zipfile.ZipInfo(f"golden/{path.relative_to(folder).as_posix()}")
                        archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)


if __name__ == "__main__":
    main()
