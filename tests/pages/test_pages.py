"""Every page, empty and filled, and what its widgets do."""

from __future__ import annotations

import numpy as np
import pytest

from cellucid_core.dataset import DatasetSource, open_dataset
from cellucid_core.errors import WorkRefused
from tests.making import make_adata

PAGES = ["upload_preflight.py", "export.py", "gene_signature.py"]


def texts(app):
    """All the text that a user reads on the page."""
    kinds = ("markdown", "caption", "title", "subheader", "info", "warning", "error", "success")
    shown = [str(element.value) for kind in kinds for element in app.get(kind)]
    return "\n".join([*shown, *(element.label for element in app.get("expander"))])


def widget(app, kind, label):
    return next(element for element in app.get(kind) if element.label == label)


def metric(app, label):
    return widget(app, "metric", label).value


def test_start_page_opens_the_demo_with_one_click(app):
    assert app.title[0].value == "Check, export and score single-cell data"
    assert "No dataset is open" in texts(app)
    widget(app, "button", "Open the demo").click().run()
    assert not app.exception
    assert app.title[0].value == "Upload & Preflight"
    assert "PBMC 68k, reduced" in app.sidebar.markdown[0].value


@pytest.mark.parametrize("page", PAGES)
def test_every_page_is_useful_without_a_dataset(app, page):
    app.switch_page(page)
    app.run()
    assert not app.exception
    assert "Open a dataset to" in texts(app)
    widget(app, "button", "Open the demo").click().run()
    assert not app.exception
    assert "Open a dataset to" not in texts(app)


@pytest.mark.parametrize("page", PAGES)
def test_every_page_with_the_demo(open_app, page):
    app = open_app(page)
    assert not app.exception
    assert not app.error
    assert "ready" in app.sidebar.markdown[1].value


def odd_datasets():
    one = make_adata()[:1].copy()
    bare = make_adata()
    del bare.obsm["X_umap"], bare.obsm["X_pca"]
    bare.X = None
    bare.obs = bare.obs[[]]
    missing = make_adata()
    missing.X = np.full((60, 30), np.nan, np.float32)
    none = make_adata()[:0].copy()
    markup = make_adata()
    markup.obs_names = [f"<b>{i}</b>" for i in range(60)]
    markup.var_names = [f"**g{i}** :red[x] $a$" for i in range(30)]
    markup.obs["<script>alert(1)<b>"] = markup.obs["donor"].astype(str) + " `code` :smile:"
    return {"one cell": one, "bare": bare, "all missing": missing, "no cells": none, "markup": markup}


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("name", list(odd_datasets()))
def test_every_page_with_odd_datasets(open_app, opened, page, name):
    app = open_app(page, opened(odd_datasets()[name]))
    assert not app.exception


def test_preflight_page_fixes_and_undoes(open_app, opened):
    adata = make_adata()
    adata.obsm["X_umap"][[3, 4]] = np.nan
    app = open_app("upload_preflight.py", opened(adata))
    assert "export blocked" in app.sidebar.markdown[1].value
    assert metric(app, "Cells") == "60"
    app.button(key="fix_embedding-not-finite").click().run()
    assert metric(app, "Cells") == "58"
    assert "2 cells left out" in texts(app)
    assert "ready" in app.sidebar.markdown[1].value
    app.button(key="undo_embedding-not-finite").click().run()
    assert metric(app, "Cells") == "60"
    assert "export blocked" in app.sidebar.markdown[1].value


def test_fix_all_and_undo_one(open_app, opened):
    adata = make_adata()
    adata.obsm["X_umap"][[3, 4]] = np.nan
    adata.obs["barcode"] = [f"b{i}" for i in range(60)]
    adata.obs["n genes"] = adata.obs["n+genes"] = adata.obs["score"]
    app = open_app("upload_preflight.py", opened(adata))
    app.button(key="fix_all").click().run()
    assert not app.exception
    assert ":material/check_circle:" in app.sidebar.markdown[1].value
    work = app.session_state["workspace"]
    assert set(work.fixes) == {"embedding-not-finite", "obs-one-value-per-cell", "key-collision"}
    app.button(key="undo_obs-one-value-per-cell").click().run()
    assert "ready, with warnings (1)" in app.sidebar.markdown[1].value
    assert metric(app, "Cells") == "58"


def test_another_way_to_fix_and_overruling(open_app, opened):
    adata = make_adata()
    adata.var_names = ["CD3D", "CD3D", *adata.var_names[2:]]
    adata.obs["barcode"] = [f"b{i}" for i in range(60)]
    app = open_app("upload_preflight.py", opened(adata))
    other = next(b.key for b in app.button if b.key and b.key.startswith("fix_gene-ids-duplicate="))
    app.button(key=other).click().run()
    assert metric(app, "Genes") == "29"
    app.button(key="overrule_obs-one-value-per-cell").click().run()
    assert ":material/check_circle:" in app.sidebar.markdown[1].value
    assert "overruled" in texts(app)
    app.button(key="undo_obs-one-value-per-cell=overrule").click().run()
    assert "ready, with warnings (1)" in app.sidebar.markdown[1].value


def test_server_files_are_listed_and_opened(app, tmp_path, monkeypatch):
    make_adata().write_h5ad(tmp_path / "shared.h5ad")
    monkeypatch.setenv("CELLUCID_DATA_ROOTS", str(tmp_path))
    app.run()
    box = widget(app, "selectbox", "A file on this server")
    box.select(box.options[0]).run()
    widget(app, "button", "Open it").click().run()
    assert not app.exception
    assert "**shared**" in app.sidebar.markdown[0].value


