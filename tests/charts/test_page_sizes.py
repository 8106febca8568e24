"""A bar per page, as long as the page has cells, in the page's colour."""

from __future__ import annotations

import numpy as np

from cellucid_core.cell_pages import Page
from cellucid_core.charts import page_sizes


def rows_of(chart):
    spec = chart.to_dict()
    return [row for rows in spec["datasets"].values() for row in rows]


def test_bars_are_the_cells_of_pages():
    pages = [Page("A", np.arange(5), "#112233"), Page("b.c[d]", np.arange(0), "#445566"), Page('"<b>', np.arange(1234))]
    rows = rows_of(page_sizes(pages))
    assert [(row["page"], row["cells"], row["at"]) for row in rows] == [
        ("A", 5, 0),
        ("b.c[d]", 0, 1),
        ('"<b>', 1234, 2),
    ]
    assert [row["color"] for row in rows[:2]] == ["#112233", "#445566"]


def test_no_page_is_an_empty_chart():
    assert rows_of(page_sizes([])) == []
