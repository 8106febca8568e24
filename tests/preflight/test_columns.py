"""The table of columns, against values counted by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cellucid_core.preflight.columns import column_table
from tests.making import make_adata


def test_columns_in_words(viewed):
    adata = make_adata()
    adata.obs = pd.DataFrame(
        {
            "group": pd.Categorical(["a"] * 40 + ["b"] * 15 + [None] * 5, categories=["a", "b", "unused"]),
            "number": [0.0, np.nan, np.inf] * 10 + [2.0] * 30,
            "nothing": [np.nan] * 60,
            "constant": 7,
        },
        index=adata.obs_names,
    )
    table = column_table(viewed(adata)).set_index("column")
    assert table["kind"].tolist() == ["categorical", "continuous", "continuous", "continuous"]
    assert table["values"].tolist() == ["2 categories: a, b", "0 to 2", "no value", "7 to 7"]
    assert table["missing"].tolist() == [5 / 60, 10 / 60, 1.0, 0.0]
    assert table["distribution"]["group"] == [40, 15]
    assert table["distribution"]["number"] == [10, *[0] * 14, 30]
    assert table["distribution"]["nothing"] == []
    assert table["distribution"]["constant"] == [60]


def test_many_categories_are_shortened(viewed):
    adata = make_adata()
    adata.obs["plate"] = [f"p{i % 20}" for i in range(60)]
    row = column_table(viewed(adata)).set_index("column").loc["plate"]
    assert row["values"].startswith("20 categories: ")
    assert row["values"].endswith(" and 16 more")
    assert len(row["distribution"]) == 16


def test_a_changed_kind_shows(viewed):
    adata = make_adata()
    adata.obs["cluster"] = np.arange(60) % 3
    row = column_table(viewed(adata, kinds={"cluster": "categorical"})).set_index("column").loc["cluster"]
    assert (row["kind"], row["values"]) == ("categorical", "3 categories: 0, 1, 2")
