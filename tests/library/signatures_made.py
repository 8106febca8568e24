"""Small signatures made to order, and the published table."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cellucid_core.library import Level, Signature


def make_level(name="major", n_genes=12, types=("T cell", "B", "NK/ILC"), seed=0):
    rng = np.random.default_rng(seed)
    index, columns = pd.Index([f"G{i}" for i in range(n_genes)], dtype=object), pd.Index(list(types), dtype=object)
    mean, variance = (pd.DataFrame(rng.gamma(1, 1, (n_genes, len(types))), index, columns) for _ in range(2))
    cells = {kind: 10 + i for i, kind in enumerate(types)}
    front = np.array([[1.0, 5.0], [2.0, 8.0]])
    return Level(
        name, mean, variance, np.sqrt(variance), ["G0", "G1", "G4"], ["G1", "G4"], cells, front, 1, unlabelled=3
    )


def make_signature():
    return Signature(
        "Lung “1”",
        [make_level(), make_level("sub/types", types=("CD4", "CD8", "B", "NK"), seed=1)],
        source="https://example.org",
        created_at="2026-01-02T03:04:05Z",
        record={"matrix": "X"},
        parents={"sub/types": {"CD4": "T cell", "CD8": "T cell", "B": "B", "NK": "NK/ILC"}},
    )


def published() -> Path:
    """The PBMC table that Statescope publishes; it is not part of this project."""
    folders = [Path(os.environ.get("CELLUCID_TEST_DATA", "")), Path(__file__).parents[3] / "shared" / "data"]
    for folder in folders:
        path = folder / "statescope" / "PBMC_Signature_7celltypes.txt"
        if path.is_file():
            return path
    pytest.skip("the published Statescope table is not on this machine (CELLUCID_TEST_DATA names its folder)")
    raise AssertionError
