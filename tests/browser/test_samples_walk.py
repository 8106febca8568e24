"""Several samples in a real Chromium: dropped together, renamed, left out, added to, and found again after a reload."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import at_rest, held, serve
from tests.running.clusters import cluster, make_certificates

pytestmark = pytest.mark.browser
PICKER = "stFileUploaderDropzoneInput"
DASHBOARD = "https://dask.institute.example/"


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    folder = tmp_path_factory.mktemp("samples")
    paths = []
    for seed, name in enumerate(("blood", "tumour", "liver")):
        rng = np.random.default_rng(seed)
        adata = ad.AnnData(
            rng.poisson(1.0, (40 + seed, 30)).astype(np.float32),
            obs=pd.DataFrame(index=[f"cell{i}" for i in range(40 + seed)]),
            var=pd.DataFrame(index=[f"GENE{i + seed}" for i in range(30)]),
        )
        adata.obsm["X_umap"] = rng.normal(size=(40 + seed, 2))
        paths.append(folder / f"{name}.h5ad")
        adata.write_h5ad(paths[-1])
    return paths


def test_samples_are_joined_added_to_and_found_again(page, samples):
    page.get_by_test_id(PICKER).set_input_files(samples[:2])
    page.get_by_role("heading", name="Upload & Preflight").wait_for()
    side = page.get_by_test_id("stSidebar")
    expect(side).to_contain_text("blood + tumour")
    expect(side).to_contain_text("81 cells")
    expect(page.get_by_text("2 samples joined").first).to_be_visible()
    at_rest(page)
    page.get_by_text("Samples, more cell annotations, or another file").click()
    page.get_by_role("group", name="Upload a single-cell file").first.get_by_test_id(PICKER).set_input_files(samples[2])
    expect(side).to_contain_text("123 cells")
    expect(page.get_by_text("3 samples joined").first).to_be_visible()
    at_rest(page)
    page.reload()
    expect(side).to_contain_text("123 cells")
    page.get_by_test_id("stSidebarNav").get_by_text("Gene Signature", exact=True).click()
    expect(page.get_by_test_id("stSelectbox").filter(has_text="Donor or sample")).to_contain_text("sample")


def test_samples_are_scored_and_exported_on_a_cluster(browser, samples, tmp_path):
    certificates = make_certificates(tmp_path / "tls")
    home = tmp_path / "home"
    home.mkdir()
    with cluster(tmp_path / "cluster", certificates=certificates) as running:
        about = {"CELLUCID_CLUSTER": running.address, "CELLUCID_CLUSTER_CERTS": str(certificates)}
        about["CELLUCID_CLUSTER_DASHBOARD"] = DASHBOARD
        with serve(home, **about) as address:
            page = browser.new_page()
            page.goto(address)
            page.get_by_test_id(PICKER).first.set_input_files(samples)
            expect(page.get_by_test_id("stSidebar")).to_contain_text("123 cells")
            at_rest(page)
            page.get_by_test_id("stSidebarNav").get_by_text("Gene Signature", exact=True).click()
            page.get_by_role("textbox", name="Genes").fill("GENE5 GENE6 GENE9")
            page.get_by_role("textbox", name="Genes").press("Control+Enter")
            page.get_by_test_id("stVegaLiteChart").first.wait_for()
            at_rest(page)
            page.get_by_test_id("stSidebarNav").get_by_text("Export", exact=True).click()
            with held(home):
                page.get_by_role("button", name="Export", exact=True).click()
                expect(page.get_by_role("link", name="Dask's dashboard")).to_have_attribute("href", DASHBOARD)
            expect(page.get_by_text("Verified").first).to_be_visible()
        assert "part-" not in (home / "server.log").read_text()
        stores = [one.name for one in (home / "stores").glob("v1-*-*") if one.is_dir()]
        assert len(stores) >= 3
