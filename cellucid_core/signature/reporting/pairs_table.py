"""The effect of every pair of pages as a square table, with stars for its adjusted p."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cellucid_core.cell_pages import Page
from cellucid_core.signature.statistics import TestResult

#: An adjusted p below each of these is a star more.
STARS = (0.05, 0.01, 0.001)
#: Among more pages than this, the square table says more than the list of all pairs.
MANY_PAGES = 4


@dataclass(frozen=True, eq=False)
class PairsTable:
    """All pairs.

    Attributes
    ----------
    effects
        (pages, pages) float64, Cohen's d of the row less the column; NaN where it is not defined.
    p_values
        Likewise, adjusted where they were.
    unit
        ``cell`` or ``sample``: by what they were compared.
    """

    effects: pd.DataFrame
    p_values: pd.DataFrame
    unit: str

    def words(self) -> pd.DataFrame:
        """Return the cells as text: ``−0.42 **``."""
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
    """Return the t-tests of pairs that a verdict is based on: by sample where there are such, else by cell."""
    pairs = [test for test in tests if len(test.pages) == 2 and test.effect_size_type == "cohens-d"]
    return [test for test in pairs if test.unit == pairs[0].unit]


def pairs_table(tests: Sequence[TestResult], pages: Sequence[Page]) -> PairsTable:
    """Return the t-tests of all pairs, by sample where there are such.

    Parameters
    ----------
    tests
        Of one run.
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
