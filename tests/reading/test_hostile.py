"""Files made to harm: links out of them, shapes of terabytes, bombs, code in pickles. Each is a sentence, quickly."""

from __future__ import annotations

import gzip
import json
import pickle
import struct
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from cellucid_core.dataset import View, default_mapping, open_dataset
from cellucid_core.errors import InputError
from cellucid_core.reading.safety import declared_size
from cellucid_core.reading.safety.zarr import codec_names, unpacked_size
from tests.making import make_adata
from tests.reading.test_formats_broken import refused, use
from tests.reading.test_formats_open import counts, write_10x_folder, write_10x_h5, zip_of

HUGE = 10**12


@pytest.fixture
def h5ad(tmp_path):
    """Return the path of a sound file and a function that changes it."""
    path = tmp_path / "x.h5ad"
    make_adata().write_h5ad(path)
    return path


@pytest.fixture
def secret(tmp_path):
    """A file of somebody else, as HDF5 and as bytes."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    with h5py.File(folder / "secret.h5", "w") as file:
        file["values"] = np.arange(60.0)
        file["group/x"] = np.arange(60.0)
    (folder / "secret.bin").write_bytes(np.arange(60.0).tobytes())
    return folder


def untouched(folder):
    """Tell a folder's access times apart, to see whether something was read."""
    return {path.name: path.stat().st_atime_ns for path in folder.iterdir()}


# ---- HDF5: what leads out of the file ------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["obs/leak", "obsm/X_leak", "layers/leak", "uns/a/b", "leak"])
def test_external_links(h5ad, secret, where):
    with h5py.File(h5ad, "r+") as file:
        file[where] = h5py.ExternalLink(str(secret / "secret.h5"), "/values")
    refused(h5ad, "from another file")


def test_an_external_link_in_place_of_a_table(h5ad, secret):
    with h5py.File(h5ad, "r+") as file:
        del file["obs"]
        file["obs"] = h5py.ExternalLink(str(secret / "secret.h5"), "/group")
    before = untouched(secret)
    refused(h5ad, "from another file")
    assert untouched(secret) == before


def test_raw_data_in_another_file(h5ad, secret):
    with h5py.File(h5ad, "r+") as file:
        file["obsm"].create_dataset("X_leak", (60, 1), "f8", external=[(str(secret / "secret.bin"), 0, 480)])
    refused(h5ad, "from another file")


def test_virtual_datasets(h5ad, secret):
    layout = h5py.VirtualLayout((60, 1), "f8")
    layout[:, 0] = h5py.VirtualSource(str(secret / "secret.h5"), "values", (60,))
    with h5py.File(h5ad, "r+") as file:
        file["obsm"].create_virtual_dataset("X_leak", layout)
    refused(h5ad, "from another file")


def test_soft_links_stay_inside(h5ad):
    with h5py.File(h5ad, "r+") as file:
        file["obsm/X_again"] = h5py.SoftLink("/obsm/X_umap")
        file["obsm/X_nowhere"] = h5py.SoftLink("/not/there")
        file["obsm/X_circle"] = h5py.SoftLink("/obsm/X_circle")
    dataset = open_dataset(h5ad)
    np.testing.assert_array_equal(dataset.obsm["X_again"], dataset.obsm["X_umap"])
    assert {"obsm['X_nowhere']", "obsm['X_circle']"} <= set(dataset.unreadable)


def test_circles_and_deep_nesting(h5ad):
    with h5py.File(h5ad, "r+") as file:
        file["uns/loop"] = file["/"]
    assert use(h5ad).n_cells == 60
    with h5py.File(h5ad, "r+") as file:
        del file["uns/loop"]
        group = file["uns"]
        for _ in range(300):
            group = group.create_group("g")
    refused(h5ad, "nested too deeply")


@pytest.mark.parametrize("kind", ["10x", "loom", "h5mu"])
def test_links_in_other_formats(tmp_path, secret, kind):
    path = tmp_path / "x.h5"
    if kind == "10x":
        write_10x_h5(path, counts(), version=3)
    with h5py.File(path, "a") as file:
        for name in {"loom": ("matrix", "row_attrs", "col_attrs"), "h5mu": ("mod", "obs"), "10x": ()}[kind]:
            file.create_group(name)
        file["leak"] = h5py.ExternalLink(str(secret / "secret.h5"), "/values")
    refused(path, "from another file")


# ---- HDF5: what would take terabytes -------------------------------------------------------------------------------


