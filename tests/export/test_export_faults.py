"""Whatever goes wrong, the target is as before or complete (full disks, kills, cancels); any changed byte is seen."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cellucid_core.errors import InputError, WorkRefused
from cellucid_core.export import ExportSettings, verify, write
from tests.export.standin import read_files, small_view
from tests.programs import run_program

ROOT = str(Path(__file__).resolve().parents[2])
TARGETS = ["x.zip", "folder"]


def run(code, *arguments):
    return run_program(code, *arguments, SOURCE_DATE_EPOCH="1700000000")


# ---- cancelled ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("threads", [1, 2])
def test_cancelled_at_each_single_step_nothing_is_left(tmp_path, target, threads):
    view = small_view(n_genes=4)
    options = ExportSettings(threads=threads)
    steps = []
    write(view, options, tmp_path / "whole.zip", progress=steps.append)
    (tmp_path / "whole.zip").unlink()
    for last in range(len(steps) - 1):  # at the last one, Done, the export is published
        seen = []

        def stop(step, seen=seen, last=last):
            seen.append(step)
            if len(seen) > last:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            write(view, options, tmp_path / target, progress=stop)
        assert list(tmp_path.iterdir()) == []


# ---- the disk -------------------------------------------------------------------------------------------------------

FULL = """
import resource, sys
from cellucid_core.errors import InputError
from cellucid_core.export import ExportSettings, write
from tests.export.standin import small_view
view, target = small_view(n_cells=3000, n_genes=20), sys.argv[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
try:
    write(view, ExportSettings(compression=0), target, force=True)
except InputError as error:
    print("REFUSED", error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print("AGAIN", write(view, ExportSettings(compression=0), target, force=True).verified)
"""


@pytest.mark.skipif(os.name == "nt", reason="limits of Unix")
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("limit", [0, 100, 5000, 11_000])
def test_no_room_for_a_file_is_told_and_leaves_nothing(tmp_path, target, limit):
    done = run(FULL, tmp_path / target, limit)
    assert "REFUSED" in done.stdout, done.stderr
    assert "could not be written" in done.stdout
    assert "AGAIN True" in done.stdout
    assert [p.name for p in tmp_path.iterdir()] == [target]


@pytest.mark.parametrize("target", TARGETS)
def test_a_disk_that_fills_up_while_writing(tmp_path, target, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    before = {}
    write(small_view(seed=1), ExportSettings(), tmp_path / target)
    before = read_files(tmp_path / target)
    if target == "x.zip":
        monkeypatch.setattr(zipfile.ZipFile, "writestr", full)
    else:
        monkeypatch.setattr(Path, "mkdir", full)
    with pytest.raises(InputError, match=r"No space left|cannot be written"):
        write(small_view(seed=2), ExportSettings(), tmp_path / target, force=True)
    monkeypatch.undo()
    assert read_files(tmp_path / target) == before
    assert [p.name for p in tmp_path.iterdir()] == [target]


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="a folder that nobody can write to")
@pytest.mark.parametrize("target", TARGETS)
def test_a_place_that_cannot_be_written_to(target):
    with pytest.raises(InputError, match="cannot be written to"):
        write(small_view(), ExportSettings(), f"/proc/{target}")


# ---- killed ---------------------------------------------------------------------------------------------------------

KILLED = """
import json, os, random, signal, sys, time
from pathlib import Path
from cellucid_core.export import ExportSettings, verify, write
from tests.export.standin import read_files, small_view

target, settings = Path(sys.argv[1]), ExportSettings(threads=2)
old, new = small_view(n_cells=400, n_genes=60, seed=1), small_view(n_cells=400, n_genes=60, seed=2)

def in_a_process(view, kill_after=None):
    child = os.fork()
    if not child:
        try:
            write(view, settings, target, force=True)
        finally:
            os._exit(0)
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1]

def measured(view):
    began = time.perf_counter()
    in_a_process(view)
    return time.perf_counter() - began

in_a_process(old)
as_before = read_files(target)
whole = min(measured(old) for _ in range(2))
chance = random.Random(int(sys.argv[2]))
states = []
for number in range(int(sys.argv[3])):
    status = in_a_process(new, chance.uniform(0, 1.05 * whole))
    if read_files(target) == as_before:
        state = "before"
    else:
        assert verify(target, new, threads=1).ok, verify(target, new).problems
        state = "complete"
    left = len(list(target.parent.iterdir())) - 1
    in_a_process(old)  # the next try works, and clears what was left
    assert read_files(target) == as_before
    assert [path.name for path in target.parent.iterdir()] == [target.name], list(target.parent.iterdir())
    states.append([state, bool(os.WIFSIGNALED(status)), left])
print(json.dumps(states))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="signals of Unix")
@pytest.mark.parametrize("target", TARGETS)
def test_killed_at_ten_random_moments(tmp_path, target):
    done = run(KILLED, tmp_path / target, 20261121, 10)
    assert done.returncode == 0, done.stderr[-2000:]
    states = json.loads(done.stdout.splitlines()[-1])
    assert len(states) == 10
    killed = [state for state in states if state[1]]
    assert len(killed) >= 3, states  # a moment past the end kills nobody
    assert any(state[2] for state in killed), states  # some were in the middle of writing


