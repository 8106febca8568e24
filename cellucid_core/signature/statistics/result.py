"""One test's result, and p-values adjusted for many tests."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from cellucid_core.signature.statistics.tails import SMALLEST_P

Adjustment = Literal["bh", "holm"]
TestName = Literal["welch-t", "mann-whitney-u", "anova", "kruskal-wallis", "paired-t", "wilcoxon"]
EffectName = Literal["cohens-d", "rank-biserial", "eta-squared", "epsilon-squared"]


@dataclass(frozen=True)
class TestResult:
    """What one test says. A number that is not defined is None, and ``note`` says why.

    Attributes
    ----------
    test
        Which test.
    pages
        Names of the compared pages; the effect of a pair is the first less the second.
    effect_size, effect_size_type
        The effect, and which one it is. ``cohens-d`` uses the pooled SD; for ``paired-t`` it is d_z, the mean
        difference over the SD of the differences. ``rank-biserial`` of ``wilcoxon`` is that of matched pairs.
    ci_low, ci_high
        95 % interval of Cohen's d.
    auc
        Probability that a random unit of the first page scores above one of the second, ties counting half
        (Mann–Whitney only).
    statistic, df
        t, U of the first page, F, H or the smaller of the signed-rank sums; ANOVA has two degrees of freedom.
    p_value, log10_p
        Two-sided where a test has two sides. A p-value below 1e-300 is given as 1e-300; its logarithm stays exact.
    p_adjusted
        Adjusted for all pairs, where there are several.
    n
        How many units of each page took part.
    unit
        ``cell``, or ``sample`` where the unit is a sample's mean.
    note
        Why something is missing, or what to keep in mind, in words.
    """

    __test__: ClassVar[bool] = False  # pytest: not a test class

    test: TestName
    pages: tuple[str, ...]
    effect_size: float | None
    effect_size_type: EffectName
    statistic: float | None
    df: float | tuple[float, ...] | None
    p_value: float | None
    log10_p: float | None
    n: tuple[int, ...]
    unit: Literal["cell", "sample"] = "cell"
    ci_low: float | None = None
    ci_high: float | None = None
    auc: float | None = None
    p_adjusted: float | None = None
    note: str | None = None

    @property
    def p_text(self) -> str:
        """The p-value for people: ``p = 0.012`` or ``p < 1e-300``; adjusted where it was."""
        p = self.p_value if self.p_adjusted is None else self.p_adjusted
        name = "p" if self.p_adjusted is None else "adjusted p"
        if p is None:
            return f"{name} not defined"
        return f"{name} < 1e-300" if p <= SMALLEST_P else f"{name} = {p:.2g}"

    def to_json(self) -> dict[str, Any]:
        """Return the object that ``score --json`` prints; an undefined number is None, never NaN."""
        result: dict[str, Any] = {
            "test": self.test,
            "pages": list(self.pages),
            "statistic": _plain(self.statistic),
            "df": [_plain(x) for x in self.df] if isinstance(self.df, tuple) else _plain(self.df),
            "p_value": _plain(self.p_value),
            "effect_size": _plain(self.effect_size),
            "effect_size_type": self.effect_size_type,
            "unit": self.unit,
            "n": list(self.n),
        }
        if self.p_adjusted is not None:
            result["p_adjusted"] = self.p_adjusted
        if self.p_value is not None and self.p_value <= SMALLEST_P:
            result["log10_p"] = _plain(self.log10_p)
        for key in ("ci_low", "ci_high", "auc"):
            if getattr(self, key) is not None:
                result[key] = _plain(getattr(self, key))
        if self.note:
            result["note"] = self.note
        return result


def _plain(number: float | None) -> float | None:
    return float(number) if number is not None and math.isfinite(number) else None


def floored(p: float) -> float:
    """Return a p-value raised to at least 1e-300, so that it is never written as 0."""
    return max(p, SMALLEST_P)
