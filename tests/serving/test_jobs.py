"""Jobs in real processes: results, errors, kills, limits, cancels, turns, and what is left of them."""

from __future__ import annotations

import io
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from cellucid_core.configuration import read_configuration
from cellucid_core.database import DatabaseRefused
from cellucid_core.dataset import DatasetSource, View, default_mapping, open_dataset
from cellucid_core.errors import InputError, WorkRefused
from cellucid_core.export import ChosenGenes, ExportResult, ExportSettings, GeneChoice, write
from cellucid_core.library import BuildSettings, build_signature, list_entries
from cellucid_core.serving import start_logging
from cellucid_core.serving.jobs import (
    Job,
    Workers,
    build_job,
    export_job,
    find_job,
    gather_job,
    jobs_of,
    open_job,
    submit,
    sweep_jobs,
    zip_job,
)
from cellucid_core.serving.jobs import workers as running
from cellucid_core.serving.jobs.record import change_row, load
from cellucid_core.serving.jobs.workers import MOST_OF_ONE, set_workers
from cellucid_core.serving.logs import LOGGER
from cellucid_core.serving.metrics import Watch
from tests.making import make_adata
from tests.patience import PATIENCE, until
from tests.serving import jobs_made

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.usefixtures("each_database")
ME, OTHER = "browser-me", "browser-other"


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """Every test has jobs of its own."""
    monkeypatch.setenv("CELLUCID_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def crew():
    """Return a function that starts workers, which end with the test."""
    started = []

    def start(**changes):
        started.append(Workers(replace(read_configuration(), **{"workers": 2, **changes})))
        set_workers(started[-1])
        return started[-1]

    yield start
    set_workers(None)
    for one in started:
        one.close()


def ask(work, owner=ME, kind="export", **arguments):
    return submit(work, arguments, owner=owner, kind=kind, title="A job")


def written(note):
    return note.exists() and note.read_text()


def test_a_job_runs_elsewhere_and_its_result_is_kept(crew):
    crew()
    job = ask(jobs_made.answer, value=[1, "a"], file="result.txt")
    assert job.wait(PATIENCE)
    result = job.result()
    assert result["value"] == [1, "a"]
    assert result["pid"] != os.getpid()
    assert result["nice"] > os.nice(0)  # yields to the server
    assert (job.folder / "result.txt").read_text() == "written"
    assert job.state == "done"
    record = load(job.id)
    assert (record.state, record.kind, record.title) == ("done", "export", "A job")
    assert ME not in str(record)


def test_without_workers_it_runs_here():
    job = ask(jobs_made.answer, value=3)
    assert job.wait(PATIENCE)
    assert job.result()["pid"] == os.getpid()
    refused = ask(jobs_made.refuse)
    assert refused.wait(PATIENCE)
    with pytest.raises(InputError, match=r"This is wrong\. Fix it\."):
        refused.result()
    assert not refused.folder.exists()


def test_a_job_that_cannot_be_ordered_leaves_nothing(crew, place):
    crew(workers=1)
    with pytest.raises((TypeError, AttributeError, pickle.PicklingError)):
        ask(jobs_made.answer, value=threading.Lock())
    assert not list((place / "jobs").iterdir())
    assert jobs_of(ME) == []


def test_a_full_disk_refuses_a_job_and_stops_no_line(crew, monkeypatch):
    crew(workers=1)
    from cellucid_core.serving.jobs import processes

    def full(*arguments, **more):
        raise OSError(28, "No space left on device")

    def refused(*arguments, **more):
        raise DatabaseRefused(OSError("database or disk is full"))

    with monkeypatch.context() as broken:
        broken.setattr(sys.modules[Workers.__module__], "place_order", full)
        with pytest.raises(WorkRefused, match="No space left"):
            ask(jobs_made.answer)
        assert jobs_of(ME) == []
    with monkeypatch.context() as broken:
        broken.setattr(processes, "start", full)
        broken.setattr("cellucid_core.serving.jobs.job.change_row", refused)
        job = ask(jobs_made.answer)
        assert job.wait(PATIENCE)
        assert job.state == "failed"
    job = ask(jobs_made.answer)
    assert job.wait(PATIENCE)
    assert job.state == "done"


def test_without_workers_it_can_be_cancelled(tmp_path):
    job = ask(jobs_made.last, until=str(tmp_path / "never"))
    until(lambda: job.progress().done > 0)
    job.cancel()
    assert job.wait(PATIENCE)
    assert job.state == "cancelled"
    assert not job.folder.exists()


def test_every_job_has_a_process_of_its_own(crew):
    crew(workers=1)
    jobs = [ask(jobs_made.answer) for _ in range(3)]
    assert all(job.wait(PATIENCE) for job in jobs)
    assert len({job.result()["pid"] for job in jobs}) == 3


def test_errors_come_back_as_they_are(crew):
    crew()
    job = ask(jobs_made.refuse)
    assert job.wait(PATIENCE)
    with pytest.raises(InputError) as told:
        job.result()
    assert (told.value.what, told.value.fix) == ("This is wrong.", "Fix it.")
    assert not job.folder.exists()


def test_mistakes_and_full_disks_are_sentences_and_tell_no_contents(crew):
    crew()
    for work, words in ((jobs_made.stumble, "should not have .KeyError"), (jobs_made.full_disk, "No space left")):
        job = ask(work)
        assert job.wait(PATIENCE)
        with pytest.raises(WorkRefused, match=words) as told:
            job.result()
        assert "CD3D" not in str(told.value)
        assert "secret" not in str(told.value)


@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGSEGV])
def test_a_killed_worker_leaves_nothing_and_others_go_on(crew, tmp_path, by):
    crew(workers=3)
    end, note = tmp_path / "end", tmp_path / "note"
    other = ask(jobs_made.last, OTHER, until=str(end))
    job = ask(jobs_made.last, until=str(end), note=str(note))
    until(lambda: written(note))
    os.kill(int(note.read_text()), by)
    assert job.wait(PATIENCE)
    with pytest.raises(WorkRefused, match=r"stopped by the system.*Try again"):
        job.result()
    assert not job.folder.exists()
    end.touch()
    assert other.wait(PATIENCE)
    assert other.state == "done"
    again = ask(jobs_made.answer, value=1)
    assert again.wait(PATIENCE)
    assert again.state == "done"


