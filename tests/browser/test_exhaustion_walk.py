"""From a ready set to a figure, without a pasted gene: the violin, the donors, the verdict of the methods."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import expect
from scipy import sparse

from cellucid_core.genes import ready_set
from tests.browser.conftest import at_rest, record_of, serve
from tests.browser.test_walk import chart

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """Write T cells of six donors, of which one kind expresses the set."""
    rng = np.random.default_rng(0)
    ours = list(ready_set("Exhaustion").genes.genes)
    genes = [*ours, *(f"GENE{i}" for i in range(190))]
    kind = rng.integers(0, 3, 600)
    level = np.full((600, len(genes)), 0.6)
    level[kind == 2, : len(ours)] = 2.5
    counts = rng.poisson(level)
    logged = np.log1p(counts / counts.sum(axis=1, keepdims=True) * 1e4).astype(np.float32)
    obs = pd.DataFrame(
        {
            "cell_type": pd.Categorical(np.array(["Naive", "Memory", "Exhausted"])[kind]),
            "donor": pd.Categorical([f"donor {i}" for i in rng.integers(1, 7, 600)]),
        },
        index=[f"cell-{i}" for i in range(600)],
    )
    adata = anndata.AnnData(sparse.csr_matrix(logged), obs=obs, var=pd.DataFrame(index=genes))
    adata.obsm["X_umap"] = rng.normal(size=(600, 2)).astype(np.float32)
    path = tmp_path_factory.mktemp("file") / "tumour.h5ad"
    adata.write_h5ad(path)
    return path


def test_exhaustion_from_the_list_to_a_figure(browser, file, tmp_path):
    with serve(tmp_path, CELLUCID_OPEN=str(file)) as address:
        page = browser.new_page()
        page.goto(f"{address}/gene_signature")
        chart(page)  # of the pages: the first run has come to its end
        at_rest(page)
        page.get_by_role("button", name="Ready sets").click()
        at_rest(page)
        chosen = page.get_by_role("combobox", name="Set", exact=True)
        chosen.fill("Exhaustion")
        expect(page.get_by_role("option", name="Exhaustion").first).to_be_visible()
        chosen.press("Enter")  # a click beside the list, which is still opening, would close all of it
        expect(page.get_by_text("10 genes, human")).to_be_visible()
        at_rest(page)
        page.get_by_role("button", name="Use this set").click()
        chart(page)
        expect(page.get_by_role("heading", name="Exhausted scores highest")).to_contain_text("6 of 6 donors agree")
        at_rest(page)
        charts = page.get_by_role("radiogroup", name="Chart")
        expect(charts.get_by_role("radio").first).to_have_text("Per sample")
        charts.get_by_text("Violin", exact=True).click()
        expect(page.get_by_text("Violin: density")).to_be_visible()
        at_rest(page)
        page.get_by_role("tab", name="Every method").click()
        page.get_by_role("button", name="Score by every method").click()
        expect(page.get_by_text("methods put Exhausted highest").first).to_be_visible()
        at_rest(page)
        page.locator(".st-key-save_signature_violin button").first.click()
        with page.expect_download() as saved:
            page.get_by_role("button", name="Save as SVG").click()
        saved.value.save_as(tmp_path / "violin.svg")
        assert "Exhausted" in (tmp_path / "violin.svg").read_text(encoding="utf-8")
        page.get_by_role("dialog").get_by_role("button", name="Close").click()
        record = record_of(page)
        assert record["method"] == "mean"
        assert "put Exhausted highest" in record["every_method"]["sentence"]
        assert {one["name"] for one in record["pages"]} == {"Exhausted", "Memory", "Naive"}
