"""The genes that a caller gives are the genes that are written, whatever the settings say, in every format."""

from __future__ import annotations

import anndata
import numpy as np
import pytest
import zarr

from cellucid_core.export import ExportSettings, GeneChoice, write
from cellucid_core.export.chosen_genes import GeneChooser
from tests.export.standin import decode
from tests.making import make_adata

THREE = ("GENE7", "GENE2", "GENE11")
TARGETS = [("compact", "folder"), ("compact", "x.zip"), ("h5ad", "x.h5ad"), ("zarr.zip", "x.zarr.zip")]


def genes_in(path):
    if path.suffix == ".h5ad":
        return anndata.read_h5ad(path).var_names.tolist()
    if path.name.endswith(".zarr.zip"):
        return anndata.read_zarr(zarr.storage.ZipStore(path, mode="r")).var_names.tolist()
    return [field[0] for field in decode(path)["manifests"]["var_manifest.json"]["fields"]]


@pytest.mark.parametrize(("written_as", "name"), TARGETS)
@pytest.mark.parametrize("in_settings", [GeneChoice(), GeneChoice("hvg", n=5)], ids=["all", "hvg"])
def test_given_genes_are_written(viewed, tmp_path, written_as, name, in_settings):
    view = viewed(make_adata())
    given = GeneChooser(view).choose(GeneChoice("list", ids=THREE))
    result = write(view, ExportSettings(format=written_as, genes=in_settings), tmp_path / name, genes=given)
    assert (result.n_genes, result.verified) == (3, True)
    assert genes_in(result.path) == list(THREE)


@pytest.mark.parametrize(("written_as", "name"), TARGETS)
def test_without_given_genes_the_settings_choose_and_tell_of_it(viewed, tmp_path, written_as, name):
    view, seen = viewed(make_adata()), []
    settings = ExportSettings(format=written_as, genes=GeneChoice("hvg", n=4))
    result = write(view, settings, tmp_path / name, progress=lambda step: seen.append(step.what))
    wanted = GeneChooser(view).choose(settings.genes)
    assert genes_in(result.path) == list(wanted.ids)
    assert np.array_equal(wanted.positions, np.sort(wanted.positions))
    assert "Finding highly variable genes" in seen
