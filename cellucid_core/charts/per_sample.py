"""One point per sample and page, or per sample, page and value of a second column: what the tests by sample compare."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cellucid_core.cell_pages import Page
from cellucid_core.charts.brackets import Bracket, with_brackets
from cellucid_core.charts.distributions import Palette, Sides, finished, page_colors
from cellucid_core.charts.layout import SCREEN, Layout, Room, inline, layout
from cellucid_core.charts.split import split_places

if TYPE_CHECKING:
    from cellucid_core.signature.statistics import Owned

PER_SAMPLE_CAPTION = (
    "Point: mean score of a sample's cells · line: the same sample in several pages · bar: mean of the samples"
)
SPLIT_PER_SAMPLE_CAPTION = (
    "Point: mean score of a sample's cells · line: the same sample within a page · bar: mean of the samples"
)
_LINE = "#8C939A"
_HALF_BAR = 0.22
#: Share of a place's width over which samples that no line joins to another place are spread.
_SPREAD = 0.3
_MOST_LINES = 200
#: With more pages than this the lines are fainter.
_FEW_PAGES = 4


@dataclass(frozen=True, eq=False)
class _Place:
    """The samples of a page, or of a value within it: where they stand, their place in the palette, and their scores.

    Lines join the points of a sample that is in several places with the same `joined`.
    """

    at: float
    group: int
    page: str
    owned: Owned
    value: str | None = None
    joined: int = 0


def per_sample(
    pages: Sequence[Page],
    owned: Sequence[Owned],
    title: str,
    *,
    brackets: Sequence[Bracket] = (),
    room: Room = SCREEN,
) -> Any:
    """Draw each sample's mean score in each page; up to 200 samples have lines that join their points.

    Parameters
    ----------
    pages
        In order.
    owned
        The scores of each page, added up by sample.
    title
        What the score is.
    brackets, room
        As for `violin`.

    Returns
    -------
    altair.LayerChart
        As wide as its container. ``n`` is the number of samples with a score in the page.
    """
    places = [_Place(i, i, page.name, one) for i, (page, one) in enumerate(zip(pages, owned, strict=True))]
    plan = layout([page.name for page in pages], [int((one.counts > 0).sum()) for one in owned], room=room)
    return _draw(places, Palette(tuple(page_colors(pages))), plan, title, 1.0, len(pages) <= _FEW_PAGES, brackets)


def split_per_sample(
    pages: Sequence[Page],
    values: Sequence[Page],
    owned: Sequence[Sequence[Owned]],
    title: str,
    column: str,
    *,
    brackets: Sequence[Bracket] = (),
    room: Room = SCREEN,
) -> Any:
    """Draw each sample's mean score for each value of a second column within each page; lines as in `per_sample`.

    Parameters
    ----------
    pages, values, title, column, brackets, room
        As for `split_violin`.
    owned
        One list per page with the scores of each value, added up by sample.

    Returns
    -------
    altair.LayerChart
        As wide as its container. ``n`` is the number of samples with a score in the page.
    """
    offsets = split_places(len(values))
    places = [
        _Place(i + offsets[j], j, page.name, one, value.name, i)
        for i, (page, some) in enumerate(zip(pages, owned, strict=True))
        for j, (value, one) in enumerate(zip(values, some, strict=True))
    ]
    counts = [int(np.any([one.counts > 0 for one in some], axis=0).sum()) for some in owned]
    plan = layout([page.name for page in pages], counts, within=len(values), room=room)
    colors = Palette(tuple(page_colors(values)), tuple(value.name for value in values), column, room)
    return _draw(places, colors, plan, title, 0.88 / len(values), True, brackets)


def _draw(
    places: Sequence[_Place],
    colors: Palette,
    plan: Layout,
    title: str,
    width: float,
    strong: bool,
    brackets: Sequence[Bracket],
) -> Any:
    """Draw points, means and lines; `width` is that of a place, in pages, and `strong` makes lines stand out."""
    import altair as alt

    means = [place.owned.means() for place in places]
    times = Counter((place.joined, sample) for place, mean in zip(places, means, strict=True) for sample in mean.index)
    points: list[dict[str, Any]] = []
    bars: list[dict[str, Any]] = []
    for place, mean in zip(places, means, strict=True):
        named = {"page": place.page, **({} if place.value is None else {"value": place.value})}
        cells = dict(zip(place.owned.owners.tolist(), place.owned.counts.tolist(), strict=True))
        alone = [sample for sample in mean.index if times[place.joined, sample] == 1]
        spread = np.linspace(-1, 1, len(alone)) * _SPREAD * width / 2 if len(alone) > 1 else [0.0]
        beside = dict(zip(alone, spread, strict=False))
        points += [
            {
                "at": place.at + float(beside.get(sample, 0.0)),
                "group": place.group,
                **named,
                "sample": str(sample),
                "score": float(f"{value:.7g}"),
                "cells": int(cells[sample]),
                "joined": place.joined if times[place.joined, sample] > 1 else None,
            }
            for sample, value in mean.items()
        ]
        if len(mean):
            half = _HALF_BAR * width
            bars.append({"left": place.at - half, "right": place.at + half, "score": float(mean.mean()), **named})
    drawn = [row["score"] for row in points]
    low, high = min(drawn, default=0.0), max(drawn, default=1.0)
    sides = Sides(alt, plan, f"{title}, mean per sample", top=high if brackets else None)
    within = [] if places[0].value is None else [alt.Tooltip("value:N")]
    tooltip = [
        alt.Tooltip("sample:N", title="sample"),
        alt.Tooltip("page:N", title="page"),
        *within,
        alt.Tooltip("score:Q", format=".4~g", title="mean score"),
        alt.Tooltip("cells:Q", format=",", title="cells"),
    ]
    layers = []
    if sum(n > 1 for n in times.values()) <= _MOST_LINES:
        layers.append(
            alt.Chart(inline(alt, [row for row in points if row["joined"] is not None]))
            .mark_line(color=_LINE, strokeWidth=1, opacity=0.7 if strong else 0.35, aria=False)
            .encode(**sides.place("at:Q"), **sides.value("score:Q"), detail=["sample:N", "joined:N"], order="at:Q")
        )
    layers.append(
        alt.Chart(inline(alt, bars))
        .mark_rule(color=_LINE, strokeWidth=3)
        .encode(
            **sides.place("left:Q", "right:Q"),
            **sides.value("score:Q"),
            tooltip=[
                alt.Tooltip("page:N"),
                *within,
                alt.Tooltip("score:Q", format=".4~g", title="mean of the samples"),
            ],
        )
    )
    layers.append(
        alt.Chart(inline(alt, points))
        .mark_circle(size=70, opacity=0.95, stroke="#2B3137", strokeWidth=0.8)
        .encode(**sides.place("at:Q"), **sides.value("score:Q"), color=colors.encode(alt), tooltip=tooltip)
    )
    over, plan = with_brackets(alt, brackets, plan, sides, low, high)
    return finished(alt, [*layers, *over], plan)
