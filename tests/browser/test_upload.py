"""The upload box in a real Chromium: a large file, a connection that drops, a cancelled upload, a hostile one."""

from __future__ import annotations

import re

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import wait_until
from tests.making import make_adata

pytestmark = pytest.mark.browser
PICKER = "stFileUploaderDropzoneInput"
PIECE = 8 * 2**20
#: Bytes per second by which what is left of a file would take half an hour.
HELD = 10_000


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A file of 30 MB that does not compress."""
    adata = make_adata(1000, 30)
    adata.obsm["X_noise"] = np.random.default_rng(0).normal(size=(1000, 3900))
    path = tmp_path_factory.mktemp("large") / "large.h5ad"
    adata.write_h5ad(path)
    assert path.stat().st_size > 30e6
    return path


@pytest.fixture
def slow(page):
    """A connection that takes some seconds for the file, and can be cut."""
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")

    def speed(upload, *, offline=False):
        conditions = {"offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": upload}
        network.send("Network.emulateNetworkConditions", conditions)

    speed(3_000_000)
    return speed


def incoming(home):
    return list((home / "incoming").glob("*.data"))


def wait_for_a_piece(page, home, slow):
    """Wait until the server has a whole piece of the file, and hold the others."""
    wait_until(page, lambda: any(path.stat().st_size >= PIECE for path in incoming(home)))
    slow(HELD)


def test_a_dropped_connection_goes_on_where_it_stopped(page, slow, large, home):
    sent = []
    page.on("request", lambda request: sent.append(request) if request.method == "PATCH" else None)
    page.get_by_test_id(PICKER).set_input_files(large)
    expect(page.get_by_role("progressbar", name="Uploaded")).to_be_visible()
    wait_for_a_piece(page, home, slow)
    expect(page.locator(".quiet")).to_have_text(re.compile(r"MB of 3\d.* MB · .* MB/s · \d+ s left"))
    slow(0, offline=True)
    expect(page.get_by_text("The connection dropped").first).to_be_visible()
    before = len(sent)
    slow(-1)
    page.get_by_role("heading", name="Upload & Preflight").wait_for()
    expect(page.get_by_test_id("stMetric").first).to_contain_text("1,000")
    offsets = [int(request.headers["upload-offset"]) for request in sent[before:]]
    assert offsets[0] >= PIECE
    assert not incoming(home)


def test_cancel_frees_the_box_and_the_disk(page, slow, large, home):
    page.get_by_test_id(PICKER).set_input_files(large)
    cancel = page.get_by_role("button", name="Cancel")
    wait_for_a_piece(page, home, slow)
    cancel.click()
    browse = page.get_by_role("button", name="Browse files")
    expect(browse).to_be_visible()
    expect(browse).to_be_focused()
    wait_until(page, lambda: not incoming(home))


def test_cancel_gives_back_the_files_that_were_sent_before(page, slow, large, home, tmp_path):
    small = tmp_path / "small.h5ad"
    make_adata(20, 5).write_h5ad(small)
    page.get_by_test_id(PICKER).set_input_files([small, large])
    wait_for_a_piece(page, home, slow)
    assert len(incoming(home)) == 2
    page.get_by_role("button", name="Cancel").click()
    wait_until(page, lambda: not incoming(home))


def test_after_a_reload_the_same_file_goes_on(page, slow, large, home):
    page.get_by_test_id(PICKER).set_input_files(large)
    wait_for_a_piece(page, home, slow)
    page.reload()
    sent = []
    page.on("request", lambda request: sent.append(request) if request.method == "PATCH" else None)
    slow(-1)
    page.get_by_test_id(PICKER).set_input_files(large)
    page.get_by_role("heading", name="Upload & Preflight").wait_for()
    assert int(sent[0].headers["upload-offset"]) >= PIECE


def test_an_upload_goes_on_while_other_pages_are_looked_at(page, slow, large):
    page.get_by_test_id(PICKER).set_input_files(large)
    expect(page.get_by_role("progressbar", name="Uploaded")).to_be_visible()
    page.get_by_test_id("stSidebarNav").get_by_text("Gene Signature", exact=True).click()
    page.get_by_text("Open a dataset to").wait_for()
    expect(page.get_by_role("progressbar", name="Uploaded")).to_be_visible()
    slow(-1)
    expect(page.get_by_test_id("stSidebar")).to_contain_text("1,000 cells")
    page.get_by_test_id("stSidebarNav").get_by_text("Start", exact=True).click()
    expect(page.get_by_role("button", name="Browse files")).to_be_visible()


def test_what_is_dropped(page):
    """A drop of two files, which become one dataset, then of one."""
    drop = """(names) => {
        const zone = [...document.querySelectorAll('*')].map((e) => e.shadowRoot?.querySelector('.zone')).find(Boolean);
        const data = new DataTransfer();
        for (const name of names) data.items.add(new File(['id,CD3D,CD3E\\nx,1,2\\ny,3,4\\n'], name));
        zone.dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }));
    }"""
    expect(page.get_by_role("button", name="Browse files")).to_be_visible()
    page.evaluate(drop, ["a.csv", "b.csv"])
    page.get_by_role("heading", name="Upload & Preflight").wait_for()
    expect(page.get_by_test_id("stSidebar")).to_contain_text("a + b")
    page.get_by_test_id("stSidebarNav").get_by_text("Start", exact=True).click()
    expect(page.get_by_role("button", name="Browse files")).to_be_visible()
    page.evaluate(drop, ["c.csv"])
    page.get_by_role("heading", name="Upload & Preflight").wait_for()
    expect(page.get_by_test_id("stSidebar")).to_contain_text("2 cells")


def test_names_in_a_file_run_nothing(page, tmp_path):
    hostile = '<img src=x onerror="window.pwned=1"><script>window.pwned=1</script>'
    adata = make_adata(60, 4)
    adata.var_names = [hostile, "datum.x", "a.b['c']", "');window.pwned=1;('"]
    adata.obs_names = [f"{hostile}{i}" for i in range(60)]
    adata.obs["cell_type"] = [(hostile, "');window.pwned=1;('", "datum.x")[i % 3] for i in range(60)]
    adata.obs["cell_type"] = adata.obs["cell_type"].astype("category")
    adata.obs["');window.pwned=1;('"] = np.arange(60.0)
    path = tmp_path / "<img src=x onerror=window.pwned=1>.h5ad"
    adata.write_h5ad(path)
    page.get_by_test_id(PICKER).set_input_files(path)
    page.get_by_role("heading", name="Upload & Preflight").wait_for()
    page.locator("[data-testid=stVegaLiteChart] canvas, [data-testid=stVegaLiteChart] svg.marks").first.wait_for()
    page.get_by_test_id("stSidebarNav").get_by_text("Gene Signature", exact=True).click()
    genes = page.get_by_role("textbox", name="Signature genes")
    genes.fill("datum.x")
    genes.press("Control+Enter")
    expect(page.get_by_text("1 found").first).to_be_visible()
    page.locator("[data-testid=stVegaLiteChart] canvas, [data-testid=stVegaLiteChart] svg.marks").first.wait_for()
    page.get_by_test_id("stSidebarNav").get_by_text("Export", exact=True).click()
    page.get_by_role("heading", name="Export for Cellucid").wait_for()
    assert page.evaluate("window.pwned") is None
