"""The page panel: pages of every kind are made, listed, compared, saved and loaded."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import streamlit

from cellucid_core.cell_pages import pages_from_json, pages_to_json
from cellucid_core.dataset import View
from tests.making import make_adata
from tests.pages.test_pages import texts, widget

MARKUP = "<b>x</b> **bold** :red[y] $a$"


def own(app):
    """The user's pages: name → number of cells."""
    work = app.session_state["workspace"]
    return {page.name: page.in_view(work.view).n for page in work.pages}


def compared(app):
    """What the summary table shows: page → number of cells."""
    table = app.dataframe[0].value
    return dict(zip(table["page"], table["n"], strict=True))


def new_page(app, way):
    widget(app, "button", "New page").click().run()
    app.segmented_control(key="new_page_way").set_value(way).run()
    assert not app.exception
    return app


def make(app, name="", button="Make the page"):
    if name:
        app.text_input(key="new_page_name").set_value(name).run()
    widget(app, "button", button).click().run()
    assert not app.exception
    assert not [b for b in app.button if b.label == button], "the dialog is closed"
    return app


@pytest.fixture
def draw(monkeypatch):
    """Return a function that says what was drawn; the browser's part is played in tests/browser."""
    drawn = SimpleNamespace(selection=SimpleNamespace(areas=[]))
    boards = []

    def chart(board, **arguments):
        boards.append((board, arguments["key"]))
        return drawn

    monkeypatch.setattr(streamlit, "echarts_chart", chart)

    def say(*areas):
        drawn.selection.areas = list(areas)
        return boards

    return say


def test_a_drawn_page_is_made_listed_and_compared_with_its_rest(open_app, demo_view, draw):
    app = open_app("gene_signature.py")
    new_page(app, "Draw")
    assert "draw around cells" in texts(app)
    xy = demo_view.embedding(2)
    left = int((xy[:, 0] <= 0).sum())
    boards = draw({"brush_type": "rect", "coord_range": [[-100, 0], [-100, 100]]})
    app.run()
    assert f"**{left:,}** cells" in texts(app)
    before = boards[-1][1]
    make(app)
    assert own(app) == {"Page 1": left}
    assert compared(app)["Page 1"] == left
    assert len(compared(app)) == 11
    widget(app, "selectbox", "Against").select("Rest of \x1fp1").run()
    assert compared(app) == {"Page 1": left, "Rest of Page 1": 700 - left}
    draw()
    new_page(app, "Draw")
    assert boards[-1][1] != before, "nothing is drawn on the new board"


def test_a_lasso_around_nothing_is_a_sentence(open_app, draw):
    app = open_app("gene_signature.py")
    draw({"brush_type": "polygon", "coord_range": [[1e6, 1e6], [2e6, 1e6], [1e6, 2e6]]})
    new_page(app, "Draw")
    assert "No cell lies inside" in app.error[0].value
    assert not [b for b in app.button if b.label == "Make the page"]


def test_a_range_of_a_column(open_app, demo_view):
    app = open_app("gene_signature.py")
    new_page(app, "Range")
    widget(app, "selectbox", "Values").select("n_counts").run()
    values = demo_view.obs("n_counts").to_numpy()
    app.number_input(key="new_page_low n_counts").set_value(1000.0).run()
    expected = int((values >= 1000).sum())
    assert f"**{expected:,}** cells" in texts(app)
    make(app, MARKUP)
    assert own(app) == {MARKUP: expected}
    assert "\\<b\\>x" in texts(app), "shown as it is, not as markup"


def test_quantiles_and_a_gene(open_app, demo_view):
    app = open_app("gene_signature.py")
    new_page(app, "Range")
    app.selectbox(key="new_page_values").select("Expression of a gene").run()
    app.text_input(key="new_page_gene").set_value("NOT1X").run()
    assert "is not in the dataset" in app.error[0].value.replace("\\", "")
    app.text_input(key="new_page_gene").set_value("CD79A").run()
    app.segmented_control(key="new_page_unit").set_value("Quantiles").run()
    values = demo_view.expression.gene(demo_view.gene_ids.tolist().index("CD79A")).astype(float)
    expected = int((values >= np.quantile(values, 0.75)).sum())
    make(app)
    assert list(own(app).values()) == [expected]


