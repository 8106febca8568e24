"""HDF5 through a file that never fails: the same file as without, and what becomes of it when the disk fails."""

from __future__ import annotations

import errno
import io
import os
import tempfile
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellucid_core.hdf5_file import Hdf5Writing, UnfailingFile, put_anndata
from tests.making import make_adata
from tests.programs import run_program

ROOT = Path(__file__).parents[1]


class Failing(io.FileIO):
    """A file on a disk with room for `room` bytes."""

    def __init__(self, path, room):
        super().__init__(path, "r+b")
        self._room = room

    def write(self, data):
        if self.tell() + len(data) > self._room and len(data) > 1:
            return super().write(bytes(data)[: len(data) // 2])  # disks take a part first
        if self.tell() + len(data) > self._room:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(data)

    def truncate(self, size=None):
        if size > self._room:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().truncate(size)


def failing(path, room):
    path.touch()
    file = UnfailingFile(path)
    file.close()
    file._file = Failing(path, room)
    return file


STEPS = st.lists(
    st.tuples(st.sampled_from(["write", "read"]), st.integers(0, 20_000), st.integers(0, 9_000)), max_size=30
)


@given(STEPS, st.integers(0, 25_000))
def test_what_is_read_is_what_was_written_whether_the_disk_fails_or_not(steps, room):
    memory = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder:
        file, too_much = failing(Path(folder, "x"), room), False
        for number, (step, at, size) in enumerate(steps):
            if number % 3:
                memory.seek(at)
                assert file.seek(at) == at
            at = memory.tell()
            if step == "write":
                data = np.random.default_rng(number).bytes(size)
                assert file.write(memoryview(data)) == memory.write(data)
            else:
                assert file.read(size) == memory.read(size).ljust(size, b"\0")
                memory.seek(at + size)
            assert file.tell() == at + size
            too_much = too_much or (step == "write" and size > 0 and at + size > room)
        assert (file.error is not None) == too_much
        file.close()


def test_what_is_large_is_not_kept(tmp_path):
    file = failing(tmp_path / "x", 10)
    file.write(memoryview(bytes(2**24)))
    assert file.error.errno == errno.ENOSPC
    assert not file._pages


def test_a_disk_that_cannot_be_read_is_remembered(tmp_path):
    file = failing(tmp_path / "x", 10)

    def broken(buffer):
        raise OSError(errno.EIO, "Input/output error")

    file._file.readinto = broken
    assert file.read(3) == b"\0\0\0"
    assert file.error.errno == errno.EIO


def test_a_length_that_the_disk_refuses_is_remembered(tmp_path):
    file = failing(tmp_path / "x", 10)
    file.truncate(11)
    assert file.error.errno == errno.ENOSPC


# ---- files -----------------------------------------------------------------------------------------------------------


def content(file):
    """Return everything that a file holds: names, attributes, how it is stored, values."""
    found = {"/": attributes(file)}

    def look(name, item):
        stored = (item.shape, str(item.dtype), item.chunks, str(item[()])) if isinstance(item, h5py.Dataset) else None
        found[name] = (attributes(item), stored)

    file.visititems(look)
    return found


def attributes(item):
    return {name: np.asarray(value).tolist() for name, value in item.attrs.items()}


def texts(adata):
    adata.obs["text"] = pd.Series([f"t{i % 7}" for i in range(len(adata))], index=adata.obs_names, dtype=object)
    return adata


def with_raw(adata):
    adata.raw = adata.copy()
    return adata[:, 3:].copy()


def without_matrix(adata):
    adata.X = None
    return adata


@pytest.mark.parametrize("change", [lambda adata: adata, texts, with_raw, without_matrix])
def test_an_anndata_is_written_as_anndata_writes_it(tmp_path, change):
    change(make_adata()).write_h5ad(tmp_path / "theirs.h5ad")
    ours = tmp_path / "ours.h5ad"
    ours.touch()
    with Hdf5Writing(ours, "w") as writing:
        put_anndata(change(make_adata()), writing.file)
    with h5py.File(tmp_path / "theirs.h5ad") as want, h5py.File(ours) as got:
        assert content(got) == content(want)


def test_what_is_there_stays(tmp_path):
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file["a"] = [1, 2]
    with Hdf5Writing(path, "r+") as writing:
        writing.file["b"] = [3]
        writing.check()
    with h5py.File(path) as file:
        assert file["a"][:].tolist() == [1, 2]
        assert file["b"][:].tolist() == [3]


def test_no_hdf5_is_refused_and_let_go_of(tmp_path):
    path = tmp_path / "x.h5"
    path.write_text("text")
    with pytest.raises(OSError, match="signature"):
        Hdf5Writing(path, "r+")
    assert path.read_text() == "text"


def test_an_error_of_the_block_is_its_own(tmp_path):
    path = tmp_path / "x.h5"
    path.touch()
    with pytest.raises(ZeroDivisionError), Hdf5Writing(path, "w"):
        raise ZeroDivisionError


#: So many tables that HDF5 writes some out and reads them again: if it read zeros, closing the file would crash.
FULL = """
import resource, signal, sys
from pathlib import Path
import h5py
from cellucid_core.hdf5_file import Hdf5Writing
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
path = Path(sys.argv[1])
path.touch()
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
try:
    with Hdf5Writing(path, "w") as writing:
        many = writing.file.create_dataset("many", shape=(120_000,), chunks=(2,), maxshape=(None,), dtype="f4")
        text = writing.file.create_dataset("text", shape=(120_000,), chunks=(64,), dtype=h5py.string_dtype())
        for start in range(0, 120_000, 20_000):
            many[start : start + 20_000] = 1
            text[start : start + 20_000] = [f"text {i}" * 4 for i in range(20_000)]
        many[::3] = 2
        END
except ERROR:
    print("told", path.stat().st_size)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="limits of Unix")
@pytest.mark.parametrize(
    ("room", "end", "error"),
    [("20000", "pass", "OSError"), ("1000000", "1 / 0", "OSError"), ("20000", "sys.exit(3)", "SystemExit")],
)
def test_a_full_disk_ends_no_process(tmp_path, room, end, error):
    code = FULL.replace("END", end).replace("ERROR", error)
    done = run_program(code, tmp_path / "x.h5", room)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split()[0] == "told"
