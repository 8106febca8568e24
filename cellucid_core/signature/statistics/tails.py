"""p-values, and their logarithms where a p-value is too small for a floating-point number.

Every function returns (p, log10 p). `scipy.special` gives p down to about 1e-300; below that the logarithm comes from a
continued fraction of the tail (modified Lentz), so that a strong effect in many cells never reads as p = 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from scipy import special

#: A p-value below this is shown as "p < 1e-300", and only its logarithm is exact.
SMALLEST_P = 1e-300
_LN10 = math.log(10)
_TINY = 1e-300


def student_t(t: float, df: float) -> tuple[float, float]:
    """Return the two-sided p of Student's t, I_x(df/2, 1/2) at x = df/(df + t²), and its log10."""
    p = 2 * float(special.stdtr(df, -abs(t)))
    return _with_log(p, lambda: _log_beta(df / 2, 0.5, df, t * t))


def f_ratio(f: float, df_between: float, df_within: float) -> tuple[float, float]:
    """Return the upper tail of the F distribution, I_x(d₂/2, d₁/2) at x = d₂/(d₂ + d₁·F), and its log10."""
    p = float(special.fdtrc(df_between, df_within, f))
    return _with_log(p, lambda: _log_beta(df_within / 2, df_between / 2, df_within, df_between * f))


def chi_square(x: float, df: float) -> tuple[float, float]:
    """Return the upper tail of the χ² distribution, Q(df/2, x/2), and its log10."""
    p = float(special.chdtrc(df, x))
    return _with_log(p, lambda: _log_gamma_upper(df / 2, x / 2))


def normal(z: float) -> tuple[float, float]:
    """Return the two-sided p of a standard normal, 2·P(Z > z) but at most 1, and its log10.

    z may be below 0, which the continuity correction of U can make it; p is then 1.
    """
    log_p = min(0.0, math.log(2) + float(special.log_ndtr(-z)))
    return math.exp(log_p), log_p / _LN10


def _with_log(p: float, log_tail: Callable[[], float]) -> tuple[float, float]:
    p = min(p, 1.0)
    if p > 1e-290:
        return p, math.log10(p)
    log_p = log_tail()
    return math.exp(log_p), log_p / _LN10


def _log_beta(a: float, b: float, inside: float, outside: float) -> float:
    """Return ln I_x(a, b) for x = inside/(inside + outside) in the far lower tail (DLMF 8.17.22)."""
    log_x = -math.log1p(outside / inside)
    log_rest = math.log(outside) - math.log(inside + outside)
    x = math.exp(log_x)

    def term(step: int) -> float:
        m, odd = divmod(step, 2)
        if odd:
            return -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        return m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))

    fraction = _lentz(lambda k: (term(k), 1.0), 1.0)
    return a * log_x + b * log_rest - math.log(a) - float(special.betaln(a, b)) - math.log(fraction)


def _log_gamma_upper(a: float, x: float) -> float:
    """Return ln Q(a, x) for large x (the even part of DLMF 8.9.2; Numerical Recipes, 3rd ed., eq. 6.2.7)."""
    fraction = _lentz(lambda k: (-k * (k - a), x + 2 * k + 1 - a), x + 1 - a)
    return a * math.log(x) - x - float(special.gammaln(a)) - math.log(fraction)


def _lentz(term: Callable[[int], tuple[float, float]], first: float) -> float:
    """Evaluate first + a₁/(b₁ + a₂/(b₂ + …)) by the modified Lentz method."""
    value = c = first or _TINY
    d = 0.0
    for k in range(1, 100_000):
        a, b = term(k)
        d = 1 / ((b + a * d) or _TINY)
        c = (b + a / c) or _TINY
        value *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return value