def test_pasted_ids(open_app, demo_view):
    app = open_app("gene_signature.py")
    new_page(app, "Ids")
    app.text_area(key="new_page_ids").set_value("nobody").run()
    assert "is not in the dataset" in app.error[0].value
    app.text_area(key="new_page_ids").set_value("\n".join([*demo_view.cell_ids[:5], "nobody"])).run()
    assert "1 id is not in the dataset" in texts(app)
    make(app, "five")
    assert own(app) == {"five": 5}
    new_page(app, "Ids")
    app.text_area(key="new_page_ids").set_value(demo_view.cell_ids[9]).run()
    make(app, "five")
    assert own(app) == {"five": 5, "five-1": 1}
    assert compared(app)["five-1"] == 1
    new_page(app, "Ids")
    table = f"cell_id,page\n{demo_view.cell_ids[0]},A\n{demo_view.cell_ids[1]},B\n"
    app.text_area(key="new_page_ids").set_value(table).run()
    make(app, button="Add 2 pages")
    assert list(own(app)) == ["five", "five-1", "A", "B"]


def test_set_operations_over_pages_of_both_kinds(open_app, demo_view):
    app = open_app("gene_signature.py")
    new_page(app, "Ids")
    app.text_area(key="new_page_ids").set_value("\n".join(demo_view.cell_ids)).run()
    make(app, "all")
    new_page(app, "Combine")
    app.multiselect(key="new_page_parts").set_value(["all", "CD19+ B"]).run()
    app.segmented_control(key="new_page_operation").set_value("difference").run()
    assert "**605** cells" in texts(app)
    make(app)
    assert own(app)["all without CD19+ B"] == 605
    new_page(app, "Combine")
    app.multiselect(key="new_page_parts").set_value(["Dendritic", "CD19+ B"]).run()
    app.segmented_control(key="new_page_operation").set_value("intersection").run()
    assert "no cell in common" in app.error[0].value


def test_files_are_told_apart_and_pages_come_back(open_app, demo_view):
    app = open_app("gene_signature.py")
    new_page(app, "Ids")
    app.text_area(key="new_page_ids").set_value("\n".join(demo_view.cell_ids[:60])).run()
    make(app, "sixty")
    work = app.session_state["workspace"]
    saved = pages_to_json(work.view, work.pages)
    assert json.loads(saved)["pages"][0]["name"] == "sixty"
    app.button(key="delete_p1").click().run()
    assert own(app) == {}
    assert "sixty" not in compared(app)
    new_page(app, "File")
    page_files(app).upload("pages.json", saved.encode()).run()
    make(app)
    assert own(app) == {"sixty": 60}
    new_page(app, "File")
    page_files(app).upload(
        "table.csv", f"cell_id,page\n{demo_view.cell_ids[0]},A\n{demo_view.cell_ids[1]},B\n".encode()
    ).run()
    make(app, button="Add 2 pages")
    assert {"A", "B"} < set(own(app))
    new_page(app, "File")
    page_files(app).upload("x.cellucid-session", b"CELLUCID_SESSION\n\xff\xff\xff\xff").run()
    assert "damaged" in app.error[0].value


def page_files(app):
    """The box in the dialog, not the one for signatures."""
    return next(box for box in app.file_uploader if box.label.startswith("Pages saved here"))


def with_pages(app, n=1):
    view = app.session_state["workspace"].view
    ids = view.cell_ids
    work = app.session_state["workspace"]
    made = pages_from_json(
        view,
        json.dumps(
            {
                "format": "cellucid-dashboard-pages",
                "version": 1,
                "pages": [{"name": f"own {i}", "cells": ids[i * 10 : i * 10 + 60].tolist()} for i in range(n)],
            }
        ),
    )
    work.pages = work.pages.add(made.pages)
    return app.run()


def test_rename_recolour_delete(open_app):
    app = with_pages(open_app("gene_signature.py"), 2)
    pages = widget(app, "multiselect", "Pages")
    pages.set_value(["\x1fp1", "CD19+ B"]).run()
    assert compared(app) == {"own 0": 60, "CD19+ B": 95}
    next(box for box in app.text_input if box.label == "Name").set_value("CD19+ B").run()
    assert not app.exception
    assert list(own(app)) == ["CD19+ B", "own 1"]
    assert compared(app) == {"CD19+ B-1": 60, "CD19+ B": 95}, "chosen under its new name"
    app.color_picker[0].set_value("#123456").run()
    assert app.session_state["workspace"].pages.get("p1").color == "#123456"
    assert app.session_state["remembered signature run"][1].pages[0].name == "CD19+ B-1"
    widget(app, "selectbox", "Against").select("Rest of \x1fp1").run()
    assert compared(app) == {"CD19+ B-1": 60, "Rest of CD19+ B-1": 640}
    app.button(key="delete_p1").click().run()
    assert not app.exception
    assert compared(app) == {"CD19+ B": 95}
    assert list(own(app)) == ["own 1"]


