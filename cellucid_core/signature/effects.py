"""What a comparison needs of one page's scores, and the effect sizes between pages."""

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
        Different scores ascending, and how often each occurs: ranks and ties of any pair come from these.
    """

    n: int
    mean: float
    squares: float
    values: np.ndarray
    counts: np.ndarray

    @classmethod
    def of(cls, scores: np.ndarray) -> Sample:
        """Reduce scores, (n,); those that are not finite are left out."""
        finite = np.asarray(scores, dtype=np.float64)
        finite = np.sort(finite[np.isfinite(finite)])
        n = len(finite)
        if n == 0:
            return cls(0, math.nan, math.nan, finite, np.empty(0, dtype=np.int64))
        first = np.flatnonzero(np.concatenate([[True], finite[1:] != finite[:-1]]))
        values, counts = finite[first], np.diff(np.append(first, n))
        if len(values) == 1:
            return cls(n, float(values[0]), 0.0, values, counts)
        mean = float(finite.mean())
        return cls(n, mean, float(np.square(finite - mean).sum()), values, counts)

    @property
    def variance(self) -> float:
        """Sample variance (ddof 1); NaN below two scores."""
        return self.squares / (self.n - 1) if self.n > 1 else math.nan


def cohens_d(a: Sample, b: Sample) -> float | None:
    """Cohen's d, (mean A − mean B) / pooled SD (ddof 1); None where that SD is 0 or not defined.

    Cohen (1988), Statistical Power Analysis for the Behavioral Sciences, 2nd ed., eq. 2.5.1 and 2.5.2.
    """
    if a.n < 1 or b.n < 1 or a.n + b.n < 3:
        return None
    pooled = math.sqrt((a.squares + b.squares) / (a.n + b.n - 2))
    return (a.mean - b.mean) / pooled if pooled > 0 else None


def cohens_d_interval(d: float, n_a: int, n_b: int) -> tuple[float, float]:
    """95 % interval of Cohen's d: d ± 1.96·√((n_A + n_B)/(n_A·n_B) + d²/(2·(n_A + n_B))).

    Large-sample variance of Hedges & Olkin (1985), Statistical Methods for Meta-Analysis, ch. 5, eq. 15.
    """
    half = _Z * math.sqrt((n_a + n_b) / (n_a * n_b) + d * d / (2 * (n_a + n_b)))
    return d - half, d + half


def paired_d(differences: np.ndarray) -> float | None:
    """Cohen's d of pairs, d_z = mean(difference) / SD(difference), ddof 1; None where it is not defined.

    Cohen (1988), eq. 2.3.5 (there d_z); it is larger than d of independent groups where the pairs correlate.
    """
    if len(differences) < 2 or differences.min() == differences.max():
        return None
    return float(differences.mean() / differences.std(ddof=1))


def paired_d_interval(d: float, n: int) -> tuple[float, float]:
    """95 % interval of d_z: d ± 1.96·√(1/n + d²/(2n)), its large-sample variance.

    Goulet-Pelletier & Cousineau (2018), A review of effect sizes and their confidence intervals, Part I,
    10.20982/tqmp.14.4.p242.
    """
    half = _Z * math.sqrt(1 / n + d * d / (2 * n))
    return d - half, d + half


def u_statistic(a: Sample, b: Sample) -> float:
    """Mann–Whitney U of A: pairs in which A is higher, ties count half."""
    if len(a.values) > len(b.values):
        return a.n * b.n - u_statistic(b, a)
    place = np.searchsorted(b.values, a.values)
    below = np.concatenate([[0], np.cumsum(b.counts)])[place]
    inside = np.minimum(place, len(b.values) - 1)
    equal = np.where(b.values[inside] == a.values, b.counts[inside], 0)
    return float(a.counts @ (below + equal / 2))


def tie_term(samples: Sequence[Sample]) -> float:
    """Σ(t³ − t) over the groups of equal scores of the pooled samples."""
    if len(samples) == 2:
        a, b = sorted(samples, key=lambda s: len(s.values))
        place = np.minimum(np.searchsorted(b.values, a.values), max(len(b.values) - 1, 0))
        shared = b.values[place] == a.values if b.n else np.zeros(len(a.values), dtype=bool)
        x, y = a.counts[shared].astype(np.float64), b.counts[place[shared]].astype(np.float64)
        # (x+y)³ − (x+y) less what x and y alone give
        return _cubes(a.counts) + _cubes(b.counts) + float((3 * x * y * (x + y)).sum())
    return _cubes(pooled_counts(samples)[1])


def pooled_counts(samples: Sequence[Sample]) -> tuple[np.ndarray, np.ndarray]:
    """Return the different scores of all samples, ascending, and how often each occurs."""
    values = np.concatenate([s.values for s in samples])
    counts = np.concatenate([s.counts for s in samples])
    distinct, place = np.unique(values, return_inverse=True)
    return distinct, np.bincount(place, weights=counts, minlength=len(distinct))


def _cubes(counts: np.ndarray) -> float:
    t = counts.astype(np.float64)
    return float((t * t * t - t).sum())


def rank_biserial(u: float, n_a: int, n_b: int) -> float:
    """Rank-biserial r = 2·U_A/(n_A·n_B) − 1; positive where A is higher (Kerby 2014, 10.2466/11.IT.3.1)."""
    return 2 * u / (n_a * n_b) - 1


def pooled(samples: Sequence[Sample]) -> Sample:
    """Return the sample of all scores of several samples together."""
    samples = [s for s in samples if s.n]
    n = sum(s.n for s in samples)
    if n == 0:
        return Sample.of(np.empty(0))
    values, counts = pooled_counts(samples)
    mean = sum(s.n * s.mean for s in samples) / n
    squares = sum(s.squares + s.n * (s.mean - mean) ** 2 for s in samples)
    if len(values) == 1:
        mean, squares = float(values[0]), 0.0
    return Sample(n, mean, squares, values, counts.astype(np.int64))
