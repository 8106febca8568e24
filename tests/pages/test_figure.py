"""The dialog that saves a figure opens on every one of them, and the pages come in the order that is chosen."""

from __future__ import annotations

import pytest

from tests.pages.test_pages import widget
from tests.pages.test_signature_parts import open_tab


@pytest.mark.parametrize(
    ("tab", "name", "titles"),
    [
        ("Tests", "signature_violin", ["Mean expression"]),
        ("Genes", "signature_genes", ["Mean", "Cells above 0"]),
        ("Genes", "signature_contributions", ["Contribution to the difference"]),
        ("Embedding", "signature_embedding", ["Mean expression", "page"]),
    ],
)
def test_every_figure_can_be_saved_with_other_titles(open_app, tab, name, titles):
    app = open_app("gene_signature.py")
    open_tab(app, tab)
    app.button(key=f"save_{name}").click().run()
    assert not app.exception
    assert not app.error
    labels = [one.label for one in app.text_input]
    assert labels[-len(titles) - 1 :] == ["Title", *(f"Replace “{title}” by" for title in titles)]
    assert {"Save as PDF", "Save as PNG", "Save as SVG"} <= {one.label for one in app.get("download_button")}


def test_pages_in_the_order_of_their_means(open_app):
    app = open_app("gene_signature.py")
    shown = app.dataframe[0].value
    for choice, ascending in (("highest", False), ("lowest", True)):
        widget(app, "selectbox", "Order of pages").select(choice).run()
        assert not app.exception
        ordered = app.dataframe[0].value
        assert ordered["mean"].tolist() == sorted(shown["mean"], reverse=not ascending)
        assert set(ordered["page"]) == set(shown["page"])
