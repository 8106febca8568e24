"""Test results as tables: effect sizes first, then the tests that they come with."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from cellucid_core.cell_pages import Page
from cellucid_core.signature.statistics import MixedPair, TestResult

TEST_WORDS = {
    "welch-t": "Welch's t",
    "mann-whitney-u": "Mann–Whitney U",
    "anova": "ANOVA",
    "kruskal-wallis": "Kruskal–Wallis",
    "paired-t": "paired t",
    "wilcoxon": "Wilcoxon signed-rank",
}
#: Upper limits of a share of the variance, and its name (Cohen 1988: 0.01, 0.06 and 0.14 are small, medium and large).
_SHARES = ((0.01, "almost nothing"), (0.06, "little"), (0.14, "a part"), (0.5, "much"), (float("inf"), "most"))
EFFECT_WORDS = {
    "cohens-d": "Cohen's d",
    "rank-biserial": "rank-biserial r",
    "eta-squared": "η²",
    "epsilon-squared": "ε²",
}


def tests_table(tests: Sequence[TestResult], pages: Sequence[Page] = ()) -> pd.DataFrame:  # noqa: PT028
    """Return one row per test.

    Parameters
    ----------
    tests
        The tests.
    pages
        The compared pages; the table calls them by their labels (`Page.label`).

    Returns
    -------
    pandas.DataFrame
        ``comparison``, ``effect`` (float), ``effect type``, ``95 % interval``, ``AUC``, ``test``, ``statistic``,
        ``df``, ``p-value`` (text, so that tiny values read "p < 1e-300"; the adjusted one where there is one),
        ``units`` and ``note``.
    """
    called = {page.name: page.label for page in pages}

    def pair(test: TestResult) -> str:
        return " − ".join(called.get(name, name) for name in test.pages)

    rows = [
        {
            "comparison": pair(test) if len(test.pages) == 2 else f"{len(test.pages)} pages",
            "effect": test.effect_size,
            "effect type": EFFECT_WORDS[test.effect_size_type],
            "95 % interval": "" if test.ci_low is None else f"{test.ci_low:.2f} to {test.ci_high:.2f}",
            "AUC": "" if test.auc is None else f"{test.auc:.2f}",
            "test": TEST_WORDS[test.test],
            "statistic": test.statistic,
            "df": _df_text(test),
            "p-value": test.p_text,
            "units": _units(test),
            "note": test.note,
        }
        for test in tests
    ]
    return pd.DataFrame(rows)


def overall_sentence(tests: Sequence[TestResult]) -> str:
    """Return what the overall test of three or more pages says in words, or nothing where there is none.

    It is Kruskal–Wallis's, by sample where there is one by sample.
    """
    overall = [test for test in tests if len(test.pages) > 2 and test.effect_size is not None]
    if not overall:
        return ""
    ranks = next((test for test in overall if test.test == "kruskal-wallis"), overall[0])
    size = ranks.effect_size or 0.0
    word = next(word for limit, word in _SHARES if size < limit)
    return (
        f"The page explains {word} of the scores' spread: {EFFECT_WORDS[ranks.effect_size_type]} = {size:.2f} over "
        f"{len(ranks.pages)} pages, by {ranks.unit} ({TEST_WORDS[ranks.test]}, {ranks.p_text})."
    )


def mixed_model_table(fits: Sequence[MixedPair]) -> pd.DataFrame:
    """Return one row per pair of a mixed model; the p-value is the adjusted one where there are several pairs."""
    rows = [
        {
            "comparison": " − ".join(fit.pages),
            "difference": fit.difference,
            "95 % interval": "" if fit.low is None else f"{fit.low:.3g} to {fit.high:.3g}",
            "p-value": _p_text(fit),
            "t": fit.t,
            "df": "" if fit.df is None else f"{fit.df:,.0f}",
            "SD between samples": fit.sample_sd,
            "SD between cells": fit.cell_sd,
            "cells": f"{fit.n_cells:,}",
            "samples": f"{fit.n_samples:,}",
            "note": fit.note,
        }
        for fit in fits
    ]
    table = pd.DataFrame(rows)
    return table if any(fit.note for fit in fits) else table.drop(columns="note")


def _p_text(fit: MixedPair) -> str:
    p = fit.p_value if fit.p_adjusted is None else fit.p_adjusted
    name = "p" if fit.p_adjusted is None else "adjusted p"
    return f"{name} not defined" if p is None else f"{name} = {p:.2g}"


def _df_text(test: TestResult) -> str:
    if test.df is None:
        return ""
    return ", ".join(f"{df:.6g}" for df in (test.df if isinstance(test.df, tuple) else (test.df,)))


def _units(test: TestResult) -> str:
    counts = " vs ".join(f"{n:,}" for n in test.n) if len(test.n) == 2 else f"{sum(test.n):,}"
    return f"{counts} {test.unit}s"
