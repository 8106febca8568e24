"""The library page: build, open, score, read, delete."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from cellucid_core.errors import WorkRefused
from cellucid_core.library import list_entries, write_signature
from tests.pages.conftest import MAIN, ended
from tests.pages.test_pages import odd_datasets, texts, widget
from tests.patience import PATIENCE


@pytest.fixture(autouse=True)
def empty_library(tmp_path, monkeypatch, home):
    """Every test has a library of its own."""
    monkeypatch.setattr("cellucid_core.library.entries.home_folder", lambda *parts: tmp_path)


def build(app, generations=20):
    widget(app, "number_input", "Generations").set_value(generations)
    widget(app, "multiselect", "Levels, the broadest first").set_value(["bulk_labels", "louvain"])
    widget(app, "number_input", "DEGs").set_value(60)
    widget(app, "button", "Build").click().run()
    assert not app.exception
    return app


def test_without_a_dataset_it_offers_the_demo(app):
    app.switch_page("signature_library.py")
    app.run()
    assert not app.exception
    assert "There is no signature yet" in texts(app)
    assert "Open a dataset to build" in texts(app)


def test_build_open_score_delete(open_app, demo):
    app = build(open_app("signature_library.py"))
    assert "was added to the library" in texts(app)
    table = app.dataframe[0].value
    assert list(table["Level"]) == ["bulk_labels", "louvain"]
    assert list(table["Cell types"]) == [10, 11]
    assert list(table["DEGs"]) == [60, 60]
    (entry,) = list_entries()
    assert entry.record["content_hash"] == demo.content_hash
    assert [column["level"] for column in entry.levels] == ["bulk_labels", "louvain"]
    assert "falls into" in texts(app)

    app.selectbox(key=f"type_{entry.id}_louvain").set_value("4").run()
    genes = app.code[0].value
    app.button(key=f"use_{entry.id}").click().run()
    assert not app.exception
    assert app.title[0].value == "Gene Signature"
    assert widget(app, "text_area", "Signature genes").value == genes
    assert "scores highest" in texts(app)

    app.switch_page("signature_library.py")
    app.run()
    app.button(key=f"delete_{entry.id}").click().run()
    assert not app.exception
    assert list_entries() == []


def test_what_became_of_a_build_while_nobody_looked_is_told_once(me, open_app, monkeypatch):
    from pages.session import jobs

    def fail(*arguments, **more):
        raise WorkRefused("The disk is on fire.", "Run.")

    app = open_app("signature_library.py")
    with monkeypatch.context() as closed:
        closed.setattr(jobs, "follow", lambda *_: jobs.st.stop())
        closed.setattr("cellucid_core.serving.jobs.tasks.build_signature", fail)
        widget(app, "button", "Build").click().run()
        assert not app.exception
        app.run()
        # Waiting for it comes last: the rest of the page is there.
        assert "A signature file" in [box.label for box in app.get("file_uploader")]
        ended(me, "build")
    for told in (True, False):
        other = AppTest.from_file(str(MAIN), default_timeout=PATIENCE).run()
        other.switch_page("signature_library.py")
        assert ["disk is on fire" in error.value for error in other.run().error] == [True] * told


def test_comparison_is_made_when_asked_for(open_app):
    app = build(open_app("signature_library.py"))
    (entry,) = list_entries()
    assert "genes that both have" not in texts(app)
    app.button(key=f"compare_go_{entry.id}").click().run()
    assert not app.exception
    assert "over the 765 genes that both have" in texts(app)


def test_files_are_read_and_bulk_is_checked(open_app, tmp_path, demo_view):
    from tests.library.signatures_made import make_signature

    app = open_app("signature_library.py")
    uploads = [element for element in app.get("file_uploader") if element.label == "A signature file"]
    path = write_signature(make_signature(), tmp_path / "made.pickle")
    uploads[0].upload(path.name, path.read_bytes()).run()
    assert not app.exception
    assert "3 cell types, 12 genes, 2 DEGs" in texts(app).replace("\\", "")
    widget(app, "button", "Add it to the library").click().run()
    assert [entry.dataset for entry in list_entries()] == ["Lung “1”"]
    (box,) = [element for element in app.get("file_uploader") if element.label.startswith("A bulk matrix")]
    rows = "\n".join(f"G{i},{i * 37 + 5},{i * 11 + 2}" for i in range(12))
    box.upload("bulk.csv", f"gene,s1,s2\n{rows}\n".encode()).run()
    assert not app.exception
    assert widget(app, "metric", "Genes matched").value == "12 of 12"
    assert "need at least as many" in texts(app)  # two DEGs for three types
    (box,) = [element for element in app.get("file_uploader") if element.label == "A signature file"]
    box.upload("evil.pickle", b"\x80\x04cos\nsystem\nX\x04\x00\x00\x00true\x85R.").run()
    assert not app.exception
    assert "os.system" in texts(app).replace("\\", "")


def test_a_second_entry_is_opened_when_it_is_built(open_app):
    app = build(build(open_app("signature_library.py")))
    assert len(list_entries()) == 2
    newest, oldest = (entry.id for entry in list_entries())
    assert app.session_state["library_entry"] == newest
    assert "was added to the library" in texts(app)
    # Made within a minute, of the same dataset: told apart all the same.
    for label in ("Signature to open", "Signature"):
        assert len(set(widget(app, "selectbox", label).options)) == 2
    for entry in (oldest, newest):
        widget(app, "selectbox", "Signature to open").set_value(entry).run()
        app.segmented_control(key=f"level_{entry}").set_value("bulk_labels").run()
        assert app.session_state["library_entry"] == entry


def test_somebody_else_cannot_delete(open_app):
    app = build(open_app("signature_library.py"))
    for key in ("owner", "began_with"):
        app.session_state[key] = "somebody else"
    app.run()
    assert not app.exception
    assert widget(app, "selectbox", "Signature to open").value == list_entries()[0].id
    assert not [button for button in app.button if (button.key or "").startswith("delete_")]


@pytest.mark.parametrize("name", list(odd_datasets()))
def test_odd_datasets(open_app, opened, name):
    app = open_app("signature_library.py", opened(odd_datasets()[name]))
    assert not app.exception
    for button in [button for button in app.button if button.label == "Build"]:
        widget(app, "number_input", "Generations").set_value(3)
        button.click().run()
        assert not app.exception


def test_counts_are_warned_of(open_app, opened):
    from tests.making import make_adata

    adata = make_adata()
    adata.X = adata.X.copy()
    adata.X.data[:] = (adata.X.data * 2).round() + 1
    app = open_app("signature_library.py", opened(adata))
    assert not app.exception
    assert "signatures need log-normalized values" in texts(app)
    assert widget(app, "toggle", "Normalize to 10,000 per cell and log").value is True
