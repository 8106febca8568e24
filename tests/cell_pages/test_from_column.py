"""Pages from obs columns."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cellucid_core.cell_pages import REST_COLOR, choose_pages, group_colors, pages_from_column, rest_of
from cellucid_core.errors import InputError
from tests.making import make_adata


@pytest.fixture
def view(viewed):
    adata = make_adata(n_cells=12)
    obs = pd.DataFrame(index=adata.obs_names)
    labels = ["b", "a", "c", "a", None, "b", "a", "c", "b", "a", "a", None]  # a 5, b 3, c 2
    obs["type"] = pd.Categorical(labels, categories=["empty", "c", "b", "a"])
    obs["tied"] = pd.Categorical(["y", "x"] * 6, categories=["y", "x"])
    obs["flag"] = [True] * 4 + [False] * 8
    obs["number"] = [3, 1, 1, 2, 2, 2, 10, 10, 10, 10, 1, 3]
    obs["measured"] = np.linspace(0, 1, 12)
    obs["text"] = ["Rest of a", "a", "zz"] * 4
    adata.obs = obs
    return viewed(adata)


def test_one_page_per_category_largest_first_missing_left_out(view):
    pages = pages_from_column(view, "type")
    assert [(p.name, p.cells.tolist()) for p in pages] == [
        ("a", [1, 3, 6, 9, 10]),
        ("b", [0, 5, 8]),
        ("c", [2, 7]),
    ]
    assert all(p.cells.dtype == np.int64 for p in pages)


def test_equal_sizes_stay_in_category_order(view):
    assert [p.name for p in pages_from_column(view, "tied")] == ["y", "x"]


def test_bool_columns_have_true_and_false(view):
    assert [(p.name, p.n) for p in pages_from_column(view, "flag")] == [("False", 8), ("True", 4)]


def test_few_whole_numbers_are_groups_in_numeric_order(view):
    assert [(p.name, p.n) for p in pages_from_column(view, "number")] == [("10", 4), ("1", 3), ("2", 3), ("3", 2)]


def test_measurements_are_not_groups(view):
    with pytest.raises(InputError, match="measurements"):
        pages_from_column(view, "measured")


def test_unknown_column(view):
    with pytest.raises(InputError, match="nothing_like_it"):
        pages_from_column(view, "nothing_like_it")


def test_rest_of_is_every_other_cell_even_those_without_a_value(view):
    page = pages_from_column(view, "type")[2]
    rest = rest_of(page, view.n_cells)
    assert rest.name == "Rest of c"
    assert sorted([*page.cells, *rest.cells]) == list(range(12))


def test_chosen_pages_keep_the_order_asked_for(view):
    assert [p.name for p in choose_pages(view, "type", ["c", "a"])] == ["c", "a"]
    assert [p.name for p in choose_pages(view, "type")] == ["a", "b", "c"]
    assert [p.name for p in choose_pages(view, "type", ["a", "Rest of b", "a"])] == ["a", "Rest of b"]


def test_one_against_the_rest_with_others(view):
    pages = choose_pages(view, "type", ["c", "b"], rest_of="b")
    assert [(p.name, p.n) for p in pages] == [("b", 3), ("Rest of b", 9), ("c", 2)]
    assert pages[1].color == REST_COLOR


def test_a_category_called_like_the_rest_stays_apart(view):
    pages = choose_pages(view, "text", ["Rest of a"], rest_of="a")
    assert [p.name for p in pages] == ["a", "Rest of a (all other cells)", "Rest of a"]
    assert [p.n for p in pages] == [4, 8, 4]


def test_an_unknown_page_names_the_nearest(demo_view):
    with pytest.raises(InputError, match=r"CD19\+ B"):
        choose_pages(demo_view, "bulk_labels", ["cd19+ b"])
    with pytest.raises(InputError, match="Its pages are"):
        choose_pages(demo_view, "bulk_labels", None, rest_of="######")


def test_a_category_has_the_same_colour_whatever_is_chosen(demo_view):
    colors = group_colors(demo_view, "bulk_labels")
    assert len(set(colors.values())) == 10
    for page in [
        *choose_pages(demo_view, "bulk_labels", ["Dendritic", "CD34+"]),
        *pages_from_column(demo_view, "bulk_labels"),
    ]:
        assert page.color == colors[page.name]


def test_pages_of_the_demo_partition_it(demo_view):
    pages = pages_from_column(demo_view, "bulk_labels")
    assert [p.n for p in pages] == sorted((p.n for p in pages), reverse=True)
    assert sorted(np.concatenate([p.cells for p in pages])) == list(range(700))
    for page in pages:
        assert set(demo_view.obs("bulk_labels").iloc[page.cells]) == {page.name}
