"""What all reports share: a template that becomes one HTML file, and the tables in it."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class Table:
    """A table as text.

    Attributes
    ----------
    names
        Names of the columns.
    rows
        Text of the cells, row by row.
    numbers
        For each column whether it holds numbers, which are aligned to the right.
    """

    names: list[str]
    rows: list[list[str]]
    numbers: list[bool]

    @classmethod
    def of(cls, frame: pd.DataFrame) -> Table:
        """Make a table from a data frame: integers with commas, other numbers with three digits, missing ones empty."""
        numbers = [pd.api.types.is_numeric_dtype(dtype) for dtype in frame.dtypes]
        rows = [[_text(value) for value in row] for row in frame.itertuples(index=False, name=None)]
        return cls([str(name) for name in frame.columns], rows, numbers)


def _text(value: Any) -> str:
    if value is None or value is pd.NA or value != value:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Integral):
        return f"{int(value):,}"
    return f"{float(value):.3g}" if isinstance(value, Real) else str(value)


def render(template: str, **values: Any) -> str:
    """Return the HTML of a report from a template beside this file; the template engine escapes all values."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    # Jinja would tell from a file's ending that it is HTML and must be escaped, but these end in .jinja.
    environment = Environment(
        loader=PackageLoader("cellucid_core.reports", ""), autoescape=True, undefined=StrictUndefined
    )
    return environment.get_template(template).render(**values)
