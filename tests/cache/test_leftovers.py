"""What a killed opening leaves goes at once; what a living one writes stays."""

from __future__ import annotations

import gzip
import os
import time
import zipfile

import pytest

from cellucid_core.cache.home import home_folder, scratch_folder
from cellucid_core.cache.leftovers import clear_leftovers
from cellucid_core.dataset import open_dataset
from cellucid_core.serving.starting import sweep
from tests.making import make_adata
from tests.programs import Program

#: Opens a file and stays where a draft has just been begun.
HANG = """
import sys, time
from contextlib import contextmanager
from pathlib import Path
from cellucid_core.atomic import complete_or_absent
from cellucid_core.reading import archives as archive, rewriting
from cellucid_core.dataset import open_dataset
from cellucid_core.reading.formats import tenx_matrix
path, where = Path(sys.argv[1]), sys.argv[2]
def hang(*arguments):
    path.with_name("begun").touch()
    time.sleep(600)
@contextmanager
def begun(target):
    with complete_or_absent(target) as draft:
        hang()
        yield draft
if where == "unpacked":
    archive.complete_or_absent = begun
elif where == "rewritten":
    rewriting.GrowingFile.append = hang
else:
    tenx_matrix._read = hang
open_dataset(path)
"""


@pytest.fixture
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("CELLUCID_HOME", str(tmp_path / "home"))


def table(folder):
    path = folder / "data.csv"
    make_adata().to_df().to_csv(path)
    return path


def packed_file(folder):
    path = folder / "data.h5ad.gz"
    make_adata().write_h5ad(folder / "data.h5ad")
    path.write_bytes(gzip.compress((folder / "data.h5ad").read_bytes()))
    return path


def packed_matrix(folder):
    path = folder / "matrix.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("matrix.mtx", "%%MatrixMarket matrix coordinate integer general\n2 2 2\n1 1 3\n2 2 4\n")
        archive.writestr("barcodes.tsv", "AAA-1\nAAC-1\n")
        archive.writestr("genes.tsv", "ENSG1\tA\nENSG2\tB\n")
    return path


def drafts(name):
    return [path for path in home_folder(name).iterdir() if path.name[0] in ".t" and path.suffix != ".lock"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes that can be killed")
@pytest.mark.parametrize("again", [sweep, open_dataset], ids=["start", "opened again"])
@pytest.mark.parametrize(
    ("name", "make"),
    [("unpacked", packed_file), ("rewritten", table), ("scratch", packed_matrix)],
    ids=["unpacked", "rewritten", "scratch"],
)
def test_what_a_killed_opening_leaves(own_home, tmp_path, name, make, again):
    path = make(tmp_path)
    process = Program(HANG, path, name)
    try:
        while not (tmp_path / "begun").exists():
            assert process.running
            time.sleep(0.02)
        (draft,) = drafts(name)
        sweep()
        assert clear_leftovers() == 0
        assert drafts(name) == [draft], "it is being written"
    finally:
        process.kill()
    assert drafts(name) == [draft]
    if again is sweep:
        sweep()
    else:
        open_dataset(path)
        if name == "scratch":  # nobody else has that name
            assert clear_leftovers() == 1
    assert drafts(name) == []
    assert open_dataset(path).n_cells == (2 if name == "scratch" else 60)
    assert not list(home_folder("scratch").iterdir())


def test_a_scratch_folder_in_use_stays(own_home):
    with scratch_folder() as folder:
        (folder / "file").touch()
        assert clear_leftovers() == 0
        assert (folder / "file").exists()
    assert not list(home_folder("scratch").iterdir())


def test_what_no_lock_stands_for_waits_for_the_sweep(own_home):
    known = home_folder("rewritten") / ".v2-0a.seal.checked.abcdefgh"
    unknown = home_folder("unpacked") / ".0b-1-x.csv.abcdefgh"
    for path in (known, unknown, known.with_name("v2-0a.lock")):
        path.touch()
    assert clear_leftovers() == 0
    assert known.exists()
    assert unknown.exists()
