"""The user's pages: names, colours, ids, set operations, and what fixes do to them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellucid_core.cell_pages import (
    MAX_SAVED,
    Page,
    PageSet,
    SavedPage,
    combine,
    palette,
    rest_of,
    uniquely_named,
    with_rest,
)
from cellucid_core.cell_pages.page_set import clean_name
from cellucid_core.dataset import View
from cellucid_core.errors import InputError
from tests.making import make_adata, write_and_view


def page(name="a", rows=(0, 1)):
    return SavedPage(name, np.array(rows, dtype=np.int64))


@pytest.fixture(scope="module")
def view(tmp_path_factory):
    return write_and_view(make_adata(n_cells=10), tmp_path_factory.mktemp("data"))


def fewer(view, *rows):
    return View(view.dataset, replace(view.mapping, cells_out=np.array(rows, dtype=np.int64)))


def test_names_are_unique_and_ids_are_never_used_twice():
    pages = PageSet().add([page("a"), page("a"), page("  a ")])
    assert [p.name for p in pages] == ["a", "a-1", "a-2"]
    again = pages.delete("p3").add([page("b")])
    assert [p.id for p in again] == ["p1", "p2", "p4"]
    assert again.rename("p4", "a").get("p4").name == "a-2"
    assert again.rename("p1", "a").get("p1").name == "a"
    assert [p.name for p in pages] == ["a", "a-1", "a-2"], "a set is never changed"
    assert again.get("p3") is None


def test_colours_differ_from_each_other_and_from_those_taken():
    pages = PageSet().add([page(), page()], taken=[c.lower() for c in palette(3)]).add([page()])
    assert [p.color for p in pages] == [*palette(5)[3:5], palette(1)[0]]
    assert pages.recolor("p1", "#abcdef").get("p1").color == "#ABCDEF"
    kept = PageSet().add([SavedPage("x", np.arange(2), "#123456"), SavedPage("y", np.arange(2), "url(x)")])
    assert [p.color for p in kept] == ["#123456", palette(1)[0]]


@pytest.mark.parametrize("color", ["red", "#12345", "#1234567", "#12345g", "#123456;}"])
def test_what_is_no_colour(color):
    with pytest.raises(InputError, match="not a colour"):
        PageSet().add([page()]).recolor("p1", color)


def test_limits():
    full = PageSet().add([page()] * MAX_SAVED)
    assert len({p.color for p in full}) == MAX_SAVED
    with pytest.raises(InputError, match="more than the 100"):
        full.add([page()])
    with pytest.raises(InputError, match="no cells"):
        PageSet().add([page(rows=())])


@given(st.text())
def test_every_name_can_be_shown_and_written(name):
    clean = clean_name(name)
    clean.encode("utf-8")
    assert 0 < len(clean) <= 200
    assert clean.isprintable()
    assert clean_name(clean) == clean


def test_pages_outlive_fixes(view):
    kept = page(rows=(0, 3, 4, 9))
    assert kept.in_view(view).cells.tolist() == [0, 3, 4, 9]
    assert kept.in_view(fewer(view, 1, 3)).cells.tolist() == [0, 2, 7]
    assert kept.in_view(fewer(view, 0, 3, 4, 9)).n == 0
    assert PageSet().add([kept]).in_view(fewer(view, 0))["p1"].cells.tolist() == [2, 3, 8]
    assert page(rows=(0, 99)).in_view(view).cells.tolist() == [0]


def test_set_operations_are_those_of_sets(view):
    rng = np.random.default_rng(0)
    small = fewer(view, 2, 5)
    sets = [set(rng.choice(8, 4, replace=False).tolist()) for _ in range(3)]
    pages = [Page(f"s{i}", np.array(sorted(s), dtype=np.int64)) for i, s in enumerate(sets)]
    expected = {
        "union": sets[0] | sets[1] | sets[2],
        "intersection": sets[0] & sets[1] & sets[2],
        "difference": sets[0] - sets[1] - sets[2],
    }
    for operation, cells in expected.items():
        if cells:
            made = combine(small, operation, pages)
            assert made.in_view(small).cells.tolist() == sorted(cells)
        else:
            with pytest.raises(InputError):
                combine(small, operation, pages)
    assert combine(small, "union", pages[:2]).name == "s0 ∪ s1"


@pytest.mark.parametrize(
    ("operation", "cells", "words"),
    [
        ("intersection", [[0], [1]], "no cell in common"),
        ("difference", [[0], [0, 1]], "Every cell of the first"),
        ("union", [[], []], "All of the pages are empty"),
        ("union", [[0]], "at least two"),
        ("xor", [[0], [1]], "no set operation"),
    ],
)
def test_set_operations_that_leave_nothing(view, operation, cells, words):
    pages = [Page("p", np.array(c, dtype=np.int64)) for c in cells]
    with pytest.raises(InputError, match=words):
        combine(view, operation, pages)


def test_the_rest_and_the_union_make_everything(view):
    one = Page("one", np.array([1, 4], dtype=np.int64))
    both = combine(view, "union", [one, rest_of(one, view.n_cells)])
    assert both.rows.tolist() == list(range(10))


def test_pages_of_two_origins_keep_apart():
    cells = np.arange(3)
    named = uniquely_named([Page("B", cells), Page("T", cells), Page("B", cells)])
    assert [p.name for p in named] == ["B", "T", "B-1"]
    odd = Page("Rest of B", cells)
    assert [p.name for p in with_rest(Page("B", cells), [odd], 9)] == [
        "B",
        "Rest of B (all other cells)",
        "Rest of B",
    ]


def test_equal_cells_have_equal_digests():
    assert Page("a", np.arange(5)).digest() == Page("b", np.arange(5)).digest()
    assert Page("a", np.arange(5)).digest() != Page("a", np.arange(6)).digest()
