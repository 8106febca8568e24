"""Every format against the library that wrote it, or against numpy."""

from __future__ import annotations

import gzip
import os
import shutil
import threading
import time
import zipfile

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from scipy import sparse
from scipy.io import mmwrite

from cellucid_core.cache.content import bytes_hash, content_hash, file_hash, stamp_of
from cellucid_core.dataset import View, default_mapping, open_dataset
from cellucid_core.errors import InputError
from tests.making import make_adata
from tests.patience import PATIENCE
from tests.programs import Program


def view_of(dataset):
    return View(dataset, default_mapping(dataset))


def same(dataset, adata, *, obs=True):
    """Check that a dataset is an AnnData: names, columns, embeddings, every value of X."""
    view = view_of(dataset)
    assert view.cell_ids.tolist() == adata.obs_names.tolist()
    assert view.var.index.tolist() == adata.var_names.tolist()
    X = adata.X.toarray() if sparse.issparse(adata.X) else np.asarray(adata.X)
    np.testing.assert_array_equal(view.expression.block(range(adata.n_vars)).T, X)
    if obs:
        pd.testing.assert_frame_equal(
            dataset.obs,
            adata.obs,
            check_dtype=False,
            check_index_type=False,
            check_names=False,
            check_column_type=False,
        )
    for key, array in adata.obsm.items():
        np.testing.assert_array_equal(dataset.obsm[key], array)
    return view


def zip_of(folder, target, prefix=""):
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, prefix + path.relative_to(folder).as_posix())
    return target


# ---- AnnData ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["csr", "csc", "dense"])
@pytest.mark.parametrize("packing", ["folder", "zip", "zip with the folder in it"])
def test_zarr(tmp_path, layout, packing):
    adata = make_adata()
    adata.X = {"csr": adata.X, "csc": adata.X.tocsc(), "dense": adata.X.toarray()}[layout]
    path = tmp_path / "data.zarr"
    adata.write_zarr(path)
    if packing != "folder":
        path = zip_of(path, tmp_path / "data.zarr.zip", "" if packing == "zip" else "data.zarr/")
    dataset = open_dataset(path)
    view = same(dataset, adata)
    assert dataset.id == "data"
    assert (view.graph() != adata.obsp["connectivities"]).nnz == 0


def test_zarr_of_both_versions(tmp_path):
    adata = make_adata()
    before = anndata.settings.zarr_write_format
    try:
        for version in (2, 3):
            anndata.settings.zarr_write_format = version
            adata.write_zarr(tmp_path / f"v{version}.zarr")
            same(open_dataset(tmp_path / f"v{version}.zarr"), adata)
    finally:
        anndata.settings.zarr_write_format = before


def test_scale_of_a_zarr_matrix_is_judged(tmp_path):
    from cellucid_core.dataset.scale import matrix_scale

    adata = make_adata()
    for layout in (adata.X, adata.X.toarray()):
        adata.X = layout
        shutil.rmtree(tmp_path / "x.zarr", ignore_errors=True)
        adata.write_zarr(tmp_path / "x.zarr")
        assert matrix_scale(open_dataset(tmp_path / "x.zarr").matrices["X"]).kind == "log"


@pytest.mark.parametrize("name", ["data.h5ad.gz", "data.gz"])
def test_h5ad_in_gzip(tmp_path, name):
    adata = make_adata()
    adata.write_h5ad(tmp_path / "x.h5ad")
    (tmp_path / name).write_bytes(gzip.compress((tmp_path / "x.h5ad").read_bytes()))
    dataset = open_dataset(tmp_path / name)
    same(dataset, adata)
    assert (dataset.id, dataset.path) == ("data", tmp_path / name)


def test_one_file_in_a_zip(tmp_path):
    adata = make_adata()
    adata.write_h5ad(tmp_path / "x.h5ad")
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        archive.write(tmp_path / "x.h5ad", "folder/x.h5ad")
        archive.writestr("folder/readme.md", "about")
    same(open_dataset(tmp_path / "data.zip"), adata)


