"""The first visit: hints on the way, genes to begin with, and a step back."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import at_rest
from tests.browser.test_walk import go, open_demo

pytestmark = pytest.mark.browser


def test_hints_lead_through_and_stay_closed(page):
    expect(page.get_by_text("1 of 4")).to_be_visible()
    open_demo(page)
    expect(page.get_by_text("2 of 4")).to_be_visible()
    page.get_by_role("link", name="Next: export").click()
    page.get_by_role("heading", name="Export for Cellucid").wait_for()
    expect(page.get_by_text("3 of 4")).to_be_visible()
    page.get_by_role("button", name="Close hints").click()
    expect(page.get_by_text("3 of 4")).to_have_count(0)
    at_rest(page)
    page.context.clear_cookies(name="cellucid_browser")  # who has no workspace: only that hints were closed is known
    page.goto(page.url.split("?")[0].rsplit("/", 1)[0])
    expect(page.get_by_text("No dataset is open.")).to_be_visible()
    expect(page.get_by_role("button", name="Show hints")).to_be_visible()
    expect(page.get_by_text("1 of 4")).to_have_count(0)
    page.get_by_role("button", name="Show hints").click()
    expect(page.get_by_text("1 of 4")).to_be_visible()


def test_genes_to_begin_with_and_undo(page):
    open_demo(page)
    go(page, "Gene Signature", "Gene Signature")
    box = page.get_by_role("textbox", name="Signature genes")
    box.fill("")
    box.press("Control+Enter")
    page.get_by_role("button", name="Try T cells").click()
    expect(box).to_have_value("CD3D, CD3E, CD3G")
    expect(page.get_by_text("3 found · 0 missing")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("Undone: the change of the gene list.")).to_be_visible()
    expect(box).to_have_value("")
