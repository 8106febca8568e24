"""One page's scores reduced to what comparisons need, and the effect sizes between pages."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

#: 97.5 % quantile of the standard normal.
_Z = 1.959963984540054


@dataclass(frozen=True, eq=False)
class Sample:
    """The finite scores of one page, reduced to what every test needs; built once per page.

    Attributes
    ----------
    n, mean, squares
        Number of scores, their mean, and the sum of squared deviations from it (exactly 0 if all are equal).
    values, counts
        The different scores, ascending, float64, and how often each occurs, int64; ranks and ties of any pair come from
        these.
    """

    n: int
    mean: float
    squares: float
    values: np.ndarray
    counts: np.ndarray

    @classmethod
    def of(cls, scores: np.ndarray) -> Sample:
        """Reduce scores, (n,), to a sample; those that are not finite are left out."""
        finite = np.sort(np.asarray(scores, dtype=np.float64))  # NaN goes last
        if len(finite) and not (np.isfinite(finite[0]) and np.isfinite(finite[-1])):
            finite = finite[np.isfinite(finite)]
        n = len(finite)
        if n == 0:
            return cls(0, math.nan, math.nan, finite, np.empty(0, dtype=np.int64))
        new = np.ones(n, dtype=bool)
        np.not_equal(finite[1:], finite[:-1], out=new[1:])
        if new.all():
            values, counts = finite, np.ones(n, dtype=np.int64)
        else:
            first = np.flatnonzero(new)
            values, counts = finite[first], np.diff(np.append(first, n))
        if len(values) == 1:
            return cls(n, float(values[0]), 0.0, values, counts)
        mean = float(finite.mean())
        deviation = finite - mean
        return cls(n, mean, float((deviation * deviation).sum()), values, counts)

    @property
    def variance(self) -> float:
        """Sample variance (ddof 1); NaN below two scores."""
        return self.squares / (self.n - 1) if self.n > 1 else math.nan

    def quantiles(self, shares: Sequence[float]) -> list[float]:
        """Return quantiles as `numpy.quantile` does by default (linear between the two nearest scores)."""
        if self.n == 0:
            return [math.nan] * len(shares)
        ends = np.cumsum(self.counts)
        at = np.asarray(shares, dtype=np.float64) * (self.n - 1)
        low = np.floor(at).astype(np.int64)
        lower, upper = (
            self.values[np.searchsorted(ends, np.minimum(i, self.n - 1), side="right")] for i in (low, low + 1)
        )
        part = at - low
        # Computed from the nearer of the two scores, as numpy does, so that the rounding is the same.
        between = np.where(part < 0.5, lower + (upper - lower) * part, upper - (upper - lower) * (1 - part))
        return [float(q) for q in between]


def cohens_d(a: Sample, b: Sample) -> float | None:
    """Return Cohen's d, (mean A − mean B) / pooled SD (ddof 1); None where that SD is 0 or not defined.

    Cohen (1988), Statistical Power Analysis for the Behavioral Sciences, 2nd ed., eq. 2.5.1 and 2.5.2.
    """
    if a.n < 1 or b.n < 1 or a.n + b.n < 3:
        return None
    pooled = math.sqrt((a.squares + b.squares) / (a.n + b.n - 2))
    return (a.mean - b.mean) / pooled if pooled > 0 else None


def cohens_d_interval(d: float, n_a: int, n_b: int) -> tuple[float, float]:
    """Return the 95 % interval of Cohen's d: d ± 1.96·√((n_A + n_B)/(n_A·n_B) + d²/(2·(n_A + n_B))).

    Large-sample variance of Hedges & Olkin (1985), Statistical Methods for Meta-Analysis, ch. 5, eq. 15.
    """
    half = _Z * math.sqrt((n_a + n_b) / (n_a * n_b) + d * d / (2 * (n_a + n_b)))
    return d - half, d + half


def paired_d(differences: np.ndarray) -> float | None:
    """Return Cohen's d of pairs, d_z = mean(difference) / SD(difference), ddof 1; None where it is not defined.

    Cohen (1988), eq. 2.3.5. With equal SDs and a correlation r of the pairs, d_z = d/√(2(1 − r)): it is larger than d
    where r is above 0.5.
    """
    if len(differences) < 2 or differences.min() == differences.max():
        return None
    return float(differences.mean() / differences.std(ddof=1))


def paired_d_interval(d: float, n: int) -> tuple[float, float]:
    """Return the 95 % interval of d_z from its large-sample variance: d ± 1.96·√(1/n + d²/(2n)).

    Goulet-Pelletier & Cousineau (2018), A review of effect sizes and their confidence intervals, Part I,
    10.20982/tqmp.14.4.p242.
    """
    half = _Z * math.sqrt(1 / n + d * d / (2 * n))
    return d - half, d + half


def u_statistic(a: Sample, b: Sample) -> float:
    """Return Mann–Whitney U of A: the number of pairs in which A is higher; ties count half."""
    if len(a.values) > len(b.values):
        return a.n * b.n - u_statistic(b, a)
    place = np.searchsorted(b.values, a.values)
    below = np.concatenate([[0], np.cumsum(b.counts)])[place]
    inside = np.minimum(place, len(b.values) - 1)
    equal = np.where(b.values[inside] == a.values, b.counts[inside], 0)
    return float(a.counts @ (below + equal / 2))


def tie_term(a: Sample, b: Sample) -> float:
    """Return Σ(t³ − t) over the groups of t equal scores of two pooled samples."""
    a, b = sorted((a, b), key=lambda s: len(s.values))
    place = np.minimum(np.searchsorted(b.values, a.values), max(len(b.values) - 1, 0))
    shared = b.values[place] == a.values if b.n else np.zeros(len(a.values), dtype=bool)
    x, y = a.counts[shared].astype(np.float64), b.counts[place[shared]].astype(np.float64)
    # (x+y)³ − (x+y) = (x³ − x) + (y³ − y) + 3xy(x+y)
    return _cubes(a.counts) + _cubes(b.counts) + float((3 * x * y * (x + y)).sum())


def _cubes(counts: np.ndarray) -> float:
    t = counts.astype(np.float64)
    return float((t * t * t - t).sum())


def rank_biserial(u: float, n_a: int, n_b: int) -> float:
    """Return rank-biserial r = 2·U_A/(n_A·n_B) − 1, positive where A is higher (Kerby 2014, 10.2466/11.IT.3.1)."""
    return 2 * u / (n_a * n_b) - 1