def test_content_decides_not_the_ending(tmp_path):
    adata = make_adata()
    for name in ("x.h5", "x.loom", "x.csv", "x"):
        adata.write_h5ad(tmp_path / name)
        same(open_dataset(tmp_path / name), adata)


# ---- MuData -------------------------------------------------------------------------------------------------------


def make_mudata(path):
    import mudata

    if hasattr(mudata, "set_options"):  # until 0.4, which does so by itself
        mudata.set_options(pull_on_update=False)
    rna, atac = make_adata(seed=1), make_adata(40, 25, seed=2)
    atac.obs_names = [f"cell-{i}" for i in range(10, 50)]
    joint = mudata.MuData({"atac": atac, "rna": rna[::-1].copy()})
    joint.obs["batch"] = [f"b{i % 3}" for i in range(joint.n_obs)]
    joint.obsm["X_joint"] = np.random.default_rng(0).normal(size=(joint.n_obs, 2))
    joint.write(path)
    return joint


@pytest.mark.parametrize(("asked", "opened"), [(None, "rna"), ("rna", "rna"), ("atac", "atac")])
def test_h5mu(tmp_path, asked, opened):
    joint = make_mudata(tmp_path / "x.h5mu")
    dataset = open_dataset(tmp_path / "x.h5mu", modality=asked)
    adata = joint.mod[opened]
    same(dataset, adata, obs=False)
    assert (dataset.modality, set(dataset.modalities)) == (opened, {"rna", "atac"})
    expected = joint.obs["batch"].loc[adata.obs_names]
    assert dataset.obs["batch"].tolist() == expected.tolist()
    rows = joint.obs_names.get_indexer(adata.obs_names)
    np.testing.assert_array_equal(dataset.obsm["X_joint"], joint.obsm["X_joint"][rows])
    assert not {"rna", "atac"} & set(dataset.obsm)


def test_modalities_have_stores_of_their_own(tmp_path):
    make_mudata(tmp_path / "x.h5mu")
    hashes = {open_dataset(tmp_path / "x.h5mu", modality=name).content_hash for name in ("rna", "atac")}
    assert len(hashes) == 2
    with pytest.raises(InputError, match="no modality 'prot'"):
        open_dataset(tmp_path / "x.h5mu", modality="prot")
    make_adata().write_h5ad(tmp_path / "x.h5ad")
    with pytest.raises(InputError, match="several modalities"):
        open_dataset(tmp_path / "x.h5ad", modality="rna")


# ---- 10x ----------------------------------------------------------------------------------------------------------


def counts(n_cells=40, n_genes=12, seed=0):
    return sparse.csr_matrix(np.random.default_rng(seed).poisson(0.7, (n_cells, n_genes)).astype(np.int32))


def write_10x_h5(path, X, *, version, kinds=None, genomes=("GRCh38",)):
    """Write as Cell Ranger does: CSC of genes × cells (which is CSR of cells × genes)."""
    n_cells, n_genes = X.shape
    strings = h5py.string_dtype("ascii")
    with h5py.File(path, "w") as file:
        for genome in genomes if version == 2 else ["matrix"]:
            group = file.create_group(genome)
            group["barcodes"] = [f"ACGTACGTAC{i:04d}-1".encode() for i in range(n_cells)]
            group["data"], group["indices"], group["indptr"] = X.data, X.indices.astype(np.int64), X.indptr.astype("i8")
            group["shape"] = np.array([n_genes, n_cells], np.int32)
            ids = [f"ENSG{i:011d}" for i in range(n_genes)]
            symbols = ["DUP" if i in (1, 4) else f"SYM{i}" for i in range(n_genes)]
            if version == 2:
                group["genes"], group["gene_names"] = np.array(ids, "S"), np.array(symbols, "S")
                continue
            features = group.create_group("features")
            features.create_dataset("_all_tag_keys", data=["genome"], dtype=strings)
            features.create_dataset("genome", data=["GRCh38"] * n_genes, dtype=strings)
            features.create_dataset("id", data=ids, dtype=strings)
            features.create_dataset("name", data=symbols, dtype=strings)
            features.create_dataset("feature_type", data=kinds or ["Gene Expression"] * n_genes, dtype=strings)
    return path


