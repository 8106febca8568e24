"""Exports and fixes that go on while people are elsewhere, in a real Chromium with real workers."""

from __future__ import annotations

import os
import signal
import zipfile
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import expect
from scipy import sparse

from cellucid_core.export import verify
from tests.browser.conftest import choose, held, press, serve
from tests.browser.test_walk import alert, go
from tests.state import rows

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("jobs walk")]
CELLS, GENES = 2_000, 50


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def address(home):
    """A server that offers two files: one to export, one without an embedding."""
    rng = np.random.default_rng(0)
    matrix = sparse.random(CELLS, GENES, 0.15, "csr", np.float32, rng)
    obs = pd.DataFrame({"group": pd.Categorical(rng.choice(["a", "b"], CELLS))}, index=[f"c{i}" for i in range(CELLS)])
    made = anndata.AnnData(matrix, obs, pd.DataFrame(index=[f"G{i}" for i in range(GENES)]))
    made.obsm["X_umap"] = rng.normal(size=(CELLS, 2))
    root = home.parent / "shared"
    root.mkdir(exist_ok=True)
    made.write_h5ad(root / "large.h5ad")
    bare = made[:300].copy()
    del bare.obsm["X_umap"]
    bare.write_h5ad(root / "bare.h5ad")
    with serve(home, CELLUCID_DATA_ROOTS=str(root), CELLUCID_WORKERS="2") as running:
        yield running


def open_file(page, name):
    choose(page, "A file on this server", name, exact=False)
    page.get_by_role("button", name="Open it").click()
    page.get_by_role("heading", name="Upload & Preflight").wait_for()


def open_large(page):
    open_file(page, "large.h5ad")
    go(page, "Export", "Export for Cellucid")


def records(home):
    return rows(home, "jobs")


def begin(page):
    page.get_by_role("button", name="Export", exact=True).click()
    cancel = page.get_by_role("button", name="Cancel")
    cancel.wait_for()
    return cancel


def test_an_export_goes_on_while_one_is_elsewhere(page, home, address, tmp_path):
    open_large(page)
    with held(home):
        cancel = begin(page)
        go(page, "Gene Signature", "Gene Signature")
        go(page, "Export", "Export for Cellucid")
        expect(cancel).to_be_visible()
    link = page.get_by_role("link", name="Download")
    link.wait_for()
    assert sum(record["kind"] == "export" for record in records(home)) == 1

    # The lid is closed in the middle of another one, and opened an hour later.
    page.get_by_text("16 bit").or_(page.get_by_text("Publish")).first.click()
    expect(page.get_by_text("settings have changed since")).to_be_visible()
    with held(home):
        begin(page)
        page.goto(address)
        page.get_by_role("heading", name="Check, export and score single-cell data").wait_for()
    open_large(page)
    link = page.get_by_role("link", name="Download")
    link.wait_for()
    exports = [record for record in records(home) if record["kind"] == "export"]
    assert [record["state"] for record in exports] == ["done", "done"]
    with page.expect_download() as saved:
        link.click()
    saved.value.save_as(tmp_path / "large.zip")
    assert zipfile.is_zipfile(tmp_path / "large.zip")
    assert verify(tmp_path / "large.zip").ok
    assert (tmp_path / "large.zip").stat().st_size in {record["result"]["bytes"] for record in exports}


def test_cancel_and_a_killed_worker_leave_nothing(page, home, address):
    open_large(page)
    before = {record["id"] for record in records(home)}
    with held(home):
        begin(page).click()
        alert(page, "Cancelled. Nothing was left behind.")
    (cancelled,) = (record for record in records(home) if record["id"] not in before)
    assert cancelled["state"] == "cancelled"
    assert not (home / "jobs" / cancelled["id"]).exists()

    with held(home):
        begin(page)
        (worker,) = worker_processes(home)
        os.kill(worker, signal.SIGKILL)
        alert(page, "stopped by the system")
    page.get_by_role("button", name="Export", exact=True).click()
    page.get_by_role("link", name="Download").wait_for()


def test_a_umap_goes_on_is_cancelled_and_survives_a_kill(page, home, address):
    open_file(page, "bare.h5ad")
    fix = page.locator(".st-key-fix_embedding-missing").get_by_role("button", name="Fix")
    cancel = page.get_by_role("button", name="Cancel")
    note = page.get_by_text("A change is being computed")
    computed = home / "computed"

    with held(home):
        press(fix)
        cancel.wait_for()
        expect(fix).to_be_disabled()
        go(page, "Gene Signature", "Gene Signature")
        expect(note).to_be_visible()
        go(page, "Upload & Preflight", "Upload & Preflight")
        cancel.click()
        alert(page, "Cancelled. Nothing was changed.")
        expect(note).to_have_count(0)

        press(fix)
        cancel.wait_for()
        (worker,) = worker_processes(home)
        os.kill(worker, signal.SIGKILL)
        alert(page, "stopped by the system")
    assert not [path.name for path in computed.iterdir() if path.name.startswith(".")]

    with held(home):
        press(fix)
        cancel.wait_for()
        page.reload()  # it goes on, and so does the page
        expect(note.or_(cancel).first).to_be_visible()
    page.get_by_text("UMAP computed in 2D and 3D").wait_for()
    expect(note).to_have_count(0)
    assert not [record for record in records(home) if record["kind"] == "fix"]
    press(page.locator(".st-key-undo_embedding-missing").get_by_role("button", name="Undo"))
    press(fix)
    page.get_by_text("UMAP computed in 2D and 3D").wait_for()  # from the disk


def worker_processes(home):
    """Return who holds the lock of a running job."""
    running = [home / "jobs" / record["id"] / ".alive" for record in records(home) if record["state"] == "running"]
    found = set()
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                if any(one.readlink() in running for one in (process / "fd").iterdir()):
                    found.add(int(process.name))
            except OSError:
                continue
    return found
