"""Hints at the first visit, and genes to begin with."""

from __future__ import annotations

import pytest

from pages.signature.gene_box import genes_of_set
from pages.workspace import hints
from tests.making import make_adata
from tests.pages.test_pages import texts, widget

FIRST = "1 of 4"


@pytest.fixture
def first(app, monkeypatch):
    """A browser that keeps cookies and was never here."""
    monkeypatch.setattr(hints, "lasting_owner", lambda: "browser-me")
    del app.session_state["hints_shown"]
    app.run()
    return app


def test_a_browser_without_cookies_asks_for_them(app):
    assert FIRST not in texts(app)
    app.button(key="show_hints").click().run()
    assert FIRST in texts(app)


def test_one_hint_for_each_step(first):
    assert FIRST in texts(first)
    for number, page in enumerate(("upload_preflight.py", "export.py", "gene_signature.py"), 2):
        first.switch_page(page)
        first.run()
        assert f"{number} of 4" in texts(first)
        assert not first.exception
    first.switch_page("signature_library.py")
    first.run()
    assert "of 4" not in texts(first)


def test_closed_for_good_and_shown_again(first):
    first.button(key="close_hints").click().run()
    assert FIRST not in texts(first)
    assert any(hints.COOKIE in one.proto.body for one in first.get("html"))
    first.button(key="show_hints").click().run()
    assert FIRST in texts(first)
    assert not [one for one in first.button if one.key == "show_hints"]


def test_not_for_who_has_a_workspace(app, monkeypatch):
    monkeypatch.setattr(hints, "lasting_owner", lambda: "browser-me")
    app.session_state["keeper"].name = "f" * 64
    monkeypatch.setattr(type(app.session_state["keeper"]), "keep", lambda *_: None)
    del app.session_state["hints_shown"]
    app.run()
    assert FIRST not in texts(app)


@pytest.mark.parametrize(
    ("has", "expected"),
    [
        (["CD3E", "CD3D", "X1"], ["CD3D", "CD3E"]),
        (["Cd3e", "Trac", "Cd3g", "X1"], ["Cd3e", "Cd3g", "Trac"]),
        (["ENSG00000167286", "ENSG00000198851", "X1"], ["ENSG00000167286", "ENSG00000198851"]),
        (["X1", "X2"], []),
    ],
)
def test_genes_of_a_ready_set_as_the_dataset_calls_them(opened, has, expected):
    from cellucid_core.dataset import View, default_mapping

    adata = make_adata(20, len(has))
    adata.var_names = has
    dataset = opened(adata)
    assert genes_of_set(View(dataset, default_mapping(dataset)), "T cell") == expected


def test_one_click_fills_the_empty_box(open_app):
    app = open_app("gene_signature.py")
    box = widget(app, "text_area", "Signature genes")
    assert not [button for button in app.button if button.label == "Try T cells"]
    box.set_value("").run()
    next(button for button in app.button if button.label == "Try T cells").click().run()
    assert not app.exception
    assert "CD3D" in widget(app, "text_area", "Signature genes").value
    assert "0 missing" in texts(app)
    app.button(key="undo_signature").click().run()
    assert widget(app, "text_area", "Signature genes").value == ""


def test_no_button_where_the_dataset_has_none_of_them(open_app, opened):
    app = open_app("gene_signature.py", opened(make_adata()))
    assert widget(app, "text_area", "Signature genes").value == ""
    assert not [button for button in app.button if button.label == "Try T cells"]
