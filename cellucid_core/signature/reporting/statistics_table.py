"""Summary and tests as CSV, with every digit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from cellucid_core.csv_safety import neutral_table
from cellucid_core.signature.statistics import TestResult

if TYPE_CHECKING:
    from cellucid_core.signature.run import SignatureRun


def summary_csv(run: SignatureRun) -> str:
    """Return one row per page as CSV, see `summarize`; numbers read back unchanged, and undefined ones are empty."""
    return neutral_table(run.summary, exact=()).to_csv(index=False, lineterminator="\n")


def statistics_csv(run: SignatureRun) -> str:
    """Return one row per test as CSV.

    Columns: ``test``, ``unit``, ``page_a`` and ``page_b`` (empty for a test of all pages), ``pages`` (their names, for
    a test of all pages only), ``n_a`` (of all pages, for such a test), ``n_b``, ``effect_size``, ``effect_size_type``,
    ``ci_low``, ``ci_high``, ``auc``, ``statistic``, ``df``, ``df_2``, ``p_value``, ``log10_p``, ``p_adjusted``,
    ``note``. A p-value below 1e-300 is written as 1e-300, with its exact logarithm. Without tests only the first four
    columns are there.
    """
    rows = [test_row(test) for test in run.tests]
    columns = list(rows[0]) if rows else ["test", "unit", "page_a", "page_b"]
    table = pd.DataFrame(rows, columns=columns)
    if rows:
        table["n_b"] = table["n_b"].astype("Int64")
    return neutral_table(table, exact=()).to_csv(index=False, lineterminator="\n")


def test_row(test: TestResult) -> dict[str, Any]:
    """Return the numbers of a test by the columns of `statistics_csv`."""
    two = len(test.pages) == 2
    df = test.df if isinstance(test.df, tuple) else (test.df, None)
    return {
        "test": test.test,
        "unit": test.unit,
        "page_a": test.pages[0] if two else "",
        "page_b": test.pages[1] if two else "",
        "pages": "" if two else "; ".join(test.pages),
        "n_a": test.n[0] if two else sum(test.n),
        "n_b": test.n[1] if two else None,
        "effect_size": test.effect_size,
        "effect_size_type": test.effect_size_type,
        "ci_low": test.ci_low,
        "ci_high": test.ci_high,
        "auc": test.auc,
        "statistic": test.statistic,
        "df": df[0],
        "df_2": df[1],
        "p_value": test.p_value,
        "log10_p": test.log10_p,
        "p_adjusted": test.p_adjusted,
        "note": test.note or "",
    }
