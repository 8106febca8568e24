"""Zip and folder: whole or not at all, whoever is killed when."""

from __future__ import annotations

import os
import signal
import zipfile
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cellucid_core.errors import InputError
from cellucid_core.export import ExportSettings, staging, verify, write
from cellucid_core.export.sink import FolderSink, ZipSink, open_sink
from tests.export.standin import small_view
from tests.programs import run_program

FILES = {"a.json": b"{}", "var/x.u8.gz": b"123", "var/y.u8.gz": b"", "obs/z": b"\0" * 10_000}
TARGETS = ["x.zip", "folder"]


def fill(sink, files=FILES):
    for name, data in files.items():
        sink.add(name, data)
    sink.finish()
    sink.publish()


def contents(path):
    if path.is_dir():
        return {f.relative_to(path).as_posix(): f.read_bytes() for f in path.rglob("*") if f.is_file()}
    with zipfile.ZipFile(path) as archive:
        return {name.removeprefix("id/"): archive.read(name) for name in archive.namelist()}


@pytest.mark.parametrize("target", TARGETS)
def test_what_is_added_is_there(tmp_path, target):
    with open_sink(tmp_path / target, "id") as sink:
        fill(sink)
        assert sink.files == len(FILES)
    assert contents(tmp_path / target) == FILES
    assert [p.name for p in tmp_path.iterdir()] == [target]


@pytest.mark.parametrize("target", TARGETS)
def test_what_exists_is_replaced_only_with_force(tmp_path, target):
    with open_sink(tmp_path / target, "id") as sink:
        fill(sink, {"old": b"old"})
    with pytest.raises(InputError, match="--force"):
        open_sink(tmp_path / target, "id")
    assert contents(tmp_path / target) == {"old": b"old"}
    with open_sink(tmp_path / target, "id", force=True) as sink:
        fill(sink)
    assert contents(tmp_path / target) == FILES
    assert [p.name for p in tmp_path.iterdir()] == [target]


def test_without_an_atomic_exchange_folders_are_replaced_in_two_steps(tmp_path, monkeypatch):
    monkeypatch.setattr(staging, "_exchange", lambda one, other: False)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "old").write_text("old")
    with FolderSink(tmp_path / "folder", force=True) as sink:
        fill(sink)
    assert contents(tmp_path / "folder") == FILES
    assert len(list(tmp_path.iterdir())) == 1


def test_when_the_second_step_fails_the_old_folder_comes_back(tmp_path, monkeypatch):
    monkeypatch.setattr(staging, "_exchange", lambda one, other: False)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "old").write_text("old")
    rename = staging.Path.rename

    def fail(self, other):
        if self.name.endswith(".partial"):
            raise OSError(5, "broken")
        return rename(self, other)

    monkeypatch.setattr(staging.Path, "rename", fail)
    with pytest.raises(InputError, match="broken"), FolderSink(tmp_path / "folder", force=True) as sink:
        fill(sink)
    assert contents(tmp_path / "folder") == {"old": b"old"}
    assert len(list(tmp_path.iterdir())) == 1


def test_a_kill_between_the_two_steps_is_fixed_by_the_next_run(tmp_path):
    old = tmp_path / ".folder.0123abcd.old"
    old.mkdir()
    (old / "old").write_text("old")
    (tmp_path / ".folder.0123abcd.partial").mkdir()
    with pytest.raises(InputError, match="not empty"):
        FolderSink(tmp_path / "folder")
    assert contents(tmp_path / "folder") == {"old": b"old"}
    assert len(list(tmp_path.iterdir())) == 1


def test_an_empty_folder_is_no_obstacle(tmp_path):
    (tmp_path / "folder").mkdir()
    with FolderSink(tmp_path / "folder") as sink:
        fill(sink)
    assert contents(tmp_path / "folder") == FILES


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(st.from_regex(r"[a-z]{1,5}(/[a-z]{1,5})?\.bin", fullmatch=True), st.binary(max_size=50)),
    st.integers(0, 5),
    st.sampled_from(TARGETS),
)
def test_stopped_after_any_file_nothing_is_left(tmp_path_factory, files, after, target):
    folder = tmp_path_factory.mktemp("sink")

    def interrupted():
        with open_sink(folder / target, "id") as sink:
            for name, data in list(files.items())[:after]:
                sink.add(name, data)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(folder.iterdir()) == []


