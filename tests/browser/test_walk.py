"""The paths that users walk, in a real Chromium."""

from __future__ import annotations

import gzip
import json
import re
import zipfile

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import at_rest, press, serve
from tests.making import make_adata

pytestmark = pytest.mark.browser


def go(page, name, heading):
    page.get_by_test_id("stSidebarNav").get_by_text(name, exact=True).click()
    page.get_by_role("heading", name=heading, exact=True).wait_for()


def open_demo(page):
    page.get_by_role("button", name="Open the demo").click()
    page.get_by_role("heading", name="Upload & Preflight").wait_for()


def chart(page):
    """The drawn chart; Vega's canvas or SVG with something in it."""
    drawn = page.locator("[data-testid=stVegaLiteChart] canvas, [data-testid=stVegaLiteChart] svg.marks").first
    drawn.wait_for()
    return drawn


def alert(page, words):
    """Wait for the notice with these words; those of the run before may still be on the page beside it."""
    expect(page.get_by_test_id("stAlert").filter(has_text=words).first).to_be_visible()


def test_from_the_demo_to_a_zip_and_a_csv(page, demo_view, tmp_path):
    open_demo(page)
    expect(page.get_by_test_id("stSidebar")).to_contain_text("PBMC 68k, reduced")
    expect(page.get_by_test_id("stSidebar")).to_contain_text("ready")
    expect(page.get_by_test_id("stMetric").first).to_contain_text("700")
    chart(page)

    go(page, "Export", "Export for Cellucid")
    page.get_by_role("button", name="Export", exact=True).click()
    link = page.get_by_role("link", name="Download")
    link.wait_for()
    with page.expect_download() as saved:
        link.click()
    assert saved.value.suggested_filename == "pbmc68k_reduced.zip"
    target = tmp_path / "demo.zip"
    saved.value.save_as(target)
    decode_and_compare(target, demo_view)

    go(page, "Gene Signature", "Gene Signature")
    genes = page.get_by_role("textbox", name="Signature genes")
    genes.fill("CD79A; MS4A1\nNOT1X")
    genes.press("Control+Enter")
    expect(page.get_by_text("2 found · 1 missing · 0 repeated")).to_be_visible()
    expect(page.get_by_role("heading", name="CD19+ B scores highest")).to_be_visible()
    chart(page)
    page.get_by_role("tab", name="Export").click()
    with page.expect_download() as saved:
        page.get_by_role("button", name="Download the scores (CSV)").click()
    assert saved.value.suggested_filename == "gene_signature_scores.csv"
    saved.value.save_as(tmp_path / "scores.csv")
    table = pd.read_csv(tmp_path / "scores.csv")
    ids = demo_view.gene_ids.tolist()
    expected = demo_view.expression.block([ids.index("CD79A"), ids.index("MS4A1")]).astype(float).mean(axis=0)
    joined = pd.DataFrame({"cell_id": demo_view.cell_ids, "expected": expected}).merge(
        table, on="cell_id", validate="one_to_one"
    )
    assert len(joined) == 700
    np.testing.assert_allclose(joined["score"], joined["expected"], rtol=1e-12)
    assert (joined["page"].to_numpy() == demo_view.obs("bulk_labels").astype(str).to_numpy()).all()


def decode_and_compare(path, view):
    """Decode the zip with nothing of ours and compare a point, a column and a gene with the source."""
    with zipfile.ZipFile(path) as archive:
        root = "pbmc68k_reduced/"

        def numbers(name, dtype):
            return np.frombuffer(gzip.decompress(archive.read(root + name)), dtype)

        manifest = json.loads(archive.read(root + "var_manifest.json"))
        gene, low, high = next(field for field in manifest["fields"] if field[0] == "CST3")
        decoded = low + numbers("var/CST3.values.u8.gz", "u1").astype(float) * (high - low) / 254
        source = view.expression.gene(view.gene_ids.tolist().index(gene))
        assert np.abs(decoded - source).max() <= (high - low) / 254 / 2 * (1 + 1e-9)
        obs = json.loads(archive.read(root + "obs_manifest.json"))
        labels = next(field for field in obs["_categoricalFields"] if field[0] == "bulk_labels")[1]
        codes = numbers("obs/bulk_labels.codes.u8.gz", "u1")
        assert [labels[code] for code in codes] == view.obs("bulk_labels").tolist()
        points = numbers("points_2d.bin.gz", "<f4").reshape(-1, 2)
        xy = view.embedding(2).astype(float)
        assert np.corrcoef(points[:, 0], xy[:, 0])[0, 1] > 0.999999
        assert np.abs(points).max() == pytest.approx(1)


