"""Export, open the export: the same values within quantization."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from cellucid_core.dataset import View, default_mapping, open_dataset
from cellucid_core.errors import InputError
from cellucid_core.export import ExportSettings, write
from tests.making import make_adata
from tests.peers.golden_inputs import CASES, make_inputs

GOLDEN = Path(__file__).parents[1] / "peers" / "golden"


@pytest.fixture
def source(viewed):
    adata = make_adata(120, 30)
    adata.obs.loc[adata.obs_names[:3], "score"] = np.nan
    adata.obs["cell_type"] = adata.obs["cell_type"].cat.add_categories("nobody")
    adata.obs.loc[adata.obs_names[5:9], "cell_type"] = np.nan
    rng = np.random.default_rng(1)
    adata.obsm["X_umap_3d"] = rng.normal(size=(120, 3))
    adata.obsm["velocity_umap"] = rng.normal(size=(120, 2))
    return viewed(adata)


def opened(path):
    dataset = open_dataset(path)
    return View(dataset, default_mapping(dataset))


@pytest.mark.parametrize("bits", [8, 16, None])
@pytest.mark.parametrize("compression", [0, 6])
@pytest.mark.parametrize("target", ["x.zip", "x"])
def test_round_trip(tmp_path, source, bits, compression, target):
    settings = ExportSettings(var_quantization=bits, obs_quantization=bits, compression=compression)
    written = write(source, settings, tmp_path / target).path
    view = opened(written)
    assert (view.n_cells, view.gene_ids.tolist()) == (120, source.gene_ids.tolist())
    for gene in range(view.n_genes):
        values = source.expression.gene(gene)
        step = np.ptp(values) / {8: 254, 16: 65534}.get(bits, np.inf)
        np.testing.assert_allclose(view.expression.gene(gene), values, rtol=1e-6, atol=step / 2 * 1.0001)
    scores, expected = view.obs("score").to_numpy(), source.obs("score").to_numpy()
    step = np.ptp(expected[3:]) / {8: 254, 16: 65534}.get(bits, np.inf)
    np.testing.assert_allclose(scores, expected, rtol=1e-6, atol=step / 2 * 1.0001)
    assert view.obs("cell_type").isna().sum() == source.obs("cell_type").isna().sum() == 4
    assert view.obs("cell_type").astype(str).tolist() == source.obs("cell_type").astype(str).tolist()
    assert [view.kind(key) for key in view.obs_keys] == [source.kind(key) for key in view.obs_keys]
    assert view.dimensions == (2, 3)
    for d in (2, 3):  # normalized: one shift per axis, one scale
        mine, given = view.embedding(d), source.embedding(d)
        scale = 2 / np.ptp(given, axis=0).max()
        np.testing.assert_allclose(mine, (given - (given.max(0) + given.min(0)) / 2) * scale, atol=1e-5)
    assert view.mapping.vectors == ("velocity_umap_2d",)
    given = source.graph().toarray() != 0
    np.testing.assert_array_equal(view.graph().toarray() != 0, (given | given.T) & ~np.eye(120, dtype=bool))
    assert view.cell_ids[:2].tolist() == ["cell_0", "cell_1"]
    assert any("cell_0" in note for note in view.dataset.notes)


@pytest.mark.peer
@pytest.mark.parametrize("name", CASES)
def test_an_export_by_the_peer(name):
    """What cellucid 0.0.9 wrote opens without a complaint; it truncates: off by a whole step at most."""
    case = CASES[name]
    given, bits = make_inputs(case), case.var
    view = opened(GOLDEN / f"{name}.zip")
    assert (view.n_cells, view.dimensions) == (len(given["obs"]), case.dimensions)
    wanted = case.genes or given["genes"] or ()
    assert (view.gene_ids.tolist() if view.expression else []) == list(wanted)
    for position, gene in enumerate(wanted):
        values = given["X"][:, given["genes"].index(gene)].astype(float)
        values = np.where(np.isfinite(values), values, np.nan) if bits else values
        spread = np.nanmax(values) - np.nanmin(values) if np.isfinite(values).any() else 0
        step = (spread or 1) / {8: 254, 16: 65534}.get(bits, np.inf)
        np.testing.assert_allclose(view.expression.gene(position), values, rtol=2e-6, atol=step * 1.001)
    # It counts the genes of the dataset where those of a list are written, see test_peer_cellucid.
    complaints = [note for note in view.dataset.notes if "not as it should be" in note]
    assert bool(complaints) == (case.genes is not None), complaints


def rewrite(path, target, change):
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            data = change(name, old.read(name))
            if data is not None:
                new.writestr(name, data)
    return target


BROKEN = {
    "lacks a gene": (lambda n, d: None if n.endswith("GENE3.values.u8.gz") else d, "lacks 1"),
    "a gene is cut off": (lambda n, d: d[:-9] if n.endswith("GENE3.values.u8.gz") else d, "GENE3"),
    "points of another length": (lambda n, d: d[:40] if "points_2d" in n else d, "points_2d"),
    "identity is not JSON": (lambda n, d: d[:50] if "identity" in n else d, "identity"),
    "nothing but the identity": (lambda n, d: d if "identity" in n else None, "lacks"),
    "an empty identity": (lambda n, d: b"" if "identity" in n else d, "identity"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_exports_are_sentences(tmp_path, source, name):
    change, words = BROKEN[name]
    path = write(source, ExportSettings(), tmp_path / "whole.zip").path
    with pytest.raises(InputError, match=words) as caught:
        open_dataset(rewrite(path, tmp_path / "broken.zip", change))
    assert caught.value.fix


def test_an_export_without_genes(tmp_path, viewed):
    adata = make_adata()
    adata.X = None
    dataset = open_dataset(write(viewed(adata), ExportSettings(), tmp_path / "x.zip").path)
    assert (dataset.n_cells, dataset.matrices) == (60, {})