KILLED = """
import os, signal, sys
from cellucid_core.export.sink import open_sink
sink = open_sink(sys.argv[1], "id", force=True)
sink.add("a", b"new")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(os.name == "nt", reason="signals of Unix")
@pytest.mark.parametrize("target", TARGETS)
def test_a_killed_run_leaves_the_target_and_its_remains_are_cleared(tmp_path, target):
    with open_sink(tmp_path / target, "id") as sink:
        fill(sink)
    done = run_program(KILLED, tmp_path / target)
    assert done.returncode == -signal.SIGKILL
    assert contents(tmp_path / target) == FILES
    assert len(list(tmp_path.iterdir())) == 2
    with open_sink(tmp_path / target, "id", force=True) as sink:
        fill(sink, {"new": b"new"})
    assert contents(tmp_path / target) == {"new": b"new"}
    assert [p.name for p in tmp_path.iterdir()] == [target]


@pytest.mark.skipif(os.name == "nt", reason="locks of Unix")
@pytest.mark.parametrize("target", TARGETS)
def test_a_run_that_is_still_going_is_not_disturbed(tmp_path, target):
    with open_sink(tmp_path / target, "id", force=True) as slow:
        slow.add("a", b"slow")
        with open_sink(tmp_path / target, "id", force=True) as quick:
            fill(quick, {"a": b"quick"})
        assert contents(tmp_path / target) == {"a": b"quick"}
        slow.finish()
        slow.publish()
    assert contents(tmp_path / target) == {"a": b"slow"}
    assert [p.name for p in tmp_path.iterdir()] == [target]


def test_files_of_others_beside_the_target_stay(tmp_path):
    others = [".x.zip.partial", ".x.zip.notes.partial", "x.zip.0123abcd.partial", ".y.zip.0123abcd.partial"]
    for name in others:
        (tmp_path / name).write_text("mine")
    with ZipSink(tmp_path / "x.zip", "id") as sink:
        fill(sink)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([*others, "x.zip"])


@pytest.mark.parametrize(
    ("make", "target", "message"),
    [
        ("folder", "x.zip", "is a folder"),
        ("file", "x", "not a folder"),
        (None, "missing/x.zip", "does not exist"),
        (None, "x.h5ad", "cannot be a .h5ad"),
    ],
)
def test_targets_that_cannot_be(tmp_path, make, target, message):
    if make == "folder":
        (tmp_path / target).mkdir()
    if make == "file":
        (tmp_path / target).write_text("")
    with pytest.raises(InputError, match=message):
        open_sink(tmp_path / target, "id", force=True)


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_link_is_followed(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with FolderSink(tmp_path / "link") as sink:
        fill(sink)
    assert (tmp_path / "link").is_symlink()
    assert contents(tmp_path / "real") == FILES


def test_many_small_entries_need_zip64(tmp_path):
    with ZipSink(tmp_path / "x.zip", "id", stamp=datetime(1971, 1, 1, tzinfo=UTC)) as sink:
        for number in range(66_000):
            sink.add(str(number), b"")
        sink.finish()
        sink.publish()
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        assert len(archive.infolist()) == 66_000
        assert archive.infolist()[0].date_time == (1980, 1, 1, 0, 0, 0)


def test_entries_that_need_zip64_are_written_and_read_back(tmp_path, monkeypatch):
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 300)  # as if 300 bytes were 4 GB: sizes and places move to extra fields
    view = small_view()
    assert write(view, ExportSettings(), tmp_path / "x.zip").verified
    raw = (tmp_path / "x.zip").read_bytes()
    assert b"PK\x06\x06" in raw  # the directory's own ZIP64 record
    assert b"\xff\xff\xff\xff\xff\xff\xff\xff" in raw
    monkeypatch.undo()
    assert verify(tmp_path / "x.zip", view).ok
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        assert archive.testzip() is None


def test_a_local_header_that_contradicts_the_directory_is_found(tmp_path):
    view = small_view()
    write(view, ExportSettings(), tmp_path / "x.zip")
    whole = (tmp_path / "x.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        at = archive.getinfo("arrays/var/G3.values.u8.gz").header_offset
    for place in (0, 6, 8, 14, 18, 22, 26, 28, 32):  # signature, flags, method, checksum, sizes, lengths, name
        damaged = bytearray(whole)
        damaged[at + place] ^= 1
        (tmp_path / "x.zip").write_bytes(damaged)
        assert any("G3" in problem for problem in verify(tmp_path / "x.zip", view).problems), place
