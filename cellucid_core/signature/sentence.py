"""The sentence above the chart: which page scores highest, by how much; effect sizes, never p-values."""

from __future__ import annotations

from collections.abc import Sequence

from cellucid_core.signature.effects import Sample, cohens_d, pooled, u_statistic

#: Below this |d| a difference is too small to be put in words as one (Cohen 1988: 0.2 is "small").
SMALL_D = 0.2


def headline(names: Sequence[str], samples: Sequence[Sample]) -> str:
    """Say in one sentence how the pages differ.

    Parameters
    ----------
    names
        The pages.
    samples
        Their scores, one `Sample` per page.

    Returns
    -------
    str
        Such as ``CD8 T cells scores highest: d = 1.4 against the rest, AUC 0.86``.
    """
    filled = [(name, sample) for name, sample in zip(names, samples, strict=True) if sample.n]
    if not filled:
        return "No cell has a score"
    if len(filled) == 1:
        name, sample = filled[0]
        cells = "cell" if sample.n == 1 else "cells"
        return f"{name}: mean score {sample.mean:.3g} over {sample.n:,} {cells}"
    if len(filled) == 2:
        return _two(*filled[0], *filled[1])
    order = sorted(filled, key=lambda pair: pair[1].mean)
    if order[0][1].mean == order[-1][1].mean:
        return f"All {len(filled)} pages have the same mean score, {order[0][1].mean:.3g}"
    best = _against_rest(order[-1], filled)
    worst = _against_rest(order[0], filled)
    if best is None or worst is None:
        return f"{order[-1][0]} scores highest, with no spread of scores within the pages"
    if abs(best[0]) >= SMALL_D:
        return f"{order[-1][0]} scores highest: {_numbers(*best, ' against the rest')}"
    if abs(worst[0]) >= SMALL_D:
        return f"{order[0][0]} scores lowest: {_numbers(*worst, ' against the rest')}"
    return (
        f"All {len(filled)} pages score about the same: the highest, {order[-1][0]}, has "
        f"{_numbers(*best, ' against the rest')}"
    )


def _two(name_a: str, a: Sample, name_b: str, b: Sample) -> str:
    d = cohens_d(a, b)
    if d is None:
        if a.mean == b.mean:
            return f"{name_a} and {name_b} have the same score, {a.mean:.3g}"
        high, low = (name_a, name_b) if a.mean > b.mean else (name_b, name_a)
        return f"{high} scores higher than {low}, with no spread of scores within the pages"
    auc = u_statistic(a, b) / (a.n * b.n)
    if abs(d) < SMALL_D:
        return f"{name_a} and {name_b} score about the same: {_numbers(d, auc)}"
    if name_b == f"Rest of {name_a}":
        return f"{name_a} scores {'higher' if d > 0 else 'lower'} than the rest: {_numbers(d, auc)}"
    if d < 0:
        name_a, name_b, d, auc = name_b, name_a, -d, 1 - auc
    return f"{name_a} scores higher than {name_b}: {_numbers(d, auc)}"


def _against_rest(one: tuple[str, Sample], filled: Sequence[tuple[str, Sample]]) -> tuple[float, float] | None:
    """Return Cohen's d and AUC of one page against all others together."""
    others = pooled([sample for name, sample in filled if name != one[0]])
    d = cohens_d(one[1], others)
    return None if d is None else (d, u_statistic(one[1], others) / (one[1].n * others.n))


def _numbers(d: float, auc: float, against: str = "") -> str:
    shown = f"{d:.1f}" if abs(d) >= 1 else f"{d:.2f}"
    shown = shown.removeprefix("-") if float(shown) == 0 else shown.replace("-", "−")
    return f"d = {shown}{against}, AUC {auc:.2f}"
