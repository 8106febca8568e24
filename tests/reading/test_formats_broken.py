"""Empty, cut off, mislabelled, of the wrong shape, or hostile: always a sentence, never a traceback."""

from __future__ import annotations

import gzip
import os
import shutil
import stat
import zipfile

import h5py
import numpy as np
import pytest

from cellucid_core.dataset import View, default_mapping, open_dataset
from cellucid_core.errors import InputError
from cellucid_core.reading import check_file_name
from cellucid_core.serving import server_files, server_path
from tests.making import make_adata
from tests.reading.test_formats_open import counts, make_mudata, write_10x_folder, write_10x_h5, zip_of


def use(path, **options):
    """Open and read everything."""
    dataset = open_dataset(path, **options)
    view = View(dataset, default_mapping(dataset))
    if view.expression is not None:
        view.expression.block(range(view.n_genes))
    return view


def refused(path, words=None, **options):
    with pytest.raises(InputError, match=words) as caught:
        use(path, **options)
    assert caught.value.what
    assert caught.value.fix
    assert "Traceback" not in str(caught.value)


def make(kind, folder):
    """Write a sound file of a kind and return its path."""
    folder.mkdir(exist_ok=True)
    adata = make_adata(200, 40)
    if kind == "h5ad":
        adata.write_h5ad(folder / "x.h5ad")
        return folder / "x.h5ad"
    if kind == "h5mu":
        make_mudata(folder / "x.h5mu")
        return folder / "x.h5mu"
    if kind.startswith("10x h5"):
        return write_10x_h5(folder / "x.h5", counts(300, 50), version=int(kind[-1]))
    if kind == "10x zip":
        return zip_of(write_10x_folder(folder / "mtx", counts(300, 50)), folder / "x.zip")
    if kind == "zarr zip":
        adata.write_zarr(folder / "x.zarr")
        return zip_of(folder / "x.zarr", folder / "x.zarr.zip")
    if kind == "loom":
        loompy = pytest.importorskip("loompy")
        loompy.create(
            str(folder / "x.loom"),
            adata.X.toarray().T,
            {"Gene": adata.var_names.to_numpy()},
            {"CellID": adata.obs_names.to_numpy()},
        )
        return folder / "x.loom"
    adata.to_df().to_csv(folder / f"x.{kind}", sep="\t" if kind == "tsv.gz" else ",")
    return folder / f"x.{kind}"


KINDS = ["h5ad", "h5mu", "10x h5 v2", "10x h5 v3", "10x zip", "zarr zip", "loom", "csv", "tsv.gz"]


@pytest.mark.parametrize("kind", KINDS)
def test_empty(tmp_path, kind):
    path = make(kind, tmp_path)
    path.write_bytes(b"")
    refused(path, "empty")


@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.95])
@pytest.mark.parametrize("kind", KINDS)
def test_cut_off(tmp_path, kind, share):
    path = make(kind, tmp_path)
    data = path.read_bytes()
    end = int(len(data) * share)
    if kind == "csv":  # a table that ends with a whole line is a whole table
        while data[end - 1 : end] == b"\n" or data[end : end + 1] == b"\n":
            end -= 1
        end = data.rindex(b",", 0, end)
    path.write_bytes(data[:end])
    refused(path)


@pytest.mark.parametrize("kind", KINDS)
def test_noise_under_its_name(tmp_path, kind):
    path = make(kind, tmp_path)
    path.write_bytes(np.random.default_rng(0).bytes(5000))
    refused(path)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ending", [".h5ad", ".zip", ".loom", ".h5mu", ".h5"])
