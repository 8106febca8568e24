"""Fixes that compute for long: asked for on the page, computed by a job, taken over in this session or the next."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from cellucid_core.dataset import open_dataset
from cellucid_core.errors import WorkRefused
from cellucid_core.ranking import gene_rankings
from cellucid_core.serving.jobs import jobs_of, tasks
from pages.session import changes as fixing
from pages.session import jobs
from pages.session.state import Workspace
from tests.making import make_adata
from tests.pages.conftest import ended
from tests.pages.test_pages import metric, texts
from tests.patience import PATIENCE

PREFLIGHT = "upload_preflight.py"


@pytest.fixture(autouse=True)
def mine(tmp_path, monkeypatch):
    """Everybody is the same person here; nothing of another test is on the disk."""
    monkeypatch.setenv("CELLUCID_HOME", str(tmp_path / "home"))
    for module in (fixing, jobs):
        monkeypatch.setattr(module, "owner", lambda: "browser-me")


@pytest.fixture
def bare(opened):
    adata = make_adata(40, 30)
    del adata.obsm["X_pca"]
    return opened(adata)


def done_jobs():
    return [(job.state, job.record.error) for job in jobs_of("browser-me", "fix")]


@pytest.fixture
def gate(monkeypatch):
    """Computing waits until it is let through."""
    gate, entered = threading.Event(), threading.Event()
    real = tasks.apply_fixes

    def slow(dataset, mapping, fixes, scope):
        entered.set()
        while not gate.wait(0.01):
            scope.say("Waiting in the test", 0.5)
        return real(dataset, mapping, fixes, scope)

    monkeypatch.setattr(tasks, "apply_fixes", slow)
    gate.entered = entered
    yield gate
    gate.set()


def elsewhere(app):
    """Let the person go to a page that does not wait."""
    app.switch_page("gene_signature.py")
    app.run()
    assert not app.exception


def ask(app, key):
    """Click, and leave the page before it waits for the end."""
    app.session_state["workspace"].fix(key)
    elsewhere(app)


def test_umap_is_computed_and_shown(open_app, opened):
    adata = make_adata()
    del adata.obsm["X_umap"], adata.obsm["X_pca"]
    app = open_app(PREFLIGHT, opened(adata))
    assert metric(app, "Embeddings") == "none"
    app.button(key="fix_embedding-missing").click().run(timeout=PATIENCE)
    assert not app.exception
    assert metric(app, "Embeddings") == "2D, 3D"
    assert "neighbours and UMAP computed" in texts(app)
    work = app.session_state["workspace"]
    assert work.fixes == ("embedding-missing",)
    assert np.isfinite(work.view.embedding(3)).all()
    assert done_jobs() == []  # it is not applied again by coming back
    app.button(key="undo_embedding-missing").click().run()
    assert metric(app, "Embeddings") == "none"
    app.button(key="fix_embedding-missing").click().run()  # from the disk
    assert metric(app, "Embeddings") == "2D, 3D"


def test_fix_all_computes_too(open_app, opened):
    adata = make_adata()
    del adata.obsm["X_umap"], adata.obsm["X_pca"]
    adata.obs["barcode"] = [f"b{i}" for i in range(60)]
    app = open_app(PREFLIGHT, opened(adata))
    app.button(key="fix_all").click().run(timeout=PATIENCE)
    assert not app.exception
    assert set(app.session_state["workspace"].fixes) == {"embedding-missing", "obs-one-value-per-cell"}


def test_one_can_be_elsewhere_meanwhile(open_app, bare, gate):
    app = open_app(PREFLIGHT, bare)
    ask(app, "latent-missing")
    assert "A change is being computed" in texts(app)
    work = app.session_state["workspace"]
    assert (work.fixes, work.mapping.latent) == ((), None)  # everything is as it was
    gate.set()
    (job,) = jobs_of("browser-me", "fix")
    assert job.wait(PATIENCE)
    elsewhere(app)
    work = app.session_state["workspace"]
    assert (work.fixes, work.mapping.latent) == (("latent-missing",), "X_pca")
    assert "A change is being computed" not in texts(app)
    assert done_jobs() == []


def test_cancelled_nothing_is_changed(open_app, bare, gate):
    app = open_app(PREFLIGHT, bare)
    ask(app, "latent-missing")
    (job,) = jobs_of("browser-me", "fix")
    gate.set()
    assert job.wait(PATIENCE)
    job.change(state="cancelled")
    app.switch_page(PREFLIGHT)
    app.run()
    assert "Cancelled. Nothing was changed." in [box.value for box in app.info]
    assert app.session_state["workspace"].fixes == ()
    assert done_jobs() == []
    app.button(key="fix_latent-missing").click().run()
    assert app.session_state["workspace"].fixes == ("latent-missing",)


def test_a_failure_is_a_sentence_and_the_buttons_are_back(open_app, bare, monkeypatch):
    def fail(*arguments):
        raise WorkRefused("The machine is tired.", "Let it sleep.")

    app = open_app(PREFLIGHT, bare)
    with monkeypatch.context() as broken:
        broken.setattr(tasks, "apply_fixes", fail)
        app.button(key="fix_latent-missing").click().run()
    assert app.error[0].value.replace("\\", "") == "**The machine is tired.** Let it sleep."
    assert not app.button(key="fix_latent-missing").disabled
    app.button(key="fix_latent-missing").click().run()
    assert app.session_state["workspace"].fixes == ("latent-missing",)


def test_a_result_that_cannot_be_found_again_is_a_sentence_and_no_loop(open_app, bare, monkeypatch):
    monkeypatch.setattr(tasks, "apply_fixes", lambda *arguments: None)
    app = open_app(PREFLIGHT, bare)
    app.button(key="fix_latent-missing").click().run()
    assert "no longer on disk" in app.error[0].value
    assert app.session_state["workspace"].fixes == ()


def test_it_is_taken_over_by_the_next_session(open_app, bare, gate):
    app = open_app(PREFLIGHT, bare)
    ask(app, "latent-missing")
    del app.session_state["fix_jobs"]  # what a reload forgets
    again = Workspace()
    again.open(open_dataset(bare.path))
    app.session_state["workspace"] = again
    elsewhere(app)
    assert "A change is being computed" in texts(app)
    gate.set()
    (job,) = jobs_of("browser-me", "fix")
    assert job.wait(PATIENCE)
    elsewhere(app)
    assert app.session_state["workspace"].fixes == ("latent-missing",)


def test_what_was_changed_meanwhile_wins(open_app, bare, gate):
    app = open_app(PREFLIGHT, bare)
    ask(app, "latent-missing")
    work = app.session_state["workspace"]
    work.choose(obs_keys=("cell_type",))  # the Export page
    work.fix("obs-one-value-per-cell=overrule")  # another tab
    gate.set()
    (job,) = jobs_of("browser-me", "fix")
    assert job.wait(PATIENCE)
    app.switch_page(PREFLIGHT)
    app.run()
    assert "changed while this was computed" in app.error[0].value
    work = app.session_state["workspace"]
    assert work.fixes == ("obs-one-value-per-cell=overrule",)
    app.button(key="fix_latent-missing").click().run()
    work = app.session_state["workspace"]
    assert work.fixes == ("obs-one-value-per-cell=overrule", "latent-missing")
    assert work.mapping.obs_keys == ("cell_type",)


def test_a_choice_that_needs_computing_waits_for_it(open_app, opened):
    adata = make_adata(40, 30)
    del adata.obsm["X_umap"]
    app = open_app(PREFLIGHT, opened(adata))
    app.button(key="fix_embedding-missing").click().run(timeout=PATIENCE)
    box = app.selectbox(key=next(one.key for one in app.selectbox if one.key.startswith("map_latent@")))
    box.select("none").run(timeout=PATIENCE)
    assert not app.exception
    work = app.session_state["workspace"]
    assert work.choices.latent is None
    assert "X_pca" in work.mapping.computed  # the UMAP is now from a new PCA
    assert done_jobs() == []


def test_what_it_depends_on_was_changed_meanwhile_and_it_is_begun_again(open_app, opened, gate):
    adata = make_adata(40, 30)
    del adata.obsm["X_umap"]
    app = open_app(PREFLIGHT, opened(adata))
    ask(app, "embedding-missing")
    app.session_state["workspace"].choose(latent=None)  # by another tab
    gate.set()
    jobs_of("browser-me", "fix")[0].wait(PATIENCE)
    ended("browser-me", "fix")
    app.run()
    assert not app.exception
    assert app.session_state["workspace"].wanted is None
    assert "being computed" in texts(app)
    ended("browser-me", "fix")
    app.run()
    assert app.session_state["workspace"].fixes == ("embedding-missing",)


def test_genes_of_a_large_matrix_are_ranked_by_a_job(open_app, opened, monkeypatch):
    from pages.exporting import result as export_result

    monkeypatch.setattr(gene_rankings, "READ_AT_ONCE", 1)
    monkeypatch.setattr(export_result, "owner", lambda: "browser-me")
    adata = make_adata(60, 30)
    app = open_app("export.py", opened(adata))
    reached = []
    real = tasks.choose_genes
    monkeypatch.setattr(tasks, "choose_genes", lambda *arguments: reached.append(1) or real(*arguments))
    key = next(one.key for one in app.get("button_group") if one.key and one.key.startswith("export_genes@"))
    app.session_state[key] = ["hvg"]
    app.run()
    assert not app.exception
    assert reached == [1]
    assert metric(app, "Genes") == "15"
    app.run()
    assert reached == [1]
