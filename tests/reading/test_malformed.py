"""A few of the many malformed files of ``tests/load/malformed.py``, others in every run; all of them on demand.

``CELLUCID_MALFORMED_SEED`` runs the files of one seed again.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest

from cellucid_core.dataset import open_dataset
from cellucid_core.errors import InputError
from cellucid_core.reading.safety import check_texts
from tests.making import make_adata
from tests.patience import PATIENCE

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


def test_a_loom_whose_lists_do_not_fit(tmp_path):
    path = tmp_path / "x.loom"
    with h5py.File(path, "w") as file:
        file["matrix"] = np.ones((4, 3), np.float32)
        file["row_attrs/Gene"] = np.array([b"a", b"b", b"c", b"d"])
        file.create_dataset("col_attrs/CellID", (10**7,), "S8", chunks=(100,))
        file.create_group("layers")
    with pytest.raises(InputError, match="col_attrs/CellID does not have one value for each cell"):
        open_dataset(path)


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


def test_a_column_of_matrices(h5ad):
    with h5py.File(h5ad, "r+") as file:
        file.copy(file["obsp/connectivities"], file["obs"], name="odd")
        file["obs"].attrs["column-order"] = [*file["obs"].attrs["column-order"], "odd"]
    with pytest.raises(InputError):
        open_dataset(h5ad)
