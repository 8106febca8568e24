"""Pages from ranges of numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cellucid_core.cell_pages import column_values, in_range, numeric_columns, page_from_range, quantile_limits
from cellucid_core.dataset import View
from cellucid_core.errors import InputError
from tests.making import make_adata, write_and_view

VALUES = [0.0, 1.0, np.nan, 2.0, -1.0, np.inf, 2.0, -np.inf, 0.5, 1.5, np.nan, 3.0]


@pytest.fixture(scope="module")
def view(tmp_path_factory):
    adata = make_adata(n_cells=12)
    obs = pd.DataFrame(index=adata.obs_names)
    obs["score"] = VALUES
    obs["count"] = pd.array([1, 2, None, 4, 5, 6, 7, 8, 9, 10, 11, 12], dtype="Int64")
    obs["flag"] = [True, False] * 6
    obs["type"] = pd.Categorical(["a", "b"] * 6)
    obs["nothing"] = np.nan
    adata.obs = obs
    return write_and_view(adata, tmp_path_factory.mktemp("data"))


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 2, [0, 1, 3, 6, 8, 9]),
        (2, 2, [3, 6]),
        (-np.inf, 0, [0, 4, 7]),
        (2, np.inf, [3, 5, 6, 11]),
        (np.inf, np.inf, [5]),
    ],
)
def test_both_limits_are_inside_and_nan_never_is(view, low, high, expected):
    page = page_from_range(view, "score", low, high)
    assert page.rows.tolist() == expected
    assert page.rows.dtype == np.int64


def test_missing_integers_are_in_no_range(view):
    assert page_from_range(view, "count", 0, 100).rows.tolist() == [0, 1, *range(3, 12)]


def test_the_name_says_how_it_was_made(view):
    assert page_from_range(view, "score", 0, 1.5).made == "score from 0 to 1.5"
    assert page_from_range(view, "score", 0, 1.5, name="low").name == "low"


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [(2.5, 2.75, "No cell has"), (2, 1, "wrong order"), (np.nan, 1, "not a number"), (0, np.nan, "not a number")],
)
def test_ranges_that_hold_nothing_or_make_no_sense(view, low, high, words):
    with pytest.raises(InputError, match=words):
        page_from_range(view, "score", low, high)


def test_a_column_without_values_says_so(view):
    with pytest.raises(InputError, match="no values"):
        page_from_range(view, "nothing", 0, 1)


@pytest.mark.parametrize("key", ["flag", "type", "absent"])
def test_columns_that_hold_no_numbers(view, key):
    with pytest.raises(InputError):
        page_from_range(view, key, 0, 1)


def test_numeric_columns_are_those_with_a_finite_number(view):
    assert numeric_columns(view) == ["score", "count"]


def test_any_values_make_a_page(view):
    values = np.arange(12.0)
    assert page_from_range(view, "CD3D", 10, 20, values=values).rows.tolist() == [10, 11]
    with pytest.raises(InputError, match="one value per cell"):
        page_from_range(view, "CD3D", 10, 20, values=values[:5])


def test_quantiles_are_numpys_over_the_finite_values(view):
    values = column_values(view, "score")
    finite = [v for v in VALUES if np.isfinite(v)]
    assert quantile_limits(values, 0.25, 0.9) == (np.quantile(finite, 0.25), np.quantile(finite, 0.9))
    with pytest.raises(InputError, match="between 0 and 1"):
        quantile_limits(values, -0.1, 1)
    with pytest.raises(InputError, match="no finite value"):
        quantile_limits(np.array([np.nan, np.inf]), 0, 1)


def test_rows_are_of_the_source_where_a_fix_left_cells_out(view):
    fewer = View(view.dataset, replace(view.mapping, cells_out=np.array([0, 3])))
    page = page_from_range(fewer, "score", 0, 2)
    assert page.rows.tolist() == [1, 6, 8, 9]
    assert page.in_view(fewer).cells.tolist() == [0, 4, 6, 7]


def test_in_range_of_nothing():
    assert in_range(np.empty(0), 0, 1).tolist() == []
