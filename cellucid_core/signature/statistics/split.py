"""Pages split by the values of a second column, and those values compared within each page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cellucid_core.cell_pages import Page, choose_pages, group_colors
from cellucid_core.errors import InputError
from cellucid_core.signature.statistics.adjustment import adjust
from cellucid_core.signature.statistics.compare import compare_samples
from cellucid_core.signature.statistics.effects import Sample
from cellucid_core.signature.statistics.replicates import Owned, by_owner, owned_by, sample_codes
from cellucid_core.signature.statistics.result import Adjustment, TestResult

if TYPE_CHECKING:
    from cellucid_core.dataset import View

#: More values than this cannot be told apart in a chart.
MAX_SPLIT_VALUES = 8


@dataclass(frozen=True, eq=False)
class Split:
    """Pages split by a second column.

    Attributes
    ----------
    key
        The second column.
    values
        The column's values as pages of the whole view, in the column's order and colours.
    scores
        One list per page with one array per value: the scores of the page's cells that have the value.
    tests
        One list per page: the values compared in pairs; an effect is the first value less the second. By sample where
        there is a sample column, else by cell. p-values are adjusted over the pairs of all pages together, t-tests and
        rank tests apart.
    owned
        With a sample column: one list per page with the scores of each value, added up by sample.
    """

    key: str
    values: list[Page]
    scores: list[list[np.ndarray]]
    tests: list[list[TestResult]]
    owned: list[list[Owned]] | None = None

    def in_order(self, order: Sequence[int]) -> Split:
        """Return the split of the same pages in another order."""
        owned = self.owned
        return replace(
            self,
            scores=[self.scores[i] for i in order],
            tests=[self.tests[i] for i in order],
            owned=None if owned is None else [owned[i] for i in order],
        )

    def to_json(self, pages: Sequence[Page]) -> dict[str, Any]:
        """Return what a record holds: column, values and tests; `pages` are the pages that were split."""
        return {
            "column": self.key,
            "values": [value.name for value in self.values],
            "tests": [
                {"page": page.name, **test.to_json()}
                for page, tests in zip(pages, self.tests, strict=True)
                for test in tests
            ],
        }


def can_split(view: View, key: str) -> bool:
    """Tell whether a column that groups cells has 2 to `MAX_SPLIT_VALUES` values, so that pages can be split by it."""
    return 2 <= len(view.label_counts(key)) <= MAX_SPLIT_VALUES


def split_values(view: View, key: str) -> list[Page]:
    """Return the values of a column as pages, in the column's order; those without cells are left out.

    Raises
    ------
    InputError
        There is no such column, it does not group cells, or it does not have 2 to 8 values with cells.
    """
    values = [page for page in choose_pages(view, key, list(group_colors(view, key))) if page.n]
    if not 2 <= len(values) <= MAX_SPLIT_VALUES:
        raise InputError(
            f"The obs column {key!r} has {len(values):,} value{'' if len(values) == 1 else 's'} with cells.",
            f"Split by a column with 2 to {MAX_SPLIT_VALUES} values.",
        )
    return values


def split_pages(
    view: View,
    pages: Sequence[Page],
    scores: Sequence[np.ndarray],
    key: str,
    *,
    samples: pd.Series | np.ndarray | None = None,
    p_adjust: Adjustment = "bh",
) -> Split:
    """Split pages by a second column and compare its values within each page.

    Parameters
    ----------
    view
        The dataset as mapped.
    pages
        In order.
    scores
        One array per page; what is not finite is left out.
    key
        The second column, with 2 to 8 values.
    samples
        (n_cells,) the sample or donor of each cell of the view: values are then compared by sample, see `by_owner`.
    p_adjust
        How the p-values of all pairs of all pages are adjusted together: ``bh`` or ``holm``.

    Raises
    ------
    InputError
        The column cannot split pages (see `split_values`), or the adjustment is unknown.
    """
    values = split_values(view, key)
    names = [value.name for value in values]
    place = np.full(view.n_cells, -1, dtype=np.int8)
    for j, value in enumerate(values):
        place[value.cells] = j
    owners = None if samples is None else sample_codes(samples)
    split: list[list[np.ndarray]] = []
    tests: list[list[TestResult]] = []
    owned: list[list[Owned]] = []
    for page, all_scores in zip(pages, scores, strict=True):
        here = place[page.cells]
        masks = [here == j for j in range(len(values))]
        split.append([all_scores[mask] for mask in masks])
        if owners is None:
            results = compare_samples(names, [Sample.of(some) for some in split[-1]])
        else:
            parts = [Page(name, page.cells[mask]) for name, mask in zip(names, masks, strict=True)]
            owned.append(owned_by(parts, split[-1], *owners))
            results = by_owner(names, owned[-1])
        # With three or more values there are also overall tests; only pairs are kept.
        tests.append([test for test in results if len(test.pages) == 2])
    return Split(key, values, split, _adjusted_together(tests, p_adjust), None if owners is None else owned)


def _adjusted_together(tests: list[list[TestResult]], how: Adjustment) -> list[list[TestResult]]:
    """Adjust the p-values of all pages as one family, t-tests and rank tests apart; a single test stays as it is."""
    flat = [test for some in tests for test in some]
    for kind in ("cohens-d", "rank-biserial"):
        family = [i for i, test in enumerate(flat) if test.effect_size_type == kind]
        if len(family) > 1:
            for i, test in zip(family, adjust([flat[i] for i in family], how), strict=True):
                flat[i] = test
    found = iter(flat)
    return [[next(found) for _ in some] for some in tests]
