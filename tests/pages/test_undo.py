"""Undo on every page: one step back, and a sentence on what was undone."""

from __future__ import annotations

import numpy as np
import streamlit as st

from cellucid_core.cell_pages import PageSet, SavedPage
from cellucid_core.genes import GeneSet, GeneSets
from pages.session.undo import Undoable, _changed, _words
from tests.making import make_adata
from tests.pages.test_pages import widget

SIGNATURE, EXPORT, PREFLIGHT, LIBRARY = (
    "gene_signature.py",
    "export.py",
    "upload_preflight.py",
    "signature_library.py",
)


def change(app, element, value):
    element.set_value(value).run()
    assert not app.exception


def undo(app, page):
    app.button(key=f"undo_{page}").click().run()
    assert not app.exception
    return [toast.value.replace("\\", "") for toast in app.toast]


def can_undo(app, page):
    return not app.button(key=f"undo_{page}").disabled


def act(app, work):
    """Do what a dialog does: change the session's work, and run the page again."""
    work(app.session_state["workspace"])
    app.run()
    assert not app.exception


def test_there_is_nothing_to_undo_at_first(open_app):
    for file, page in ((SIGNATURE, "signature"), (EXPORT, "export"), (PREFLIGHT, "preflight"), (LIBRARY, "library")):
        app = open_app(file)
        assert not can_undo(app, page)
        app.run()
        assert not can_undo(app, page)


def test_choices_and_genes_step_by_step(open_app):
    app = open_app(SIGNATURE)
    change(app, widget(app, "text_area", "Signature genes"), "CD79A, MS4A1")
    change(app, widget(app, "selectbox", "Score"), "ucell")
    assert app.button(key="undo_signature").help == "Undo the change of the score"
    assert undo(app, "signature") == ["Undone: the change of the score."]
    assert widget(app, "selectbox", "Score").value == "mean"
    assert widget(app, "text_area", "Signature genes").value == "CD79A, MS4A1"
    assert undo(app, "signature") == ["Undone: the change of the gene list."]
    assert widget(app, "text_area", "Signature genes").value.startswith("CD3D")
    assert not can_undo(app, "signature")
    app.run()
    assert not app.toast  # it is said once


def test_a_click_before_the_page_noted_the_last_change_undoes_that_one(open_app):
    app = open_app(SIGNATURE)
    change(app, widget(app, "selectbox", "Score"), "ucell")
    widget(app, "text_area", "Signature genes").set_value("CD79A, MS4A1")  # both come with the same run
    assert undo(app, "signature") == ["Undone: the change of the gene list."]
    assert widget(app, "text_area", "Signature genes").value.startswith("CD3D")
    assert widget(app, "selectbox", "Score").value == "ucell"
    assert undo(app, "signature") == ["Undone: the change of the score."]


def test_a_click_that_ends_a_run_early_leaves_its_change_a_step_of_its_own(open_app, monkeypatch):
    app = open_app(SIGNATURE)
    with monkeypatch.context() as early:  # the page ends before it comes to the Undo button
        early.setattr("pages.signature.gene_box.commit_on_paste", st.stop)
        change(app, widget(app, "text_area", "Signature genes"), "")
    next(button for button in app.button if button.label == "Try T cells").click().run()
    assert widget(app, "text_area", "Signature genes").value == "CD3D, CD3E, CD3G"
    assert undo(app, "signature") == ["Undone: the change of the gene list."]
    assert widget(app, "text_area", "Signature genes").value == ""
    assert undo(app, "signature") == ["Undone: the change of the gene list."]
    assert widget(app, "text_area", "Signature genes").value.startswith("CD3D, CD3E, CD8A")
    assert not can_undo(app, "signature")