def fill(parent, name, shape, dtype="f8", chunk=1000):
    """Make a dataset that declares much and stores nothing."""
    if name in parent:
        del parent[name]
    return parent.create_dataset(name, shape, dtype, chunks=tuple(min(chunk, n) for n in shape), fillvalue=1)


def test_a_dense_matrix_of_terabytes(h5ad):
    with h5py.File(h5ad, "r+") as file:
        data = fill(file, "X", (10**6, 10**6), "f4")
        data.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
    refused(h5ad)


@pytest.mark.parametrize("part", ["indptr", "indices", "data"])
def test_a_sparse_matrix_of_terabytes(h5ad, part):
    with h5py.File(h5ad, "r+") as file:
        fill(file["X"], part, (HUGE,), "i8", 10**6)
    refused(h5ad)


@pytest.mark.parametrize("shape", [(60, HUGE), (HUGE, 30), (2**62, 2**62), (60, -5)])
def test_a_sparse_matrix_that_declares_an_absurd_shape(h5ad, shape):
    with h5py.File(h5ad, "r+") as file:
        file["X"].attrs["shape"] = np.array(shape, dtype=np.int64)
    refused(h5ad)


def test_tables_of_terabytes(h5ad):
    with h5py.File(h5ad, "r+") as file:
        fill(file["obs"], "score", (HUGE,), "f8", 10**6)
    refused(h5ad, "would take")
    with h5py.File(h5ad, "r+") as file:
        del file["obs/score"]
        file["obs"].create_dataset("score", (HUGE,), h5py.string_dtype(), chunks=(1000,))
    refused(h5ad, "would take")


def test_an_embedding_of_terabytes_is_left_out(h5ad):
    with h5py.File(h5ad, "r+") as file:
        fill(file["obsm"], "X_huge", (60, HUGE), "f4")
    dataset = open_dataset(h5ad)
    assert "would take" in dataset.unreadable["obsm['X_huge']"]
    assert "X_umap" in dataset.obsm


def test_a_graph_of_terabytes(h5ad):
    with h5py.File(h5ad, "r+") as file:
        fill(file["obsp/connectivities"], "data", (HUGE,), "f8", 10**6)
    dataset = open_dataset(h5ad)
    with pytest.raises(InputError, match="would take"):
        dataset.graphs["connectivities"].read()


def test_a_piece_that_explodes(h5ad):
    with h5py.File(h5ad, "r+") as file:
        file["obsm"].create_dataset(
            "X_bomb", (60, 5 * 10**7), "u1", chunks=(60, 5 * 10**7), compression="gzip", fillvalue=0
        )
    refused(h5ad, "in pieces of 3 GB")


@pytest.mark.parametrize("name", ["barcodes", "features/name", "features/feature_type", "data"])
def test_10x_lists_of_terabytes(tmp_path, name):
    path = write_10x_h5(tmp_path / "x.h5", counts(), version=3)
    with h5py.File(path, "r+") as file:
        kind = "i4" if name == "data" else "S20"
        del file["matrix"][name]
        file["matrix"].create_dataset(name, (HUGE,), kind, chunks=(10**6,))
    refused(path)


def test_a_loom_of_terabytes(tmp_path):
    path = tmp_path / "x.loom"
    with h5py.File(path, "w") as file:
        fill(file, "matrix", (10**6, 10**6), "f4")
        file["row_attrs/Gene"] = np.array([b"g"] * 3)
        file["col_attrs/CellID"] = np.array([b"c"] * 3)
    refused(path, "would take")


# ---- 10x folders ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    [
        b"%%MatrixMarket matrix coordinate integer general\n1000000000 1000000000 1000000000000\n1 1 1\n",
        b"%%MatrixMarket matrix coordinate integer general\n30 20 1000000000000\n1 1 1\n",
        b"%%MatrixMarket matrix array real general\n1000000000 1000000000\n1\n",
        b"%%MatrixMarket matrix coordinate integer general\n-3 -4 -5\n",
        b"%%MatrixMarket matrix coordinate integer general\n" + b"%\n" * 10**6,
        b"%%MatrixMarket matrix coordinate integer general\n" + b"9" * 5000 + b" 1 1\n",
        b"%%MatrixMarket matrix coordinate integer general\n",
        b"%%MatrixMarket\n1 1 1\n",
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_headers_of_matrices(tmp_path, header, packed):
    folder = write_10x_folder(tmp_path / "mtx", counts(30, 20))
    (folder / "matrix.mtx.gz").unlink()
    target = folder / ("matrix.mtx.gz" if packed else "matrix.mtx")
    target.write_bytes(gzip.compress(header) if packed else header)
    refused(folder)


