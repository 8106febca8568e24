"""Opening files: what is in them, and what is said when they are broken."""

from __future__ import annotations

import h5py
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from scipy import sparse

from cellucid_core.dataset import View, choose, default_mapping, open_dataset
from cellucid_core.errors import CellucidError, InputError
from cellucid_core.reading.demo import compute_umap_3d
from tests.making import make_adata


def test_demo_is_the_published_data_set(demo, demo_view):
    source = sc.datasets.pbmc68k_reduced()
    assert demo.n_cells == 700
    assert demo_view.n_genes == 765
    assert demo_view.cell_ids.tolist() == source.obs_names.tolist()
    np.testing.assert_array_equal(demo_view.expression.block(range(765)).T, source.raw.X.toarray())
    np.testing.assert_allclose(demo_view.embedding(2), source.obsm["X_umap"], rtol=1e-6)
    assert demo_view.embedding(3).shape == (700, 3)
    assert (demo_view.graph() != source.obsp["connectivities"]).nnz == 0
    scaled = View(demo, choose(demo, demo_view.mapping, matrix="scaled"))
    np.testing.assert_array_equal(scaled.expression.gene(7), source.X[:, 7])


def test_the_kept_3d_umap_is_scanpys(demo_view):
    """Coordinates differ between machines in the last digits and grow from there; neighbourhoods do not."""
    from sklearn.neighbors import NearestNeighbors

    def neighbours(points):
        return NearestNeighbors(n_neighbors=16).fit(points).kneighbors(points, return_distance=False)[:, 1:]

    kept, fresh = neighbours(demo_view.embedding(3)), neighbours(compute_umap_3d())
    shared = np.mean([len(np.intersect1d(a, b)) / 15 for a, b in zip(kept, fresh, strict=True)])
    assert shared > 0.6


def test_tables_and_arrays(opened):
    adata = make_adata()
    dataset = opened(adata)
    pd.testing.assert_frame_equal(dataset.obs, adata.obs, check_dtype=False)
    np.testing.assert_array_equal(dataset.obsm["X_pca"], adata.obsm["X_pca"])
    assert dataset.graphs["connectivities"].shape == (60, 60)
    assert dataset.id == "data"


def test_raw_has_its_own_genes(opened):
    adata = make_adata()
    adata.raw = adata.copy()
    dataset = opened(adata[:, 5:12].copy())
    view = View(dataset, choose(dataset, default_mapping(dataset), matrix="raw"))
    assert (view.n_genes, default_mapping(dataset).matrix) == (30, "X")
    np.testing.assert_array_equal(view.expression.gene(29), adata.X[:, 29].toarray().ravel())


def test_without_x_the_first_layer_is_taken(opened):
    adata = make_adata()
    adata.layers["counts"] = adata.X.copy()
    adata.X = None
    assert default_mapping(opened(adata)).matrix == "counts"


def test_a_file_written_long_ago_opens(tmp_path):
    """The file inside scanpy is from 2018: tables as compound data sets, raw.X, h5sparse."""
    import importlib.resources

    old = importlib.resources.files("scanpy.datasets") / "10x_pbmc68k_reduced.h5ad"
    path = tmp_path / "old.h5ad"
    path.write_bytes(old.read_bytes())
    dataset = open_dataset(path)
    assert dataset.n_cells == 700
    assert "raw" in dataset.matrices
    assert dataset.obs["bulk_labels"].nunique() == 10
    before = path.read_bytes()
    assert before == old.read_bytes()


BROKEN = [
    ("empty.h5ad", b"", "empty"),
    ("text.h5ad", b"gene,cell\nCD3D,4\n", "text file"),
    ("report.h5ad", b"%PDF-1.4 ...", "PDF"),
    ("packed.h5ad", b"\x1f\x8b\x08\x00....", "gzip"),
    ("seurat.h5ad", b"RDX3\nX\n", "R workspace"),
    ("noise.h5ad", bytes(range(256)) * 40, "not HDF5"),
    ("header.h5ad", b"\x89HDF\r\n\x1a\n" + b"\0" * 100, "damaged|cut off"),
]


@pytest.mark.parametrize(("name", "content", "words"), BROKEN, ids=[name for name, _, _ in BROKEN])
def test_what_is_not_an_anndata_is_told_what_it_is(tmp_path, name, content, words):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=words) as caught:
        open_dataset(path)
    assert caught.value.fix


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_cut_off_file_is_a_sentence(tmp_path, share):
    adata = make_adata(300, 200)
    adata.write_h5ad(tmp_path / "whole.h5ad")
    data = (tmp_path / "whole.h5ad").read_bytes()
    (tmp_path / "cut.h5ad").write_bytes(data[: int(len(data) * share)])
    with pytest.raises(CellucidError):
        open_dataset(tmp_path / "cut.h5ad")


def test_missing_file_folder_and_unknown_ending(tmp_path):
    with pytest.raises(InputError, match="no file"):
        open_dataset(tmp_path / "nowhere.h5ad")
    (tmp_path / "folder.h5ad").mkdir()
    with pytest.raises(InputError, match="folder"):
        open_dataset(tmp_path / "folder.h5ad")
    (tmp_path / "a.what").write_bytes(b"x")
    with pytest.raises(InputError, match="format is unknown"):
        open_dataset(tmp_path / "a.what")


def test_hdf5_that_is_no_anndata(tmp_path):
    with h5py.File(tmp_path / "x.h5ad", "w") as file:
        file["numbers"] = np.arange(3)
    with pytest.raises(InputError, match="no obs table"):
        open_dataset(tmp_path / "x.h5ad")