def test_a_fix_that_cannot_be_computed_is_a_sentence(open_app, opened):
    adata = make_adata()[:3].copy()
    del adata.obsm["X_umap"], adata.obsm["X_pca"]
    app = open_app("upload_preflight.py", opened(adata))
    app.button(key="fix_embedding-missing").click().run()
    assert not app.exception
    assert "too few" in app.error[0].value


def test_the_mapping_can_be_changed(open_app, demo):
    app = open_app("upload_preflight.py")
    app.selectbox(key=f"map_matrix@{demo.content_hash[:12]}").select("scaled").run()
    assert metric(app, "Expression") == "scaled"
    app.selectbox(key=f"map_embedding_3@{demo.content_hash[:12]}").select("none").run()
    assert metric(app, "Embeddings") == "2D"
    app.selectbox(key=f"map_latent@{demo.content_hash[:12]}").select("none").run()
    assert "There is no latent space" in texts(app)
    assert "ready, with warnings (1)" in app.sidebar.markdown[1].value
    app.selectbox(key=f"map_connectivities@{demo.content_hash[:12]}").select("none").run()
    assert app.session_state["workspace"].mapping.connectivities is None
    assert not app.exception


@pytest.mark.parametrize("column", ["bulk_labels", "n_counts", "phase"])
def test_the_embedding_is_coloured_by_any_column(open_app, column):
    app = open_app("upload_preflight.py")
    widget(app, "selectbox", "Colour by").select(column).run()
    assert not app.exception
    assert app.get("vega_lite_chart") or app.get("arrow_vega_lite_chart")


def test_genes_are_found_missing_and_repeated(open_app):
    app = open_app("gene_signature.py")
    widget(app, "text_area", "Signature genes").set_value("CD3D\nCD3E;CD3D\tcd79a, NOT1X").run()
    assert "2 found · 2 missing · 1 repeated" in texts(app)
    assert any("CD79A" in button.label for button in app.button)
    app.button(key="use_proposals").click().run()
    assert "3 found · 1 missing · 1 repeated" in texts(app)
    assert "cd79a → CD79A" in texts(app).replace("\\", "")


def test_pages_are_chosen_and_compared_with_the_rest(open_app):
    app = open_app("gene_signature.py")
    widget(app, "multiselect", "Pages").set_value(["CD19+ B", "Dendritic"]).run()
    assert "CD19+ B and Dendritic score about the same" in texts(app).replace("\\", "")
    widget(app, "selectbox", "Against").select("Rest of CD19+ B").run()
    assert not app.exception
    summary = app.dataframe[0].value
    assert summary["page"].tolist() == ["CD19+ B", "Rest of CD19+ B"]
    assert summary["n"].tolist() == [95, 605]
    tests = app.dataframe[1].value
    assert tests["test"].tolist() == ["Welch's t", "Mann–Whitney U"]
    assert list(tests.columns).index("effect") < list(tests.columns).index("p-value")


def test_more_pages_give_anova_and_kruskal_wallis_first(open_app):
    app = open_app("gene_signature.py")
    widget(app, "multiselect", "Pages").set_value(["CD19+ B", "Dendritic", "CD34+"]).run()
    tests = app.dataframe[1].value
    assert tests["test"].tolist()[:2] == ["ANOVA", "Kruskal–Wallis"]
    assert len(tests) == 2 + 3 * 2


@pytest.mark.parametrize(
    ("genes", "words"),
    [("NOT1X, NOT2X", "None of the 2 genes"), ("   ", "Paste a gene list"), ("<b>x</b>", "is not in the dataset")],
)
def test_no_gene_found_is_a_sentence(open_app, genes, words):
    app = open_app("gene_signature.py")
    widget(app, "text_area", "Signature genes").set_value(genes).run()
    assert not app.exception
    assert words in texts(app).replace("\\", "")


def test_export_is_blocked_with_the_reasons(open_app, opened):
    adata = make_adata()
    adata.obsm["X_umap"][3] = np.nan
    app = open_app("export.py", opened(adata))
    assert "The export is blocked" in app.error[0].value
    assert "1 cell has no place in the embedding" in texts(app)
    assert not [button for button in app.button if button.label == "Export"]


def test_another_matrix_is_arranged_before_it_is_read(app, tmp_path, monkeypatch):
    from pages.opening import opening_panel as opening
    from pages.session.state import Workspace

    made = make_adata()
    made.layers["other"] = made.X.copy()
    made.write_h5ad(tmp_path / "data.h5ad")
    asked, submit = [], opening.submit
    monkeypatch.setattr(
        opening, "submit", lambda *a, **more: asked.append(a[1]["mapping"].matrix) or submit(*a, **more)
    )
    work = Workspace()
    work.open(open_dataset(tmp_path / "data.h5ad"), DatasetSource(str(tmp_path / "data.h5ad")))
    app.session_state["workspace"] = work
    app.switch_page("upload_preflight.py")
    app.run()
    assert asked == []
    widget(app, "selectbox", "Expression matrix").select("other").run()
    assert not app.exception
    assert app.session_state["workspace"].mapping.matrix == "other"
    app.run()
    assert asked == ["other"]

    def refused(*arguments, **more):
        raise WorkRefused("It took too long.", "Take another.")

    monkeypatch.setattr(opening, "submit", refused)
    app.session_state["arranged"].clear()
    app.run()
    assert app.session_state["workspace"].mapping.matrix == "X"
    assert "It took too long" in app.error[0].value