def test_links_in_a_10x_folder(tmp_path, secret):
    folder = write_10x_folder(tmp_path / "mtx", counts(30, 20))
    (folder / "barcodes.tsv.gz").unlink()
    (folder / "barcodes.tsv").symlink_to(secret / "secret.bin")
    before = untouched(secret)
    refused(folder)
    assert untouched(secret) == before


def test_texts_that_explode(tmp_path, monkeypatch):
    monkeypatch.setenv("CELLUCID_MEMORY", "100 MB")
    folder = write_10x_folder(tmp_path / "mtx", counts(30, 20))
    (folder / "barcodes.tsv.gz").write_bytes(gzip.compress(b"A\n" * 2 * 10**7, 9))
    refused(folder, "would take")
    table = tmp_path / "x.csv"
    table.write_bytes(b"id,a\n1,2\n2,3\n")
    metadata = tmp_path / "meta.csv.gz"
    metadata.write_bytes(gzip.compress(b"id,x\n" + b"1,2\n" * 10**7, 9))
    refused(table, "would take", cell_metadata=metadata)


def test_a_table_of_commas(tmp_path):
    path = tmp_path / "x.csv"
    path.write_bytes((b"," * 6_000_000 + b"\n") * 3)
    refused(path, "fields")


# ---- zarr ----------------------------------------------------------------------------------------------------------


@pytest.fixture(params=[2, 3])
def zarr_folder(request, tmp_path):
    import anndata

    with anndata.settings.override(zarr_write_format=request.param):
        make_adata().write_zarr(tmp_path / "x.zarr")
    # Without the copies of all metadata, so that what is changed counts.
    (tmp_path / "x.zarr" / ".zmetadata").unlink(missing_ok=True)
    root = tmp_path / "x.zarr" / "zarr.json"
    if root.exists():
        root.write_text(json.dumps({**json.loads(root.read_text()), "consolidated_metadata": None}))
    return tmp_path / "x.zarr"


def array_metadata(folder, name):
    path = next(path for path in (folder / name / "zarr.json", folder / name / ".zarray") if path.exists())
    return path, json.loads(path.read_text())


def test_zarr_shapes_of_terabytes(zarr_folder):
    for name, words in (("obs/score", "would take"), ("X/indptr", None)):
        path, metadata = array_metadata(zarr_folder, name)
        path.write_text(json.dumps({**metadata, "shape": [HUGE]}))
        refused(zarr_folder, words)
        path.write_text(json.dumps(metadata))
    assert use(zarr_folder).n_cells == 60


def test_zarr_chunks_of_terabytes(zarr_folder):
    path, metadata = array_metadata(zarr_folder, "obs/score")
    if path.name == ".zarray":
        metadata["chunks"] = [HUGE]
    else:
        metadata["chunk_grid"]["configuration"]["chunk_shape"] = [HUGE]
    path.write_text(json.dumps({**metadata, "shape": [HUGE]}))
    refused(zarr_folder)


class _Evil:
    def __reduce__(self):
        return (Path.touch, (Path("pickle-was-run"),))


