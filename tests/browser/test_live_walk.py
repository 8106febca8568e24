"""A dataset read from another page through a live link; and no page that asks another host for anything."""

from __future__ import annotations

import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import serve
from tests.browser.test_walk import go, open_demo

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("live walk")]

_READ = """async (address) => {
  const answer = await fetch(address, {headers: {Range: "bytes=0-7"}});
  const bytes = new Uint8Array(await answer.arrayBuffer());
  return [answer.status, Array.from(bytes), answer.headers.get("Content-Range")];
}"""


@contextmanager
def other_origin():
    """Serve an empty page, as the viewer's site does."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<title>viewer</title>")

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()


@pytest.fixture(scope="module")
def viewer():
    with other_origin() as address:
        yield address


@pytest.fixture(scope="module")
def address(viewer, tmp_path_factory):
    with serve(tmp_path_factory.mktemp("home"), CELLUCID_VIEWER_ORIGINS=viewer) as running:
        yield running


def test_another_page_reads_a_live_link_by_ranges(browser, viewer, address):
    page = browser.new_page()
    page.goto(address)
    open_demo(page)
    go(page, "Export", "Export for Cellucid")
    page.get_by_text("Open in the viewer, without a download").click()
    page.get_by_role("button", name="Make a live link").click()
    shown = page.get_by_text(re.compile(r"/live/[A-Za-z0-9_-]{43}/$"))
    link = shown.first.inner_text().strip()
    assert link.startswith(address)
    file = f"{link}_cellucid/anndata/pbmc68k_reduced.h5ad"
    elsewhere = browser.new_page()
    elsewhere.goto(viewer)
    status, begin, bounds = elsewhere.evaluate(_READ, file)
    assert (status, bytes(begin)) == (206, b"\x89HDF\r\n\x1a\n")
    assert bounds.startswith("bytes 0-7/")
    page.get_by_role("button", name="Withdraw").click()
    expect(page.get_by_role("button", name="Withdraw")).to_have_count(0)
    assert elsewhere.evaluate("async (address) => (await fetch(address)).status", file) == 404
    elsewhere.goto(file)
    expect(elsewhere.locator("body")).to_contain_text("not valid any more")
    with other_origin() as stranger:
        elsewhere.goto(stranger)
        refused = "async (a) => fetch(a).then(() => 'read', () => 'refused')"
        assert elsewhere.evaluate(refused, f"{link}_cellucid/health") == "refused"


def test_no_page_asks_another_host_for_anything(browser, address):
    page = browser.new_page()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    open_demo(page)
    for name, heading in (
        ("Export", "Export for Cellucid"),
        ("Gene Signature", "Gene Signature"),
        ("Signature Library", "Signature Library"),
    ):
        go(page, name, heading)
        page.wait_for_load_state("networkidle")
    hosts = {urlsplit(url).netloc for url in asked if urlsplit(url).scheme in ("http", "https", "ws", "wss")}
    assert hosts == {urlsplit(address).netloc}
