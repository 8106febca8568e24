"""A few of the many malformed files of ``tests/load/malformed.py``, others in every run; all of them on demand.

``CELLUCID_MALFORMED_SEED`` runs the files of one seed again.
"""

from __future__ import annotations

import gzip
import io
import os
import secrets
import shutil
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import anndata
import h5py
import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from numcodecs import Blosc

from cellucid_core.dataset import open_dataset
from cellucid_core.errors import InputError
from cellucid_core.reading.safety import check_texts, hdf5_texts
from cellucid_core.reading.safety.hdf5_attributes import typed_values
from tests.making import make_adata
from tests.patience import PATIENCE
from tests.reading.test_formats_open import counts, write_10x_folder

ROOT = Path(__file__).parents[2]
SEEDS = ("1", os.environ.get("CELLUCID_MALFORMED_SEED") or str(secrets.randbelow(10**6)))


@pytest.mark.parametrize("number", [0, 1], ids=["known", "fresh"])
def test_malformed_files_open_or_are_refused(number):
    seed = SEEDS[number]
    print(f"CELLUCID_MALFORMED_SEED={seed}")  # shown if it fails
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "tests/load/malformed.py", "--count", "44", "--seed", seed],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, f"CELLUCID_MALFORMED_SEED={seed}\n{done.stdout}{done.stderr}"
    assert "refused" in done.stdout


@pytest.fixture
def h5ad(tmp_path):
    adata = make_adata(30, 20, seed=1)
    adata.X = adata.X.toarray()
    adata.layers["counts"] = adata.X.copy()
    adata.raw = adata.copy()
    adata.write_h5ad(tmp_path / "x.h5ad")
    return tmp_path / "x.h5ad"


def put(path, name, **array):
    with h5py.File(path, "r+") as file:
        attributes = dict(file[name].attrs)
        del file[name]
        file.create_dataset(name, **array).attrs.update(attributes)


def test_an_embedding_of_one_value_is_left_out(h5ad):
    put(h5ad, "obsm/X_pca", data=7)
    assert "one value" in open_dataset(h5ad).unreadable["obsm['X_pca']"]


@pytest.mark.parametrize(("name", "key"), [("raw/X", "raw"), ("layers/counts", "layers['counts']")])
def test_a_matrix_of_text_is_left_out(h5ad, name, key):
    put(h5ad, name, data=np.full((30, 20), b"text"))
    assert "not numbers" in open_dataset(h5ad).unreadable[key]


def test_a_matrix_that_was_hardly_written_is_left_out(h5ad):
    put(h5ad, "raw/X", shape=(30, 10**8), dtype="f4", chunks=(30, 1000))
    put(h5ad, "obsm/X_pca", shape=(30, 10**6), dtype="f4", chunks=(30, 1000))
    unreadable = open_dataset(h5ad).unreadable
    assert "few of them are in the file" in unreadable["raw"]
    assert "few of them are in the file" in unreadable["obsm['X_pca']"]


@pytest.mark.parametrize("how", [{}, {"chunks": (8,)}, {"chunks": (8,), "compression": "gzip", "shuffle": True}])
def test_texts_that_are_longer_than_the_file(tmp_path, how):
    path = tmp_path / "x.h5"
    words = [f"word {i}" for i in range(20)]
    with h5py.File(path, "w") as file:
        file.create_dataset("words", data=words, dtype=h5py.string_dtype(), **how)
    with h5py.File(path, "r") as file:
        check_texts(file, "x.h5")
        dataset = file["words"].id
        offset = dataset.get_offset()
        if offset is None and "compression" not in how:
            offset = dataset.get_chunk_info(1).byte_offset
        elif offset is None:
            chunk = dataset.get_chunk_info(1)
    if "compression" in how:  # the chunk is written again, its second length damaged
        with h5py.File(path, "r+") as file:
            dataset = file["words"].id
            _, piece = dataset.read_direct_chunk(chunk.chunk_offset)
            columns = np.frombuffer(zlib.decompress(piece), np.uint8).reshape(16, -1).copy()
            columns[:4, 1] = 0x7F
            dataset.write_direct_chunk(chunk.chunk_offset, zlib.compress(columns.tobytes()))
    else:
        content = bytearray(path.read_bytes())
        content[offset + 16 : offset + 20] = b"\x7f" * 4
        path.write_bytes(content)
    with h5py.File(path, "r") as file, pytest.raises(InputError, match="'words' are longer than the file"):
        check_texts(file, "x.h5")


