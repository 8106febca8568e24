"""The table of tests: effects first, tiny p-values said as such."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from cellucid_core.cell_pages import Page
from cellucid_core.signature.reporting import tests_table as table_of
from tests.signature.comparing import compare


def pages(*sizes):
    starts = np.cumsum([0, *sizes])
    return [Page(f"p{i}", np.arange(a, b)) for i, (a, b) in enumerate(pairwise(starts))]


def test_two_pages():
    rng = np.random.default_rng(0)
    scores = [rng.normal(1, 1, 40), rng.normal(0, 1, 30)]
    table = table_of(compare(pages(40, 30), scores))
    assert table["test"].tolist() == ["Welch's t", "Mann–Whitney U"]
    assert table["comparison"].tolist() == ["p0 − p1"] * 2
    assert table["units"].tolist() == ["40 vs 30 cells"] * 2
    assert list(table.columns)[:2] == ["comparison", "effect"]
    assert (table["effect"] > 0).all()


def test_three_pages_and_p_values_that_underflow():
    scores = [np.linspace(0, 1, 3000) + shift for shift in (0, 40, 80)]
    table = table_of(compare(pages(3000, 3000, 3000), scores))
    assert table["comparison"].tolist()[:2] == ["3 pages"] * 2
    assert table["df"][0] == "2, 8997"
    assert table["p-value"][0] == "p < 1e-300"
    assert not table["p-value"].str.contains("= 0$").any()
    assert len(table) == 2 + 3 * 2


def test_nothing_to_compare():
    assert table_of([]).empty
