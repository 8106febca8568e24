"""What becomes of jobs when their data, or the workspace they were asked for in, are deleted."""

from __future__ import annotations

import multiprocessing
import os
from dataclasses import replace

import pytest

from cellucid_core.configuration import read_configuration
from cellucid_core.dataset import DatasetSource, default_mapping
from cellucid_core.serving.jobs import Workers, delete_jobs, find_job, jobs_of, submit, sweep_jobs
from cellucid_core.serving.jobs.in_process import carry_out
from cellucid_core.serving.jobs.tasks import uses_of
from cellucid_core.serving.jobs.workers import set_workers
from cellucid_core.serving.workspaces import (
    KeptDataset,
    KeptWorkspace,
    create_workspace,
    delete_workspace,
    note_workspace,
    save_workspace,
    workspace_to_json,
)
from tests.patience import PATIENCE, until
from tests.serving import jobs_made

pytestmark = pytest.mark.usefixtures("each_database")
ME, OTHER = "browser-me", "browser-other"
A, B = "a" * 64, "b" * 64


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """Every test has a home of its own."""
    monkeypatch.setenv("CELLUCID_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(params=["processes", "threads"])
def crew(request):
    """Jobs run in processes, or on threads of this one."""
    if request.param == "threads":
        yield
        return
    one = Workers(replace(read_configuration(), workers=2))
    set_workers(one)
    yield
    set_workers(None)
    one.close()


def ask(work, owner=ME, kind="export", **arguments):
    job = submit(work, arguments, owner=owner, kind=kind, title="Secret atlas", about={"again": "CD3D"})
    assert work is not jobs_made.answer or job.wait(PATIENCE)
    return job


def upload(place, content):
    path = place / "uploads" / f"{content}.h5ad"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return str(path)


def stored(*datasets, collection="", owner=ME):
    """Keep a workspace of some datasets, given what they hold and where they lie."""
    kept = {content: KeptDataset(DatasetSource(path), "data", 700, 5.0) for content, path in datasets}
    content = workspace_to_json(KeptWorkspace("0" * 64, collection=collection, datasets=kept))
    name, _ = create_workspace(content)
    save_workspace(name, {}, content)
    if owner:
        note_workspace(owner, name)
    return name


def test_a_deleted_workspace_takes_its_jobs_along(crew, place, tmp_path):
    mine, shared = upload(place, A), upload(place, B)
    root, never = place / "collections" / ("c" * 32), str(tmp_path / "never")
    root.mkdir(parents=True)
    name = stored((A, mine), (B, shared), collection=root.name)
    stored((B, shared), owner=OTHER)
    stays = [
        ask(jobs_made.answer, OTHER, file="x.zip", source=DatasetSource(shared, content_hash=B)),
        ask(jobs_made.answer, source=DatasetSource("demo", content_hash="d" * 64)),
        ask(jobs_made.answer, OTHER, source=DatasetSource(str(tmp_path / "atlas.h5ad"), content_hash=A)),
    ]
    gone = [
        ask(jobs_made.answer, file="x.zip", source=DatasetSource(mine, content_hash=A)),
        ask(jobs_made.answer, file="x.zip", source=DatasetSource(shared, content_hash=B)),  # mine, though not the data
        ask(jobs_made.answer, file="exports.zip", root=str(root)),
        ask(jobs_made.last, until=never, source=DatasetSource(mine)),  # opens it
        ask(jobs_made.last, OTHER, until=never, source=DatasetSource(mine, content_hash=A)),  # came by the link
    ]
    delete_workspace(name)
    until(lambda: not any(job.folder.exists() for job in gone))
    assert [find_job(job.id, job_owner) for job, job_owner in zip(gone, [ME] * 4 + [OTHER], strict=True)] == [None] * 5
    for job in gone:
        until(lambda job=job: not job.active)
    assert [job.state for job in stays] == ["done"] * 3
    assert (stays[0].folder / "x.zip").exists()
    assert {job.id for job in jobs_of(ME) + jobs_of(OTHER)} == {job.id for job in stays}


def test_another_workspace_of_the_same_person_keeps_its_jobs(place):
    data = upload(place, A)
    name = stored((A, data))
    stored((A, data))
    job = ask(jobs_made.answer, file="x.zip", source=DatasetSource(data, content_hash=A))
    delete_workspace(name)
    assert (job.folder / "x.zip").exists()


def test_who_deletes_without_being_listed_takes_their_jobs_along_too(place):
    name = stored((A, "demo"), owner="")
    mine, others = (ask(jobs_made.answer, one, source=DatasetSource("demo", content_hash=A)) for one in (ME, OTHER))
    delete_workspace(name, ME)
    assert not mine.folder.exists()
    assert others.folder.exists()


def test_a_process_that_does_not_end_keeps_nobody_waiting(place, tmp_path, monkeypatch):
    monkeypatch.setattr("cellucid_core.serving.jobs.deleting._PATIENCE", 0.0)
    job = ask(jobs_made.last, until=str(tmp_path / "never"))
    delete_jobs(lambda record: True)
    until(lambda: not job.active)
    assert find_job(job.id, ME) is None
    assert not job.folder.exists()
    half = job.folder.with_suffix(".deleted")
    half.mkdir()
    (half / "x.zip").write_text("x")
    sweep_jobs()
    assert not half.exists()


def test_what_a_job_works_on(place, opened):
    from tests.making import make_adata

    dataset = opened(make_adata(20, 5))
    source = DatasetSource("x/../data.h5ad", "a", None, "cells.csv", A)
    arguments = {"source": source, "mapping": default_mapping(dataset), "cited": "/etc/passwd", "owner": ME}
    assert uses_of(arguments) == [A, os.path.realpath("data.h5ad"), os.path.realpath("cells.csv")]
    assert uses_of({"source": DatasetSource("demo")}) == []
    assert uses_of({"export": "/a/x.zip", "root": "/a/b", "replace": True}) == ["/a/x.zip", "/a/b"]
    assert uses_of({}) == []


def test_a_job_that_begins_after_its_folder_is_gone_leaves_nothing(tmp_path):
    jobs = tmp_path / "jobs"
    jobs.mkdir()
    folder, before = jobs / "job", jobs.stat().st_mtime_ns
    process = multiprocessing.get_context("spawn").Process(target=carry_out, args=(str(folder), {}, 10**9, False))
    process.start()
    process.join()
    assert process.exitcode == 0
    assert not folder.exists()
    assert jobs.stat().st_mtime_ns == before  # not even for a moment: a cancelled job's process may be killed then
