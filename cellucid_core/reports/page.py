"""What all reports share: one HTML file that loads nothing from elsewhere, and tables in it."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class Table:
    """A table as it is read.

    Attributes
    ----------
    names
        Of its columns.
    rows
        What stands in the cells.
    numbers
        Which columns hold numbers: they stand to the right.
    """

    names: list[str]
    rows: list[list[str]]
    numbers: list[bool]

    @classmethod
    def of(cls, frame: pd.DataFrame) -> Table:
        """Make one of a data frame: whole numbers with commas, others with three digits, nothing for no value."""
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
    """Return a report (UTF-8); every value is escaped by the template engine."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    # The files' own names end in .jinja, so that they are HTML is said here.
    environment = Environment(
        loader=PackageLoader("cellucid_core.reports", ""), autoescape=True, undefined=StrictUndefined
    )
    return environment.get_template(template).render(**values)