def test_zarr_with_pickles(zarr_folder, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    path, metadata = array_metadata(zarr_folder, "obs/score")
    chunk = next(p for p in (zarr_folder / "obs/score").rglob("*") if p.is_file() and p.name[0].isdigit())
    chunk.write_bytes(pickle.dumps(_Evil()))
    if path.name == ".zarray":
        metadata |= {"filters": [{"id": "pickle", "protocol": 5}], "dtype": "|O", "compressor": None, "fill_value": 0}
    else:
        metadata |= {"codecs": [{"name": "numcodecs.pickle", "configuration": {}}]}
    path.write_text(json.dumps(metadata))
    refused(zarr_folder)
    assert not (tmp_path / "pickle-was-run").exists()


def test_zarr_with_deep_json(zarr_folder):
    path, _ = array_metadata(zarr_folder, "obs/score")
    path.write_text("[" * 200_000 + "]" * 200_000)
    refused(zarr_folder)


def test_zarr_chunks_that_explode(zarr_folder, monkeypatch):
    monkeypatch.setenv("CELLUCID_MEMORY", "100 MB")
    path, metadata = array_metadata(zarr_folder, "obs/score")
    if path.name == ".zarray":
        metadata |= {"compressor": {"id": "zlib", "level": 1}, "filters": None}
    else:
        metadata |= {"codecs": [{"name": "bytes", "configuration": {"endian": "little"}}]}
        metadata["codecs"].append({"name": "gzip", "configuration": {"level": 1}})
    path.write_text(json.dumps(metadata))
    chunk = next(p for p in (zarr_folder / "obs/score").rglob("*") if p.is_file() and p.name[0].isdigit())
    pack = zlib.compress if path.name == ".zarray" else gzip.compress
    chunk.write_bytes(pack(bytes(10**8), 9))
    refused(zarr_folder, "unpacks to")


def test_what_chunks_say_they_unpack_to():
    from numcodecs import Blosc, Zstd

    data = bytes(300_000)
    assert unpacked_size(Zstd().encode(data)) == len(data)
    assert unpacked_size(Blosc().encode(data)) == len(data)
    assert unpacked_size(gzip.compress(data)) >= len(data)
    assert unpacked_size(zlib.compress(data)) >= len(data)
    assert unpacked_size(b"") == unpacked_size(b"\x28\xb5\x2f\xfd") == unpacked_size(b"some other bytes") == 0
    without = bytes([0x28, 0xB5, 0x2F, 0xFD, 0x00, 0x58]) + struct.pack("<I", (10**5 << 3) | 3)[:3] + b"\0" * 9
    assert unpacked_size(without) >= 2**17


def test_codecs_inside_codecs():
    shard = {"name": "sharding_indexed", "configuration": {"codecs": [{"name": "numcodecs.pickle"}]}}
    assert codec_names({"codecs": [shard]}) == ["sharding_indexed", "numcodecs.pickle"]
    assert codec_names({"compressor": {"id": "Pickle"}, "filters": None}) == ["pickle"]


def test_a_zip_with_an_enormous_document(tmp_path):
    make_adata().write_zarr(tmp_path / "x.zarr")
    path = zip_of(tmp_path / "x.zarr", tmp_path / "x.zip")
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    document = min((name for name in parts if name.rpartition("/")[2] in ("zarr.json", ".zgroup")), key=len)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data + b" " * 70 * 2**20 if name == document else data)
    refused(path)


# ---- pickles in tables, prepared exports ---------------------------------------------------------------------------


def test_no_reader_unpickles(h5ad, monkeypatch):
    """What anndata reads as it is, but with pickle made to raise."""

    def never(*_, **__):
        raise AssertionError("something was unpickled")

    monkeypatch.setattr(pickle, "load", never)
    monkeypatch.setattr(pickle, "loads", never)
    with h5py.File(h5ad, "r+") as file:
        data = np.frombuffer(pickle.dumps(_Evil()), np.uint8)
        file["obsm"].create_dataset("X_pickle", data=np.tile(data, (60, 1)))
        file["uns"].attrs["pickle"] = np.void(pickle.dumps(_Evil()))
    use(h5ad)


def test_a_prepared_export_of_terabytes(tmp_path, demo_view):
    from cellucid_core.export import ExportSettings, GeneChoice, write

    target = tmp_path / "x.zip"
    write(demo_view, ExportSettings(genes=GeneChoice("none")), target)
    with zipfile.ZipFile(target) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(target, "w") as archive:
        for name, data in parts.items():
            if name.endswith(".json"):
                data = data.replace(b'"n_cells": 700', b'"n_cells": 1000000000000')
                data = data.replace(b'"n_cells":700', b'"n_cells":1000000000000')
                data = data.replace(b'"n_points": 700', b'"n_points": 1000000000000')
                data = data.replace(b'"n_points":700', b'"n_points":1000000000000')
            archive.writestr(name, data)
    refused(target, "would take")


# ---- names ---------------------------------------------------------------------------------------------------------

NAMES = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "**bold** [link](javascript:alert(1)) :red[x] $x^2$",
    "datum.x",
    "datum['constructor']",
    "a.b[0]['c']\\",
    "');alert(1);('",
    "{{7*7}}",
    "../../etc/passwd",
    "..\\..\\x",
    "=1+1",
    "\u202egnp.exe",
    "tab\tnewline\nreturn\r",
    "\x1b[31mred",
    "__proto__",
    "constructor",
    "a" * 300,
    "🧬",
    " ",
]


