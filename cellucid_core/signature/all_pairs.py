"""Mann–Whitney U, ties and ranks of all pairs of pages from one walk through the pooled scores.

With H the table of how often each different score (rows, ascending) occurs in each page (columns), and L the scores
below each row, U = Hᵀ(L + H/2) holds every pair's U at once, and Σ(t³ − t) over a pair's ties follows from (H∘H)ᵀH.
So twenty pages cost one sort and two matrix products instead of 190 merges.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from cellucid_core.signature.effects import Sample, cohens_d

#: Numbers of H that are in memory at once (4 MB as float64).
_AT_ONCE = 524_288


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
        """Pool samples; each is sorted already."""
        k = len(samples)
        values = np.concatenate([s.values for s in samples])
        counts = np.concatenate([s.counts for s in samples]).astype(np.float64)
        page = np.repeat(np.arange(k), [len(s.values) for s in samples])
        order = np.argsort(values, kind="stable")  # the pages are sorted runs, which a stable sort merges
        values, counts, page = values[order], counts[order], page[order]
        new = np.ones(len(values), dtype=bool)
        new[1:] = values[1:] != values[:-1]
        row = np.cumsum(new) - 1
        n_distinct = int(row[-1]) + 1 if len(row) else 0
        u, shared = np.zeros((k, k)), np.zeros((k, k))
        rank_sums, own, total_ties = np.zeros(k), np.zeros(k), 0.0
        below = np.zeros(k)
        step = max(1, _AT_ONCE // max(k, 1))
        for first in range(0, n_distinct, step):
            at, end = np.searchsorted(row, [first, first + step])
            rows = min(step, n_distinct - first)
            place = (row[at:end] - first) * k + page[at:end]
            table = np.bincount(place, weights=counts[at:end], minlength=rows * k).reshape(rows, k)
            running: np.ndarray = np.cumsum(table, axis=0)
            running += below
            below = running[-1].copy()
            lower = running - table / 2
            u += table.T @ lower
            together = table.sum(axis=1)
            rank_sums += table.T @ (lower.sum(axis=1) + 0.5)
            if together.max() > 1:  # without ties there is nothing to add
                square = table * table
                shared += square.T @ table
                own += (square * table).sum(axis=0) - table.sum(axis=0)
                total_ties += float((together**3 - together).sum())
        # (x+y)³ − (x+y) summed = what x and y give alone, plus 3xy(x+y)
        ties = own[:, None] + own[None, :] + 3 * (shared + shared.T)
        np.fill_diagonal(ties, own)
        return cls(tuple(samples), n_distinct, u, ties, rank_sums, total_ties)

    @cached_property
    def n(self) -> int:
        """How many scores there are."""
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
