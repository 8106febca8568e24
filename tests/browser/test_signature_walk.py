"""The Gene Signature page as users walk it: a paste is taken at once, a file of signatures, pictures in both themes."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import at_rest, choose, record_of
from tests.browser.test_walk import chart, go, open_demo
from tests.making import make_adata

pytestmark = pytest.mark.browser

GMT = "T cells\tof a paper\tCD3D\tCD3E\nB cells\tof a paper\tCD79A\tMS4A1\nMonocytes\t\tLYZ\tCST3\n"


def test_a_pasted_list_is_taken_without_leaving_the_box(page):
    open_demo(page)
    go(page, "Gene Signature", "Gene Signature")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.evaluate("navigator.clipboard.writeText('CD79A\\nMS4A1')")
    box = page.get_by_role("textbox", name="Signature genes")
    box.fill("")
    box.press("Control+V")
    expect(page.get_by_text("2 found · 0 missing · 0 repeated")).to_be_visible()
    expect(page.get_by_role("heading", name="CD19+ B scores highest")).to_be_visible()
    expect(box).to_be_focused()


def test_a_file_of_signatures_one_row_shown_and_a_picture_saved(page, tmp_path):
    (tmp_path / "immune.gmt").write_text(GMT)
    open_demo(page)
    go(page, "Gene Signature", "Gene Signature")
    page.get_by_role("button", name="From a file").click()
    uploads = page.get_by_test_id("stFileUploaderDropzoneInput")
    uploads.first.set_input_files(tmp_path / "immune.gmt")
    expect(page.get_by_role("button", name="Paste genes instead")).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_role("tab", name="Several signatures").click()
    expect(page.get_by_text("3 signatures of immune.gmt")).to_be_visible()
    with page.expect_download() as saved:
        page.get_by_role("button", name="One column per signature (CSV)").click()
    lines = saved.value.path().read_text().splitlines()
    assert lines[0] == '"cell_id","cell_index","page","T cells","B cells","Monocytes"'
    assert len(lines) == 701
    chart(page)
    page.locator(".st-key-save_signature_violin button").first.click()
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save as PNG").click()
    assert saved.value.suggested_filename == "signature_violin.png"
    assert saved.value.path().read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_a_condition_within_each_cell_type_with_points_and_a_bracket(page, tmp_path):
    adata = make_adata(240)
    adata.write_h5ad(tmp_path / "two_factors.h5ad")
    page.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(tmp_path / "two_factors.h5ad")
    page.get_by_role("heading", name="Upload & Preflight").wait_for()
    expect(page.get_by_test_id("stSidebar")).to_contain_text("two_factors")
    at_rest(page)
    go(page, "Gene Signature", "Gene Signature")
    box = page.get_by_role("textbox", name="Signature genes")
    box.fill("GENE1, GENE2")
    box.press("Control+Enter")
    chart(page)
    choose(page, "Compare pages from", "cell_type")
    choose(page, "Split by", "treated")
    expect(page.get_by_text("line: the same sample within a page")).to_be_visible()
    at_rest(page)
    page.get_by_role("radiogroup", name="Chart").get_by_text("Violin", exact=True).click()
    expect(page.get_by_text("halves: the two values")).to_be_visible()
    at_rest(page)
    page.get_by_text("Cells as points").click()
    expect(page.get_by_text("240 of 240 cells shown as points")).to_be_visible()
    choose(page, "Show p-values of", "NK cell: False − True")
    expect(page.get_by_text("brackets: adjusted p of paired t, by sample")).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_role("tab", name="Tests").click()
    expect(page.get_by_text("treated within each page")).to_be_visible()
    with page.expect_download() as saved:
        page.get_by_role("button", name="Within pages (CSV)").click()
    lines = saved.value.path().read_text().splitlines()
    assert lines[0].startswith("column,page,value_a,value_b,test,unit")
    assert len(lines) == 1 + 3 * 2
    page.locator(".st-key-save_signature_violin button").first.click()
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save as SVG").click()
    picture = saved.value.path().read_text()
    assert "treated" in picture
    assert "p = " in picture
    page.get_by_role("dialog").get_by_role("button", name="Close").click()
    record = record_of(page)
    assert record["figure"]["brackets_within"] == ['["NK cell", "False", "True"]']
    assert record["figure"]["points"] is True
