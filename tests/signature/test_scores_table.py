"""The CSV joins back: every id and every number comes back as it was."""

from __future__ import annotations

import io
from types import SimpleNamespace

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from cellucid_core.cell_pages import Page
from cellucid_core.csv_safety import neutral
from cellucid_core.signature import read_csv, scores_table, write_csv
from cellucid_core.signature.reporting.scores_table import COLUMNS

NASTY = ["007", "a,b", 'say "x"', "two\nlines", "cr\rhere", " spaced ", "NA", "", "ß-1", "1e5", "'q'", "tab\there"]


def table_of(ids, raw, page_names=("A", "Rest of A")):
    view = SimpleNamespace(cell_ids=np.array(ids, dtype=object), cell_index=np.arange(len(ids)) * 2)
    half = len(ids) // 2
    pages = [Page(page_names[0], np.arange(half)), Page(page_names[1], np.arange(half, len(ids)))]
    raw = np.asarray(raw, dtype=float)
    return scores_table(view, pages, raw, [raw[p.cells] / 2 for p in pages], np.full(len(ids), 3))


def test_columns_rows_and_source_rows(tmp_path):
    table = table_of(NASTY, np.arange(12) / 7)
    write_csv(table, tmp_path / "scores.csv")
    back = read_csv(tmp_path / "scores.csv")
    assert tuple(back.columns) == COLUMNS
    assert back["cell_id"].tolist() == NASTY
    assert back["page"].tolist() == ["A"] * 6 + ["Rest of A"] * 6
    assert back["cell_index"].tolist() == list(range(0, 24, 2))
    assert back["raw_score"].tolist() == (np.arange(12) / 7).tolist()
    assert back["score"].tolist() == (np.arange(12) / 7 / 2).tolist()


def test_plain_pandas_reads_it_too(tmp_path):
    write_csv(table_of(["c1", "c2", "c3"], [0.1, np.nan, 3]), tmp_path / "s.csv")
    back = pd.read_csv(tmp_path / "s.csv")
    assert back["raw_score"].isna().tolist() == [False, True, False]
    assert back["cell_id"].tolist() == ["c1", "c2", "c3"]


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"))


@given(
    st.lists(st.tuples(TEXT, st.floats(allow_nan=True, allow_infinity=False)), min_size=2, max_size=6),
    st.lists(TEXT, min_size=2, max_size=2, unique=True),
)
def test_any_id_and_any_number_come_back(rows, names):
    table = table_of([i for i, _ in rows], [x for _, x in rows], tuple(names))
    stream = io.StringIO(newline="")
    write_csv(table, stream)
    stream.seek(0)
    back = read_csv(stream)
    assert back["cell_id"].tolist() == [i for i, _ in rows]
    assert back["page"].tolist() == [neutral(name) for name in table["page"]]
    np.testing.assert_array_equal(back["raw_score"].to_numpy(float), [x for _, x in rows])


def test_no_pages_is_an_empty_table():
    view = SimpleNamespace(cell_ids=np.array([], dtype=object), cell_index=np.array([], dtype=int))
    table = scores_table(view, [], np.empty(0), [], np.empty(0))
    stream = io.StringIO()
    write_csv(table, stream)
    assert stream.getvalue() == ",".join(COLUMNS) + "\n"
