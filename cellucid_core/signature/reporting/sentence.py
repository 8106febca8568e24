"""The sentence above the chart: which page scores highest, by how much; effect sizes, never p-values."""

from __future__ import annotations

from collections.abc import Sequence

from cellucid_core.signature.statistics import Agreement, Owned, Pooled, Sample, agreement, cohens_d, u_statistic

#: Pages whose |d| is below this are said to score about the same (Cohen 1988: 0.2 is "small").
SMALL_D = 0.2


def headline(
    names: Sequence[str],
    samples: Sequence[Sample],
    *,
    pooled: Pooled | None = None,
    owned: Sequence[Owned] | None = None,
    units: str = "samples",
) -> str:
    """Say in one sentence how the pages differ.

    Parameters
    ----------
    names
        The pages.
    samples
        Their scores, one `Sample` per page.
    pooled
        The same scores sorted together, where that is done already.
    owned
        The scores of each page by donor or sample, where such a column is chosen: the sentence then says in how many
        donors the difference has the same direction.
    units
        What donors or samples are called, in the plural (`unit_word`).

    Returns
    -------
    str
        Such as ``CD8 T cells scores higher than the rest: d = 1.4, AUC 0.86; 3 of 3 donors agree``.
    """
    filled = [i for i, sample in enumerate(samples) if sample.n]
    if not filled:
        return "No cell has a score"
    if len(filled) == 1:
        name, sample = names[filled[0]], samples[filled[0]]
        cells = "cell" if sample.n == 1 else "cells"
        return f"{name}: mean score {sample.mean:.3g} over {sample.n:,} {cells}"
    if len(filled) == 2:
        a, b = filled
        agreed = None if owned is None else agreement(owned[a], [owned[b]])
        return _two(names[a], samples[a], names[b], samples[b], agreed, units)
    order = sorted(filled, key=lambda i: samples[i].mean)
    lowest, highest = order[0], order[-1]
    if samples[lowest].mean == samples[highest].mean:
        return f"All {len(filled)} pages have the same mean score, {samples[lowest].mean:.3g}"
    together = Pooled.of(samples) if pooled is None else pooled
    best, worst = together.against_others(highest), together.against_others(lowest)
    if best is None or worst is None:
        return f"{names[highest]} scores highest, with no spread of scores within the pages"

    def against_rest(i: int, numbers: tuple[float, float], differs: bool) -> str:
        agreed = None if owned is None else agreement(owned[i], [o for j, o in enumerate(owned) if j != i])
        return _numbers(*numbers, " against the rest") + _donors(names[i], numbers[0], agreed, units, differs)

    if abs(best[0]) >= SMALL_D:
        return f"{names[highest]} scores highest: {against_rest(highest, best, True)}"
    if abs(worst[0]) >= SMALL_D:
        return f"{names[lowest]} scores lowest: {against_rest(lowest, worst, True)}"
    return (
        f"All {len(filled)} pages score about the same: the highest, {names[highest]}, has "
        f"{against_rest(highest, best, False)}"
    )


def _two(name_a: str, a: Sample, name_b: str, b: Sample, agreed: Agreement | None, units: str) -> str:
    d = cohens_d(a, b)
    if d is None:
        if a.mean == b.mean:
            return f"{name_a} and {name_b} have the same score, {a.mean:.3g}"
        high, low = (name_a, name_b) if a.mean > b.mean else (name_b, name_a)
        return f"{high} scores higher than {low}, with no spread of scores within the pages"
    auc = u_statistic(a, b) / (a.n * b.n)
    if abs(d) < SMALL_D:
        donors = _donors(name_a, d, agreed, units, False)
        return f"{name_a} and {name_b} score about the same: {_numbers(d, auc)}{donors}"
    donors = _donors(name_a, d, agreed, units, True)
    if name_b == f"Rest of {name_a}":
        return f"{name_a} scores {'higher' if d > 0 else 'lower'} than the rest: {_numbers(d, auc)}{donors}"
    if d < 0:
        name_a, name_b, d, auc = name_b, name_a, -d, 1 - auc
    return f"{name_a} scores higher than {name_b}: {_numbers(d, auc)}{donors}"


def _donors(name: str, d: float, agreed: Agreement | None, units: str, differs: bool) -> str:
    """Say in how many of the donors that are on both sides the difference has the direction of `d`."""
    if agreed is None:
        return ""
    if agreed.n == 0:
        return f"; no {_one(units)} is on both sides, so compare {units} in the tests"
    what = _one(units) if agreed.n == 1 else units
    if not differs:
        return f"; {name} is higher in {agreed.higher} of {agreed.n} {what}"
    same = agreed.higher if d > 0 else agreed.lower
    return f"; {same} of {agreed.n} {what} {'agrees' if agreed.n == 1 else 'agree'}"


def _one(units: str) -> str:
    """Return the singular of a word of `unit_word`."""
    return {"libraries": "library", "batches": "batch"}.get(units, units.removesuffix("s"))


def _numbers(d: float, auc: float, against: str = "") -> str:
    return f"d = {effect_text(d)}{against}, AUC {auc:.2f}"


def effect_text(d: float) -> str:
    """Return an effect size as sentences show it, with two or three digits: ``1.4``, ``−0.23``."""
    shown = f"{d:.1f}" if abs(d) >= 1 else f"{d:.2f}"
    return shown.removeprefix("-") if float(shown) == 0 else shown.replace("-", "−")