def test_hostile_names_everywhere_open_and_export(tmp_path):
    from cellucid_core.export import ExportSettings, write

    adata = make_adata(60, len(NAMES))
    adata.var_names = NAMES
    adata.obs_names = [f"{NAMES[i % len(NAMES)]}{i}" for i in range(60)]
    adata.obs["cell_type"] = [NAMES[i % len(NAMES)] for i in range(60)]
    adata.obs["cell_type"] = adata.obs["cell_type"].astype("category")
    for at, name in enumerate(NAMES):
        if "/" not in name:
            adata.obs[name] = np.arange(60.0) + at
    adata.write_h5ad(tmp_path / "x.h5ad")
    dataset = open_dataset(tmp_path / "x.h5ad")
    view = View(dataset, default_mapping(dataset))
    assert view.gene_ids.tolist() == NAMES
    from cellucid_core.preflight import Scope, fix_all, preflight
    from cellucid_core.reports import preflight_html

    page = preflight_html(view, preflight(view))
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    short = tuple(key for key in view.obs_keys if len(key) < 200)
    fixed = View(dataset, fix_all(dataset, replace(view.mapping, obs_keys=short), Scope()))
    target = tmp_path / "out.zip"
    write(fixed, ExportSettings(), target)
    with zipfile.ZipFile(target) as archive:
        for name in archive.namelist():
            assert ".." not in name.split("/")
            assert name.isascii()
            assert all(ord(c) >= 32 for c in name)


# ---- HDF5: heaps that never end ------------------------------------------------------------------------------------


def test_a_heap_that_never_ends(h5ad):
    """Zeros over texts of variable length: the library would look at the same place for ever."""
    data = bytearray(h5ad.read_bytes())
    at = data.index(b"GCOL\x01\0\0\0")
    size = int.from_bytes(data[at + 8 : at + 16], "little")
    data[at + 16 : at + size] = bytes(size - 16)
    h5ad.write_bytes(data)
    refused(h5ad, "texts cannot be read")


@pytest.mark.parametrize("large", [1, 2**40])  # compiled or not
def test_heaps_across_pieces_and_beyond_the_end(tmp_path, monkeypatch, large):
    from cellucid_core.reading.safety import hdf5_heaps

    monkeypatch.setattr(hdf5_heaps, "_PIECE", 50)
    monkeypatch.setattr(hdf5_heaps, "_LARGE", large)
    path = tmp_path / "x"
    text = b"\1\0\1\0" + bytes(4) + (5).to_bytes(8, "little") + bytes(8)
    sound = b"GCOL\1\0\0\0" + (64).to_bytes(8, "little") + text + bytes(8) + (24).to_bytes(8, "little") + bytes(8)
    far = sound[:48] + (2**64 - 1).to_bytes(8, "little") + sound[56:]
    endless = sound[:40] + bytes(24)
    endless_length = b"GCOL\1\0\0\0" + (2**64 - 8).to_bytes(8, "little") + sound[16:]
    beyond = endless_length[:24] + (2**50).to_bytes(8, "little") + endless_length[32:]
    crooked = sound[:48] + (9).to_bytes(8, "little") + sound[56:]
    for before in range(120):
        for good in (sound, far, beyond):
            path.write_bytes(b"G" * before + good + sound[:30])
            hdf5_heaps.check_heaps(path, "x")
        for bad in (endless, crooked):
            path.write_bytes(b"G" * before + sound + bad)
            with pytest.raises(InputError, match="texts"):
                hdf5_heaps.check_heaps(path, "x")


def test_heaps_in_each_other_are_not_read_for_each(tmp_path, monkeypatch):
    from cellucid_core.reading.safety import hdf5_heaps

    path = tmp_path / "x"
    path.write_bytes((b"GCOL\1\0\0\0" + (2**40).to_bytes(8, "little")) * 5000)
    reads = []
    real = hdf5_heaps._read_through
    monkeypatch.setattr(hdf5_heaps, "_read_through", lambda *of: reads.append(real(*of)) or reads[-1])
    with pytest.raises(InputError, match="texts"):
        hdf5_heaps.check_heaps(path, "x")
    assert len(reads) < 20


def test_judging_values_leaves_the_sample_as_it_is():
    """NaN beside values below zero: what is taken out to judge must not be taken out of the matrix."""
    from scipy import sparse

    from cellucid_core.dataset.scale import scale_of

    rng = np.random.default_rng(0)
    dense = rng.normal(0, 50, (40, 30)) * (rng.random((40, 30)) < 0.4)
    dense[dense > 60] = np.nan
    for dtype in (np.float64, np.float32):
        sample = sparse.csr_matrix(dense.astype(dtype))
        assert scale_of(sample).kind == "signed"
        sample.check_format(full_check=True)
        np.testing.assert_array_equal(sample.toarray(), dense.astype(dtype))


def test_groups_that_lead_to_one_another_again_and_again_are_refused(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        group = file.create_group("0")
        for level in range(1, 26):
            inner = file.create_group(str(level))
            group["a"], group["b"] = inner, inner
            group = inner
        with pytest.raises(InputError, match="again and again"):
            declared_size(file["0"])
