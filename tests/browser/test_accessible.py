"""axe-core on every page, light and dark: no finding that keeps somebody out."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.browser.conftest import PATIENCE, at_rest
from tests.browser.test_walk import chart, open_demo

pytestmark = pytest.mark.browser
PAGES = ("Upload & Preflight", "Export", "Gene Signature", "Signature Library")
WIDE, NARROW = ({"width": width, "height": 900} for width in (1440, 1000))
#: Streamlit's own list of pages has headings between its items.
NOT_OURS = {"list", "listitem"}
IN_THE_LIST = "node => node.closest('[data-testid=stSidebarNav]') !== null"


def serious(page, name):
    """Return what axe finds on the page that is drawn, on a wide and on a narrow screen."""
    found = _serious(page, name)
    page.set_viewport_size(NARROW)
    found += _serious(page, name)
    page.set_viewport_size(WIDE)
    return found


def _serious(page, name):
    at_rest(page)
    # The style sheet comes with the page's own elements; what is drawn again is pale for a moment.
    page.wait_for_function(
        "[...document.querySelectorAll('[data-testid=stCaptionContainer]')]"
        ".every(caption => Number(getComputedStyle(caption).opacity) > 0.7)"
        " && [...document.querySelectorAll('[data-testid=stElementContainer]')]"
        ".every(element => Number(getComputedStyle(element).opacity) > 0.99)",
        timeout=PATIENCE,
    )
    found = []
    for one in Axe().run(page).response["violations"]:
        ours = [
            node["html"][:200]
            for node in one["nodes"]
            if one["id"] not in NOT_OURS or not page.locator(node["target"][0]).first.evaluate(IN_THE_LIST)
        ]
        if one["impact"] in ("serious", "critical") and ours:
            found.append((name, one["id"], ours[:3]))
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_serious(browser, address, scheme):
    context = browser.new_context(viewport=WIDE, color_scheme=scheme)
    page = context.new_page()
    page.goto(address)
    page.get_by_role("heading", name="Check, export and score single-cell data").wait_for()
    found = serious(page, "Start")
    open_demo(page)
    for name in PAGES:
        page.get_by_test_id("stSidebarNav").get_by_text(name, exact=True).click()
        page.get_by_role("heading", name=name).first.wait_for()
        if name == "Gene Signature":
            page.get_by_role("textbox", name="Signature genes").fill("CD3D CD8A NOT1X")
            page.get_by_role("textbox", name="Signature genes").press("Control+Enter")
            chart(page)
        found += serious(page, name)
        if name == "Gene Signature":
            page.locator(".st-key-save_signature_violin button").first.click()
            dialog = page.get_by_role("dialog", name="Save the figure")
            expect(dialog.get_by_role("img").first).to_be_visible()
            found += serious(page, "Save the figure")
            dialog.get_by_role("button", name="Close").click()
            expect(dialog).to_have_count(0)
    context.close()
    assert found == []
