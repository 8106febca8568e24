"""Labels that neither touch nor end early."""

from __future__ import annotations

import json

import altair as alt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellucid_core.charts.layout import drawable, layout, page_axis, wrap


@pytest.mark.parametrize(
    ("name", "letters", "lines"),
    [
        ("CD14+ Monocyte", 14, ["CD14+ Monocyte"]),
        ("CD14+ Monocyte", 13, ["CD14+", "Monocyte"]),
        ("CD8+/CD45RA+ Naive Cytotoxic", 10, ["CD8+/", "CD45RA+", "Naive", "Cytotoxic"]),
        ("plasmacytoid_dendritic_cell", 13, ["plasmacytoid_", "dendritic_", "cell"]),
        ("xxxxxxxxxxxxxxxxxxxx", 8, ["xxxxxxxx", "xxxxxxxx", "xxxx"]),
        ("", 8, ["(no name)"]),
    ],
)
def test_wrap(name, letters, lines):
    assert wrap(name, letters) == lines


@given(st.text(max_size=80), st.integers(4, 30))
def test_wrap_loses_nothing_and_is_narrow(name, letters):
    lines = wrap(name, letters)
    assert max(map(len, lines)) <= letters + 2
    if words := drawable(name).split():
        assert "".join(lines).replace(" ", "") == "".join(words)


def test_few_short_names_stand_side_by_side():
    plan = layout(["A", "B cells"], [10, 2000])
    assert not plan.rows
    assert plan.labels == [["A", "n = 10"], ["B cells", "n = 2,000"]]
    assert plan.domain == (-1.5, 2.5)  # room at the sides instead of very wide violins


@pytest.mark.parametrize("names", [["page"] * 9, ["a very long name of cells " * 4] * 6, ["x" * 40] * 5])
def test_many_or_long_names_become_rows(names):
    plan = layout(names, [1] * len(names))
    assert plan.rows
    assert all(len(label) <= 3 for label in plan.labels)
    assert plan.height >= 44 * len(names)


def test_rows_can_be_forced():
    assert layout(["A"], [3], rows=True).rows


def test_labels_cannot_leave_their_string():
    names = ['"]; alert(1); ["', "back\\slash", "line\u2028end", "<b>", "a.b[c]"]
    expression = page_axis(alt, layout(names, [1] * 5, rows=True)).to_dict()["labelExpr"]
    assert expression.isascii()
    labels = json.loads(expression.removesuffix("[datum.value]"))
    assert ["".join(label[:-1]) for label in labels][-2:] == ["<b>", "a.b[c]"]