def test_pages_made_renamed_and_deleted(open_app):
    app = open_app(SIGNATURE)
    made = [SavedPage("A*", np.array([1, 2])), SavedPage("B", np.array([3]))]
    act(app, lambda work: setattr(work, "pages", work.pages.add(made)))
    act(app, lambda work: setattr(work, "pages", work.pages.rename("p1", "T")))
    chosen = widget(app, "multiselect", "Pages")
    change(app, chosen, ["CD19+ B", "\x1fp1"])
    app.button(key="delete_p1").click().run()
    assert widget(app, "multiselect", "Pages").value == ["CD19+ B"]
    assert undo(app, "signature") == ["Undone: deleting T."]
    assert widget(app, "multiselect", "Pages").value == ["CD19+ B", "\x1fp1"]  # it is chosen again, too
    assert undo(app, "signature") == ["Undone: the change of the chosen pages."]
    assert undo(app, "signature") == ["Undone: renaming A* to T."]
    assert undo(app, "signature") == ["Undone: making A*, B."]
    work = app.session_state["workspace"]
    assert len(work.pages) == 0
    assert work.pages.add(made[:1]).pages[0].id == "p3"  # no id is used twice


def test_a_file_of_genes_is_put_back(open_app):
    from pages.session.state import OpenGeneSets

    app = open_app(SIGNATURE)
    sets = GeneSets([GeneSet("B", ("CD79A",)), GeneSet("T", ("CD3D",))], [])
    act(app, lambda work: setattr(work, "gene_sets", OpenGeneSets("sets.gmt", sets)))
    assert undo(app, "signature") == ["Undone: the change of the gene list."]
    assert app.session_state["workspace"].gene_sets is None


def test_settings_of_an_export(open_app):
    app = open_app(EXPORT)
    before = widget(app, "text_input", "Name").value
    change(app, widget(app, "text_input", "Name"), "Mine")
    columns = app.multiselect(key="export_columns")
    change(app, columns, columns.value[:1])
    assert undo(app, "export") == ["Undone: the change of the cell columns."]
    assert len(app.multiselect(key="export_columns").value) > 1
    assert undo(app, "export") == ["Undone: the change of “Name”."]
    assert widget(app, "text_input", "Name").value == before


def test_a_preset_is_one_step(open_app):
    app = open_app(EXPORT)
    preset = next(one for one in app.get("button_group") if one.key and one.key.startswith("export_preset@"))
    before = app.session_state["workspace"], preset.value
    change(app, preset, "quick")
    assert undo(app, "export")[0].startswith("Undone: the change of ")
    preset = next(one for one in app.get("button_group") if one.key and one.key.startswith("export_preset@"))
    assert (app.session_state["workspace"], preset.value) == before
    assert not can_undo(app, "export")


def test_fixes_and_choices_of_preflight(open_app, opened):
    adata = make_adata()
    adata.obs["barcode"] = [f"b{i}" for i in range(60)]
    app = open_app(PREFLIGHT, opened(adata))
    app.button(key="fix_obs-one-value-per-cell").click().run()
    change(app, widget(app, "selectbox", "Latent space"), "none")
    assert undo(app, "preflight") == ["Undone: the change of the latent space."]
    assert widget(app, "selectbox", "Latent space").value == "X_pca"
    assert undo(app, "preflight") == ["Undone: applying 1 fix."]
    assert app.session_state["workspace"].fixes == ()


def test_each_page_undoes_its_own(open_app):
    app = open_app(SIGNATURE)
    change(app, widget(app, "selectbox", "Score"), "ucell")
    app.switch_page(EXPORT)
    app.run()
    assert not can_undo(app, "export")
    change(app, widget(app, "text_input", "Name"), "Mine")
    app.switch_page(SIGNATURE)
    app.run()
    assert undo(app, "signature") == ["Undone: the change of the score."]
    app.switch_page(EXPORT)
    app.run()
    assert widget(app, "text_input", "Name").value == "Mine"


def test_what_is_drawn_for_the_first_time_was_not_changed():
    absent = _changed({("widgets", "a"): 1}, {("widgets", "a"): 1, ("widgets", "b"): 2})
    assert absent == {}


def test_words_of_a_recoloured_page_and_of_nothing():
    before = PageSet().add([SavedPage("T", np.array([1]), "#112233")])
    what = Undoable(pages=True)
    after = {("pages", ""): before.recolor("p1", "#445566")}
    assert _words(what, {("pages", ""): before}, after) == "the change of the colour of T"
    assert _words(what, {("pages", ""): before}, {("pages", ""): before.rename("p1", "T")}) == ""
