"""Pages saved to a file and loaded again, here and elsewhere."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellucid_core.cell_pages import PageSet, SavedPage, pages_from_file, pages_from_json, pages_to_json
from cellucid_core.dataset import View, default_mapping
from cellucid_core.errors import CellucidError, InputError
from tests.making import make_adata, write_and_view

HOSTILE = '<b>x</b> **bold** "quoted" \\ :smile: ☃'


def page(name, *rows):
    return SavedPage(name, np.array(rows, dtype=np.int64), made=f"made of {name}")


@pytest.fixture(scope="module")
def view(tmp_path_factory):
    return write_and_view(make_adata(n_cells=10), tmp_path_factory.mktemp("data"))


def test_pages_come_back_as_they_were(view):
    pages = PageSet().add([page(HOSTILE, 0, 3), page("B", *range(10))]).recolor("p2", "#123456")
    text = pages_to_json(view, pages)
    made = pages_from_json(view, text)
    assert [(p.name, p.rows.tolist(), p.color, p.made) for p in made.pages] == [
        (p.name, p.rows.tolist(), p.color, p.made) for p in pages
    ]
    assert made.notes == []
    assert pages_from_file(view, text.encode(), "x.json").pages[0].name == HOSTILE
    content = json.loads(text)
    assert (content["format"], content["version"]) == ("cellucid-dashboard-pages", 1)
    assert content["pages"][0]["cells"] == ["cell-0", "cell-3"]


def test_on_another_dataset_they_join_by_id_and_what_was_lost_is_said(view, viewed):
    text = pages_to_json(view, [page("a", 0, 1, 2), page("gone", 7)])
    other = make_adata(n_cells=6)
    other.obs_names = ["new", "cell-2", "cell-1", "x", "y", "z"]
    made = pages_from_json(viewed(other), text)
    assert [(p.name, p.rows.tolist()) for p in made.pages] == [("a", [1, 2])]
    assert made.notes == [
        "a: 1 id is not in the dataset: cell-0.",
        "No cell of this page is in the dataset: gone.",
    ]
    other.obs_names = list("uvwxyz")
    with pytest.raises(InputError, match="None of the cells"):
        pages_from_json(viewed(other), text)


def test_cells_that_a_fix_leaves_out_stay_in_the_file_and_come_back(view):
    fewer = View(view.dataset, replace(view.mapping, cells_out=np.array([0, 4])))
    made = pages_from_json(fewer, pages_to_json(fewer, [page("a", 0, 1)]))
    assert made.pages[0].rows.tolist() == [0, 1]
    assert made.notes == ["a: 1 of the cells is left out by a fix."]


def test_repeated_ids_are_told_apart_on_the_same_dataset_only(viewed):
    adata = make_adata(n_cells=4)
    adata.obs_names = ["a", "a", "b", "c"]
    view = viewed(adata)
    text = pages_to_json(view, [page("p", 1, 2)])
    assert pages_from_json(view, text).pages[0].rows.tolist() == [1, 2]
    adata.obs["more"] = 1
    other = pages_from_json(viewed(adata), text)
    assert other.pages[0].rows.tolist() == [0, 1, 2]
    assert other.notes == ["p: 1 id belongs to several cells, which are all included: a."]


@pytest.mark.parametrize("rows", [[1], [1, 9], [1, -1], [0, 3], "ab", [1.0, 2]])
def test_rows_that_are_not_those_of_the_ids_do_not_count(viewed, rows):
    adata = make_adata(n_cells=4)
    adata.obs_names = ["a", "a", "b", "c"]
    view = viewed(adata)
    content = json.loads(pages_to_json(view, [page("p", 1, 2)]))
    content["pages"][0]["rows"] = rows
    assert pages_from_json(view, json.dumps(content)).pages[0].rows.tolist() == [0, 1, 2]


def changed(**changes):
    content = {"format": "cellucid-dashboard-pages", "version": 1, "pages": [{"name": "a", "cells": ["cell-1"]}]}
    return json.dumps({**content, **changes})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not a file of pages"),
        ("[]", "not a file of pages"),
        ("{", "not a file of pages"),
        ("[" * 100_000, "not a file of pages"),
        (b"\xff\xff", "not a file of pages"),
        (changed(format="other"), "not a file of pages"),
        (changed(version=2), "version 2"),
        (changed(pages=[]), "no pages"),
        (changed(pages={}), "no pages"),
        (changed(pages=[{"name": "a", "cells": ["cell-1"]}] * 101), "101 pages"),
        (changed(pages=[{"name": 1, "cells": []}]), "Page 1"),
        (changed(pages=[{"name": "a", "cells": [1]}]), "Page 1"),
        (changed(pages=[7]), "Page 1"),
        (changed(pages=[{"name": "a", "cells": []}]), "None of the cells"),
    ],
)
def test_files_that_hold_no_pages(view, text, words):
    with pytest.raises(InputError, match=words):
        pages_from_json(view, text)


def test_little_is_needed(view):
    made = pages_from_json(view, changed(dataset=None))
    assert (made.pages[0].name, made.pages[0].rows.tolist(), made.pages[0].color) == ("a", [1], None)
    odd = pages_from_json(view, changed(pages=[{"name": "a", "cells": ["cell-1"], "color": 5, "made": []}]))
    assert (odd.pages[0].color, odd.pages[0].made) == (None, "")


VALUES = st.none() | st.booleans() | st.integers() | st.text(max_size=4) | st.lists(st.text(max_size=3), max_size=3)


@settings(deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from(["name", "cells", "rows", "color", "made"]), VALUES), max_size=3))
def test_any_content_gives_pages_or_a_sentence(demo, pages):
    with contextlib.suppress(CellucidError):
        pages_from_json(View(demo, default_mapping(demo)), changed(pages=pages))


def test_the_kind_of_a_file_is_told_by_its_content(view):
    assert pages_from_file(view, b"cell-1\ncell-2", "my cells.txt").pages[0].name == "my cells"
    assert pages_from_file(view, b"\xef\xbb\xbf  " + changed().encode(), "x").pages[0].rows.tolist() == [1]
    with pytest.raises(InputError, match="empty"):
        pages_from_file(view, b" \n", "x")
    with pytest.raises(InputError, match="not a Cellucid session"):
        pages_from_file(view, b"CELLUCID", "x")
