"""Brackets: beyond the highest score, stacked so that none touches another, on either orientation."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from cellucid_core import charts
from cellucid_core.charts import Bracket
from cellucid_core.charts.brackets import stacked
from tests.charts.test_distributions import page, rows


def test_levels_by_hand():
    letter = 0.01  # texts are narrower than what they stand over
    pairs = [Bracket(0, 2, "p"), Bracket(0, 1, "p"), Bracket(1, 2, "p"), Bracket(2, 3, "p"), Bracket(0, 3, "p")]
    # 0–1 lies lowest; 1–2 touches it, 2–3 does not; 0–2 touches both levels; 0–3 everything.
    assert stacked(pairs, letter) == [2, 0, 1, 0, 3]
    assert stacked([], letter) == []


@pytest.mark.parametrize("letter", [0.01, 0.1, 0.5])
def test_none_touches_another(letter):
    pairs = [Bracket(a, b, f"p = {a}.{b}e-12") for a, b in itertools.combinations(range(6), 2)]
    levels = stacked(pairs, letter)
    reach = []
    for pair in pairs:
        middle, half = (pair.start + pair.end) / 2, len(pair.text) * letter / 2
        reach.append((min(pair.start, middle - half), max(pair.end, middle + half)))
    for i, j in itertools.combinations(range(len(pairs)), 2):
        if levels[i] == levels[j]:
            assert reach[i][1] < reach[j][0] or reach[j][1] < reach[i][0]


@pytest.mark.parametrize("build", [charts.violin, charts.box])
@pytest.mark.parametrize(
    "names", ["AB", [f"a page with a rather long name {i}" for i in range(9)]], ids=["side", "rows"]
)
def test_they_stand_beyond_the_scores(build, names):
    scores = [np.arange(20.0) + i for i in range(len(names))]
    pages = [page(name) for name in names]
    plain = build(pages, scores, "Score")
    chart = build(pages, scores, "Score", brackets=[Bracket(0, 1, "p = 0.012")])
    (row,) = rows(chart, "foot")
    assert (row["left"], row["right"], row["middle"], row["text"]) == (0, 1, 0.5, "p = 0.012")
    assert max(s.max() for s in scores) < row["foot"] < row["score"] < row["over"]
    as_rows = len(names) > 2
    assert (chart.height > plain.height) is not as_rows  # side by side the violins keep their height
    layer = next(one for one in chart.to_dict()["layer"] if one["mark"].get("type") == "text")
    assert layer["mark"]["angle"] == (90 if as_rows else 0)
    assert layer["encoding"]["x" if as_rows else "y"]["field"] == "over"


def test_a_constant_score_has_room_for_them():
    chart = charts.violin([page("A"), page("B")], [np.ones(5), np.ones(5)], "Score", brackets=[Bracket(0, 1, "p = 1")])
    (row,) = rows(chart, "foot")
    assert row["foot"] > 1