def test_the_process_that_workers_are_forked_from_may_die(crew):
    from multiprocessing import forkserver

    crew()
    first = ask(jobs_made.answer)
    assert first.wait(PATIENCE)
    os.kill(forkserver._forkserver._forkserver_pid, signal.SIGKILL)
    job = ask(jobs_made.answer, value=2)
    assert job.wait(PATIENCE)
    assert job.state == "done"


def test_jobs_run_where_nothing_could_be_prepared(crew, monkeypatch):
    from cellucid_core.serving.jobs import processes

    def refused():
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(processes, "warm_up", refused)
    one = crew()
    job = ask(jobs_made.answer)
    assert job.wait(PATIENCE)
    assert job.state == "done"
    assert one.serving


def test_memory_is_limited(crew):
    crew(worker_memory=300 * 10**6)
    small, large = ask(jobs_made.devour, size=10**8), ask(jobs_made.devour, size=10**9)
    assert small.wait(PATIENCE)
    assert small.result() == {"sum": 1e8}
    assert large.wait(PATIENCE)
    with pytest.raises(WorkRefused, match=r"more than the 300 MB of memory.*CELLUCID_WORKER_MEMORY"):
        large.result()
    assert not large.folder.exists()


@pytest.mark.parametrize(("kind", "variable"), [("open", "CELLUCID_OPENING_LIMIT"), ("export", "CELLUCID_JOB_LIMIT")])
def test_time_is_limited_also_where_python_has_no_say(crew, tmp_path, kind, variable):
    crew(opening_limit=1, job_limit=1)
    job = ask(jobs_made.hang, kind=kind, note=str(tmp_path / "note"))
    assert job.wait(PATIENCE)
    with pytest.raises(WorkRefused, match=rf"longer than 1 seconds?.*{variable}"):
        job.result()
    assert not job.folder.exists()
    pid = int((tmp_path / "note").read_text())
    assert not Path(f"/proc/{pid}").exists()