@pytest.mark.filterwarnings("ignore:Variable names")
@pytest.mark.parametrize("version", [2, 3])
def test_10x_h5_is_what_scanpy_reads(tmp_path, version):
    path = write_10x_h5(tmp_path / "x.h5", counts(), version=version)
    expected = sc.read_10x_h5(path)
    dataset = open_dataset(path)
    same(dataset, expected)
    assert dataset.variables["X"].index.tolist().count("DUP") == 2
    pd.testing.assert_frame_equal(
        dataset.variables["X"],
        expected.var,
        check_dtype=False,
        check_index_type=False,
        check_names=False,
        check_like=True,
    )
    assert dataset.modalities == ()


@pytest.mark.filterwarnings("ignore:Variable names")
def test_10x_h5_with_antibodies(tmp_path, monkeypatch):
    kinds = ["Antibody Capture" if i % 3 == 2 else "Gene Expression" for i in range(12)]
    path = write_10x_h5(tmp_path / "x.h5", counts(), version=3, kinds=kinds)
    both = sc.read_10x_h5(path, gex_only=False)
    for block_bytes in (48 * 2**20, 64):
        monkeypatch.setattr("cellucid_core.reading.matrix.BLOCK_BYTES", block_bytes)
        for asked, kind in ((None, "Gene Expression"), ("Antibody Capture", "Antibody Capture")):
            dataset = open_dataset(path, modality=asked)
            same(dataset, both[:, both.var["feature_types"] == kind].copy())
            assert dataset.modality == kind
            assert dataset.matrices["X"].sample_rows(np.arange(3)).shape == (3, dataset.matrices["X"].shape[1])
    assert any("Antibody Capture" in note for note in open_dataset(path).notes)


def test_10x_h5_of_two_genomes(tmp_path):
    path = write_10x_h5(tmp_path / "x.h5", counts(), version=2, genomes=("hg19", "mm10"))
    assert open_dataset(path).modality == "hg19"
    assert open_dataset(path, modality="mm10").modalities == ("hg19", "mm10")


def write_10x_folder(folder, X, *, version=3, packed=True, prefix="", transposed=False, kinds=None):
    folder.mkdir()
    n_cells, n_genes = X.shape
    mmwrite(folder / "m.mtx", X if transposed else X.T.tocoo())
    rows = [f"ENSG{i:011d}\tSYM{i if i != 4 else 1}" for i in range(n_genes)]
    if version == 3:
        rows = [f"{row}\t{kinds[i] if kinds else 'Gene Expression'}" for i, row in enumerate(rows)]
    texts = {
        "matrix.mtx": (folder / "m.mtx").read_text(),
        "barcodes.tsv": "".join(f"ACGTACGT{i:04d}-1\n" for i in range(n_cells)),
        "genes.tsv" if version == 2 else "features.tsv": "\n".join(rows) + "\n",
    }
    (folder / "m.mtx").unlink()
    for name, text in texts.items():
        data = text.encode()
        (folder / f"{prefix}{name}{'.gz' if packed else ''}").write_bytes(gzip.compress(data) if packed else data)
    return folder


@pytest.mark.filterwarnings("ignore:Variable names")
@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("packing", ["folder", "zip", "zip with the folder in it"])
def test_10x_folder_is_what_scanpy_reads(tmp_path, version, packing):
    folder = write_10x_folder(tmp_path / "mtx", counts(), version=version, packed=version == 3)
    expected = sc.read_10x_mtx(folder, make_unique=False)
    path = folder
    if packing != "folder":
        path = zip_of(folder, tmp_path / "x.zip", "" if packing == "zip" else "sample/hg19/")
    dataset = open_dataset(path)
    same(dataset, expected)
    assert dataset.variables["X"]["gene_ids"].tolist() == expected.var["gene_ids"].tolist()


