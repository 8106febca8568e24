"""What jobs are forked with: loops of the types that stores and exports have, so that no job loads them again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy import sparse

from cellucid_core.compiled import compiled
from cellucid_core.dataset import default_mapping, open_dataset
from cellucid_core.dataset.view import View
from cellucid_core.export import ExportSettings, GeneChoice, compare, write
from cellucid_core.export.compact import graph, quantize
from cellucid_core.reading import matrix
from cellucid_core.reading.safety import hdf5_heaps
from cellucid_core.serving.jobs import preloaded
from cellucid_core.store import build, gene_stats


def signatures():
    of_stores = (hdf5_heaps.walk_objects, matrix.count_into, build.place_rows, gene_stats.gather_stats)
    loops = (*of_stores, graph.take_upper, quantize.put_codes, compare.stored_errors)
    return {loop.__name__: set(compiled(loop).signatures) for loop in loops}


def test_a_usual_file_finds_its_loops_loaded(tmp_path: Path, monkeypatch):
    import anndata

    preloaded.load()
    before = signatures()
    monkeypatch.setattr(hdf5_heaps, "_LARGE", 1)
    monkeypatch.setattr(graph, "_COMPILED_FROM", 1)
    for module in (matrix, build, gene_stats, quantize, compare):
        monkeypatch.setattr(module, "COMPILED_FROM", 1)
    rng = np.random.default_rng(0)
    values = sparse.random(70_000, 6, 0.2, "csr", dtype=np.float32, rng=rng)
    ring = sparse.csr_matrix((np.ones(70_000, np.float32), (np.arange(70_000), np.roll(np.arange(70_000), 1))))
    adata = anndata.AnnData(values, obsm={"X_umap": rng.normal(size=(70_000, 2))})
    adata.obsp["connectivities"] = sparse.csr_matrix(ring + ring.T)
    adata.write_h5ad(tmp_path / "usual.h5ad")
    dataset = open_dataset(tmp_path / "usual.h5ad")
    view = View(dataset, default_mapping(dataset))
    settings = ExportSettings(genes=GeneChoice("all"), graph=True)
    assert write(view, settings, tmp_path / "usual.zip").verified
    after = signatures()
    assert {name: len(found - before[name]) for name, found in after.items()} == dict.fromkeys(after, 0)