def test_cancel_what_runs_and_what_waits(crew, tmp_path):
    crew(workers=1)
    note = tmp_path / "note"
    runs = ask(jobs_made.hang, note=str(note))
    waits = ask(jobs_made.answer)
    until(lambda: written(note))
    assert (runs.state, waits.state, waits.place) == ("running", "queued", 0)
    waits.cancel()
    assert waits.wait(PATIENCE)
    assert waits.state == "cancelled"
    runs.cancel()
    assert runs.wait(PATIENCE)
    assert runs.state == "cancelled"
    runs.cancel()  # once more does no harm
    for job in (runs, waits):
        assert not job.folder.exists()
        with pytest.raises(WorkRefused, match="cancelled"):
            job.result()
    assert not Path(f"/proc/{note.read_text()}").exists()


def test_owners_take_turns(crew, tmp_path):
    crew(workers=1)
    end, note = tmp_path / "end", tmp_path / "note"
    first = ask(jobs_made.last, until=str(end))
    until(lambda: first.state == "running")
    mine = [ask(jobs_made.last, until=str(end), note=str(note), name=f"mine{i}") for i in range(3)]
    others = [ask(jobs_made.last, OTHER, until=str(end), note=str(note), name=f"other{i}") for i in range(2)]
    assert [job.place for job in (*mine, *others)] == [0, 2, 4, 1, 3]
    end.touch()
    for job in (*mine, *others):
        assert job.wait(PATIENCE)
    assert note.read_text().split() == ["mine0", "other0", "mine1", "other1", "mine2"]


def test_opening_does_not_wait_for_exports(crew, tmp_path):
    crew(workers=2)
    end = tmp_path / "end"
    exports = [ask(jobs_made.last, until=str(end)) for _ in range(3)]
    opening = ask(jobs_made.answer, kind="open")
    assert opening.wait(PATIENCE)
    assert [job.state for job in exports] == ["running", "queued", "queued"]
    end.touch()
    assert all(job.wait(PATIENCE) for job in exports)


def test_lines_are_bounded(crew, tmp_path):
    crew(workers=1)
    end = tmp_path / "end"
    jobs = [ask(jobs_made.last, until=str(end)) for _ in range(MOST_OF_ONE)]
    with pytest.raises(WorkRefused, match=r"waiting or running already.*cancel one"):
        ask(jobs_made.answer)
    jobs[-1].cancel()
    assert jobs[-1].wait(PATIENCE)
    ask(jobs_made.answer).cancel()
    ask(jobs_made.answer, OTHER).cancel()
    assert len(jobs_of(OTHER)) == 1
    for job in jobs:
        job.cancel()


def test_asking_twice_is_one_job(crew, tmp_path):
    crew(workers=1)
    how = {"kind": "export", "title": "t", "key": "same"}
    arguments = {"until": str(tmp_path / "end")}
    first = submit(jobs_made.last, arguments, owner=ME, **how)
    assert submit(jobs_made.last, arguments, owner=ME, **how) is first
    other = submit(jobs_made.last, arguments, owner=OTHER, **how)
    assert other.id != first.id
    (tmp_path / "end").touch()
    assert first.wait(PATIENCE)
    assert other.wait(PATIENCE)
    assert submit(jobs_made.last, arguments, owner=ME, **how).id != first.id


def test_progress(crew, tmp_path):
    crew()
    end = tmp_path / "end"
    job = ask(jobs_made.last, until=str(end))
    until(lambda: job.progress().done == 50)
    progress = job.progress()
    assert (progress.what, progress.share) == ("Lasting", 0.5)
    until(lambda: job.progress().rate)  # half a second
    assert 0 < job.progress().rate < 100
    assert job.progress().left is None  # too early to say
    end.touch()
    assert job.wait(PATIENCE)


