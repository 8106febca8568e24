"""Work survives a reload, another tab and a restart of the server; others need the link, and deleting ends it."""

from __future__ import annotations

import re

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import at_rest, press, serve
from tests.browser.test_walk import go
from tests.making import make_adata

pytestmark = pytest.mark.browser
START = "Check, export and score single-cell data"


def visit(context, address):
    page = context.new_page()
    page.goto(address)
    page.get_by_test_id("stSidebarNav").wait_for()
    return page


def is_open(page):
    card = page.get_by_test_id("stSidebar")
    expect(card).to_contain_text("broken")
    expect(card).to_contain_text("1 fix applied")


def all_there(page):
    """Check that the file, its fix, the page and the genes are there."""
    is_open(page)
    go(page, "Gene Signature", "Gene Signature")
    expect(page.get_by_role("textbox", name="Signature genes")).to_have_value("GENE1, GENE2")
    expect(page.get_by_text("2 found · 0 missing · 0 repeated")).to_be_visible()
    expect(page.locator(".st-key-own_pages")).to_contain_text("My page")
    expect(page.locator(".st-key-page_chips")).to_contain_text("My page · 3")


def test_work_survives_and_others_need_the_link(browser, tmp_path):
    adata = make_adata()
    adata.obsm["X_umap"][4] = np.nan
    adata.write_h5ad(tmp_path / "broken.h5ad")
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    with serve(tmp_path) as address:
        page = visit(context, address)
        page.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(tmp_path / "broken.h5ad")
        page.get_by_role("heading", name="Upload & Preflight").wait_for()
        press(page.locator(".st-key-fix_embedding-not-finite").get_by_role("button", name="Fix"))
        expect(page.get_by_test_id("stSidebar")).to_contain_text("1 fix applied")
        go(page, "Gene Signature", "Gene Signature")
        box = page.get_by_role("textbox", name="Signature genes")
        box.fill("GENE1, GENE2")
        box.press("Control+Enter")
        expect(page.get_by_text("2 found · 0 missing · 0 repeated")).to_be_visible()
        page.get_by_role("button", name="New page").click()
        page.get_by_role("radio", name="Ids").click()
        ids = page.get_by_role("textbox", name="Cell ids")
        ids.fill("cell-0 cell-5 cell-9")
        ids.press("Control+Enter")
        page.get_by_role("textbox", name="Name", exact=True).fill("My page")
        page.get_by_role("button", name="Make the page").click()
        expect(page.locator(".st-key-own_pages")).to_contain_text("My page")
        expect(page.locator(".st-key-page_chips")).to_contain_text("My page · 3")
        at_rest(page)
        expect(page).to_have_url(re.compile(r"\?workspace=[A-Za-z0-9_-]{43}$"))

        page.reload()
        all_there(page)
        tab = visit(context, address)  # of the same browser, without the link
        is_open(tab)
        page.locator(".st-key-workspace_link button").first.click()
        link = page.get_by_test_id("stCode").filter(has_text="workspace=").first.inner_text().strip()
        assert link == f"{address}/?{page.url.partition('?')[2]}"
        tab.close()
        page.close()

    with serve(tmp_path) as address:  # another server on the same folder
        link = f"{address}/?{link.partition('?')[2]}"
        page = visit(context, address)
        all_there(page)
        assert page.url.partition("?")[2] == link.partition("?")[2]

        other = browser.new_context(viewport={"width": 1440, "height": 1000})
        nobody = visit(other, address)
        nobody.get_by_role("heading", name=START).wait_for()
        expect(nobody.get_by_test_id("stSidebar")).to_contain_text("No dataset is open")
        nobody.goto(f"{address}/?workspace={'x' * 43}")
        expect(nobody.get_by_text("This link leads to no workspace")).to_be_visible()
        nobody.goto(link)
        is_open(nobody)
        expect(nobody.get_by_test_id("stSidebar")).to_contain_text("Opened by its link")

        page.locator(".st-key-workspace_new button").first.click()
        expect(page).to_have_url(f"{address}/?workspace=new")
        page.get_by_role("heading", name=START).wait_for()
        expect(page.get_by_test_id("stSidebar")).to_contain_text("No dataset is open")
        page.locator(".st-key-my_workspaces button").first.click()
        page.get_by_test_id("stPopoverBody").get_by_role("button", name="broken").first.click()
        expect(page).to_have_url(link)
        is_open(page)

        page.locator(".st-key-workspace_delete button").first.click()
        page.get_by_role("button", name="Delete it").click()
        expect(page).to_have_url(f"{address}/?workspace=new")
        nobody.get_by_test_id("stSidebarNav").get_by_text("Export", exact=True).click()
        expect(nobody.get_by_text("This workspace was deleted").first).to_be_visible()
        gone = visit(other, link)
        expect(gone.get_by_text("This link leads to no workspace")).to_be_visible()
        assert not list((tmp_path / "uploads").glob("*.h5ad"))
        assert not list((tmp_path / "stores").glob("v*-*-????????????????"))
        token = link.rpartition("=")[2]
        assert token not in (tmp_path / "server.log").read_text()
        for one in (page, nobody, gone):
            assert one.get_by_test_id("stException").count() == 0
        other.close()
    context.close()
