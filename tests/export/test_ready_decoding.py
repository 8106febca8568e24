"""Reading parts of a Cellucid-ready AnnData for looking at them."""

from __future__ import annotations

import numpy as np
import pytest

from cellucid_core.errors import InputError
from cellucid_core.export import ExportSettings, GeneChoice, write
from cellucid_core.export.cellucid_ready import ReadyExport
from tests.making import make_adata

FORMATS = ("h5ad", "zarr.zip")


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("dense", [False, True])
def test_it_says_what_is_in_the_file(viewed, tmp_path, kind, dense):
    adata = make_adata()
    values = adata.X.toarray()
    adata.X = values if dense else adata.X
    adata.obsm["X_umap_3d"] = np.arange(180.0).reshape(60, 3)
    view = viewed(adata, obs_keys=("cell_type", "score"))
    write(view, ExportSettings(format=kind, genes=GeneChoice("list", ids=("GENE7", "GENE0"))), tmp_path / f"x.{kind}")
    with ReadyExport(tmp_path / f"x.{kind}") as export:
        assert export.dimensions == (2, 3)
        np.testing.assert_array_equal(export.points(2), adata.obsm["X_umap"].astype(np.float32))
        np.testing.assert_array_equal(export.points(3), np.arange(180.0, dtype=np.float32).reshape(60, 3))
        assert export.columns == ("cell_type", "score")
        assert export.groupings == ("cell_type",)
        assert list(export.column("cell_type")) == list(adata.obs["cell_type"])
        np.testing.assert_array_equal(export.column("score"), adata.obs["score"])
        assert set(export.genes) == {"GENE7", "GENE0"}
        for gene in export.genes:
            np.testing.assert_array_equal(export.gene(gene), values[:, adata.var_names.get_loc(gene)])


def test_the_points_are_those_that_were_chosen(viewed, tmp_path):
    adata = make_adata()
    adata.obsm["X_tsne"] = np.arange(120.0).reshape(60, 2)
    for number, (chosen, key) in enumerate((("X_umap", "X_umap"), ("X_tsne", "X_tsne"))):
        view = viewed(adata, embeddings={2: chosen})
        write(view, ExportSettings(format="h5ad", genes=GeneChoice("none")), tmp_path / f"{number}.h5ad")
        with ReadyExport(tmp_path / f"{number}.h5ad") as export:
            np.testing.assert_array_equal(export.points(2), adata.obsm[key].astype(np.float32))
            assert export.genes == ()


def test_damage_is_a_sentence(viewed, tmp_path):
    import h5py

    view = viewed(make_adata())
    write(view, ExportSettings(format="h5ad"), tmp_path / "x.h5ad")
    with h5py.File(tmp_path / "x.h5ad", "r+") as file:
        del file["X/indices"], file["obs/cell_type"]
    with ReadyExport(tmp_path / "x.h5ad") as export:
        with pytest.raises(InputError, match="damaged"):
            export.gene(export.genes[0])
        with pytest.raises(InputError, match="damaged"):
            _ = export.groupings
        with pytest.raises(InputError, match="damaged"):
            export.column("cell_type")
    with h5py.File(tmp_path / "x.h5ad", "r+") as file:
        del file["obsm"], file["obs"].attrs["column-order"]
    with ReadyExport(tmp_path / "x.h5ad") as export:
        for part in ("dimensions", "columns"):
            with pytest.raises(InputError, match="damaged"):
                getattr(export, part)
    (tmp_path / "y.h5ad").write_bytes(b"no")
    with pytest.raises(InputError):
        ReadyExport(tmp_path / "y.h5ad")
