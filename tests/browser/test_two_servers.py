"""Two servers behind nginx that share a folder and PostgreSQL: one is killed, its people go on at the other."""

from __future__ import annotations

import os
import shutil
import signal
import zipfile

import psycopg
import pytest
from playwright.sync_api import expect

from cellucid_core.export import verify
from tests.browser.conftest import at_rest, held, serve
from tests.browser.test_walk import alert, chart, go, open_demo
from tests.proxies import behind_nginx

pytestmark = pytest.mark.browser


@pytest.fixture
def dashboards(tmp_path, postgres_empty):
    """Start both servers and nginx; return its address, and the address of the database."""
    if shutil.which("nginx") is None:
        if os.environ.get("CELLUCID_POSTGRES") == "required":
            pytest.fail("nginx is required but was not found; install it.")
        pytest.skip("nginx is not installed")
    home = tmp_path / "home"
    home.mkdir()
    shared = {"CELLUCID_DATABASE": postgres_empty, "CELLUCID_WORKERS": "1"}
    with serve(home, "one.log", **shared) as one, serve(home, "two.log", **shared) as two:
        servers = [address.removeprefix("http://") for address in (one, two)]
        with behind_nginx(tmp_path, servers) as address:
            yield home, address, postgres_empty


def test_one_is_killed_and_its_people_go_on_at_the_other(browser, dashboards, tmp_path):
    home, address, database = dashboards
    page = browser.new_page()
    page.goto(address)
    open_demo(page)
    go(page, "Gene Signature", "Gene Signature")
    page.get_by_role("textbox", name="Signature genes").fill("CD3D, CD3E")
    page.get_by_role("textbox", name="Signature genes").press("Control+Enter")
    expect(page.get_by_role("heading", name="scores highest").first).to_be_visible()
    at_rest(page)
    go(page, "Export", "Export for Cellucid")
    with held(home):
        page.get_by_role("button", name="Export", exact=True).click()
        page.get_by_role("button", name="Cancel").wait_for()
        with psycopg.connect(database) as connection:
            driving = "SELECT process FROM servers JOIN jobs ON jobs.server = servers.id WHERE kind = 'export'"
            (process,) = connection.execute(driving).fetchone()
        os.kill(int(process.partition(":")[0]), signal.SIGKILL)
    page.goto(f"{address}/gene_signature")
    chart(page)
    expect(page.get_by_role("heading", name="scores highest").first).to_be_visible()
    expect(page.get_by_role("textbox", name="Signature genes")).to_have_value("CD3D, CD3E")
    at_rest(page)
    go(page, "Export", "Export for Cellucid")
    alert(page, "was restarted while this was being done")
    page.get_by_role("button", name="Export", exact=True).click()
    link = page.get_by_role("link", name="Download")
    with page.expect_download() as saved:
        link.click()
    saved.value.save_as(tmp_path / "demo.zip")
    assert zipfile.is_zipfile(tmp_path / "demo.zip")
    assert verify(tmp_path / "demo.zip").ok
    with psycopg.connect(database) as connection:
        states = connection.execute("SELECT state FROM jobs WHERE kind = 'export' ORDER BY created").fetchall()
    assert states == [("interrupted",), ("done",)]
    page.close()