def test_mislabelled_opens_or_is_a_sentence(tmp_path, kind, ending):
    """Binary formats are told by content, whatever the name; a text under a binary name is told to be one."""
    path = make(kind, tmp_path / "a")
    target = tmp_path / f"wrong{ending}"
    target.write_bytes(path.read_bytes())
    if kind in ("csv", "tsv.gz"):
        refused(target, "text file")
    else:
        assert use(target).n_cells > 0


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_bytes_never_crash(tmp_path, kind):
    """Bytes overwritten at many places: whatever opens, opens; the rest is a sentence."""
    path = make(kind, tmp_path)
    data = path.read_bytes()
    rng = np.random.default_rng(1)
    for trial in range(12):
        broken = bytearray(data)
        at = int(rng.integers(0, max(1, len(data) - 64)))
        broken[at : at + 64] = rng.bytes(len(broken[at : at + 64]))
        target = tmp_path / f"{trial}-{path.name}"
        target.write_bytes(bytes(broken))
        try:
            use(target)
        except InputError as error:
            assert error.fix  # noqa: PT017 - both outcomes are right


# ---- wrong shape --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["barcodes", "features/name", "indptr", "indices", "shape"])
def test_10x_h5_of_the_wrong_shape(tmp_path, name):
    path = write_10x_h5(tmp_path / "x.h5", counts(), version=3)
    with h5py.File(path, "r+") as file:
        values = file["matrix"][name][()]
        del file["matrix"][name]
        file["matrix"][name] = values[:-2] if name != "shape" else np.array([5, 3])
    refused(path)


def test_10x_h5_with_an_index_out_of_range(tmp_path):
    path = write_10x_h5(tmp_path / "x.h5", counts(), version=3)
    with h5py.File(path, "r+") as file:
        file["matrix/indices"][3] = 99
    refused(path, "damaged")


