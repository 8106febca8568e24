"""Mann–Whitney U, ties and ranks of all pairs of pages from one walk through the pooled scores.

U of a page against page j is the sum, over the page's scores, of how many scores of j are below each (ties count half).
Once all scores are sorted together, one running count of j gives this for all pages at once. So twenty pages cost one
sort and twenty running counts instead of 190 merges.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from cellucid_core.signature.statistics.effects import Sample, cohens_d


@dataclass(frozen=True, eq=False)
class Pooled:
    """All scores of several pages, sorted together.

    Attributes
    ----------
    samples
        One per page.
    n_distinct
        How many different scores there are.
    u
        (pages, pages) float64: Mann–Whitney U of the row's page against the column's; ties count half.
    ties
        (pages, pages) float64: Σ(t³ − t) over the ties of the two pages pooled.
    rank_sums
        (pages,) float64: each page's sum of ranks among all scores, ties sharing their mean rank.
    total_ties
        Σ(t³ − t) over the ties of all pages pooled.
    """

    samples: tuple[Sample, ...]
    n_distinct: int
    u: np.ndarray
    ties: np.ndarray
    rank_sums: np.ndarray
    total_ties: float

    @classmethod
    def of(cls, samples: Sequence[Sample]) -> Pooled:
        """Pool samples; the scores of each are already sorted."""
        k = len(samples)
        values = np.concatenate([s.values for s in samples])
        counts = np.concatenate([s.counts for s in samples]).astype(np.float64)
        page = np.repeat(np.arange(k), [len(s.values) for s in samples])
        order = np.argsort(values, kind="stable")  # the pages are sorted runs, which a stable sort merges
        values, counts, page = values[order], counts[order], page[order]
        new = np.ones(len(values), dtype=bool)
        new[1:] = values[1:] != values[:-1]
        # Where each group of equal scores begins and ends, and which group each entry is in.
        begin = np.flatnonzero(new)
        group = np.cumsum(new) - 1
        end = np.append(begin[1:], len(values))
        tied = len(begin) < len(values) or bool((counts > 1).any())
        u, shared = np.zeros((k, k)), np.zeros((k, k))
        for j in range(k):
            running = np.concatenate([[0], np.cumsum(np.where(page == j, counts, 0))])
            if tied:
                first, last = running[begin], running[end]
                middle = ((first + last) / 2)[group]
                here = (last - first)[group]
                shared[:, j] = np.bincount(page, weights=counts * counts * here, minlength=k)
                u[:, j] = np.bincount(page, weights=counts * middle, minlength=k)
            else:
                u[:, j] = np.bincount(page, weights=(running[:-1] + running[1:]) / 2, minlength=k)
        own = np.bincount(page, weights=counts**3 - counts, minlength=k)
        # (x+y)³ − (x+y) = (x³ − x) + (y³ − y) + 3xy(x+y)
        ties = own[:, None] + own[None, :] + (3 * (shared + shared.T) if tied else 0)
        np.fill_diagonal(ties, own)
        together = np.add.reduceat(counts, begin) if len(begin) else counts
        total_ties = float((together**3 - together).sum())
        # A score's mean rank: the number of scores below it, plus half of those equal to it (itself too), plus a half.
        rank_sums = u.sum(axis=1) + 0.5 * np.bincount(page, weights=counts, minlength=k)
        return cls(tuple(samples), len(begin), u, ties, rank_sums, total_ties)

    @cached_property
    def n(self) -> int:
        """How many scores there are in all pages."""
        return sum(s.n for s in self.samples)

    def against_others(self, i: int) -> tuple[float, float] | None:
        """Return Cohen's d and AUC of one page against the scores of all other pages; None where d is not defined."""
        one, filled = self.samples[i], [s for j, s in enumerate(self.samples) if j != i and s.n]
        n = sum(s.n for s in filled)
        if n == 0 or one.n == 0:
            return None
        mean = sum(s.n * s.mean for s in filled) / n
        squares = sum(s.squares + s.n * (s.mean - mean) ** 2 for s in filled)
        d = cohens_d(one, Sample(n, mean, squares, np.empty(0), np.empty(0)))
        if d is None:
            return None
        others = np.arange(len(self.samples)) != i
        return d, float(self.u[i, others].sum()) / (one.n * n)