@pytest.mark.parametrize(
    "how",
    [{}, {"libver": "latest"}, {"userblock_size": 1024}, {"track_order": True}],
    ids=["first headers", "second headers", "user block", "order"],
)
def test_attributes_are_those_that_h5py_reads(tmp_path, how):
    path = tmp_path / "x.h5"
    with h5py.File(path, "w", **how) as file:
        file.attrs["title"] = "one text"
        for number in range(6):
            table = file.create_group(f"{number}") if number % 2 else file.create_dataset(f"{number}", data=[1.0, 2.0])
            for k in range(number):
                table.attrs["n" * (k + 1)] = ["abc" * k] * k if k % 2 else "ü" * k
            lists = np.array([np.ones(number), np.ones(7)], object)
            table.attrs.create("lists", lists, dtype=h5py.vlen_dtype("f8"))
            table.attrs["numbers"] = np.arange(200 * number)
    with h5py.File(path) as file, path.open("rb", buffering=0) as content:
        for name in ["/", *file]:
            expected = []
            for key, value in file[name].attrs.items():
                if key == "lists":
                    expected.append(8 * sum(len(one) for one in value))
                elif key != "numbers":
                    expected.append(sum(len(str(one).encode()) for one in np.atleast_1d(value)))
            found = typed_values(content, h5py.h5o.get_info(file[name].id).addr, file.userblock_size)
            of_length = [one for one in found if one[0][0] & 0x0F == 9 and one[1]]
            lengths = [hdf5_texts._length_in_attribute(*one) for one in of_length]
            assert sorted(lengths) == sorted(expected)
            assert len(lengths) == len(file[name].attrs) - (name != "/")
        check_texts(file, "x.h5")


@pytest.mark.parametrize("how", [{}, {"userblock_size": 512}, {"track_order": True}])
def test_texts_of_an_attribute_that_are_longer_than_the_file(tmp_path, how):
    path = tmp_path / "x.h5"
    with h5py.File(path, "w", **how) as file:
        file.create_group("obs").attrs["column-order"] = ["cluster", "sample"]
    with h5py.File(path) as file, path.open("rb", buffering=0) as raw:
        check_texts(file, "x.h5")
        [(_, value)] = typed_values(raw, h5py.h5o.get_info(file["obs"].id).addr, file.userblock_size)
    content = bytearray(path.read_bytes())
    at = content.index(value)
    content[at + 16 : at + 20] = b"\x7f" * 4  # the length of the second
    path.write_bytes(content)
    with h5py.File(path) as file, pytest.raises(InputError, match="'obs' are longer than the file"):
        check_texts(file, "x.h5")


@pytest.mark.parametrize("where", ["attribute", "array"])
def test_texts_of_no_known_kind(tmp_path, where):
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        if where == "array":
            file.create_dataset("obs", data=["a", "b"], dtype=h5py.string_dtype())
        else:
            file.create_group("obs").attrs["encoding-type"] = "dataframe"
    with h5py.File(path) as file, path.open("rb", buffering=0) as raw:
        [(datatype, _)] = typed_values(raw, h5py.h5o.get_info(file["obs"].id).addr, 0)
    content = bytearray(path.read_bytes())
    content[content.index(datatype) + 1] = 0x16  # reading it would crash
    path.write_bytes(content)
    with h5py.File(path) as file, pytest.raises(InputError, match="'obs' are of no known kind"):
        check_texts(file, "x.h5")


@given(st.binary(max_size=600), st.integers(0, 2**64 - 1))
def test_any_bytes_have_attributes_or_none(content, at):
    # No header, one of the second version, and one that leads to itself.
    itself = b"\1\0\1\0\1\0\0\0\x18\0\0\0\0\0\0\0\x10\0\x10\0\0\0\0\0" + bytes(8) + (600).to_bytes(8, "little")
    for head in (b"", b"OHDR\2\x04", itself):
        for where in (0, at):
            for datatype, value in typed_values(io.BytesIO(head + content), where, 0):
                assert hdf5_texts._length_in_attribute(datatype, value) >= 0