@pytest.mark.parametrize("file", ["barcodes.tsv.gz", "features.tsv.gz", "matrix.mtx.gz"])
@pytest.mark.parametrize("damage", ["gone", "short", "empty", "cut"])
def test_10x_folder_of_the_wrong_shape(tmp_path, file, damage):
    folder = write_10x_folder(tmp_path / "mtx", counts(120, 30))
    path = folder / file
    data = path.read_bytes()
    if damage == "gone":
        path.unlink()
    elif damage == "short":
        path.write_bytes(gzip.compress(b"".join(gzip.decompress(data).splitlines(keepends=True)[:-3])))
    else:
        path.write_bytes(data[: len(data) // 2] if damage == "cut" else gzip.compress(b""))
    refused(folder)


def test_loom_of_the_wrong_shape(tmp_path):
    path = make("loom", tmp_path)
    with h5py.File(path, "r+") as file:
        names = file["col_attrs/CellID"][()]
        del file["col_attrs/CellID"]
        file["col_attrs/CellID"] = names[:-5]
    refused(path)
    with h5py.File(path, "r+") as file:
        del file["matrix"]
        file["matrix"] = np.zeros(4)
    refused(path, "dimensions")


def test_h5mu_without_modalities_or_with_broken_ones(tmp_path):
    path = make("h5mu", tmp_path)
    with h5py.File(path, "r+") as file:
        del file["mod/rna/var"]
    refused(path, "no var table")
    with h5py.File(path, "r+") as file:
        del file["mod"]
        file.create_group("mod")
    refused(path, "no modality")


def test_zarr_that_is_none(tmp_path):
    make_adata().write_zarr(tmp_path / "x.zarr")
    shutil.rmtree(tmp_path / "x.zarr" / "obs")
    refused(tmp_path / "x.zarr")
    import zarr

    group = zarr.open_group(tmp_path / "y.zarr", mode="w")
    group.create_group("images")
    refused(tmp_path / "y.zarr", "not an AnnData")
    zarr.open_group(tmp_path / "z.zarr", mode="w").create_group("tables").create_group("table")
    refused(tmp_path / "z.zarr", "SpatialData")
    chunks = [path for path in (tmp_path / "z.zarr").rglob("*") if path.is_file()]
    assert chunks


def test_folders_that_are_no_dataset(tmp_path):
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "empty")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.md").write_text("x")
    refused(tmp_path / "full", "no dataset")
    os.mkfifo(tmp_path / "pipe.h5ad")
    refused(tmp_path / "pipe.h5ad", "neither")
    make_adata().write_zarr(tmp_path / "x.zarr")
    (tmp_path / "x.zarr" / "link").symlink_to("/etc/hostname")
    refused(tmp_path / "x.zarr", "link")


# ---- what it is, and how to convert it ----------------------------------------------------------------------------

FOREIGN = {
    "seurat.rds": (gzip.compress(b"X\n\0\0\0\3\0\4"), "R object", "writeH5AD"),
    "object.rda": (gzip.compress(b"RDX3\nX\n"), "R workspace", "load"),
    "paper.pdf": (b"%PDF-1.7", "PDF", "h5ad"),
    "renamed.h5ad": (b"%PDF-1.7", "PDF", "h5ad"),
    "table.xls": (b"\xd0\xcf\x11\xe0" + b"\0" * 90, "spreadsheet", "CSV"),
    "reads.fastq.gz": (gzip.compress(b"@read\nACGT\n+\nIIII\n"), "sequencing reads", "Count"),
    "aligned.bam": (gzip.compress(b"BAM\1" + b"\0" * 90), "aligned reads", "Count"),
    "page.h5ad": (b"\n<!DOCTYPE html><html>", "web page", "download"),
    "array.npy": (b"\x93NUMPY" + b"\0" * 90, "numpy", "AnnData"),
    "run.pkl": (b"\x80\4" + b"\0" * 90, "pickle", "any code"),
    "atlas.h5seurat": (b"\0\1\2", "Seurat", "Convert"),
    "data.json": (b"{}", "JSON", "h5ad"),
    "packed.7z": (b"7z\xbc\xaf\x27\x1c" + b"\0" * 90, "packed", "Unpack"),
    "matrix.mtx": (b"%%MatrixMarket matrix coordinate integer general\n1 1 1\n1 1 1\n", "only the matrix", "Zip it"),
    "matrix.mtx.gz": (gzip.compress(b"%%MatrixMarket matrix\n"), "only the matrix", "Zip it"),
    "x.what": (b"\0\1\2\3", "unknown format", "h5ad"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_foreign_files_are_told_what_they_are(tmp_path, name):
    content, what, fix = FOREIGN[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=what) as caught:
        open_dataset(tmp_path / name)
    assert fix in caught.value.fix


def test_foreign_archives(tmp_path):
    import tarfile

    (tmp_path / "a.txt").write_text("x")
    with tarfile.open(tmp_path / "data.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "a.txt", "a.txt")
    refused(tmp_path / "data.tar.gz", "a header but no further line")
    with zipfile.ZipFile(tmp_path / "office.zip", "w") as archive:
        archive.writestr("[Content_Types].xml", "x")
        archive.writestr("word/document.xml", "x")
    refused(tmp_path / "office.zip", "text document")
    with zipfile.ZipFile(tmp_path / "sheet.xlsx", "w") as archive:
        archive.writestr("[Content_Types].xml", "x")
        archive.writestr("xl/workbook.xml", "x")
    refused(tmp_path / "sheet.xlsx", "damaged, or not an Excel workbook")


def test_a_seurat_file_is_told_by_content(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        for name in ("assays", "reductions"):
            file.create_group(name)
        file["cell.names"] = [b"a"]
    refused(tmp_path / "x.h5", "Seurat")


def test_names_are_refused_before_the_upload():
    for name in ("a.rds", "A.PDF", "a.xls", "a.fastq.gz", "a.7z"):
        with pytest.raises(InputError):
            check_file_name(name)
    for name in ("a.h5ad", "a.zip", "a.csv.gz", "a.tar.gz", "a.tar.xz", "a.xlsx", "a.unknown"):
        check_file_name(name)


# ---- zips ---------------------------------------------------------------------------------------------------------


def test_hostile_zips(tmp_path, monkeypatch):
    path = tmp_path / "x.zip"
    for name in ("../x.h5ad", "/x.h5ad", "a/../../x.h5ad", "..\\x.h5ad", "C:/x.h5ad"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(name, b"x")
        refused(path, "outside")
    with zipfile.ZipFile(path, "w") as archive:
        link = zipfile.ZipInfo("x.h5ad")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    refused(path, "link")
    monkeypatch.setenv("CELLUCID_UNPACKED_LIMIT", "1 MB")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.h5ad", b"\0" * 1_000_001)
    refused(path, "unpacks to")
    assert not list(tmp_path.glob("*.h5ad"))


def test_a_zip_that_lies_about_its_size(tmp_path):
    """The declared size bounds what is written, whatever the data say."""
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.h5ad", b"\0" * 100_000)
    data = path.read_bytes().replace((100_000).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    path.write_bytes(data)
    refused(path)


def test_messages_name_the_users_file(tmp_path):
    path = tmp_path / f"{'0' * 64}.csv"
    path.write_text("id,CD3D\nx,1\ny,1,2\n")
    with pytest.raises(InputError, match=r"^mine\.csv has") as caught:
        open_dataset(path, "mine")
    assert "000" not in str(caught.value)


def test_zips_of_nothing_or_too_much(tmp_path):
    path = tmp_path / "x.zip"
    zipfile.ZipFile(path, "w").close()
    refused(path, "without a dataset")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.h5ad", b"x")
        archive.writestr("b.h5ad", b"x")
    refused(path, "a.h5ad is a text file")
    write_10x_folder(tmp_path / "a", counts())
    with zipfile.ZipFile(path, "w") as archive:
        for sample in "ab":
            archive.write(tmp_path / "a" / "matrix.mtx.gz", f"{sample}/matrix.mtx.gz")
    refused(path, "no barcodes.tsv")
    gz = tmp_path / "x.gz"
    gz.write_bytes(gzip.compress(b""))
    refused(gz, "nothing")


def test_gzip_bombs_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setenv("CELLUCID_UNPACKED_LIMIT", "1 MB")
    make_adata().write_h5ad(tmp_path / "x.h5ad")
    (tmp_path / "x.h5ad.gz").write_bytes(gzip.compress((tmp_path / "x.h5ad").read_bytes() + b"\0" * 10**7))
    refused(tmp_path / "x.h5ad.gz", "unpacks at most")


# ---- folders on the server ----------------------------------------------------------------------------------------


def test_server_folders(tmp_path, monkeypatch):
    root, other = tmp_path / "root", tmp_path / "other"
    (root / "study").mkdir(parents=True)
    other.mkdir()
    (other / "secret.h5ad").write_bytes(b"x")
    (root / "study" / "a.h5ad").write_bytes(b"xx")
    (root / "study" / "notes.md").write_bytes(b"x")
    (root / ".hidden.h5ad").write_bytes(b"x")
    make_adata().write_zarr(root / "b.zarr")
    (root / "link.h5ad").symlink_to(other / "secret.h5ad")
    (root / "out").symlink_to(other)
    monkeypatch.delenv("CELLUCID_DATA_ROOTS", raising=False)
    assert server_files() == []
    monkeypatch.setenv("CELLUCID_DATA_ROOTS", os.pathsep.join([str(root), str(tmp_path / "nowhere"), "", str(root)]))
    assert [(file.relative, file.size) for file in server_files()] == [("b.zarr", None), ("study/a.h5ad", 2)]
    assert server_path(root, "study/a.h5ad") == root / "study" / "a.h5ad"
    assert server_files()[1].path == root / "study" / "a.h5ad"
    for wrong in (
        "../other/secret.h5ad",
        "link.h5ad",
        "out/secret.h5ad",
        str(other / "secret.h5ad"),
        "",
        "nowhere",
        "a\0",
    ):
        with pytest.raises(InputError):
            server_path(root, wrong)
    with pytest.raises(InputError):
        server_path(other, "secret.h5ad")
