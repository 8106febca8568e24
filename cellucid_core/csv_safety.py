"""Texts in tables that a spreadsheet would run as a formula, made harmless by an apostrophe in front.

Names of groups and genes come from other people's files; ``=HYPERLINK(…)`` is a possible one. Cell ids stay exactly as
they are, because tables are joined by them. Source: OWASP, "CSV Injection".
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from importlib.metadata import version
from typing import Any

import pandas as pd

#: What a formula begins with, also in full width, and the white space that spreadsheets skip before it.
_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")

#: The sentence that pages show beside a download.
NOTE = (
    "Cell ids are exact. Other texts that a spreadsheet would take for a formula (they begin with =, +, - or @) "
    "have an apostrophe in front."
)


def neutral(text: str) -> str:
    """Return a text that no spreadsheet runs: numbers and harmless texts unchanged, others with ``'`` in front."""
    if not text.lstrip(" \u00a0\ufeff").startswith(_STARTS):
        return text
    try:
        float(text)
    except ValueError:
        return f"'{text}"
    return f"'{text}" if text.strip() != text or "_" in text else text


def neutral_table(table: pd.DataFrame, exact: Collection[str] = ("cell_id",)) -> pd.DataFrame:
    """Return a copy of a table whose texts and headings are neutral, except in the columns that must stay exact.

    Parameters
    ----------
    table
        Its numbers are left alone.
    exact
        Names of the columns of ids.
    """
    table = table.copy(deep=False)
    for name in [name for name in table.columns if name not in exact]:
        column = table[name]
        if isinstance(column.dtype, pd.CategoricalDtype):
            table[name] = column.astype(object).map(_neutral_value)
        elif column.dtype == object or isinstance(column.dtype, pd.StringDtype):
            table[name] = column.map(_neutral_value)
    return table.rename(columns=lambda name: neutral(str(name)))


def _neutral_value(value: object) -> object:
    return neutral(value) if isinstance(value, str) else value


@cache
def exact_floats() -> dict[str, Any]:
    """Return the argument that makes `pandas.read_csv` read floats exactly; pandas 3 does so by default."""
    return {"float_precision": "round_trip"} if int(version("pandas").partition(".")[0]) < 3 else {}
