"""The signature library in a real Chromium: build, download, read again, score."""

from __future__ import annotations

import pickle

import pytest
from playwright.sync_api import expect

from cellucid_core.library import read_signature, type_degs
from tests.browser.conftest import choose
from tests.browser.test_walk import chart, go, open_demo

pytestmark = pytest.mark.browser


def drawn(page):
    """Wait until the page is drawn to its end: until then, what is clicked on may still be that of the page before."""
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")


def number(page, label, value):
    field = page.get_by_label(label, exact=True)
    field.fill(str(value))
    field.press("Enter")


def test_build_download_read_and_score(page, tmp_path):
    open_demo(page)
    go(page, "Signature Library", "Signature Library")
    page.get_by_role("tab", name="Build from the open dataset").click()
    choose(page, "Levels, the broadest first", "louvain")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("stMain").get_by_text("louvain", exact=True).first).to_be_visible()
    number(page, "Generations", 30)
    number(page, "DEGs", 60)
    page.get_by_role("button", name="Build", exact=True).click()
    page.get_by_role("tab", name="Signatures").click()
    expect(page.get_by_text("was added to the library")).to_be_visible()
    drawn(page)  # before it was built, the example stood there
    chart(page)

    page.get_by_role("tab", name="Download").click()
    with page.expect_download() as saved:
        page.get_by_role("button", name="Pickle").click()
    target = tmp_path / "signature.pickle"
    saved.value.save_as(target)
    content = pickle.loads(target.read_bytes())
    assert list(content["levels"]) == ["bulk_labels", "louvain"]
    assert len(content["levels"]["louvain"]["degs"]) == 60

    page.get_by_role("tab", name="Read a file").click()
    page.get_by_test_id("stFileUploader").filter(has_text="A signature file").locator(
        "input[type=file]"
    ).set_input_files(target)
    page.get_by_role("button", name="Add it to the library").click()
    page.get_by_role("tab", name="Signatures").click()
    expect(page.get_by_text("was added to the library")).to_be_visible()
    drawn(page)  # the level to click on is the new entry's now

    page.get_by_role("radio", name="bulk_labels").or_(page.get_by_role("button", name="bulk_labels")).first.click()
    expect(page.get_by_text("was added to the library")).to_have_count(0)  # the page is drawn again
    drawn(page)
    page.get_by_role("tab", name="Genes").click()
    code = page.get_by_test_id("stCode").filter(visible=True)
    expect(code).to_be_visible()
    first = code.inner_text()
    choose(page, "Cell type", "CD19+ B")
    expect(code).not_to_have_text(first)
    genes = ", ".join(type_degs(read_signature(target).levels[0], "CD19+ B"))
    expect(code).to_have_text(genes)
    page.get_by_role("button", name="Score them on the open dataset").click()
    page.get_by_role("heading", name="Gene Signature", exact=True).wait_for()
    expect(page.get_by_role("textbox", name="Signature genes")).to_have_value(genes)
    expect(page.get_by_role("heading", name="CD19+ B scores highest")).to_be_visible()
    chart(page)
