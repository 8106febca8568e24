"""Dots and heatmap: one mark per cell of the table, at its place, whatever the names."""

from __future__ import annotations

import json

import altair as alt
import numpy as np
import pandas as pd
import pytest

from cellucid_core.charts import dot_plot, signature_heatmap
from cellucid_core.charts.labels import name_axis, shortened


def rows_of(chart) -> list[dict]:
    return next(iter(chart.to_dict()["datasets"].values()))


def long(names: list[str], pages: list[str], key: str) -> pd.DataFrame:
    n = len(names) * len(pages)
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            key: np.repeat(np.array(names, dtype=object), len(pages)),
            "page": np.tile(np.array(pages, dtype=object), len(names)),
            "mean": rng.random(n),
            "share": rng.random(n),
            "d": rng.normal(size=n),
            "z": rng.normal(size=n),
            "n": rng.integers(0, 9, n),
        }
    )


@pytest.mark.parametrize(
    ("names", "pages"),
    [
        (["A", "B", "C"], ["x", "y"]),
        (["A", "A"], ["x", "y", "z"]),
        (["A"], ["x"]),
        (["A"] * 3, ["x"]),
    ],
)
@pytest.mark.parametrize(("build", "key"), [(dot_plot, "gene"), (signature_heatmap, "signature")])
def test_every_mark_at_its_place(build, key, names, pages):
    table = long(names, pages, key)
    rows = rows_of(build(table))
    assert [(row["y"], row["x"]) for row in rows] == [(i, j) for i in range(len(names)) for j in range(len(pages))]
    assert [row[key] for row in rows] == table[key].tolist()
    assert [row["mean"] for row in rows] == pytest.approx(table["mean"], rel=1e-5)


@pytest.mark.parametrize(("build", "key"), [(dot_plot, "gene"), (signature_heatmap, "signature")])
def test_gaps_limits_and_nothing(build, key):
    table = long([f"g{i}" for i in range(120)], ["x", "y"], key)
    table.loc[3, ["mean", "z", "share", "d"]] = np.nan
    text = build(table).to_json()
    assert "NaN" not in text
    most = 50 if key == "gene" else 100
    assert len(rows_of(build(table))) == 2 * most
    build(table.iloc[:0]).to_dict()


def test_labels_of_columns_stand_upright_where_they_do_not_fit():
    short = name_axis(alt, ["B", "T cells"], step=200, columns=True).to_dict()
    assert short["labelAngle"] == 0
    narrow = name_axis(alt, [f"page number {i}" for i in range(30)], step=15, columns=True).to_dict()
    assert narrow["labelAngle"] == -90
    lines = json.loads(
        name_axis(alt, ["one", "two long words"], step=75, columns=True).labelExpr.removesuffix("[datum.value]")
    )
    assert {len(line) for line in lines} == {2}


@pytest.mark.parametrize("name", ["", "short", "x" * 100, "CD4+ \n memory", '"]; alert(1); ["'])
def test_shortened(name):
    shown = shortened(name, 20)
    assert 0 < len(shown) <= 20
    assert "\n" not in shown