def test_a_download_works_below_a_base_path_and_in_no_other_browser(browser, tmp_path):
    with serve(tmp_path, CELLUCID_OPEN="demo", STREAMLIT_SERVER_BASE_URL_PATH="team/cells") as address:
        context = browser.new_context(accept_downloads=True)
        page = context.new_page()
        page.goto(f"{address}/team/cells/")
        page.get_by_role("heading", name="Upload & Preflight").wait_for()
        go(page, "Export", "Export for Cellucid")
        page.get_by_text("Quick look", exact=True).click()
        expect(page.get_by_text("For a quick check of the data")).to_be_visible()
        page.get_by_role("button", name="Export", exact=True).click()
        link = page.get_by_role("link", name="Download")
        link.wait_for()
        target = f"{address}{link.get_attribute('href')}"
        with page.expect_download() as saved:
            link.click()
        assert zipfile.is_zipfile(saved.value.path())
        other = browser.new_context()
        nobody = other.request.get(target)  # as a program would that was given the link
        other.new_page().goto(f"{address}/team/cells/")
        for answer in (nobody, other.request.get(target)):
            assert answer.status == 403
            assert "only in the browser that made it" in answer.text()
        other.close()
        context.close()


def test_upload_a_broken_file_fix_it_and_export_it(page, tmp_path):
    adata = make_adata()
    adata.obsm["X_umap"][4] = np.nan
    adata.obs["n genes"] = 1.5
    adata.obs["n+genes"] = 2.5
    adata.write_h5ad(tmp_path / "broken.h5ad")
    page.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(tmp_path / "broken.h5ad")
    page.get_by_role("heading", name="Upload & Preflight").wait_for()
    sidebar = page.get_by_test_id("stSidebar")
    expect(sidebar).to_contain_text("export blocked (2)")

    go(page, "Export", "Export for Cellucid")
    expect(page.get_by_text("The export is blocked.")).to_be_visible()
    expect(page.get_by_role("button", name="Export", exact=True)).to_have_count(0)

    go(page, "Upload & Preflight", "Upload & Preflight")
    press(page.locator(".st-key-fix_embedding-not-finite").get_by_role("button", name="Fix"))
    expect(sidebar).to_contain_text("export blocked (1)")
    press(page.locator(".st-key-fix_key-collision").get_by_role("button", name="Fix"))
    expect(sidebar).to_contain_text("ready")
    expect(page.get_by_text("1 cell left out: embedding not finite").first).to_be_visible()

    go(page, "Export", "Export for Cellucid")
    page.get_by_role("button", name="Export", exact=True).click()
    page.get_by_role("link", name="Download").wait_for()
    expect(page.get_by_text("1 cell left out: embedding not finite").first).to_be_visible()

    go(page, "Upload & Preflight", "Upload & Preflight")
    press(page.locator(".st-key-undo_embedding-not-finite").get_by_role("button", name="Undo"))
    expect(sidebar).to_contain_text("export blocked (1)")