@pytest.mark.parametrize("options", [{"packed": False}, {"prefix": "GSM123_patient_"}, {"transposed": True}])
def test_10x_folders_of_other_tools(tmp_path, options):
    X = counts()
    dataset = open_dataset(write_10x_folder(tmp_path / "mtx", X, **options))
    np.testing.assert_array_equal(view_of(dataset).expression.block(range(12)).T, X.toarray())
    assert any("cells × genes" in note for note in dataset.notes) == bool(options.get("transposed"))


def test_10x_folder_with_antibodies(tmp_path):
    X, kinds = counts(), ["Gene Expression"] * 10 + ["Antibody Capture"] * 2
    folder = write_10x_folder(tmp_path / "mtx", X, kinds=kinds)
    for asked, columns in ((None, slice(0, 10)), ("Antibody Capture", slice(10, 12))):
        dataset = open_dataset(folder, modality=asked)
        view = view_of(dataset)
        np.testing.assert_array_equal(view.expression.block(range(view.n_genes)).T, X.toarray()[:, columns])


# ---- loom ---------------------------------------------------------------------------------------------------------


def test_loom(tmp_path):
    loompy = pytest.importorskip("loompy")
    adata = make_adata()
    X = adata.X.toarray()
    loompy.create(
        str(tmp_path / "x.loom"),
        {"": X.T, "counts": np.rint(X.T)},
        {"Gene": adata.var_names.to_numpy(), "Symbol": adata.var["symbol"].to_numpy()},
        {
            "CellID": adata.obs_names.to_numpy(),
            "cell_type": adata.obs["cell_type"].astype(str).to_numpy(),
            "UMAP_1": adata.obsm["X_umap"][:, 0],
            "UMAP_2": adata.obsm["X_umap"][:, 1],
        },
    )
    before = (tmp_path / "x.loom").read_bytes()
    dataset = open_dataset(tmp_path / "x.loom")
    view = view_of(dataset)
    assert view.cell_ids.tolist() == adata.obs_names.tolist()
    assert view.gene_ids.tolist() == adata.var_names.tolist()
    np.testing.assert_array_equal(view.expression.block(range(30)).T, X)
    np.testing.assert_allclose(view.embedding(2), adata.obsm["X_umap"])
    assert dataset.obs["cell_type"].tolist() == adata.obs["cell_type"].tolist()
    assert "counts" in dataset.matrices
    assert (tmp_path / "x.loom").read_bytes() == before


def test_loom_without_names(tmp_path):
    pytest.importorskip("loompy")
    with h5py.File(tmp_path / "x.loom", "w") as file:
        file["matrix"] = np.arange(12.0).reshape(3, 4)
        for name in ("row_attrs", "col_attrs", "layers", "row_graphs", "col_graphs"):
            file.create_group(name)
        file["col_attrs/depth"] = np.arange(4.0)
        file["row_attrs/length"] = np.arange(3.0)
    dataset = open_dataset(tmp_path / "x.loom")
    assert dataset.obs.index.tolist() == ["cell_0", "cell_1", "cell_2", "cell_3"]
    assert len(dataset.notes) == 2
    np.testing.assert_array_equal(view_of(dataset).expression.gene(1), [4, 5, 6, 7])


# ---- identity and sharing -------------------------------------------------------------------------------------------


def test_what_is_rewritten_is_written_once(tmp_path, monkeypatch):
    folder = write_10x_folder(tmp_path / "mtx", counts(seed=11))
    first = open_dataset(folder)
    monkeypatch.setattr("scipy.io.mmread", None)  # would fail if it were called again
    second = open_dataset(folder)
    assert first.content_hash == second.content_hash
    assert first.store("X").folder == second.store("X").folder


def test_the_hash_follows_the_content(tmp_path):
    folder = tmp_path / "a"
    (folder / "b").mkdir(parents=True)
    (folder / "b" / "c").write_bytes(b"one")
    first = content_hash(folder)
    (folder / "b" / "c").write_bytes(b"two")
    second = content_hash(folder)
    (folder / "b" / "c").rename(folder / "b" / "d")
    third = content_hash(folder)
    assert len({first, second, third}) == 3
    (folder / "b" / "d").rename(folder / "b" / "c")
    (folder / "b" / "c").write_bytes(b"one")
    assert content_hash(folder) == first


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (0, "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"),
        (1, "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213"),
    ],
)
def test_a_hash_is_that_of_the_published_test_vectors(tmp_path, size, expected):
    (tmp_path / "x").write_bytes(bytes(size))
    assert content_hash(tmp_path / "x") == bytes_hash(bytes(size)) == expected


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="pipe is neither a file nor a folder"):
        content_hash(tmp_path / "pipe")


