"""Charts of what is behind a score: the genes that carry a difference, library size, and chance."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from cellucid_core.charts.labels import name_axis, row_step
from cellucid_core.charts.layout import SCREEN, Room, inline

HIGHER, LOWER, PLAIN = "#D55E00", "#0072B2", "#8C939A"
CONTRIBUTION_CAPTION = "How much each gene adds to the difference of the mean scores"
TREND_CAPTION = "Line: mean score · band: middle half; cells are binned by library size, equally many per bin"
CHANCE_CAPTION = "Bars: random gene sets of similar expression · line: this signature"
_ROW = 22
_HEIGHT = 260


def contribution_bars(table: pd.DataFrame, page: str, other: str, *, most_genes: int = 30, room: Room = SCREEN) -> Any:
    """Draw what each gene adds to the difference between two pages.

    Parameters
    ----------
    table
        From `contributions`.
    page, other
        Names of the pages.
    most_genes
        How many genes are drawn at most: those of the largest contributions, whatever their sign.
    room
        What room their names have.

    Returns
    -------
    altair.LayerChart
        As wide as its container; genes are rows in the order of the table.
    """
    import altair as alt

    size = table["contribution"].abs().fillna(0).to_numpy()
    kept = np.sort(np.argsort(-size, kind="stable")[:most_genes])
    shown = table.iloc[kept]
    rows = [
        {
            "top": i - 0.36,
            "bottom": i + 0.36,
            "gene": str(row["gene"]),
            "zero": 0,
            "contribution": _plain(row["contribution"]),
            "share": _plain(row["share"]),
            "d": _plain(row["d"]),
            "without": _plain(row["d_without"]),
            "side": "up" if row["contribution"] >= 0 else "down",
        }
        for i, row in enumerate(shown.to_dict("records"))
    ]
    genes = [str(gene) for gene in shown["gene"]]
    step = row_step(genes, _ROW, room)
    scale = alt.Scale(domain=[max(len(rows), 1) - 0.5, -0.5], nice=False, zero=False)
    base = alt.Chart(inline(alt, rows))
    bars = base.mark_rect(cornerRadius=1).encode(
        y=alt.Y("top:Q", scale=scale, axis=name_axis(alt, genes, step=step, columns=False, room=room)),
        y2="bottom:Q",
        x=alt.X(
            "zero:Q",
            axis=alt.Axis(title="Contribution to the difference", grid=True, tickCount=6, domain=False, ticks=False),
        ),
        x2="contribution:Q",
        color=alt.Color("side:N", scale=alt.Scale(domain=["up", "down"], range=[HIGHER, LOWER]), legend=None),
        tooltip=[
            alt.Tooltip("gene:N", title="gene"),
            alt.Tooltip("contribution:Q", format=".4~g", title="contribution"),
            alt.Tooltip("share:Q", format=".1%", title="share of the difference"),
            alt.Tooltip("d:Q", format=".3~g", title="d of the gene alone"),
            alt.Tooltip("without:Q", format=".3~g", title="d without it"),
        ],
    )
    ground = alt.Chart(inline(alt, [{"zero": 0}])).mark_rule(color=PLAIN).encode(x="zero:Q")
    return _finish(alt, [bars, ground], max(len(rows), 1) * step)


def library_trend(trend: pd.DataFrame, measure: str, title: str, score_title: str) -> Any:
    """Draw how a score goes with library size.

    Parameters
    ----------
    trend
        From `library_size`.
    measure
        ``total`` or ``detected``.
    title
        Title of the x axis.
    score_title
        What the score is.
    """
    import altair as alt

    mine = trend[trend["measure"] == measure]
    rows = [
        {key: _plain(row[key]) for key in ("middle", "mean", "q1", "q3")} | {"cells": int(row["cells"])}
        for row in mine.to_dict("records")
    ]
    base = alt.Chart(inline(alt, rows)).encode(
        x=alt.X("middle:Q", scale=alt.Scale(zero=False, nice=True), axis=alt.Axis(title=title, grid=False, tickCount=6))
    )
    scale = alt.Scale(zero=False, nice=True)
    axis = alt.Axis(title=score_title, grid=True, tickCount=5, domain=False, ticks=False)
    band = base.mark_area(opacity=0.25, color=LOWER).encode(y=alt.Y("q1:Q", scale=scale, axis=axis), y2="q3:Q")
    line = base.mark_line(strokeWidth=2, color=LOWER).encode(y=alt.Y("mean:Q", scale=scale, axis=axis))
    points = base.mark_circle(size=40, opacity=1, color=LOWER).encode(
        y=alt.Y("mean:Q", scale=scale, axis=axis),
        tooltip=[
            alt.Tooltip("middle:Q", format=".4~g", title=title.lower()),
            alt.Tooltip("mean:Q", format=".4~g", title="mean score"),
            alt.Tooltip("q1:Q", format=".4~g", title="lower quartile"),
            alt.Tooltip("q3:Q", format=".4~g", title="upper quartile"),
            alt.Tooltip("cells:Q", format=",", title="cells"),
        ],
    )
    return _finish(alt, [band, line, points], _HEIGHT)


def chance_histogram(d: float, random: np.ndarray, p_value: float) -> Any:
    """Draw where the signature's d falls among those of random gene sets.

    Parameters
    ----------
    d
        Cohen's d of the signature.
    random
        (n_sets,) float64: d of the random sets; NaN is left out.
    p_value
        The empirical p-value.
    """
    import altair as alt

    valid = random[np.isfinite(random)]
    span = [float(min(valid.min(initial=d), d)), float(max(valid.max(initial=d), d))]
    if span[0] == span[1]:
        span = [span[0] - 0.5, span[1] + 0.5]
    counts, edges = np.histogram(valid, bins=int(np.clip(np.sqrt(len(valid)) * 2, 15, 50)), range=(span[0], span[1]))
    rows = [
        {"from": _plain(edges[i]), "to": _plain(edges[i + 1]), "sets": int(n), "zero": 0}
        for i, n in enumerate(counts)
        if n
    ]
    room = 0.06 * (span[1] - span[0])
    scale = alt.Scale(domain=[span[0] - room, span[1] + room], nice=False, zero=False)
    x_axis = alt.Axis(title="Cohen's d", grid=False, tickCount=6)
    bars = (
        alt.Chart(inline(alt, rows))
        .mark_rect(color=PLAIN, opacity=0.85, stroke=PLAIN, strokeWidth=0.6)
        .encode(
            x=alt.X("from:Q", scale=scale, axis=x_axis),
            x2="to:Q",
            y=alt.Y(
                "sets:Q", axis=alt.Axis(title="Random gene sets", tickMinStep=1, tickCount=4, domain=False, ticks=False)
            ),
            y2="zero:Q",
            tooltip=[
                alt.Tooltip("from:Q", format=".3~g", title="d from"),
                alt.Tooltip("to:Q", format=".3~g", title="to"),
                alt.Tooltip("sets:Q", format=",", title="random sets"),
            ],
        )
    )
    right = d > (span[0] + span[1]) / 2
    shown = f"this signature: d = {d:.2f}, p = {p_value:.2g}".replace("-", "−")
    marker = alt.Chart(inline(alt, [{"d": _plain(d), "p": p_value, "label": shown}]))
    rule = marker.mark_rule(color=HIGHER, strokeWidth=3).encode(
        x=alt.X("d:Q", scale=scale, axis=x_axis),
        tooltip=[
            alt.Tooltip("d:Q", format=".3~g", title="d of this signature"),
            alt.Tooltip("p:Q", format=".2~g", title="empirical p"),
        ],
    )
    label = marker.mark_text(
        align="right" if right else "left", baseline="bottom", dx=-2 if right else 2, dy=-4, color=HIGHER, fontSize=12
    ).encode(x=alt.X("d:Q", scale=scale, axis=x_axis), y=alt.value(0), text="label:N")
    return _finish(alt, [bars, rule, label], _HEIGHT)


def _plain(value: Any) -> float | None:
    """Return a number rounded to six digits, None for what is not finite."""
    return float(f"{value:.6g}") if np.isfinite(value) else None


def _finish(alt: Any, layers: list[Any], height: int) -> Any:
    return (
        alt.layer(*layers)
        .properties(width="container", height=height, autosize=alt.AutoSizeParams(type="fit-x", contains="padding"))
        .configure_view(strokeWidth=0)
    )
