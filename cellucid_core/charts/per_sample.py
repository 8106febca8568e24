"""One point per sample and page: what the tests by sample compare."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cellucid_core.cell_pages import Page
from cellucid_core.charts.brackets import Bracket, with_brackets
from cellucid_core.charts.distributions import Sides, finished, page_colors
from cellucid_core.charts.layout import SCREEN, Room, inline, layout

if TYPE_CHECKING:
    from cellucid_core.signature.statistics import Owned

PER_SAMPLE_CAPTION = (
    "Point: mean score of a sample's cells · line: the same sample in several pages · bar: mean of the samples"
)
_LINE = "#8C939A"
_HALF_BAR = 0.22
#: Samples of one page stand side by side by at most so much, where no line joins them to another page.
_SPREAD = 0.3
_MOST_LINES = 200
#: Among more pages the lines stand back.
_FEW_PAGES = 4


def per_sample(
    pages: Sequence[Page],
    owned: Sequence[Owned],
    title: str,
    *,
    brackets: Sequence[Bracket] = (),
    room: Room = SCREEN,
) -> Any:
    """Draw each sample's mean score in each page; lines join a sample's points.

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
        As wide as its container. ``n`` is the number of samples.
    """
    import altair as alt

    shades = page_colors(pages)
    means = [one.means() for one in owned]
    plan = layout([page.name for page in pages], [len(mean) for mean in means], room=room)
    drawn = [value for mean in means for value in mean]
    low, high = min(drawn, default=0.0), max(drawn, default=1.0)
    sides = Sides(alt, plan, f"{title}, mean per sample", top=high if brackets else None)
    times: dict[str, int] = {}
    for mean in means:
        for sample in mean.index:
            times[sample] = times.get(sample, 0) + 1
    joined = {sample for sample, n in times.items() if n > 1}
    lines = len(joined) <= _MOST_LINES
    points: list[dict[str, Any]] = []
    for at, (page, mean, one) in enumerate(zip(pages, means, owned, strict=True)):
        cells = dict(zip(one.owners.tolist(), one.counts.tolist(), strict=True))
        alone = [sample for sample in mean.index if sample not in joined]
        beside = dict(
            zip(alone, np.linspace(-1, 1, len(alone)) * _SPREAD / 2 if len(alone) > 1 else [0.0], strict=False)
        )
        points += [
            {
                "at": at + float(beside.get(sample, 0.0)),
                "page": page.name,
                "sample": str(sample),
                "score": float(f"{value:.7g}"),
                "cells": int(cells[sample]),
                "color": shades[at],
            }
            for sample, value in mean.items()
        ]
    bars = [
        {"left": at - _HALF_BAR, "right": at + _HALF_BAR, "score": float(mean.mean()), "page": pages[at].name}
        for at, mean in enumerate(means)
        if len(mean)
    ]
    tooltip = [
        alt.Tooltip("sample:N", title="sample"),
        alt.Tooltip("page:N", title="page"),
        alt.Tooltip("score:Q", format=".4~g", title="mean score"),
        alt.Tooltip("cells:Q", format=",", title="cells"),
    ]
    layers = []
    if lines:
        shared = [row for row in points if row["sample"] in joined]
        layers.append(
            alt.Chart(inline(alt, shared))
            .mark_line(color=_LINE, strokeWidth=1, opacity=0.7 if len(pages) <= _FEW_PAGES else 0.35, aria=False)
            .encode(**sides.place("at:Q"), **sides.value("score:Q"), detail="sample:N", order="at:Q")
        )
    layers.append(
        alt.Chart(inline(alt, bars))
        .mark_rule(color=_LINE, strokeWidth=3)
        .encode(
            **sides.place("left:Q", "right:Q"),
            **sides.value("score:Q"),
            tooltip=[alt.Tooltip("page:N"), alt.Tooltip("score:Q", format=".4~g", title="mean of the samples")],
        )
    )
    layers.append(
        alt.Chart(inline(alt, points))
        .mark_circle(size=70, opacity=0.95, stroke="#2B3137", strokeWidth=0.8)
        .encode(
            **sides.place("at:Q"),
            **sides.value("score:Q"),
            color=alt.Color("color:N", scale=None),
            tooltip=tooltip,
        )
    )
    over, plan = with_brackets(alt, brackets, plan, sides, low, high)
    return finished(alt, [*layers, *over], plan)
