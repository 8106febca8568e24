"""The values of a second column compared within each page: a table, a sentence, a CSV."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from cellucid_core.cell_pages import Page
from cellucid_core.csv_safety import neutral_table
from cellucid_core.signature.reporting.sentence import SMALL_D, effect_text
from cellucid_core.signature.reporting.statistics_table import test_row
from cellucid_core.signature.reporting.tests_table import TEST_WORDS, tests_table
from cellucid_core.signature.statistics import Split, TestResult

#: A pair whose adjusted p is below this is said to differ.
_CLEAR_P = 0.05


def split_table(split: Split, pages: Sequence[Page]) -> pd.DataFrame:
    """Return one row per page and test: ``page``, then the columns of `tests_table`.

    Parameters
    ----------
    split
        What was compared.
    pages
        The pages that were split, in order; pages and values are called by their labels.
    """
    tables = [
        tests_table(tests, split.values).assign(page=page.label)
        for page, tests in zip(pages, split.tests, strict=True)
        if tests
    ]
    table = pd.concat(tables, ignore_index=True)
    return table[["page", *(name for name in table.columns if name != "page")]]


def split_sentence(split: Split, pages: Sequence[Page]) -> str:
    """Say in one sentence where the values differ most.

    The sentence names the pair with the largest effect among those whose adjusted p is below 0.05, and says how many
    these are; where there is none, the pair with the largest effect of all. Where that effect is below `SMALL_D` it
    says that the values score about the same.

    Parameters
    ----------
    split
        What was compared.
    pages
        The pages that were split, in order.
    """
    called = {value.name: value.label for value in split.values}
    pairs = [
        (page, test)
        for page, tests in zip(pages, split.tests, strict=True)
        for test in tests
        if test.effect_size_type == "cohens-d"
    ]
    known = [(page, test) for page, test in pairs if test.effect_size is not None and test.p_value is not None]
    if not known:
        return f"The values of {split.key} cannot be compared in any page: there are too few {pairs[0][1].unit}s."
    clear = [(page, test) for page, test in known if _deciding_p(test) < _CLEAR_P]
    page, test = max(clear or known, key=lambda pair: abs(pair[1].effect_size or 0.0))
    d = test.effect_size or 0.0
    high, low = (called[name] for name in (test.pages if d > 0 else test.pages[::-1]))
    numbers = f"{'d_z' if test.test == 'paired-t' else 'd'} = {effect_text(abs(d))}, {test.p_text}, by {test.unit}"
    if abs(d) < SMALL_D:
        return (
            f"The values of {split.key} score about the same within every page; they differ most in {page.label}: "
            f"{high} is above {low} by {numbers}."
        )
    if not clear:
        return (
            f"No difference within a page has {'an adjusted' if len(known) > 1 else 'a'} p below {_CLEAR_P}; the "
            f"largest is in {page.label}, where {high} is above {low}: {numbers}."
        )
    count = f" ({len(clear)} of {len(known)} comparisons have an adjusted p below {_CLEAR_P})" if len(known) > 1 else ""
    return f"The strongest difference is in {page.label}, where {high} scores higher than {low}: {numbers}{count}."


def split_csv(split: Split, pages: Sequence[Page]) -> str:
    """Return one row per page and test as CSV, with every digit.

    Columns: ``column``, ``page``, the columns of `statistics_csv` without pages, ``value_a`` and ``value_b`` first.
    """
    rows = []
    for page, tests in zip(pages, split.tests, strict=True):
        for test in tests:
            row = test_row(test)
            value_a, value_b = row.pop("page_a"), row.pop("page_b")
            row.pop("pages")
            rows.append({"column": split.key, "page": page.name, "value_a": value_a, "value_b": value_b, **row})
    return neutral_table(pd.DataFrame(rows), exact=()).to_csv(index=False, lineterminator="\n")


def brackets_caption(tests: Sequence[TestResult]) -> str:
    """Say which test the p-values on a chart's brackets come from, and what its unit is.

    Parameters
    ----------
    tests
        The pairs that are drawn.

    Returns
    -------
    str
        Such as ``brackets: adjusted p of paired t, by sample``; empty for no pairs.
    """
    if not tests:
        return ""
    name = "p" if all(test.p_adjusted is None for test in tests) else "adjusted p"
    words = " or ".join(dict.fromkeys(TEST_WORDS[test.test] for test in tests))
    return f"brackets: {name} of {words}, by {tests[0].unit}"


def _deciding_p(test: TestResult) -> float:
    p = test.p_value if test.p_adjusted is None else test.p_adjusted
    return 1.0 if p is None else p
