"""Contributions, library size and chance as charts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cellucid_core.charts import chance_histogram, contribution_bars, library_trend


def all_rows(chart) -> list[dict]:
    return [row for data in chart.to_dict()["datasets"].values() for row in data]


def test_the_largest_contributions_are_drawn_in_order():
    table = pd.DataFrame({"gene": [f"g{i}" for i in range(40)], "contribution": np.linspace(3, -4, 40)})
    table = table.assign(share=0.1, d=np.nan, d_without=0.5)
    rows = [row for row in all_rows(contribution_bars(table, "A", "B", most_genes=10)) if "gene" in row]
    kept = table.loc[table["contribution"].abs().nlargest(10).index].sort_values("contribution", ascending=False)
    assert [row["gene"] for row in rows] == kept["gene"].tolist()
    assert [row["side"] for row in rows] == ["up" if c >= 0 else "down" for c in kept["contribution"]]
    assert rows[0]["d"] is None


def test_trend_takes_its_measure():
    trend = pd.DataFrame(
        {"measure": ["total", "detected"], "middle": [1.0, 2], "cells": [3, 4], "mean": [5.0, 6], "q1": 1.0, "q3": 9.0}
    )
    rows = all_rows(library_trend(trend, "detected", "Detected genes", "Mean"))
    assert rows == [{"middle": 2.0, "cells": 4, "mean": 6.0, "q1": 1.0, "q3": 9.0}]
    library_trend(trend.iloc[:0], "total", "x", "y").to_dict()


@pytest.mark.parametrize("d", [-3.0, 0.1, 5.0])
def test_chance_counts_every_set_and_shows_the_signature(d):
    random = np.append(np.random.default_rng(0).normal(size=300), [np.nan, np.nan])
    chart = chance_histogram(d, random, 0.01)
    rows = all_rows(chart)
    assert sum(row["sets"] for row in rows if "sets" in row) == 300
    low, high = chart.to_dict()["layer"][0]["encoding"]["x"]["scale"]["domain"]
    assert low < min(d, np.nanmin(random))
    assert high > max(d, np.nanmax(random))
    assert f"{d:.2f}".replace("-", "−") in next(row["label"] for row in rows if "label" in row)


def test_chance_of_equal_sets():
    chance_histogram(0.5, np.full(30, 0.5), 1.0).to_dict()
    chance_histogram(0.5, np.full(30, np.nan), 1.0).to_dict()
