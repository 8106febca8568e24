"""The cumulative curve of each page: the share of its cells that score at most x."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cellucid_core.cell_pages import Page
from cellucid_core.charts.distributions import page_colors
from cellucid_core.charts.labels import legend_labels
from cellucid_core.charts.layout import SCREEN, Room, inline

CUMULATIVE_CAPTION = "Share of a page's cells that score no more than this; a curve further right is a higher score"
_HEIGHT = 360
#: Points of all curves together, and of one.
_MOST_POINTS = 6000
_POINTS = (60, 300)


def cumulative_points(values: np.ndarray, points: int) -> tuple[np.ndarray, np.ndarray]:
    """Return exact points of an empirical distribution function.

    Parameters
    ----------
    values
        (n,) finite scores.
    points
        About how many points; if there are at most so many different scores, all of them.

    Returns
    -------
    tuple
        Different scores, ascending, from the lowest to the highest; and for each the share of values that are at most
        as large, the last of them 1; float64.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    n = len(ordered)
    if n == 0:
        return np.empty(0), np.empty(0)
    last = np.ones(n, dtype=bool)
    last[:-1] = ordered[1:] != ordered[:-1]
    steps = np.flatnonzero(last)
    if len(steps) > points:
        # Half of the points are at evenly spaced shares, half at evenly spaced scores.
        by_share = np.linspace(0, n - 1, points // 2).astype(np.int64)
        by_score = np.searchsorted(ordered, np.linspace(ordered[0], ordered[-1], points // 2), side="right") - 1
        chosen = np.unique(np.concatenate([by_share, by_score]))
        steps = np.unique(steps[np.searchsorted(steps, chosen)])
    return ordered[steps], (steps + 1) / n


def cumulative(pages: Sequence[Page], scores: Sequence[np.ndarray], title: str, *, room: Room = SCREEN) -> Any:
    """Draw the cumulative curve of each page.

    Parameters
    ----------
    pages
        In order.
    scores
        One array per page; what is not finite is left out.
    title
        What the score is.
    room
        What room names have.

    Returns
    -------
    altair.LayerChart
        As wide as its container, the legend below; at most a few hundred points per page.
    """
    import altair as alt

    shades = page_colors(pages)
    most = int(np.clip(_MOST_POINTS / max(len(pages), 1), *_POINTS))
    rows: list[dict[str, Any]] = []
    for at, (page, values) in enumerate(zip(pages, scores, strict=True)):
        finite = np.asarray(values, dtype=np.float64)
        finite = finite[np.isfinite(finite)]
        places, shares = cumulative_points(finite, most)
        rows += [
            {"at": at, "page": page.name, "score": x, "share": y}
            for x, y in zip([float(f"{x:.7g}") for x in places], np.round(shares, 6).tolist(), strict=True)
        ]
        if len(places):  # the curve starts at 0
            rows.append({"at": at, "page": page.name, "score": float(f"{places[0]:.7g}"), "share": 0.0})
    rows.sort(key=lambda row: (row["at"], row["score"], row["share"]))
    places_ = list(range(len(pages)))
    labels, letters = legend_labels([page.name for page in pages], 30, room)
    legend = alt.Legend(
        title=None,
        orient="bottom",
        symbolType="stroke",
        symbolStrokeWidth=3,
        symbolLimit=0,
        labelLimit=0,
        columns=int(np.clip((room.width - 20) // (7 * letters + 40), 1, 6)),
        labelExpr=_listed(labels),
    )
    base = alt.Chart(inline(alt, rows)).encode(
        x=alt.X("score:Q", scale=alt.Scale(zero=False, nice=True), axis=alt.Axis(title=title, grid=True, tickCount=6)),
        y=alt.Y(
            "share:Q",
            scale=alt.Scale(domain=[0, 1], nice=False),
            axis=alt.Axis(title="Share of cells", format=".0%", tickCount=5, domain=False, ticks=False),
        ),
        color=alt.Color("at:N", scale=alt.Scale(domain=places_, range=shades), sort=places_, legend=legend),
    )
    tooltip = [
        alt.Tooltip("page:N", title="page"),
        alt.Tooltip("score:Q", format=".4~g", title="score"),
        alt.Tooltip("share:Q", format=".1%", title="cells at or below"),
    ]
    # No sentence for screen readers about every point, as in `violin`.
    line = base.mark_line(interpolate="step-after", strokeWidth=2, clip=True, aria=False)
    # Invisible points show the tooltip.
    points = base.mark_point(size=60, opacity=0, filled=True, aria=False).encode(tooltip=tooltip)
    return (
        alt.layer(line, points)
        .properties(width="container", height=_HEIGHT, autosize=alt.AutoSizeParams(type="fit-x", contains="padding"))
        .configure_view(strokeWidth=0)
    )


def _listed(labels: Sequence[Sequence[str]]) -> str:
    import json

    return f"{json.dumps(list(labels))}[datum.value]"
