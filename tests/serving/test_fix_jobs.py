"""Fixes that compute for long, in real workers: shared, killed, and found by whoever asked."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest

from cellucid_core.dataset import View, default_mapping, open_dataset
from cellucid_core.dataset.computed import NotComputed
from cellucid_core.errors import InputError
from cellucid_core.export import ExportSettings, GeneChoice, Planner
from cellucid_core.preflight import Scope, apply_fixes, fix_all
from cellucid_core.ranking import gene_rankings
from cellucid_core.serving.jobs import fix_job, genes_job
from tests.making import make_adata
from tests.patience import PATIENCE
from tests.serving import jobs_made, test_jobs
from tests.serving.test_jobs import ME, OTHER, ask, source_of, until, written

crew, place = test_jobs.crew, test_jobs.place  # fixtures
READY = Scope(ready_only=True)


@pytest.fixture
def bare(tmp_path):
    """A file without a latent space, and with cells that have no place."""
    adata = make_adata(300, 40)
    del adata.obsm["X_pca"]
    adata.obsm["X_umap"][3] = np.nan
    adata.write_h5ad(tmp_path / "bare.h5ad")
    return open_dataset(tmp_path / "bare.h5ad")


def hidden(place):
    return [path.name for path in (place / "computed").iterdir() if path.name.startswith(".")]


def test_a_worker_computes_what_this_process_takes_over(crew, bare, place):
    crew()
    choices, fixes = default_mapping(bare), ("embedding-not-finite", "latent-missing")
    with pytest.raises(NotComputed):
        apply_fixes(bare, choices, fixes, READY)
    job = ask(fix_job, kind="fix", source=source_of(bare), choices=choices, fixes=fixes)
    assert job.wait(PATIENCE)
    assert job.result() == {"fixes": list(fixes)}
    here = apply_fixes(bare, choices, fixes, READY)
    assert here.computed["X_pca"].shape == (300, 39)
    assert np.isnan(here.computed["X_pca"][3]).all()
    assert [fix.asked for fix in here.fixes] == ["embedding-not-finite", "latent-missing=pca"]
    assert hidden(place) == []
    job.forget()
    assert not job.folder.exists()
    with pytest.raises(NotComputed):  # of other cells
        apply_fixes(bare, choices, ["latent-missing"], READY)


def test_everything_that_is_safe_is_fixed_there_as_here(crew, bare):
    crew()
    choices = default_mapping(bare)
    job = ask(fix_job, kind="fix", source=source_of(bare), choices=choices, fixes=(), everything=True)
    assert job.wait(PATIENCE)
    here = fix_all(bare, choices)
    assert job.result()["fixes"] == [fix.asked for fix in here.fixes] != []


def test_a_fix_that_cannot_be_computed_is_the_same_sentence(crew, tmp_path):
    crew()
    adata = make_adata()[:3].copy()
    del adata.obsm["X_pca"]
    adata.write_h5ad(tmp_path / "few.h5ad")
    few = open_dataset(tmp_path / "few.h5ad")
    job = ask(fix_job, kind="fix", source=source_of(few), choices=default_mapping(few), fixes=("latent-missing",))
    assert job.wait(PATIENCE)
    with pytest.raises(InputError, match="too few to compute"):
        job.result()


def test_a_killed_worker_leaves_nothing_and_the_next_try_works(crew, place, tmp_path):
    crew()
    note, end = tmp_path / "note", tmp_path / "end"
    how = {"key": "k", "note": str(note), "until": str(end)}
    job = ask(jobs_made.derive, kind="fix", **how)
    until(lambda: written(note))
    assert hidden(place)  # in the middle of it
    os.kill(int(note.read_text()), signal.SIGKILL)
    assert job.wait(PATIENCE)
    assert job.state == "failed"
    assert hidden(place) == []
    assert not (place / "computed" / "k").exists()
    assert not job.folder.exists()
    end.touch()
    again = ask(jobs_made.derive, kind="fix", **how)
    assert again.wait(PATIENCE)
    assert again.result() == {"sum": 10, "words": ["done"]}


def test_two_owners_share_one_computation(crew, tmp_path):
    crew(workers=3)
    note, end = tmp_path / "note", tmp_path / "end"
    how = {"key": "k", "note": str(note), "until": str(end)}
    first = ask(jobs_made.derive, ME, kind="fix", **how)
    until(lambda: written(note))
    second = ask(jobs_made.derive, OTHER, kind="fix", **how)
    until(lambda: second.progress().what == "Waiting for somebody else")
    end.touch()
    assert first.wait(PATIENCE)
    assert second.wait(PATIENCE)
    assert first.result() == second.result()
    assert len(note.read_text().split()) == 1


def test_genes_are_ranked_by_a_job(bare, monkeypatch):
    settings = ExportSettings(
        genes=GeneChoice.of([GeneChoice("hvg", n=5), GeneChoice("markers", n=2, column="cell_type")])
    )
    view = View(bare, default_mapping(bare))
    expected = Planner(view).genes(settings).ids
    monkeypatch.setattr(gene_rankings, "READ_AT_ONCE", 1)
    with pytest.raises(NotComputed):
        Planner(view).genes(settings, ready_only=True)
    # A worker has the module's own threshold, above which this file is not: the thread of a server without workers.
    job = ask(genes_job, kind="genes", source=source_of(bare), mapping=view.mapping, settings=settings)
    assert job.wait(PATIENCE)
    job.result()
    assert Planner(view).genes(settings, ready_only=True).ids == expected