def test_only_the_owner_finds_a_job(crew):
    crew()
    job = submit(jobs_made.answer, {}, owner=ME, kind="export", title="t", about={"x": [1]})
    assert find_job(job.id, ME) is job
    assert find_job(job.id, OTHER) is None
    assert job.wait(PATIENCE)
    found = find_job(job.id, ME)
    assert (found.state, found.about, found.result()) == ("done", {"x": [1]}, job.result())
    assert find_job(job.id, OTHER) is None
    for wrong in ("", "x", "../" + job.id, "0" * 32, job.id.upper()):
        assert find_job(wrong, ME) is None
    assert [one.id for one in jobs_of(ME, "export")] == [job.id]
    assert jobs_of(ME, "open") == jobs_of(OTHER) == []
    found.cancel()  # what has ended stays
    assert found.wait(0)


def test_a_stopped_server_says_so(crew, tmp_path):
    one = crew(workers=1)
    jobs = [ask(jobs_made.last, until=str(tmp_path / "never")) for _ in range(2)]
    until(lambda: jobs[0].progress().done > 0)
    set_workers(None)
    one.close()
    for job in jobs:
        found = find_job(job.id, ME)
        assert found.state == "interrupted"
        with pytest.raises(WorkRefused, match=r"server was stopped.*again"):
            found.result()
        assert not job.folder.exists()


def test_a_disk_that_cannot_even_take_the_outcome_is_named(crew):
    crew()
    job = ask(jobs_made.fill_up)
    assert job.wait(PATIENCE)
    with pytest.raises(WorkRefused, match=r"disk cannot be used \(File too large\)"):
        job.result()
    assert not job.folder.exists()


