"""The effect of every pair of pages as a square table, with stars for its adjusted p."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cellucid_core.cell_pages import Page
from cellucid_core.signature.statistics import TestResult

#: One star for each of these that the adjusted p is below.
STARS = (0.05, 0.01, 0.001)
#: With more pages than this, the square table is easier to read than the list of all pairs.
MANY_PAGES = 4


@dataclass(frozen=True, eq=False)
class PairsTable:
    """Effects and p-values of all pairs of pages.

    Attributes
    ----------
    effects
        (pages, pages) float64, Cohen's d of the row less the column; NaN where it is not defined.
    p_values
        (pages, pages) float64, adjusted where there is an adjusted one; NaN where an effect or a p is not defined.
    unit
        ``cell`` or ``sample``: the unit of the tests.
    """

    effects: pd.DataFrame
    p_values: pd.DataFrame
    unit: str

    def words(self) -> pd.DataFrame:
        """Return the effects as text with their stars: ``−0.42 **``."""
        stars = sum((self.p_values < limit).astype(int) for limit in STARS)
        return pd.DataFrame(
            [
                [
                    "" if np.isnan(effect) else f"{effect:.2f} {'*' * int(n)}".replace("-", "−").strip()
                    for effect, n in zip(row, some, strict=True)
                ]
                for row, some in zip(self.effects.to_numpy(), np.asarray(stars), strict=True)
            ],
            index=self.effects.index,
            columns=self.effects.columns,
        )


def deciding_pairs(tests: Sequence[TestResult]) -> list[TestResult]:
    """Return the t-tests of pairs that conclusions are based on: those by sample where there are some, else by cell."""
    pairs = [test for test in tests if len(test.pages) == 2 and test.effect_size_type == "cohens-d"]
    return [test for test in pairs if test.unit == pairs[0].unit]


def pairs_table(tests: Sequence[TestResult], pages: Sequence[Page]) -> PairsTable:
    """Return effects and p-values of `deciding_pairs` as square tables.

    Parameters
    ----------
    tests
        All tests of one run.
    pages
        The compared pages, in order; the table calls them by their labels.
    """
    pairs = deciding_pairs(tests)
    unit = pairs[0].unit if pairs else "cell"
    place = {page.name: number for number, page in enumerate(pages)}
    effects = np.full((len(pages), len(pages)), np.nan)
    p_values = effects.copy()
    for test in pairs:
        if test.effect_size is None:
            continue
        i, j = (place[name] for name in test.pages)
        effects[i, j], effects[j, i] = test.effect_size, -test.effect_size
        p = test.p_value if test.p_adjusted is None else test.p_adjusted
        p_values[i, j] = p_values[j, i] = np.nan if p is None else p
    names = [page.label for page in pages]
    return PairsTable(
        pd.DataFrame(effects, index=names, columns=names), pd.DataFrame(p_values, index=names, columns=names), unit
    )
