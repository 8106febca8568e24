from __future__ import annotations

import csv
import io

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellucid_core.csv_safety import neutral, neutral_table


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "\ufeff=1", "＝1", "=", "-", "+CD8", "-1_0"],
)
def test_formulas_get_an_apostrophe(text):
    assert neutral(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "CD8+ T", "a=b", "-1.5", "+3", "-inf", "1-2", "'=1", "nan", "T cell", "x@y"])
def test_others_stay(text):
    assert neutral(text) == text


@given(st.text())
def test_what_comes_out_is_no_formula(text):
    result = neutral(text)
    assert result.removeprefix("'") == text.removeprefix("'")
    first = result.lstrip(" \u00a0\ufeff")[:1]
    if first and first in "=+-@\t\r\n＝＋－＠":
        float(result)  # a number


def test_tables_keep_ids_and_numbers():
    table = pd.DataFrame(
        {
            "cell_id": ["=A1", "-c"],
            "page": pd.Categorical(["=A", "B"]),
            "score": [-1.5, 2.0],
            "=name": ["@x", None],
            "codes": pd.array(["-x", "y"], dtype="string"),
        }
    )
    result = neutral_table(table)
    assert list(result.columns) == ["cell_id", "page", "score", "'=name", "codes"]
    rows = list(csv.reader(io.StringIO(result.to_csv(index=False))))
    assert rows[1:] == [["=A1", "'=A", "-1.5", "'@x", "'-x"], ["-c", "B", "2.0", "", "y"]]
    assert table["page"].tolist() == ["=A", "B"]
