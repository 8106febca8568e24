"""A figure for a paper: one column wide, with a title, as PDF and SVG; the choices are kept and stand in the record."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import at_rest, choose, record_of
from tests.browser.test_walk import chart, go, open_demo

pytestmark = pytest.mark.browser


def save(page, kind):
    with page.expect_download() as saved:
        page.get_by_role("button", name=f"Save as {kind}").click()
    return saved.value.path().read_bytes()


def open_dialog(page):
    at_rest(page)
    page.locator(".st-key-save_signature_violin button").first.click()
    dialog = page.get_by_role("dialog", name="Save the figure")
    expect(dialog.get_by_role("img").first).to_be_visible()
    at_rest(page)
    return dialog


def seen(dialog):
    """What the preview shows."""
    return dialog.get_by_role("img").first.get_attribute("src")


def test_one_column_of_a_paper(page):
    open_demo(page)
    go(page, "Gene Signature", "Gene Signature")
    chart(page)
    dialog = open_dialog(page)
    before = seen(dialog)
    choose(page, "Size", "One column, 85 mm")
    expect(dialog.get_by_role("img").first).not_to_have_attribute("src", before)
    before = seen(dialog)
    title = dialog.get_by_role("textbox", name="Title", exact=True)
    title.fill("Cytotoxic cells")
    title.press("Enter")
    expect(dialog.get_by_role("img").first).not_to_have_attribute("src", before)
    at_rest(page)
    drawing = save(page, "SVG").decode()
    assert 'width="85mm"' in drawing
    assert "Cytotoxic cells" in drawing
    wide = re.search(rb"/MediaBox \[0 0 ([\d.]+)", save(page, "PDF"))
    assert float(wide[1]) == pytest.approx(85 / 25.4 * 72, abs=1)
    dialog.get_by_role("button", name="Close").click()
    expect(dialog).to_have_count(0)
    assert record_of(page)["figure"]["width"] == 85
    page.reload()
    chart(page)
    dialog = open_dialog(page)
    expect(dialog.get_by_role("textbox", name="Title", exact=True)).to_have_value("Cytotoxic cells")
    assert 'width="85mm"' in save(page, "SVG").decode()


def test_the_analysis_opens_without_a_network(page, browser, tmp_path):
    open_demo(page)
    go(page, "Gene Signature", "Gene Signature")
    chart(page)
    at_rest(page)
    page.get_by_role("tab", name="Export").click()
    with page.expect_download() as saved:
        page.get_by_role("button", name="Download this analysis (HTML)").click()
    saved.value.save_as(tmp_path / "analysis.html")
    offline = browser.new_context(offline=True, viewport={"width": 800, "height": 1000})
    reader = offline.new_page()
    asked = []
    reader.on("request", lambda request: asked.append(request.url))
    reader.goto((tmp_path / "analysis.html").as_uri())
    expect(reader.get_by_role("heading", level=1)).to_contain_text("scores highest")
    sizes = reader.evaluate("[...document.images].map((one) => one.complete && one.naturalWidth)")
    assert len(sizes) == 3
    assert all(size > 300 for size in sizes)
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert reader.evaluate("document.documentElement.scrollWidth") <= 800
    offline.close()
