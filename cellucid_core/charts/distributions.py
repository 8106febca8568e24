"""Violin, box and histogram of scores, one colour per page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cellucid_core.cell_pages import Page, palette
from cellucid_core.charts.density import density
from cellucid_core.charts.layout import Layout, inline, layout, page_axis

VIOLIN_CAPTION = "Violin: density (own width each) · box: middle half · line: median · diamond: mean"
BOX_CAPTION = "Box: middle half · line: median · diamond: mean · whiskers: within 1.5 × IQR · thin line: all cells"
HISTOGRAM_CAPTION = "Share of a page's cells per bin; each row is scaled to its highest bar"

_LIGHT = "#FFFFFF"
_DARK = "#2B3137"
_HALF_VIOLIN = 0.43
_HALF_BOX = 0.26
_MOST_MARKS = 6000
_BINS = (20, 60)


@dataclass(frozen=True, eq=False)
class _Drawn:
    """What is drawn of one page; ``valid`` are its finite scores, ascending."""

    at: int
    page: Page
    color: str
    valid: np.ndarray

    def numbers(self) -> dict[str, Any]:
        """Return the numbers of a page that marks and tooltips need."""
        low, q1, median, q3, high = _sorted_quantiles(self.valid, [0, 0.25, 0.5, 0.75, 1])
        fence = 1.5 * (q3 - q1)
        lowest = np.searchsorted(self.valid, q1 - fence, side="left")
        highest = np.searchsorted(self.valid, q3 + fence, side="right") - 1
        return {
            "at": self.at,
            "page": self.page.name,
            "cells": len(self.valid),
            "mean": float(self.valid.mean()),
            "sd": float(self.valid.std(ddof=1)) if len(self.valid) > 1 else None,
            "low": low,
            "q1": q1,
            "median": median,
            "q3": q3,
            "high": high,
            "from": float(self.valid[lowest]),
            "to": float(self.valid[highest]),
        }


def violin(pages: Sequence[Page], scores: Sequence[np.ndarray], title: str) -> Any:
    """Draw mirrored densities with quartile box, median and mean.

    Parameters
    ----------
    pages
        In order.
    scores
        One array per page; what is not finite is left out.
    title
        What the score is.

    Returns
    -------
    altair.LayerChart
        As wide as its container. Pages stand side by side, or as rows where labels need it.
    """
    import altair as alt

    drawn, plan = _plan(pages, scores)
    points = int(np.clip(_MOST_MARKS / max(len(pages), 1), 24, 128))
    outline: list[dict[str, Any]] = []
    for one in drawn:
        places, heights = density(one.valid, points)
        if len(places) == 0:
            continue
        half = heights / heights.max() * _HALF_VIOLIN
        outline += [
            {"at": one.at, "page": one.page.name, "score": x, "left": one.at - h, "right": one.at + h}
            for x, h in zip(_short(places), _short(half), strict=True)
        ]
    sides = Sides(alt, plan, title)
    area = (
        alt.Chart(inline(alt, outline))
        # Vega would write a sentence for screen readers about every point of the outline: half of its work.
        .mark_area(orient="vertical" if plan.rows else "horizontal", opacity=0.85, strokeWidth=1, aria=False)
        .encode(
            **sides.place("left:Q", "right:Q"),
            **sides.value("score:Q"),
            color=_color(alt, drawn),
            stroke=_color(alt, drawn, stroke=True),  # keeps a tail of no visible width in one piece
            detail="at:N",
            tooltip=[alt.Tooltip("page:N", title="page")],  # an area is one mark: it has no score to tell
        )
    )
    return finished(alt, [area, *_summary_marks(alt, drawn, sides, 9)], plan)


def box(pages: Sequence[Page], scores: Sequence[np.ndarray], title: str) -> Any:
    """Draw box plots: quartiles, whiskers to the farthest score within 1.5 × IQR, and the full range as a thin line.

    Parameters and result as `violin`; one set of marks per page, however many cells it has.
    """
    import altair as alt

    drawn, plan = _plan(pages, scores)
    sides = Sides(alt, plan, title)
    rows = [
        one.numbers() | {"left": one.at - _HALF_BOX, "right": one.at + _HALF_BOX} for one in drawn if len(one.valid)
    ]
    base = alt.Chart(inline(alt, rows)).encode(tooltip=_tooltip(alt), color=_color(alt, drawn))
    layers = [
        base.mark_rule(strokeWidth=1, opacity=0.55).encode(**sides.place("at:Q"), **sides.value("low:Q", "high:Q")),
        base.mark_rule(strokeWidth=2.5).encode(**sides.place("at:Q"), **sides.value("from:Q", "to:Q")),
        base.mark_rect(opacity=1, stroke=_DARK, strokeWidth=1, strokeOpacity=0.6).encode(
            **sides.place("left:Q", "right:Q"), **sides.value("q1:Q", "q3:Q")
        ),
        base.mark_rule(strokeWidth=2.5).encode(
            **sides.place("left:Q", "right:Q"), **sides.value("median:Q"), color=alt.value(_DARK)
        ),
        _mean_mark(alt, base, sides),
    ]
    return finished(alt, layers, plan)


def histogram(pages: Sequence[Page], scores: Sequence[np.ndarray], title: str) -> Any:
    """Draw one histogram per page, below one another, over the same bins.

    Parameters and result as `violin`. Bins: Freedman–Diaconis over all scores, 20 to 60.
    """
    import altair as alt

    drawn, plan = _plan(pages, scores, rows=True)
    pooled = np.concatenate([one.valid for one in drawn]) if drawn else np.empty(0)
    edges = _edges(pooled)
    bars: list[dict[str, Any]] = []
    for one in drawn:
        # The last bin holds its upper edge, too, as numpy.histogram has it.
        ends = np.concatenate([np.searchsorted(one.valid, edges[:-1]), [len(one.valid)]])
        counts = np.diff(ends)
        top = counts.max() if len(one.valid) else 0
        bars += [
            {
                "at": one.at,
                "page": one.page.name,
                "cells": int(count),
                "share": count / len(one.valid),
                "from": float(edges[i]),
                "to": float(edges[i + 1]),
                "base": one.at + _HALF_VIOLIN,
                "top": one.at + _HALF_VIOLIN - 2 * _HALF_VIOLIN * count / top,
            }
            for i, count in enumerate(counts)
            if count
        ]
    sides = Sides(alt, plan, title)
    chart = (
        alt.Chart(inline(alt, bars))
        .mark_rect(opacity=0.9, strokeWidth=0.6)
        .encode(
            **sides.place("base:Q", "top:Q"),
            **sides.value("from:Q", "to:Q"),
            color=_color(alt, drawn),
            stroke=_color(alt, drawn, stroke=True),
            tooltip=[
                alt.Tooltip("page:N", title="page"),
                alt.Tooltip("from:Q", format=".4~g", title="from"),
                alt.Tooltip("to:Q", format=".4~g", title="to"),
                alt.Tooltip("cells:Q", format=",", title="cells"),
                alt.Tooltip("share:Q", format=".1%", title="share of the page"),
            ],
        )
    )
    ground = (
        alt.Chart(inline(alt, [{"base": one.at + _HALF_VIOLIN} for one in drawn]))
        .mark_rule(color="#8C939A", opacity=0.5)
        .encode(y=alt.Y("base:Q", scale=alt.Scale(domain=plan.domain[::-1], nice=False, zero=False)))
    )
    return finished(alt, [ground, chart], plan)


class Sides:
    """Encodings for pages side by side or as rows, so that every chart is written once."""

    def __init__(self, alt: Any, plan: Layout, title: str) -> None:
        self._alt = alt
        self._plan = plan
        self._title = title

    def place(self, field: str, field2: str | None = None) -> dict[str, Any]:
        """Encode where a page stands, or from where to where."""
        alt, rows = self._alt, self._plan.rows
        domain = list(self._plan.domain[::-1] if rows else self._plan.domain)
        axis = page_axis(alt, self._plan)
        make, make2 = (alt.Y, alt.Y2) if rows else (alt.X, alt.X2)
        scale = alt.Scale(domain=domain, nice=False, zero=False)
        return self._both("y" if rows else "x", make(field, axis=axis, scale=scale), field2, make2)

    def value(self, field: str, field2: str | None = None) -> dict[str, Any]:
        """Encode a score, or from which to which."""
        alt, rows = self._alt, self._plan.rows
        make, make2 = (alt.X, alt.X2) if rows else (alt.Y, alt.Y2)
        axis = alt.Axis(title=self._title, grid=True, tickCount=6, domain=False, ticks=False)
        encoded = make(field, axis=axis, scale=alt.Scale(zero=False, nice=True))
        return self._both("x" if rows else "y", encoded, field2, make2)

    @staticmethod
    def _both(channel: str, encoded: Any, field2: str | None, make2: Any) -> dict[str, Any]:
        return {channel: encoded} | ({f"{channel}2": make2(field2.removesuffix(":Q"))} if field2 else {})

    @property
    def rows(self) -> bool:
        """Whether pages are rows."""
        return self._plan.rows


def page_colors(pages: Sequence[Page]) -> list[str]:
    """Return the colour of each page: its own, or one of the palette."""
    spare = palette(len(pages))
    return [page.color or spare[at] for at, page in enumerate(pages)]


def _plan(
    pages: Sequence[Page], scores: Sequence[np.ndarray], *, rows: bool | None = None
) -> tuple[list[_Drawn], Layout]:
    """Give each page a place, a colour and its finite scores."""
    shades = page_colors(pages)
    drawn = []
    for at, (page, values) in enumerate(zip(pages, scores, strict=True)):
        # Sorted once, a page's quantiles, fences and bins are places in it.
        valid = np.sort(np.asarray(values, dtype=np.float64))
        if len(valid) and not (np.isfinite(valid[0]) and np.isfinite(valid[-1])):
            valid = valid[np.isfinite(valid)]
        drawn.append(_Drawn(at, page, shades[at], valid))
    return drawn, layout([p.name for p in pages], [len(d.valid) for d in drawn], rows=rows)


def _summary_marks(alt: Any, drawn: Sequence[_Drawn], sides: Sides, size: int) -> list[Any]:
    """Return quartile box, median and mean: light with a dark edge, so that they show on any page and any theme."""
    rows = [one.numbers() for one in drawn if len(one.valid)]
    base = alt.Chart(inline(alt, rows)).encode(tooltip=_tooltip(alt))
    across = "horizontal" if sides.rows else "vertical"
    return [
        base.mark_bar(
            orient=across, size=size, color=_LIGHT, opacity=0.95, stroke=_DARK, strokeWidth=1, cornerRadius=1
        ).encode(**sides.place("at:Q"), **sides.value("q1:Q", "q3:Q")),
        base.mark_tick(
            orient="vertical" if sides.rows else "horizontal", size=size + 5, thickness=2.5, color=_DARK
        ).encode(**sides.place("at:Q"), **sides.value("median:Q")),
        _mean_mark(alt, base, sides),
    ]


def _mean_mark(alt: Any, base: Any, sides: Sides) -> Any:
    """Return the diamond at the mean."""
    return base.mark_point(
        shape="diamond", size=46, filled=True, fill=_LIGHT, stroke=_DARK, strokeWidth=1.5, opacity=1
    ).encode(**sides.place("at:Q"), **sides.value("mean:Q"), color=alt.value(_LIGHT))


def _tooltip(alt: Any) -> list[Any]:
    numbers = ("mean", "median", "sd", "q1", "q3", "low", "high")
    titles = {"sd": "SD", "low": "min", "high": "max"}
    return [
        alt.Tooltip("page:N", title="page"),
        alt.Tooltip("cells:Q", format=",", title="cells"),
        *(alt.Tooltip(f"{name}:Q", format=".4~g", title=titles.get(name, name)) for name in numbers),
    ]


def _color(alt: Any, drawn: Sequence[_Drawn], *, stroke: bool = False) -> Any:
    """Map a page's place to its colour; places, not names, because names may repeat."""
    scale = alt.Scale(domain=[one.at for one in drawn], range=[one.color for one in drawn])
    return (alt.Stroke if stroke else alt.Color)("at:N", scale=scale, legend=None)


