"""Genes, pages and method on one screen, and nothing on it moves while another score is computed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import at_rest, press
from tests.browser.test_walk import chart, go, open_demo
from tests.making import make_adata

pytestmark = pytest.mark.browser


def close_hints(page):
    """Close them, and wait until they are gone: what is below moves up."""
    button = page.get_by_role("button", name="Close hints")
    press(button)
    expect(button).to_have_count(0)
    at_rest(page)


def test_fifty_genes_twelve_pages_and_the_method_fit_one_screen(page, tmp_path):
    adata = make_adata(240, 60)
    names = [f"Cell type number {number}" for number in range(12)]
    adata.obs = pd.DataFrame({"cell_type": pd.Categorical(np.resize(names, 240))}, index=adata.obs_names)
    adata.write_h5ad(tmp_path / "twelve.h5ad")
    page.set_viewport_size({"width": 1440, "height": 900})
    page.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(tmp_path / "twelve.h5ad")
    page.get_by_role("heading", name="Upload & Preflight").wait_for()
    close_hints(page)
    go(page, "Gene Signature", "Gene Signature")
    genes = page.get_by_role("textbox", name="Signature genes")
    genes.fill(", ".join(map(str, adata.var_names[:50])))
    genes.press("Control+Enter")
    expect(page.get_by_text("50 found · 0 missing")).to_be_visible()
    at_rest(page)
    for seen in (genes, page.locator(".st-key-page_chips"), page.get_by_role("combobox", name="Score")):
        expect(seen).to_be_in_viewport(ratio=1)
    expect(page.locator(".st-key-page_chips [data-tag]")).to_have_count(12)
    page.set_viewport_size({"width": 800, "height": 900})
    assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= 800


def test_the_chart_stays_where_it_is_while_another_score_is_computed(page):
    open_demo(page)
    close_hints(page)
    go(page, "Gene Signature", "Gene Signature")
    chart(page)
    at_rest(page)
    page.evaluate("""() => {
        window.places = new Set();
        const look = () => {
            const drawn = document.querySelector("[data-testid=stVegaLiteChart]");
            window.places.add(drawn ? Math.round(drawn.getBoundingClientRect().y + window.scrollY) : "gone");
            requestAnimationFrame(look);
        };
        look();
    }""")
    page.get_by_role("combobox", name="Score").click()
    page.keyboard.type("UCell")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("stVegaLiteChart").first).to_contain_text("UCell")
    at_rest(page)
    places = page.evaluate("[...window.places]")
    assert len(places) == 1, places
