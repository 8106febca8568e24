"""Is the signature better than chance? Its separation of pages against that of random gene sets of similar expression.

A random set takes, from each of about 25 bins of mean expression (as score_genes cuts them), as many genes as the
signature has there, each with the weight and the sign of the gene that it stands for. The genes to draw from are the
signature's own and up to 100 others per bin, chosen at random. If the signature were itself such a draw, each set of
this pool would have been equally likely; so p = (1 + #{|d| of a random set ≥ |d|})/(N + 1) is valid, whatever the pool
(Phipson & Smyth 2010, 10.2202/1544-6115.1585).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cellucid_core.cell_pages import Page, rest_of
from cellucid_core.errors import InputError
from cellucid_core.genes import GeneMatch
from cellucid_core.signature.scoring import DEFAULT_OPTIONS, batches, check_weights, need_expression, weighted_sums

if TYPE_CHECKING:
    from cellucid_core.dataset import View

#: If there are more cells than this, a sample of them is used.
MOST_CELLS = 50_000
#: How many genes of a bin, besides the signature's, sets are drawn from.
_PER_BIN = 100
_LEAST_SETS, _MOST_SETS = 20, 10_000


@dataclass(frozen=True, eq=False)
class Chance:
    """What random gene sets reach.

    Attributes
    ----------
    pages
        Names of the two pages; d is the first less the second.
    d
        Cohen's d of the signature's mean score, over the cells used.
    random
        (n_sets,) float64: d of each random set; NaN where a set has no variance.
    n_genes
        How many genes each set has.
    seed
        Of the sets and of the sample of cells.
    notes
        What limits the comparison, such as a sample of the cells, in words.
    """

    pages: tuple[str, str]
    d: float
    random: np.ndarray
    n_genes: int
    seed: int
    notes: tuple[str, ...] = ()

    @property
    def n_reached(self) -> int:
        """How many random sets separate the pages at least as strongly: with |d| at least as large, to 12 digits."""
        return int((np.abs(self.random) >= abs(self.d) * (1 - 1e-12)).sum())

    @property
    def p_value(self) -> float:
        """Empirical, two-sided: (1 + `n_reached`)/(1 + sets)."""
        return (1 + self.n_reached) / (1 + len(self.random))

    @property
    def sentence(self) -> str:
        """How many random sets reach the signature's |d|, and where 95 % of them lie, in words."""
        valid = self.random[np.isfinite(self.random)]
        ends = np.quantile(valid, [0.025, 0.975]) if len(valid) else (math.nan, math.nan)
        low, high = (f"{end:.2f}".replace("-", "−") for end in ends)
        genes = "1 gene" if self.n_genes == 1 else f"{self.n_genes:,} genes"
        sets = f"{len(self.random):,} random sets of {genes} of similar expression"
        return (
            f"{self.n_reached:,} of {sets} separate {self.pages[0]} and {self.pages[1]} at least as strongly "
            f"(|d| ≥ {abs(self.d):.2f}; empirical p = {self.p_value:.2g}). "
            f"95 % of them lie between d = {low} and {high}."
        )


def against_chance(
    view: View,
    match: GeneMatch,
    page: Page,
    other: Page | None = None,
    *,
    n_sets: int = 500,
    seed: int = 0,
    progress: Callable[[float], None] | None = None,
) -> Chance:
    """Compare a signature's separation of two pages with that of random gene sets.

    The score is the (weighted) mean of the genes with their signs (`GeneMatch.signs`), whatever the signature is scored
    by elsewhere. d does not depend on normalization.

    Parameters
    ----------
    view
        The dataset as mapped.
    match
        The genes as found.
    page, other
        The pages to separate; without `other` all cells that are not in `page`.
    n_sets
        How many random sets, 20 to 10,000.
    seed
        Of the sets and of the sample of cells.
    progress
        Called with the done share, 0 to 1.

    Raises
    ------
    InputError
        There is no expression matrix, no gene was found, the weights do not add up to more than 0, a page has fewer
        than two cells, the score has no variance, there are no other genes of similar expression, the number of sets is
        out of range, or the seed is negative.
    """
    expression = need_expression(view)
    if not match.found:
        raise InputError("None of the signature's genes is in the dataset.", "Check the gene ids.")
    if not _LEAST_SETS <= n_sets <= _MOST_SETS:
        raise InputError(f"The number of random sets cannot be {n_sets}.", f"Use {_LEAST_SETS} to {_MOST_SETS:,}.")
    if seed < 0:
        raise InputError(f"The seed cannot be {seed}.", "Use a whole number from 0.")
    check_weights(match, mean=True)
    against = rest_of(page, view.n_cells) if other is None else other
    for one in (page, against):
        if one.n < 2:
            raise InputError(f"{one.name} has fewer than 2 cells.", "Choose larger pages.")
    random = np.random.default_rng(seed)
    notes = []
    a, b = _sampled(page, against, random)
    if len(a) + len(b) < page.n + against.n:
        notes.append(f"On a random sample of {len(a) + len(b):,} of the {page.n + against.n:,} cells.")
    genes, weights, counts = _one_per_gene(match)
    sets, short = _random_sets(genes, expression.stats.mean(expression.n_cells), n_sets, random)
    if short:
        notes.append(f"{short} genes have no other gene of similar expression and stand in every random set.")
    cells = np.union1d(a, b)
    in_a, in_b = np.searchsorted(cells, a), np.searchsorted(cells, b)
    every = [genes, *sets]
    d = np.full(len(every), np.nan)
    for start, stop in batches(len(every), len(cells)):

        def part(share: float, start: int = start, stop: int = stop) -> None:
            if progress is not None:
                progress((start + share * (stop - start)) / len(every))

        total, whole = weighted_sums(
            expression,
            every[start:stop],
            [weights] * (stop - start),
            counts=[counts] * (stop - start),
            cells=cells,
            progress=part,
        )
        for row in range(stop - start):
            weight = whole[row]
            scores = total[row]
            if not isinstance(weight, float):
                with np.errstate(invalid="ignore", divide="ignore"):
                    scores = np.where(weight > 1e-9 * np.abs(counts).sum(), scores / weight, np.nan)
            d[start + row] = _d(scores[in_a], scores[in_b])
    if not np.isfinite(d[0]):
        raise InputError("The score has no variance in these pages, so there is nothing to compare.", "Choose others.")
    return Chance(
        pages=(page.name, against.name),
        d=float(d[0]),
        random=d[1:],
        n_genes=len(genes),
        seed=seed,
        notes=tuple(notes),
    )