def test_a_table_is_uploaded_and_scored(page, tmp_path):
    rng = np.random.default_rng(0)
    genes = ["CD3D", "CD3E", "MS4A1", "LYZ"]
    cells = [f"AAACCTGAGAAACC{'ACGT'[i % 4]}{'ACGT'[i // 4 % 4]}-1" for i in range(16)]
    table = pd.DataFrame(np.log1p(rng.poisson(3, (16, 4))), index=cells, columns=genes)
    table.to_csv(tmp_path / "table.csv")
    page.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(tmp_path / "table.csv")
    page.get_by_role("heading", name="Upload & Preflight").wait_for()
    expect(page.get_by_test_id("stMetric").first).to_contain_text("16")
    go(page, "Gene Signature", "Gene Signature")
    box = page.get_by_role("textbox", name="Signature genes")
    box.fill("CD3D, CD3E")
    box.press("Control+Enter")
    expect(page.get_by_text("2 found · 0 missing · 0 repeated")).to_be_visible()
    chart(page)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("notes.h5ad", b"gene,cell\nCD3D,4\n", "is a text file"),
        ("empty.h5ad", b"", "is empty"),
        ("seurat.rds", b"RDX3\n", "R"),
    ],
)
def test_what_is_not_an_anndata_is_a_sentence(page, tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    page.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(tmp_path / name)
    alert(page, words)
    expect(page.get_by_test_id("stSidebar")).to_contain_text("No dataset is open")


def test_choices_survive_moving_between_pages(page):
    open_demo(page)
    go(page, "Gene Signature", "Gene Signature")
    genes = page.get_by_role("textbox", name="Signature genes")
    genes.fill("CD79A, MS4A1")
    genes.press("Control+Enter")
    expect(page.get_by_role("heading", name="CD19+ B scores highest")).to_be_visible()
    go(page, "Export", "Export for Cellucid")
    go(page, "Gene Signature", "Gene Signature")
    expect(page.get_by_role("textbox", name="Signature genes")).to_have_value("CD79A, MS4A1")
    expect(page.get_by_role("heading", name="CD19+ B scores highest")).to_be_visible()


def test_genes_that_do_not_exist(page):
    open_demo(page)
    go(page, "Gene Signature", "Gene Signature")
    genes = page.get_by_role("textbox", name="Signature genes")
    genes.fill("cd3d, <b>bold</b>")
    genes.press("Control+Enter")
    expect(page.get_by_text("0 found · 2 missing · 0 repeated")).to_be_visible()
    expect(page.get_by_role("button", name="cd3d could be …")).to_be_visible()
    page.get_by_role("button", name="Accept the single proposal").click()
    expect(page.get_by_text("1 found · 1 missing · 0 repeated")).to_be_visible()
    expect(page.get_by_text("<b>bold</b>").first).to_be_visible()


@pytest.fixture(scope="module")
def on_the_demo(tmp_path_factory):
    """The address of a dashboard that begins with the demo, as the README's first command does."""
    with serve(tmp_path_factory.mktemp("home"), CELLUCID_OPEN="demo") as address:
        yield address


@pytest.mark.xdist_group("begins with the demo")
def test_the_first_command_ends_on_the_demo(browser, on_the_demo):
    page = browser.new_page()
    page.goto(on_the_demo)
    page.get_by_role("heading", name="Upload & Preflight").wait_for()
    expect(page.get_by_test_id("stSidebar")).to_contain_text("PBMC 68k, reduced")


@pytest.mark.xdist_group("begins with the demo")
def test_an_address_and_a_reload_keep_their_page(browser, on_the_demo):
    page = browser.new_page()
    for path, heading in (
        ("gene_signature", "Gene Signature"),
        ("export", "Export for Cellucid"),
        ("signature_library", "Signature Library"),
    ):
        page.goto(f"{on_the_demo}/{path}")
        page.get_by_role("heading", name=heading, exact=True).wait_for()
        expect(page.get_by_test_id("stSidebar")).to_contain_text("PBMC 68k, reduced")
        page.reload()
        page.get_by_role("heading", name=heading, exact=True).wait_for()
        expect(page.get_by_test_id("stSidebar")).to_contain_text("PBMC 68k, reduced")
        assert f"/{path}" in page.url


def test_hostile_names_stay_text(page, tmp_path):
    """Links, icons, colours, formulas and scripts in names are letters on every page."""
    hostile = ["http://evil.example/x", ":material/delete:", ":red[hi]", "$a$", "a@b.example", "www.evil.example"]
    adata = make_adata(60, 30, seed=5)
    adata.var_names = [*hostile, "<img src=x onerror=alert(1)>", *adata.var_names[7:]]
    adata.obs["kind"] = pd.Categorical([hostile[i % len(hostile)] for i in range(adata.n_obs)])
    adata.write_h5ad(tmp_path / "hostile.h5ad")
    page.locator("input[type=file]").first.set_input_files(tmp_path / "hostile.h5ad")
    page.get_by_role("heading", name="Upload & Preflight").wait_for()
    for name, heading in (("Export", "Export for Cellucid"), ("Gene Signature", "Gene Signature")):
        for selector in (
            "a[href*='evil.example']",
            "a[href*='b.example']",
            "[aria-label='delete icon']",
            "img[src='x']",
        ):
            assert page.locator(selector).count() == 0
        go(page, name, heading)
        page.wait_for_load_state("networkidle")
    for selector in ("a[href*='evil.example']", "a[href*='b.example']", "[aria-label='delete icon']", "img[src='x']"):
        assert page.locator(selector).count() == 0


def test_a_click_that_fails_says_so_and_the_page_goes_on(browser, tmp_path):
    with serve(tmp_path, CELLUCID_OPEN="demo", BREAK="pages.signature.gene_box:use_gene_sets") as address:
        page = browser.new_page()
        page.goto(f"{address}/gene_signature")
        page.get_by_role("button", name="Ready sets").click()
        page.get_by_role("button", name="Use this set").click()
        alert(page, "reference")
        expect(page.get_by_text("a mistake of ours")).to_have_count(0)
        page.get_by_role("button", name="Go on").click()
        chart(page)
        expect(page.get_by_test_id("stSidebar")).to_contain_text("PBMC 68k, reduced")


@pytest.mark.xdist_group("begins with the demo")
def test_back_leads_to_the_page_before_with_one_click(browser, on_the_demo):
    page = browser.new_page()
    page.goto(f"{on_the_demo}/gene_signature")
    page.get_by_role("textbox", name="Signature genes").wait_for()
    at_rest(page)  # what is typed before is taken for what stood there, and an untouched demo is not kept
    page.get_by_role("textbox", name="Signature genes").fill("CD3D CD3E")
    page.get_by_role("textbox", name="Signature genes").press("Control+Enter")
    chart(page)
    linked = re.compile(r"\?workspace=[A-Za-z0-9_-]{43}$")
    expect(page).to_have_url(linked)
    at_rest(page)
    for name, path in (("Export", "export"), ("Signature Library", "signature_library")):
        steps = page.evaluate("history.length")
        page.get_by_test_id("stSidebarNav").get_by_text(name, exact=True).click()
        page.get_by_role("heading", name=name).first.wait_for()
        expect(page).to_have_url(re.compile(rf"/{path}\?workspace=[A-Za-z0-9_-]{{43}}$"))
        at_rest(page)
        assert page.evaluate("history.length") == steps + 1
    page.go_back()
    page.get_by_role("heading", name="Export for Cellucid").wait_for()
    expect(page).to_have_url(linked)
    page.go_back()
    page.get_by_role("heading", name="Gene Signature").wait_for()
    chart(page)
    page.reload()
    chart(page)
    expect(page.get_by_role("textbox", name="Signature genes")).to_have_value("CD3D CD3E")
