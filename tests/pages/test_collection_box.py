"""The collection on the Export page: what its buttons do to the folder, and who sees it."""

from __future__ import annotations

import hashlib
import json
import os
import time
import zipfile
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from cellucid_core.export import ExportSettings, verify, write
from tests.export.standin import small_view
from tests.pages.conftest import ended
from tests.patience import PATIENCE
from tests.state import rows


def script():
    from pathlib import Path

    import streamlit as st

    from pages.exporting.collection import collection_box

    export = st.session_state.get("export")
    collection_box(Path(export) if export else None, st.session_state.get("export_id", ""))


@pytest.fixture
def app():
    test = AppTest.from_function(script, default_timeout=PATIENCE)
    test.run()
    assert not test.exception
    return test


@pytest.fixture(scope="module")
def exports(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exports")
    for name in ("one", "two"):
        chosen = ExportSettings(dataset_id=name, name=f"**{name}** :red[x]")
        write(small_view(n_cells=40, n_genes=2), chosen, folder / f"{name}.zip", verify=False)
    return folder


def add(app, exports, name):
    app.session_state["export"], app.session_state["export_id"] = str(exports / f"{name}.zip"), name
    app.run()
    app.button("collection_add").click().run()
    assert not app.exception


def root_of(app):
    return Path(app.session_state["collection"])


def listed(app):
    return json.loads((root_of(app) / "datasets.json").read_text())


def links(app):
    return [element.proto.url for element in app.get("link_button")]


def test_empty_it_says_what_it_is_for(app):
    assert "Collect several exports" in app.caption[0].value
    assert len(app.button) == 0
    assert "collection" not in app.session_state


def test_add_choose_zip_remove(app, exports, home):
    add(app, exports, "one")
    assert [entry["id"] for entry in listed(app)["datasets"]] == ["one"]
    assert app.button("collection_add").label == "Replace one in the collection"
    assert len(app.selectbox) == 0
    add(app, exports, "two")
    assert verify(root_of(app) / "two").ok
    shown = "\n".join(element.value for element in app.markdown)
    assert r"\*\*two\*\* \:red\[x\]" in shown
    assert "40 cells · 2 genes" in shown
    assert root_of(app).parent == home / "collections"

    assert app.selectbox[0].value == "one"
    app.selectbox[0].set_value("two").run()
    assert listed(app)["default"] == "two"
    assert app.selectbox[0].value == "two"

    assert links(app) == []
    app.button("collection_make").click().run()
    assert not app.exception
    (address,) = links(app)
    key = hashlib.sha256(address.rpartition("/")[2].encode()).hexdigest()
    (record,) = (row for row in rows(home, "downloads") if row["key"] == key)
    assert record["file_name"] == "exports.zip"
    with zipfile.ZipFile(record["path"]) as archive:
        inside = json.loads(archive.read("exports/datasets.json"))
        assert inside == listed(app)
        assert {name.split("/")[1] for name in archive.namelist()} == {"datasets.json", "one", "two"}
    app.run()
    assert links(app) == [address]

    app.button("collection_remove_1_two").click().run()
    assert [entry["id"] for entry in listed(app)["datasets"]] == ["one"]
    assert listed(app)["default"] == "one"
    assert links(app) == []
    assert not Path(record["path"]).exists()
    app.button("collection_remove_0_one").click().run()
    assert list(root_of(app).iterdir()) == []
    assert "Collect several exports" in app.caption[0].value


@pytest.mark.parametrize("outdated", [False, True])
def test_a_zip_that_was_made_while_nobody_looked_is_offered(outdated, me, app, exports, monkeypatch):
    from pages.exporting import collection

    add(app, exports, "one")
    with monkeypatch.context() as closed:
        closed.setattr(collection, "follow", lambda *_: collection.st.stop())
        app.button("collection_make").click().run()
    ended(me, "zip")
    if outdated:
        later = time.time() + 10
        os.utime(root_of(app) / "datasets.json", (later, later))
    for offered in (0 if outdated else 1, 0):
        other = AppTest.from_function(script, default_timeout=PATIENCE)
        other.session_state["collection"] = str(root_of(app))
        assert len(links(other.run())) == offered
        assert not other.exception


def test_replacing_what_is_there(app, exports, tmp_path):
    add(app, exports, "one")
    newer = tmp_path / "one.zip"
    write(small_view(n_cells=50, n_genes=2), ExportSettings(dataset_id="one"), newer, verify=False)
    add(app, tmp_path, "one")
    assert [(entry["id"], entry["n_cells"]) for entry in listed(app)["datasets"]] == [("one", 50)]


def test_what_goes_wrong_is_a_sentence_once(app, exports, tmp_path):
    add(app, exports, "one")
    app.session_state["export"], app.session_state["export_id"] = str(tmp_path / "gone.zip"), "gone"
    app.run()
    app.button("collection_add").click().run()
    assert "does not exist" in app.error[0].value
    app.run()
    assert len(app.error) == 0
    (root_of(app) / "one" / "dataset_identity.json").write_text("{")
    app.run()
    assert not app.exception
    assert "is damaged" in app.error[0].value


def test_a_folder_that_was_swept_away_is_an_empty_collection(app, exports):
    import shutil

    add(app, exports, "one")
    shutil.rmtree(root_of(app))
    app.run()
    assert not app.exception
    assert app.button("collection_add").label == "Add this export to the collection"
    add(app, exports, "one")
    assert len(listed(app)["datasets"]) == 1


def test_sessions_do_not_see_each_other_and_old_ones_go(app, exports, home):
    add(app, exports, "one")
    other = AppTest.from_function(script, default_timeout=PATIENCE)
    long_ago = time.time() - 10 * 24 * 3600
    for path in (root_of(app), root_of(app) / "datasets.json"):
        os.utime(path, (long_ago, long_ago))
    add(other, exports, "two")
    assert root_of(other) != root_of(app)
    assert [entry["id"] for entry in listed(other)["datasets"]] == ["two"]
    assert not root_of(app).exists()