def _edges(pooled: np.ndarray) -> np.ndarray:
    """Return bin edges by Freedman & Diaconis (1981), width 2·IQR·n^(−1/3), within 20 to 60 bins."""
    if len(pooled) == 0:
        return np.array([0.0, 1.0])
    low, high = float(pooled.min()), float(pooled.max())
    if low == high:
        return np.array([low - 0.5, low + 0.5])
    q1, q3 = np.quantile(pooled, [0.25, 0.75])
    width = 2 * (q3 - q1) * len(pooled) ** (-1 / 3)
    bins = int(np.clip(np.ceil((high - low) / width), *_BINS)) if width > 0 else _BINS[1] // 2
    return np.linspace(low, high, bins + 1)


def _sorted_quantiles(values: np.ndarray, shares: Sequence[float]) -> list[float]:
    """Return quantiles of sorted values, linear between the two nearest, as `numpy.quantile` does by default."""
    at = np.asarray(shares) * (len(values) - 1)
    low = np.floor(at).astype(np.int64)
    lower, upper = values[low], values[np.minimum(low + 1, len(values) - 1)]
    part = at - low
    between = np.where(part < 0.5, lower + (upper - lower) * part, upper - (upper - lower) * (1 - part))
    return [float(q) for q in between]


def _short(values: np.ndarray) -> list[float]:
    """Give numbers six digits, which no screen can tell from all of them."""
    return [float(f"{value:.6g}") for value in values]


def finished(alt: Any, layers: list[Any], plan: Layout) -> Any:
    """Put the layers together, as wide as their container."""
    return alt.layer(
        *layers,
        width="container",
        height=plan.height,
        # The height is the plot's: labels of several lines must not eat it up.
        autosize=alt.AutoSizeParams(type="fit-x", contains="padding"),
        config=alt.Config(view=alt.ViewConfig(strokeWidth=0)),
    )