def test_one_unreadable_element_does_not_hide_the_others(tmp_path):
    make_adata().write_h5ad(tmp_path / "x.h5ad")
    with h5py.File(tmp_path / "x.h5ad", "r+") as file:
        file["obsm"]["broken"] = np.arange(3)
        file["obsm"]["broken"].attrs["encoding-type"] = "from-the-future"
        file["obsm"]["broken"].attrs["encoding-version"] = "9"
    dataset = open_dataset(tmp_path / "x.h5ad")
    assert "X_umap" in dataset.obsm
    assert list(dataset.unreadable) == ["obsm['broken']"]
    [note] = dataset.notes
    assert note.startswith("Left out, because it cannot be read: obsm['broken'] (")


def test_the_file_is_never_changed(tmp_path):
    path = tmp_path / "x.h5ad"
    make_adata().write_h5ad(path)
    before = path.read_bytes()
    dataset = open_dataset(path)
    view = View(dataset, default_mapping(dataset))
    view.expression.gene(0)
    view.graph()
    assert path.read_bytes() == before


def test_defaults_choose_embeddings_as_specified(opened):
    adata = make_adata()
    rng = np.random.default_rng(0)
    adata.obsm["X_tsne"] = rng.normal(size=(60, 2))
    adata.obsm["spatial"] = rng.normal(size=(60, 2))
    adata.obsm["velocity_umap"] = rng.normal(size=(60, 2))
    adata.obsm["T_fwd_umap_3d"] = rng.normal(size=(60, 3))
    mapping = default_mapping(opened(adata))
    assert mapping.embeddings == {2: "X_umap"}
    assert mapping.latent == "X_pca"
    assert set(mapping.vectors) == {"velocity_umap", "T_fwd_umap_3d"}
    del adata.obsm["X_umap"]
    assert default_mapping(opened(adata)).embeddings == {2: "X_tsne"}
    del adata.obsm["X_tsne"]
    assert default_mapping(opened(adata)).embeddings == {2: "spatial"}
    del adata.obsm["spatial"]
    assert default_mapping(opened(adata)).embeddings == {}
    adata.obsm["X_umap_1d"] = rng.normal(size=(60, 1))
    adata.obsm["X_umap_3d"] = rng.normal(size=(60, 3))
    assert default_mapping(opened(adata)).embeddings == {1: "X_umap_1d", 3: "X_umap_3d"}


def test_choices_are_checked(opened):
    dataset = opened(make_adata())
    mapping = default_mapping(dataset)
    chosen = choose(
        dataset, mapping, embeddings={2: "X_umap"}, latent="X_umap", connectivities="none", obs_keys=["donor"]
    )
    assert (chosen.latent, chosen.connectivities, chosen.obs_keys) == ("X_umap", None, ("donor",))
    for wrong in (
        {"embeddings": {2: "nope"}},
        {"embeddings": {4: "X_umap"}},
        {"latent": "nope"},
        {"matrix": "nope"},
        {"connectivities": "nope"},
        {"obs_keys": ["nope"]},
    ):
        with pytest.raises(InputError):
            choose(dataset, mapping, **wrong)


def test_digest_follows_every_choice(demo_view):
    from dataclasses import replace

    mapping = demo_view.mapping
    others = [
        replace(mapping, matrix="scaled"),
        replace(mapping, embeddings={2: "X_umap"}),
        replace(mapping, cells_out=np.array([1])),
        replace(mapping, renamed={"phase": "x"}),
        replace(mapping, obs_keys=("phase",)),
        replace(mapping, kinds={"louvain": "continuous"}),
    ]
    digests = {mapping.digest(), *(other.digest() for other in others)}
    assert len(digests) == 1 + len(others)
    assert replace(mapping).digest() == mapping.digest()


def test_kinds(viewed):
    adata = make_adata()
    adata.obs["cluster"] = np.arange(60) % 4
    adata.obs["text"] = ["1.5", "x"] * 30
    view = viewed(adata, kinds={"cluster": "categorical", "text": "continuous"})
    assert [view.kind(key) for key in ("cell_type", "treated", "score", "cluster", "text")] == [
        "categorical",
        "categorical",
        "continuous",
        "categorical",
        "continuous",
    ]
    assert view.obs("cluster").cat.categories.tolist() == [0, 1, 2, 3]
    assert view.obs("text").iloc[0] == 1.5
    assert np.isnan(view.obs("text").iloc[1])


def test_view_leaves_cells_out_everywhere(viewed):
    adata = make_adata()
    view = viewed(adata, cells_out=np.array([0, 3]))
    kept = np.delete(np.arange(60), [0, 3])
    assert view.n_cells == 58
    assert view.cell_index.tolist() == kept.tolist()
    assert view.cell_ids.tolist() == adata.obs_names[kept].tolist()
    np.testing.assert_array_equal(view.embedding(2), adata.obsm["X_umap"][kept])
    np.testing.assert_array_equal(view.latent(), adata.obsm["X_pca"][kept])
    np.testing.assert_array_equal(view.graph().toarray(), adata.obsp["connectivities"][kept][:, kept].toarray())
    assert view.obs("donor").tolist() == adata.obs["donor"].iloc[kept].tolist()


def test_dense_and_table_obsm_are_arrays(opened):
    adata = make_adata()
    adata.obsm["table"] = pd.DataFrame({"a": np.arange(60.0), "b": 1.0}, index=adata.obs_names)
    adata.obsm["sparse"] = sparse.csr_matrix(np.eye(60)[:, :2])
    dataset = opened(adata)
    assert dataset.obsm["table"].shape == (60, 2)
    assert dataset.obsm["sparse"].shape == (60, 2)
