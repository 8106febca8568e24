"""Entries on the server: complete or absent, everybody's to use, their maker's to delete."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine, event
from sqlalchemy.exc import OperationalError

from cellucid_core.database import reading
from cellucid_core.errors import InputError, WorkRefused
from cellucid_core.library import add_entry, delete_entry, entry_file, example_entry, list_entries, read_signature
from tests.library.signatures_made import make_signature
from tests.library.test_signature_formats import same


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr("cellucid_core.library.entries.home_folder", lambda *parts: tmp_path)
    return tmp_path


def test_an_entry_is_kept_listed_read_and_deleted(folder):
    first = add_entry(make_signature(), "me")
    second = add_entry(make_signature(), "you")
    assert {entry.id for entry in list_entries()} == {first.id, second.id}
    same(read_signature(entry_file(first.id), "x.h5"), make_signature())
    assert first.record == {"matrix": "X"}
    assert first.size == entry_file(first.id).stat().st_size
    assert [level["degs"] for level in first.levels] == [2, 2]
    assert first.key_types(0) == ["NK/ILC", "B", "T cell"]
    assert "me" not in (folder / first.id / "record.json").read_text(encoding="utf-8").split('"owner"')[1]
    assert (first.owned_by("me"), first.owned_by("you"), first.owned_by("")) == (True, False, False)
    with pytest.raises(WorkRefused, match="somebody else"):
        delete_entry(first.id, "you")
    delete_entry(first.id, "me")
    assert [entry.id for entry in list_entries()] == [second.id]
    assert sorted(path.name for path in folder.iterdir()) == [second.id]
    for name in (first.id, "../x", "..", "", ".hidden"):
        for work in (entry_file, lambda name: delete_entry(name, "me")):
            with pytest.raises(InputError):
                work(name)


def test_half_written_and_foreign_folders_are_no_entries(folder, monkeypatch):
    def fail(*args):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("cellucid_core.library.entries.write_h5", fail)
        with pytest.raises(InputError, match="No space left"):
            add_entry(make_signature(), "me")
    assert list(folder.iterdir()) == []

    with reading():  # it is there, so that what fails is the owner's row
        pass

    def full(connection):
        raise OperationalError("COMMIT", {}, OSError("database or disk is full"))

    event.listen(Engine, "commit", full)
    try:
        with pytest.raises(WorkRefused, match="disk is full"):  # it would be nobody's
            add_entry(make_signature(), "me")
    finally:
        event.remove(Engine, "commit", full)
    assert list(folder.iterdir()) == []
    for name, content in (("a", None), ("b", "{"), ("c", "[]"), ("d", json.dumps({"id": "d"}))):
        (folder / name).mkdir()
        if content is not None:
            (folder / name / "record.json").write_text(content)
    (folder / "file").write_text("x")
    assert list_entries() == []


def test_the_example_is_that_of_the_demo_and_stays(demo_view):
    example = example_entry()
    assert example not in list_entries()
    assert example.levels[0]["cell_types"] == demo_view.label_counts("bulk_labels").to_dict()
    signature = read_signature(entry_file(example.id))
    assert [level.name for level in signature.levels] == ["bulk_labels"]
    cells = np.flatnonzero((demo_view.obs("bulk_labels") == "Dendritic").to_numpy())
    gene = list(demo_view.gene_ids).index("CD74")
    level = signature.levels[0]
    assert level.mean.loc["CD74", "Dendritic"] == pytest.approx(demo_view.expression.gene(gene)[cells].mean(), rel=1e-5)
    for owner in ("", "anybody"):
        with pytest.raises(WorkRefused):
            delete_entry(example.id, owner)


def test_an_entry_that_could_not_be_put_in_its_place_is_in_no_list(monkeypatch):
    before = {entry.id for entry in list_entries()}

    def full(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(InputError, match="could not be kept"):
        add_entry(make_signature(), "me")
    assert {entry.id for entry in list_entries()} == before