@pytest.mark.parametrize(
    ("version", "how"),
    [
        (2, {"compressors": Blosc()}),
        (2, {"filters": [Blosc()], "compressors": None}),
        (3, {"compressors": zarr.codecs.BloscCodec()}),
        (3, {"compressors": [zarr.codecs.BloscCodec(), zarr.codecs.Crc32cCodec()]}),
    ],
    ids=["format 2", "as a filter", "format 3", "with a sum"],
)
def test_a_chunk_in_blosc_that_was_cut_off(tmp_path, version, how):
    folder = tmp_path / "x.zarr"
    with anndata.settings.override(zarr_write_format=version):
        make_adata(30, 20, seed=1).write_zarr(folder)
    path = folder / "obsm" / "X_pca"
    values = np.arange(30 * 500.0).reshape(30, 500)
    shutil.rmtree(path)
    array = zarr.create_array(path, data=values, chunks=(30, 500), zarr_format=version, **how)
    array.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
    zarr.consolidate_metadata(folder)
    assert (open_dataset(folder).obsm["X_pca"] == values).all()
    [file] = [one for one in path.rglob("*") if one.is_file() and one.name not in ("zarr.json", ".zarray", ".zattrs")]
    file.write_bytes(file.read_bytes()[:200])  # blosc would read beyond its end
    assert "damaged or was cut off" in open_dataset(folder).unreadable["obsm['X_pca']"]


def test_a_loom_whose_lists_do_not_fit(tmp_path):
    path = tmp_path / "x.loom"
    with h5py.File(path, "w") as file:
        file["matrix"] = np.ones((4, 3), np.float32)
        file["row_attrs/Gene"] = np.array([b"a", b"b", b"c", b"d"])
        file.create_dataset("col_attrs/CellID", (10**7,), "S8", chunks=(100,))
        file.create_group("layers")
    with pytest.raises(InputError, match="col_attrs/CellID does not have one value for each cell"):
        open_dataset(path)


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "packed"])
def test_a_byte_of_0_in_a_matrix(tmp_path, packed):
    folder = write_10x_folder(tmp_path / "mtx", counts(30, 20))
    path = folder / "matrix.mtx.gz"
    content = gzip.decompress(path.read_bytes())
    path.unlink()
    at = content.index(b"\n", len(content) // 2)  # scipy would crash, and the server with it
    content = content[:at] + b"\0" + content[at:]
    (path if packed else path.with_suffix("")).write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(InputError, match=r"matrix\.mtx.* is damaged"):
        open_dataset(folder)


def test_a_sample_in_a_zip_that_is_damaged(tmp_path):
    path = tmp_path / "x.zip"
    make_adata(20, 9, seed=2).write_h5ad(tmp_path / "a.h5ad")
    make_adata(20, 9, seed=3).write_h5ad(tmp_path / "b.h5ad")
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(tmp_path / "a.h5ad", "a.h5ad")
        archive.write(tmp_path / "b.h5ad", "b.h5ad")
        at = archive.getinfo("b.h5ad").header_offset
    content = bytearray(path.read_bytes())
    content[at + 5000] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(InputError, match="damaged or was cut off"):
        open_dataset(path)


def test_names_whose_free_blocks_lead_in_a_circle(tmp_path):
    path = tmp_path / "x.h5ad"
    with h5py.File(path, "w") as file:
        for name in "abcdefgh":
            file[name] = 1
        del file["b"]
    content = bytearray(path.read_bytes())
    at = content.index(b"HEAP")
    free, place = (int.from_bytes(content[at + 16 + 8 * k : at + 24 + 8 * k], "little") for k in range(2))
    content[place + free : place + free + 8] = free.to_bytes(8, "little")
    path.write_bytes(content)
    with pytest.raises(InputError, match="its names cannot be read"):
        open_dataset(path)


def test_a_name_that_is_no_utf_8(tmp_path):
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file["matrix"] = 1
        file[b"row_\xffattrs"] = 1
    with pytest.raises(InputError, match=r"not an AnnData: .*row_.*matrix"):
        open_dataset(path)


def test_a_column_of_matrices(h5ad):
    with h5py.File(h5ad, "r+") as file:
        file.copy(file["obsp/connectivities"], file["obs"], name="odd")
        file["obs"].attrs["column-order"] = [*file["obs"].attrs["column-order"], "odd"]
    with pytest.raises(InputError):
        open_dataset(h5ad)