# ---- the same bytes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", TARGETS)
def test_the_same_bytes_whatever_the_number_of_threads(tmp_path, target, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    seen = []
    for number, threads in enumerate((1, 2, 5, 2)):
        place = tmp_path / str(number)
        place.mkdir()
        view = small_view(n_cells=20_000, n_genes=8)
        assert write(view, ExportSettings(threads=threads), place / target).verified
        found = {p.relative_to(place).as_posix(): p.read_bytes() for p in place.rglob("*") if p.is_file()}
        seen.append(found)
    assert all(found == seen[0] for found in seen)


# ---- every changed byte ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A small export as a folder, its source, and the checksums of its files."""
    import zlib

    path = tmp_path_factory.mktemp("bytes") / "folder"
    view = small_view(n_cells=60, n_genes=3)
    write(view, ExportSettings(), path)
    files = {p.relative_to(path).as_posix(): p.read_bytes() for p in sorted(path.rglob("*")) if p.is_file()}
    return path, view, {name: zlib.crc32(data) for name, data in files.items()}, files


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_flipped_byte_of_any_file_is_found(exported, data):
    path, view, checksums, files = exported
    name = data.draw(st.sampled_from(sorted(files)))
    at = data.draw(st.integers(0, len(files[name]) - 1))
    flipped = bytearray(files[name])
    flipped[at] ^= data.draw(st.integers(1, 255))
    (path / name).write_bytes(flipped)
    try:
        report = verify(path, view, min_points=10, checksums=checksums, threads=1)
        assert not report.ok
        if name.endswith(".gz") and at >= 10:  # beyond the header, whose time and system mean nothing
            alone = verify(path, view, min_points=10, threads=1)
            assert not alone.ok or read_files(path)[name.removesuffix(".gz")] == _unpacked(files[name])
    finally:
        (path / name).write_bytes(files[name])


def _unpacked(data):
    import gzip

    return gzip.decompress(data)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_cut_file_is_found(exported, data):
    path, view, _, files = exported
    name = data.draw(st.sampled_from(sorted(files)))
    (path / name).write_bytes(files[name][: data.draw(st.integers(0, len(files[name]) - 1))])
    try:
        assert not verify(path, view, min_points=10, threads=1).ok
    finally:
        (path / name).write_bytes(files[name])


def test_swapped_genes_and_moved_limits_are_found(exported, tmp_path):
    path, view, _, _ = exported
    copy = tmp_path / "copy"
    shutil.copytree(path, copy)
    one, other = copy / "var" / "G0.values.u8.gz", copy / "var" / "G1.values.u8.gz"
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)
    problems = verify(copy, view).problems
    assert len([problem for problem in problems if problem.startswith("var/")]) == 2
    one.write_bytes(first)
    other.write_bytes(second)
    assert verify(copy, view).ok
    manifest = json.loads((copy / "var_manifest.json").read_text())
    low, high = manifest["fields"][0][1:]
    for limits in ([low, high * 1.0001], [low + 0.0001 * high, high], [low, np.nextafter(high, 0) * 0.9999]):
        manifest["fields"][0][1:] = limits
        (copy / "var_manifest.json").write_text(json.dumps(manifest))
        assert any("limits" in problem for problem in verify(copy, view).problems)
    manifest["fields"][0], manifest["fields"][1] = manifest["fields"][1], [*manifest["fields"][0][:1], low, high]
    (copy / "var_manifest.json").write_text(json.dumps(manifest))
    assert verify(copy, view).ok  # another order of the genes is no damage


@pytest.mark.parametrize("target", TARGETS)
def test_what_the_disk_changes_after_writing_is_not_published(tmp_path, target, monkeypatch):
    """Bytes without a meaning, too: here the time in the header of a gzip file."""
    from cellucid_core.export import sink

    kind = sink.ZipSink if target == "x.zip" else sink.FolderSink
    finish = kind.finish

    def damaging(self):
        path = finish(self)
        file = path if path.is_file() else path / "points_2d.bin.gz"
        raw = bytearray(file.read_bytes())
        raw[raw.index(b"\x1f\x8b\x08") + 4] ^= 1
        file.write_bytes(raw)
        return path

    monkeypatch.setattr(kind, "finish", damaging)
    with pytest.raises(WorkRefused, match="differs from its source"):
        write(small_view(), ExportSettings(), tmp_path / target)
    assert list(tmp_path.iterdir()) == []