def test_nobody_waits_for_an_outcome_that_cannot_be_written_here_either(monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("cellucid_core.serving.jobs.in_process.json", SimpleNamespace(dumps=full, loads=json.loads))
    job = ask(jobs_made.answer)
    assert job.wait(PATIENCE)
    with pytest.raises(WorkRefused, match=r"disk cannot be used \(No space left on device\)"):
        job.result()


def test_a_process_that_cannot_be_started_is_not_the_disks_fault(crew, monkeypatch):
    from cellucid_core.serving.jobs import processes

    def refused(*arguments, **more):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    crew()
    monkeypatch.setattr(processes, "start", refused)
    job = ask(jobs_made.answer)
    assert job.wait(PATIENCE)
    with pytest.raises(WorkRefused, match="stopped by the system"):
        job.result()


def test_what_has_not_ended_has_no_result_yet(crew, tmp_path):
    crew()
    end = tmp_path / "end"
    job = ask(jobs_made.last, until=str(end))
    with pytest.raises(WorkRefused, match="not ended yet"):
        job.result()
    end.touch()
    assert job.wait(PATIENCE)
    assert job.result() == {"name": ""}


def test_what_another_server_does_is_waited_for_and_cancelled(crew, tmp_path):
    crew(workers=1)
    mine = [ask(jobs_made.last, until=str(tmp_path / "end"), name=name) for name in ("runs", "waits", "never runs")]
    until(lambda: mine[0].progress().done > 0)
    there = [Job(load(job.id)) for job in mine]  # as another server finds them
    assert [job.state for job in there] == ["running", "queued", "queued"]
    began = time.monotonic()
    assert not there[0].wait(0.5)
    assert time.monotonic() - began >= 0.5
    assert not there[0].wait(0)
    there[0].cancel()
    there[2].cancel()
    assert there[0].wait(PATIENCE)
    assert there[0].state == mine[0].state == "cancelled"
    assert not mine[0].folder.exists()
    (tmp_path / "end").touch()
    assert there[1].wait()
    assert there[1].result() == {"name": "waits"}
    until(lambda: not mine[2].active)
    assert (there[2].state, mine[2].state) == ("cancelled", "cancelled")
    there[2].cancel()
    assert not mine[2].folder.exists()


SERVER = """
import sys, time
from cellucid_core.serving.jobs import Workers, submit
from cellucid_core.serving.jobs.workers import set_workers
from tests.serving import jobs_made
set_workers(Workers())
for work, arguments in ((jobs_made.hang, {"note": sys.argv[1]}), (jobs_made.answer, {})):
    submit(work, arguments, owner="browser-me", kind="export", title="t")
time.sleep(600)
"""


def test_a_killed_server_takes_its_workers_along_and_is_told_afterwards(tmp_path):
    note = tmp_path / "note"
    environment = {**os.environ, "CELLUCID_WORKERS": "1"}
    server = subprocess.Popen([sys.executable, "-c", SERVER, str(note)], cwd=ROOT, env=environment)
    try:
        until(lambda: written(note))
        assert {job.state for job in jobs_of(ME)} == {"running", "queued"}
        sweep_jobs()
        assert {job.state for job in jobs_of(ME)} == {"running", "queued"}  # another server's
    finally:
        server.kill()
        server.wait()
    until(lambda: not Path(f"/proc/{note.read_text()}").exists())
    sweep_jobs()
    for job in jobs_of(ME):
        assert job.state == "interrupted"
        assert not job.folder.exists()
        with pytest.raises(WorkRefused, match="server was restarted"):
            job.result()


def test_old_jobs_go(crew):
    crew()
    jobs = [ask(jobs_made.answer, file="x") for _ in range(2)]
    assert all(job.wait(PATIENCE) for job in jobs)
    assert sweep_jobs() == 0
    change_row(jobs[0].id, finished=time.time() - 90_000)
    assert sweep_jobs() == 1
    assert [job.folder.exists() for job in jobs] == [False, True]


def test_what_operators_see(crew, tmp_path):
    one = crew(workers=1)
    before = (LOGGER.handlers[:], LOGGER.level, LOGGER.propagate)
    start_logging("json")
    stream = io.StringIO()
    LOGGER.handlers[0].setStream(stream)
    try:
        lasting = ask(jobs_made.last, until=str(tmp_path / "end"))
        waiting = [ask(work) for work in (jobs_made.refuse, jobs_made.stumble)]
        until(lambda: lasting.state == "running")
        counted = {
            (sample.name, *sample.labels.values()): sample.value
            for family in Watch().registry.collect()
            for sample in family.samples
        }
        assert counted["cellucid_jobs", "running"] == 1
        assert counted["cellucid_jobs", "queued"] == 2
        (tmp_path / "end").touch()
        assert all(job.wait(PATIENCE) for job in (lasting, *waiting))
        until(lambda: sum(one.ended.values()) == 3)
        until(lambda: stream.getvalue().count("\n") == 4)
    finally:
        LOGGER.handlers, LOGGER.level, LOGGER.propagate = before
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert sorted((line["kind"], line["state"]) for line in lines if line["event"] == "job") == [
        ("export", "done"),
        ("export", "failed"),
        ("export", "failed"),
    ]
    (mistake,) = (line for line in lines if line["event"] == "error")
    assert mistake["type"] == "KeyError"
    assert any("stumble" in frame for frame in mistake["lines"])
    assert "CD3D" not in stream.getvalue()
    assert one.ended == {("export", "done"): 1, ("export", "failed"): 2}


# ---- what the dashboard has done ------------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path):
    make_adata(300, 40).write_h5ad(tmp_path / "data.h5ad")
    return tmp_path / "data.h5ad"


def source_of(dataset):
    return DatasetSource(str(dataset.path), content_hash=dataset.content_hash)


@pytest.mark.parametrize("kind", ["compact", "h5ad"])
def test_an_export_is_the_one_that_is_written_here(crew, file, tmp_path, monkeypatch, kind):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    crew()
    dataset = open_dataset(file)
    mapping = default_mapping(dataset)
    settings = ExportSettings(genes=GeneChoice("hvg", n=7), format=kind)
    name = f"x{'.zip' if kind == 'compact' else '.h5ad'}"
    here = write(View(dataset, mapping), settings, tmp_path / name)
    job = ask(export_job, source=source_of(dataset), mapping=mapping, settings=settings, genes=None, file_name=name)
    assert job.wait(PATIENCE)
    there = ExportResult.from_json(job.result())
    assert there.path == job.folder / name
    assert there.path.read_bytes() == here.path.read_bytes()
    assert replace(there, path=here.path, seconds=here.seconds) == here


def test_a_file_that_changed_is_not_exported(crew, file):
    crew()
    dataset = open_dataset(file)
    make_adata(300, 40, seed=1).write_h5ad(file.with_name("new.h5ad"))
    file.with_name("new.h5ad").replace(file)
    work = {"mapping": default_mapping(dataset), "settings": ExportSettings(), "genes": None, "file_name": "x.zip"}
    job = ask(export_job, source=source_of(dataset), **work)
    assert job.wait(PATIENCE)
    with pytest.raises(InputError, match="changed since it was opened"):
        job.result()


def test_an_export_that_is_killed_leaves_nothing(crew, file):
    crew()
    dataset = open_dataset(file)
    settings = ExportSettings(compression=9)
    arguments = {"mapping": default_mapping(dataset), "settings": settings, "genes": None, "file_name": "x.zip"}
    for _ in range(2):
        job = ask(export_job, source=source_of(dataset), **arguments)
        until(lambda job=job: any(job.folder.glob(".x.zip.*")) or not job.active)
        job.cancel()
        assert job.wait(PATIENCE)
        if job.state == "cancelled":
            assert not job.folder.exists()


def test_opening_builds_the_store_that_this_process_finds(crew, file, place):
    crew()
    job = ask(open_job, kind="open", source=DatasetSource(str(file)))
    assert job.wait(PATIENCE)
    assert job.result() is None
    (store,) = (path for path in (place / "stores").iterdir() if path.is_dir())
    built = store.stat().st_mtime_ns, (store / "seal.json").stat().st_mtime_ns
    dataset = open_dataset(file)
    assert dataset.store("X").folder == store
    assert (store / "seal.json").stat().st_mtime_ns == built[1]
    bad = ask(open_job, kind="open", source=DatasetSource(str(file) + "x"))
    assert bad.wait(PATIENCE)
    with pytest.raises(InputError, match=r"does not exist|There is no"):
        bad.result()


def test_a_signature_that_is_built_joins_the_library(crew, file):
    crew()
    dataset = open_dataset(file)
    mapping, settings = default_mapping(dataset), BuildSettings(n_hvg=20, n_degs=6, generations=5)
    arguments = {"mapping": mapping, "columns": ["cell_type"], "settings": settings, "cited": "me", "owner": ME}
    job = submit(build_job, {"source": source_of(dataset), **arguments}, owner=ME, kind="build", title="t")
    assert job.wait(PATIENCE)
    (entry,) = list_entries()
    assert entry.id == job.result()["entry"]
    assert entry.owned_by(ME)
    here = build_signature(View(dataset, mapping), ["cell_type"], settings)
    assert entry.levels[0]["degs"] == len(here.levels[0].degs)


def test_collections_are_gathered_and_zipped(crew, file, tmp_path):
    crew()
    dataset = open_dataset(file)
    done = write(View(dataset, default_mapping(dataset)), ExportSettings(dataset_id="one"), tmp_path / "one.zip")
    root = str(tmp_path / "all")
    job = ask(gather_job, export=str(done.path), root=root, replace=False)
    assert job.wait(PATIENCE)
    assert job.result() is None
    job = ask(zip_job, root=root)
    assert job.wait(PATIENCE)
    assert Path(job.result()["path"]).parent == job.folder
    again = ask(gather_job, export=str(done.path), root=root, replace=False)
    assert again.wait(PATIENCE)
    with pytest.raises(InputError, match="already"):
        again.result()


def test_genes_travel(crew, file):
    crew()
    dataset = open_dataset(file)
    genes = ChosenGenes(np.array([3, 1]), ("GENE3", "GENE1"))
    settings = ExportSettings(genes=GeneChoice("list", ids=("GENE3", "GENE1")))
    arguments = {"mapping": default_mapping(dataset), "settings": settings, "genes": genes, "file_name": "x.zip"}
    job = ask(export_job, source=source_of(dataset), **arguments)
    assert job.wait(PATIENCE)
    assert job.result()["n_genes"] == 2


def test_the_server_starts_and_stops_them(place):
    from starlette.applications import Starlette
    from starlette.testclient import TestClient

    from cellucid_core.serving import lifespan

    assert running() is None
    with TestClient(Starlette(lifespan=lifespan)):
        job = ask(jobs_made.answer)
        assert running() is not None
        assert job.wait(PATIENCE)
        assert job.result()["pid"] != os.getpid()
    assert running() is None