def test_pages_survive_other_pages_fixes_and_another_dataset(open_app, opened):
    adata = make_adata()
    app = with_pages(open_app("gene_signature.py", opened(adata)))
    widget(app, "multiselect", "Pages").set_value(["\x1fp1"]).run()
    app.switch_page("export.py").run()
    app.switch_page("gene_signature.py").run()
    assert widget(app, "multiselect", "Pages").value == ["\x1fp1"]
    work = app.session_state["workspace"]
    assert own(app) == {"own 0": 60}
    first = work.dataset
    work.mapping = replace(work.mapping, cells_out=np.array([0, 1]))
    app.run()
    assert own(app) == {"own 0": 58}
    assert not app.exception
    adata.obs["other"] = 1
    work.open(opened(adata))
    app.run()
    assert own(app) == {}
    work.open(first)
    app.run()
    assert own(app) == {"own 0": 60}


def test_a_page_whose_cells_are_all_left_out_is_a_sentence(open_app, opened):
    app = with_pages(open_app("gene_signature.py", opened(make_adata(100))))
    work = app.session_state["workspace"]
    widget(app, "multiselect", "Pages").set_value(["\x1fp1", "B"]).run()
    work.mapping = replace(work.mapping, cells_out=np.arange(60))
    app.run()
    assert not app.exception


def test_without_a_column_the_users_pages_are_compared(open_app, opened):
    adata = make_adata()
    adata.obs = adata.obs[["score"]]
    app = with_pages(open_app("gene_signature.py", opened(adata)), 2)
    widget(app, "text_area", "Signature genes").set_value("GENE1").run()
    widget(app, "multiselect", "Pages").set_value(["\x1fp1", "\x1fp2"]).run()
    assert not app.exception
    assert list(compared(app)) == ["own 0", "own 1"]


def test_many_pages(open_app, draw):
    app = with_pages(open_app("gene_signature.py"), 60)
    assert not app.exception
    assert len(app.color_picker) == 60
    new_page(app, "Draw")


@pytest.mark.parametrize("way", ["Draw", "Range", "Ids", "Combine", "File"])
def test_every_way_on_a_bare_dataset(open_app, opened, way):
    bare = make_adata()
    del bare.obsm["X_umap"], bare.obsm["X_pca"]
    bare.obs = bare.obs[[]]
    app = open_app("gene_signature.py", opened(bare))
    new_page(app, way)
    if way == "Draw":
        assert "no 2D or 3D embedding" in app.error[0].value


def test_saved_pages_are_of_all_cells(open_app, demo):
    app = with_pages(open_app("gene_signature.py"))
    work = app.session_state["workspace"]
    fewer = View(demo, replace(work.mapping, cells_out=np.arange(5)))
    assert len(json.loads(pages_to_json(fewer, work.pages))["pages"][0]["cells"]) == 60


def test_on_a_line_a_range_is_drawn(open_app, opened):
    adata = make_adata()
    del adata.obsm["X_umap"], adata.obsm["X_pca"]
    along = np.linspace(-1, 2, 60)[:, None]
    along[3] = np.nan
    adata.obsm["X_pseudotime"] = along
    dataset = opened(adata)
    app = open_app("gene_signature.py", dataset)
    work = app.session_state["workspace"]
    work.choose(embeddings={1: "X_pseudotime"})
    new_page(app, "Draw")
    assert "one dimension" in texts(app)
    assert app.get("vega_lite_chart")
    app.number_input(key="new_page_low X_pseudotime").set_value(5.0).run()
    assert "No cell has" in app.error[-1].value or "wrong order" in app.error[-1].value
    app.number_input(key="new_page_low X_pseudotime").set_value(1.0).run()
    make(app, "late")
    assert own(app) == {"late": int((along >= 1).sum())}
    assert "X_pseudotime from 1 to 2" in work.pages.pages[0].made


def test_a_page_whose_cells_are_all_left_out_is_not_compared(open_app, opened):
    dataset = opened(make_adata(80))
    app = open_app("gene_signature.py", dataset)
    widget(app, "text_area", "Signature genes").set_value("GENE1, GENE2, GENE3").run()
    for name, cells in (("some", slice(0, 5)), ("others", slice(5, 15))):
        new_page(app, "Ids")
        app.text_area(key="new_page_ids").set_value("\n".join(dataset.obs.index[cells])).run()
        make(app, name)
    assert {"some", "others"} <= set(compared(app))
    work = app.session_state["workspace"]
    work.mapping = replace(work.mapping, cells_out=np.arange(5))
    app.run()
    assert not app.exception
    assert "some" not in compared(app)
    assert compared(app)["others"] == 10
    assert "All cells of some are left out" in texts(app)
    assert not any("some" in str(option) for option in widget(app, "selectbox", "Against").options)
    work.mapping = replace(work.mapping, cells_out=np.arange(0))
    app.run()
    assert "left out" not in texts(app)
    assert any("some" in str(option) for option in widget(app, "multiselect", "Pages").options)
