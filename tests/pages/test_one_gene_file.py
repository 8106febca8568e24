"""A file of genes means the same genes on the Gene Signature page and on the Export page."""

from __future__ import annotations

from cellucid_core.genes import parse_genes
from tests.genes.files_made import ENCODINGS, FILES, GENES
from tests.pages.test_pages import widget


def upload(app, label, name, content):
    next(box for box in app.file_uploader if box.label == label).upload(name, content).run()
    assert not app.exception
    assert not app.error


def files():
    for number, (name, text) in enumerate(FILES.items()):
        yield name, text.encode(ENCODINGS[number % len(ENCODINGS)])


def test_the_signature_page(open_app):
    app = open_app("gene_signature.py")
    for name, content in files():
        upload(app, "Signatures", name, content)
        run = app.session_state["remembered signature run"][1]
        assert (run.match.found, run.match.missing) == (GENES[:2], GENES[2:])
        assert run.match.weighted is (name in ("columns.csv", "german.csv", "scanpy.csv", "weights.tsv"))


def test_the_export_page(open_app):
    app = open_app("export.py")
    widget(app, "button_group", "Genes").set_value(["list"]).run()
    for name, content in files():
        widget(app, "text_area", "Gene list").set_value("").run()
        upload(app, "Add genes from a file", name, content)
        assert parse_genes(widget(app, "text_area", "Gene list").value) == GENES