def expression_bins(means: np.ndarray) -> np.ndarray:
    """Cut genes into about 25 bins of equal size by the rank of their mean; int64, −1 where a mean is not finite."""
    from scipy.stats import rankdata

    bins = np.full(len(means), -1, dtype=np.int64)
    known = np.isfinite(means)
    per_bin = round(int(known.sum()) / (DEFAULT_OPTIONS.n_bins - 1))
    bins[known] = rankdata(means[known], method="min") // per_bin if per_bin else 0
    return bins


def _one_per_gene(match: GeneMatch) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the different genes, ascending, and the sums of each one's weights, with signs and without."""
    genes, place = np.unique(match.positions, return_inverse=True)
    signed = match.weights * match.signs
    return genes, np.bincount(place, weights=signed), np.bincount(place, weights=match.weights)


def _random_sets(
    genes: np.ndarray, means: np.ndarray, n_sets: int, random: np.random.Generator
) -> tuple[list[np.ndarray], int]:
    """Draw random sets, in which a gene of the same bin replaces each gene; count the genes without any replacement."""
    bins = expression_bins(means)
    sets = np.empty((n_sets, len(genes)), dtype=np.int64)
    short = 0
    for cut in np.unique(bins[genes]):
        mine = np.flatnonzero(bins[genes] == cut)
        others = np.setdiff1d(np.flatnonzero(bins == cut), genes) if cut >= 0 else np.empty(0, np.int64)
        if len(others) > _PER_BIN:
            others = random.choice(others, _PER_BIN, replace=False)
        pool = np.concatenate([genes[mine], others])
        if len(others) == 0:
            short += len(mine)
        # The places of the smallest random keys are a draw without replacement, in random order.
        keys = random.random((n_sets, len(pool)))
        sets[:, mine] = pool[np.argsort(keys, axis=1)[:, : len(mine)]]
    if short == len(genes):
        raise InputError(
            "There are no other genes of similar expression to draw random sets from.",
            "Use a dataset with more genes, or a shorter signature.",
        )
    return list(sets), short


def _sampled(page: Page, other: Page, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return the cells of both pages, or a sample of them in which the smaller page keeps more than its share."""
    if page.n + other.n <= MOST_CELLS:
        return page.cells, other.cells
    half = MOST_CELLS // 2
    small = min(page.n, other.n, half)
    sizes = [min(n, MOST_CELLS - small) if n != min(page.n, other.n) else small for n in (page.n, other.n)]
    sizes = [min(size, half) if sum(sizes) > MOST_CELLS else size for size in sizes]
    chosen: Sequence[np.ndarray] = [
        np.sort(random.choice(one.cells, size, replace=False, shuffle=False)) if size < one.n else one.cells
        for one, size in zip((page, other), sizes, strict=True)
    ]
    return chosen[0], chosen[1]


def _d(a: np.ndarray, b: np.ndarray) -> float:
    """Return Cohen's d (pooled SD) of two arrays, finite values only; NaN where it is not defined."""
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        a, b = a[np.isfinite(a)], b[np.isfinite(b)]
    if len(a) < 1 or len(b) < 1 or len(a) + len(b) < 3:
        return math.nan
    mean_a, mean_b = float(a.mean()), float(b.mean())
    squares = float(np.square(a - mean_a).sum() + np.square(b - mean_b).sum())
    scale = 1e-24 * (len(a) + len(b)) * max(mean_a * mean_a, mean_b * mean_b)
    pooled = squares / (len(a) + len(b) - 2)
    return (mean_a - mean_b) / math.sqrt(pooled) if squares > scale else math.nan
