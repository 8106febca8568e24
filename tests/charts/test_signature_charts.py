"""Charts of the signature library: valid, complete, and safe with any name."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd

from cellucid_core import charts
from cellucid_core.charts.library_charts import _boxes

HOSTILE = ["a.b[c]", "'];alert(1)//", "</script>", "ünï “x”"]


def data_of(spec):
    """All rows of all layers."""
    return [row for rows in spec["datasets"].values() for row in rows]


def test_heatmap_has_every_pair():
    table = pd.DataFrame(np.linspace(-1, 1, 16).reshape(4, 4), index=HOSTILE, columns=HOSTILE)
    spec = charts.correlation_heatmap(table).to_dict()
    rows = data_of(spec)
    assert {(row["row"], row["column"]) for row in rows} == {(a, b) for a in HOSTILE for b in HOSTILE}
    assert json.dumps(spec)
    wide = pd.DataFrame(np.zeros((2, 40)), columns=[str(i) for i in range(40)])
    assert len(charts.correlation_heatmap(wide).to_dict()["layer"]) == 1  # no numbers where there is no room


def test_pareto_front_marks_the_chosen_set():
    rows = data_of(charts.pareto_front(np.array([[1.0, 2], [3, 4]]), 1).to_dict())
    assert next(row for row in rows if row["chosen"])["distance"] == 4
    assert charts.pareto_front(np.array([[1.0, 2]])).to_dict()


def test_fractions_stack_to_one():
    table = pd.DataFrame([[0.25, 0.75], [1.0, 0.0]], index=["s", "t"], columns=HOSTILE[:2])
    rows = data_of(charts.stacked_fractions(table, {HOSTILE[0]: "#123456"}).to_dict())
    assert sum(row["fraction"] for row in rows if row["sample"] == "s") == 1
    assert len(rows) == 4


def test_tree_gives_every_type_a_place_of_its_own():
    levels = [("major", {"T": 10, "B": None}), ("sub", {"CD4": 4, "CD8": 5, "stray": 1}), ("fine", {"CD4 naive": 3})]
    parents = {"sub": {"CD4": "T", "CD8": "T"}, "fine": {"CD4 naive": "CD4"}}
    boxes, lines = _boxes(levels, parents)
    assert lines == 4  # CD4 (with its one kind), CD8, B, and the stray
    place = {box["type"]: (round(box["top"]), round(box["bottom"])) for box in boxes}
    assert place == {"CD4 naive": (0, 1), "CD4": (0, 1), "CD8": (1, 2), "T": (0, 2), "B": (2, 3), "stray": (3, 4)}
    assert "to its right are the types of the next level most of whose cells it holds" in charts.TREE_CAPTION
    assert json.dumps(charts.level_tree([(name, dict.fromkeys(HOSTILE, 1)) for name in HOSTILE[:2]], {}).to_dict())