def test_a_file_is_hashed_in_pieces_as_in_one(tmp_path, monkeypatch):
    from cellucid_core.cache import content

    monkeypatch.setattr(content, "_PIECE", 1000)
    monkeypatch.setattr(content, "_TELL_AFTER", 2500)
    data, told = bytes(range(256)) * 40, []
    (tmp_path / "x").write_bytes(data)
    assert file_hash(tmp_path / "x", told.append) == bytes_hash(data)
    assert told == [3000, 5000, 8000, 10000, 10240]


def test_a_stamp_changes_with_any_file_of_a_folder(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c").write_bytes(b"one")
    first = stamp_of(tmp_path / "a")
    assert first == stamp_of(tmp_path / "a") != ""
    (tmp_path / "a" / "b" / "c").write_bytes(b"two")
    assert stamp_of(tmp_path / "a") != first
    (tmp_path / "a" / "b" / "d").symlink_to(tmp_path)
    assert stamp_of(tmp_path / "a") == stamp_of(tmp_path / "nowhere") == stamp_of(tmp_path / "\0") == ""


def test_what_cannot_be_remembered_is_no_error(tmp_path, monkeypatch):
    from cellucid_core.cache import content

    monkeypatch.setattr(content, "_SETTLED_NS", -(10**12))
    (tmp_path / "x").write_bytes(b"one")

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(content, "complete_or_absent", full)
        assert content_hash(tmp_path / "x") == bytes_hash(b"one")
    content_hash(tmp_path / "x")
    monkeypatch.setattr(content.os, "utime", full)
    monkeypatch.setattr(content, "_hash", None)
    assert content_hash(tmp_path / "x") == bytes_hash(b"one")


def test_a_file_that_is_refused_is_not_hashed_to_its_end(tmp_path, monkeypatch):
    from cellucid_core.dataset import opening

    ended = threading.Event()

    def endless(path, progress):
        try:
            while True:
                time.sleep(0.001)
                progress(1)
        finally:
            ended.set()

    monkeypatch.setattr(opening, "content_hash", endless)
    (tmp_path / "x.h5ad").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    with pytest.raises(InputError, match="damaged"):
        open_dataset(tmp_path / "x.h5ad")
    assert ended.wait(PATIENCE)


def test_a_remembered_hash_is_not_taken_for_a_changed_file(tmp_path, monkeypatch):
    from blake3 import blake3

    from cellucid_core.cache import content

    monkeypatch.setattr(content, "_SETTLED_NS", -(10**12))  # even what was just written counts as settled
    path = tmp_path / "x"
    path.write_bytes(b"one")
    assert content.content_hash(path) == blake3(b"one").hexdigest()
    with monkeypatch.context() as patched:
        patched.setattr(content, "_hash", None)  # would fail if it were called again
        assert content.content_hash(path) == blake3(b"one").hexdigest()
    path.write_bytes(b"three")
    assert content.content_hash(path) == blake3(b"three").hexdigest()


_OPEN = """
import sys
from cellucid_core.dataset import View, default_mapping, open_dataset
dataset = open_dataset(sys.argv[1])
view = View(dataset, default_mapping(dataset))
print(float(view.expression.block(range(view.n_genes)).sum()))
"""


def test_several_processes_open_the_same_new_file_at_once(tmp_path):
    """Both what is rewritten and the store are made once; nobody sees half of it."""
    X = counts(3000, 200, seed=12)
    folder = write_10x_folder(tmp_path / "mtx", X)
    running = [Program(_OPEN, folder) for _ in range(3)]
    done = [program.wait() for program in running]
    assert [program.returncode for program in done] == [0, 0, 0]
    assert [float(program.stdout) for program in done] == [X.sum()] * 3
