"""Violin, box and histogram of scores, one colour per page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cellucid_core.cell_pages import Page, palette
from cellucid_core.charts.brackets import Bracket, with_brackets
from cellucid_core.charts.density import density
from cellucid_core.charts.labels import legend_labels, shortened
from cellucid_core.charts.layout import SCREEN, Layout, Room, inline, layout, page_axis
from cellucid_core.charts.points import point_rows, points_per_page, sampled

VIOLIN_CAPTION = "Violin: density (each scaled to the same width) · box: middle half · line: median · diamond: mean"
BOX_CAPTION = "Box: middle half · line: median · diamond: mean · whiskers: within 1.5 × IQR · thin line: all cells"
HISTOGRAM_CAPTION = "Share of a page's cells per bin; each row is scaled to its highest bar"

_LIGHT = "#FFFFFF"
_DARK = "#2B3137"
_HALF_VIOLIN = 0.43
_HALF_BOX = 0.26
_MOST_MARKS = 6000
_BINS = (20, 60)
#: Opacity of a violin or box that has points on it.
_FADED = 0.3
#: An edge that can be seen on light and on dark.
_EDGE = "#8C939A"
#: Share of a violin's or box's width that points are spread over.
_INSIDE = 0.92
_LEGEND_LETTERS = 30


@dataclass(frozen=True, eq=False)
class Drawn:
    """One violin or box.

    Attributes
    ----------
    at
        Where it stands on the pages' axis.
    group
        The place of its colour in the chart's `Palette`.
    page, value
        The page whose cells these are, and the value of a second column that they have, where there is one.
    valid
        (n,) float64: its finite scores, ascending.
    half
        How far a violin reaches to a side, in units of the pages' axis.
    sides
        The sides it reaches to, times `half`: (−1, 1) for a whole violin, (−1, 0) or (0, 1) for half of one.
    middle
        Where its median and mean stand; None: at `at`.
    """

    at: float
    group: int
    page: str
    valid: np.ndarray
    half: float = _HALF_VIOLIN
    sides: tuple[int, int] = (-1, 1)
    middle: float | None = None
    value: str | None = None

    def numbers(self) -> dict[str, Any]:
        """Return the numbers that marks and tooltips need; there must be a finite score."""
        low, q1, median, q3, high = _sorted_quantiles(self.valid, [0, 0.25, 0.5, 0.75, 1])
        fence = 1.5 * (q3 - q1)
        lowest = np.searchsorted(self.valid, q1 - fence, side="left")
        highest = np.searchsorted(self.valid, q3 + fence, side="right") - 1
        return {
            "at": self.at if self.middle is None else self.middle,
            "group": self.group,
            "page": self.page,
            **({} if self.value is None else {"value": self.value}),
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


@dataclass(frozen=True)
class Palette:
    """The colours of a chart's groups, by their place, because names may repeat.

    Attributes
    ----------
    colors
        ``#RRGGBB``, in order.
    names
        The groups' names in the legend; if empty, there is no legend, because the axis names the pages.
    title
        Title of the legend.
    room
        What room the legend's names have.
    """

    colors: tuple[str, ...]
    names: tuple[str, ...] = ()
    title: str = ""
    room: Room = SCREEN

    def encode(self, alt: Any, *, stroke: bool = False) -> Any:
        """Return the encoding that maps a group's place to its colour: of the fill with a legend, or of the stroke."""
        scale = alt.Scale(domain=list(range(len(self.colors))), range=list(self.colors))
        legend = None
        if self.names and not stroke:
            labels, letters = legend_labels(self.names, _LEGEND_LETTERS, self.room)
            legend = alt.Legend(
                title=shortened(self.title, 2 * _LEGEND_LETTERS, self.room),
                orient="top",
                symbolType="square",
                symbolOpacity=1,
                symbolLimit=0,
                labelLimit=0,
                titleLimit=0,
                columns=int(np.clip((self.room.width - 140) // (7 * letters + 30), 1, len(labels))),
                labelExpr=f"{json.dumps(labels)}[datum.value]",
            )
        return (alt.Stroke if stroke else alt.Color)("group:N", scale=scale, legend=legend)


def violin(
    pages: Sequence[Page],
    scores: Sequence[np.ndarray],
    title: str,
    *,
    points: int | None = None,
    brackets: Sequence[Bracket] = (),
    room: Room = SCREEN,
) -> Any:
    """Draw mirrored densities with quartile box, median and mean.

    Parameters
    ----------
    pages
        In order.
    scores
        One array per page; what is not finite is left out.
    title
        What the score is.
    points
        Seed of the sample of cells that is drawn as points (`points_caption` says how many); None: no points.
    brackets
        Brackets over pairs of pages; a page stands at its number, the first at 0.
    room
        What room names have.

    Returns
    -------
    altair.LayerChart
        As wide as its container. Pages stand side by side, or as rows where labels need it.
    """
    return draw_violins(*_plan(pages, scores, room), title, points=points, brackets=brackets)


def draw_violins(
    drawn: Sequence[Drawn],
    colors: Palette,
    plan: Layout,
    title: str,
    *,
    size: int = 9,
    points: int | None = None,
    brackets: Sequence[Bracket] = (),
) -> Any:
    """Draw violins at the given places; `size` is the width of the quartile boxes in pixels."""
    import altair as alt

    density_points = int(np.clip(_MOST_MARKS / max(len(drawn), 1), 24, 128))
    outline: list[dict[str, Any]] = []
    cells: list[dict[str, Any]] = []
    span = _span(drawn)
    for number, one in enumerate(drawn):
        places, heights = density(one.valid, density_points)
        half = heights / heights.max() * one.half if len(places) else heights
        outline += [
            {
                "mark": number,
                "group": one.group,
                "page": one.page,
                **({} if one.value is None else {"value": one.value}),
                "score": x,
                "left": one.at + h * min(one.sides[0], 0),
                "right": one.at + h * max(one.sides[1], 0),
            }
            for x, h in zip(_short(places), _short(half), strict=True)
        ]
        if points is not None:
            chosen, beside = sampled(one.valid, points_per_page(len(drawn)), points, number)
            reach = np.interp(chosen, places, half) if len(places) else np.full(len(chosen), one.half / 4)
            low, high = one.sides
            # Within the outline; the points of half a violin stand on its side.
            beside = np.interp(beside, [-1, 1], [low, high])
            cells += point_rows(one.group, one.at + beside * reach * _INSIDE, chosen, span[1] - span[0])
    sides = Sides(alt, plan, title, top=span[1] if brackets else None)
    area = (
        alt.Chart(inline(alt, outline))
        # Without `aria=False` Vega writes a sentence for screen readers about every point: half of its work.
        .mark_area(
            orient="vertical" if plan.rows else "horizontal",
            opacity=0.85 if points is None else 1,
            fillOpacity=1 if points is None else _FADED,
            strokeWidth=1,
            aria=False,
        )
        .encode(
            **sides.place("left:Q", "right:Q"),
            **sides.value("score:Q"),
            color=colors.encode(alt),
            stroke=colors.encode(alt, stroke=True),  # keeps a tail too thin to see in one piece
            detail="mark:N",
            tooltip=_names(alt, drawn),  # an area is one mark, so it has no single score
        )
    )
    over, plan = with_brackets(alt, brackets, plan, sides, *span)
    layers = [area, *_point_marks(alt, cells, colors, sides), *_summary_marks(alt, drawn, sides, size), *over]
    return finished(alt, layers, plan)


def box(
    pages: Sequence[Page],
    scores: Sequence[np.ndarray],
    title: str,
    *,
    points: int | None = None,
    brackets: Sequence[Bracket] = (),
    room: Room = SCREEN,
) -> Any:
    """Draw box plots: quartiles, whiskers to the farthest score within 1.5 × IQR, and the full range as a thin line.

    Parameters and result are those of `violin`; there is one set of marks per page, however many cells it has.
    """
    return draw_boxes(*_plan(pages, scores, room), title, half=_HALF_BOX, points=points, brackets=brackets)


def draw_boxes(
    drawn: Sequence[Drawn],
    colors: Palette,
    plan: Layout,
    title: str,
    *,
    half: float,
    points: int | None = None,
    brackets: Sequence[Bracket] = (),
) -> Any:
    """Draw boxes at the given places; `half` is how far they reach to either side, in units of the pages' axis."""
    import altair as alt

    span = _span(drawn)
    sides = Sides(alt, plan, title, top=span[1] if brackets else None)
    rows = [one.numbers() | {"left": one.at - half, "right": one.at + half} for one in drawn if len(one.valid)]
    cells: list[dict[str, Any]] = []
    for number, one in enumerate(drawn if points is not None else ()):
        chosen, beside = sampled(one.valid, points_per_page(len(drawn)), points or 0, number)
        cells += point_rows(one.group, one.at + beside * half * _INSIDE, chosen, span[1] - span[0])
    base = alt.Chart(inline(alt, rows)).encode(tooltip=_tooltip(alt, drawn), color=colors.encode(alt))
    layers = [
        # In two pieces, because a faded box would show the line behind it.
        *(
            base.mark_rule(strokeWidth=width, opacity=opacity).encode(**sides.place("at:Q"), **sides.value(*ends))
            for width, opacity, low, high in ((1, 0.55, "low:Q", "high:Q"), (2.5, 1, "from:Q", "to:Q"))
            for ends in ((low, "q1:Q"), ("q3:Q", high))
        ),
        base.mark_rect(
            opacity=1,
            fillOpacity=1 if points is None else _FADED,
            stroke=_DARK if points is None else _EDGE,
            strokeWidth=1,
            strokeOpacity=0.6 if points is None else 1,
        ).encode(**sides.place("left:Q", "right:Q"), **sides.value("q1:Q", "q3:Q")),
        *_point_marks(alt, cells, colors, sides),
        base.mark_rule(strokeWidth=2.5).encode(
            **sides.place("left:Q", "right:Q"),
            **sides.value("median:Q"),
            color=alt.value(_DARK if points is None else _EDGE),
        ),
        _mean_mark(alt, base, sides),
    ]
    over, plan = with_brackets(alt, brackets, plan, sides, *span)
    return finished(alt, [*layers, *over], plan)


def histogram(pages: Sequence[Page], scores: Sequence[np.ndarray], title: str, *, room: Room = SCREEN) -> Any:
    """Draw one histogram per page, below one another, over the same bins.

    Parameters and result are those of `violin`. Bins: Freedman & Diaconis (1981) over all scores, 20 to 60.
    """
    import altair as alt

    drawn, colors, plan = _plan(pages, scores, room, rows=True)
    pooled = np.concatenate([one.valid for one in drawn]) if drawn else np.empty(0)
    edges = _edges(pooled)
    bars: list[dict[str, Any]] = []
    for one in drawn:
        # The last bin includes its upper edge, as in numpy.histogram.
        ends = np.concatenate([np.searchsorted(one.valid, edges[:-1]), [len(one.valid)]])
        counts = np.diff(ends)
        top = counts.max() if len(one.valid) else 0
        bars += [
            {
                "group": one.group,
                "page": one.page,
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
            color=colors.encode(alt),
            stroke=colors.encode(alt, stroke=True),
            tooltip=[
                *_names(alt, drawn),
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
    """Encodings for pages side by side or as rows, so that every chart is written once; `top` is the highest score."""

    def __init__(self, alt: Any, plan: Layout, title: str, *, top: float | None = None) -> None:
        self._alt = alt
        self._plan = plan
        self._title = title
        self._top = top

    def place(self, field: str, field2: str | None = None) -> dict[str, Any]:
        """Encode a place on the pages' axis, or a range of places."""
        alt, rows = self._alt, self._plan.rows
        domain = list(self._plan.domain[::-1] if rows else self._plan.domain)
        axis = page_axis(alt, self._plan)
        make, make2 = (alt.Y, alt.Y2) if rows else (alt.X, alt.X2)
        scale = alt.Scale(domain=domain, nice=False, zero=False)
        return self._both("y" if rows else "x", make(field, axis=axis, scale=scale), field2, make2)

    def value(self, field: str, field2: str | None = None) -> dict[str, Any]:
        """Encode a score, or a range of scores."""
        alt, rows = self._alt, self._plan.rows
        make, make2 = (alt.X, alt.X2) if rows else (alt.Y, alt.Y2)
        # Brackets stand beyond the highest score, so the axis has no labels and lines there.
        ends: dict[str, Any] = {}
        if self._top is not None:
            beyond = f"datum.value > {self._top!r}"
            ends["labelExpr"] = f"{beyond} ? '' : datum.label"
            ends["gridOpacity"] = alt.condition(beyond, alt.value(0), alt.value(1))
        axis = alt.Axis(title=self._title, grid=True, tickCount=6, domain=False, ticks=False, **ends)
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


def finite_sorted(values: np.ndarray) -> np.ndarray:
    """Return the finite scores, ascending, float64; once they are sorted, quantiles, fences and bins are look-ups."""
    valid = np.sort(np.asarray(values, dtype=np.float64))
    if len(valid) and not (np.isfinite(valid[0]) and np.isfinite(valid[-1])):
        valid = valid[np.isfinite(valid)]
    return valid


def _plan(
    pages: Sequence[Page], scores: Sequence[np.ndarray], room: Room, *, rows: bool | None = None
) -> tuple[list[Drawn], Palette, Layout]:
    """Give each page a place, a colour and its finite scores."""
    drawn = [
        Drawn(at, at, page.name, finite_sorted(values))
        for at, (page, values) in enumerate(zip(pages, scores, strict=True))
    ]
    plan = layout([page.name for page in pages], [len(one.valid) for one in drawn], rows=rows, room=room)
    return drawn, Palette(tuple(page_colors(pages))), plan


def _span(drawn: Sequence[Drawn]) -> tuple[float, float]:
    """Return the lowest and the highest score of a chart."""
    filled = [one.valid for one in drawn if len(one.valid)]
    return (float(min(v[0] for v in filled)), float(max(v[-1] for v in filled))) if filled else (0.0, 1.0)


def _point_marks(alt: Any, cells: list[dict[str, Any]], colors: Palette, sides: Sides) -> list[Any]:
    """Return cells as points, in their group's colour."""
    if not cells:
        return []
    mark = alt.Chart(inline(alt, cells)).mark_circle(size=9, opacity=0.6, strokeWidth=0, aria=False)
    return [mark.encode(**sides.place("spot:Q"), **sides.value("score:Q"), color=colors.encode(alt))]


def _summary_marks(alt: Any, drawn: Sequence[Drawn], sides: Sides, size: int) -> list[Any]:
    """Return quartile box, median and mean: light with a dark edge, so that they show on any page and any theme."""
    rows = [one.numbers() for one in drawn if len(one.valid)]
    base = alt.Chart(inline(alt, rows)).encode(tooltip=_tooltip(alt, drawn))
    across = "horizontal" if sides.rows else "vertical"
    return [
        base.mark_bar(
            orient=across, size=size, color=_LIGHT, opacity=0.95, stroke=_DARK, strokeWidth=1, cornerRadius=1
        ).encode(**sides.place("at:Q"), **sides.value("q1:Q", "q3:Q")),
        base.mark_tick(
            orient="vertical" if sides.rows else "horizontal", size=size + 5, thickness=2.5, color=_DARK
        ).encode(**sides.place("at:Q"), **sides.value("median:Q")),
        _mean_mark(alt, base, sides, 5 * size + 1),
    ]


def _mean_mark(alt: Any, base: Any, sides: Sides, size: int = 46) -> Any:
    """Return the diamond at the mean."""
    return base.mark_point(
        shape="diamond", size=size, filled=True, fill=_LIGHT, stroke=_DARK, strokeWidth=1.5, opacity=1
    ).encode(**sides.place("at:Q"), **sides.value("mean:Q"), color=alt.value(_LIGHT))


def _names(alt: Any, drawn: Sequence[Drawn]) -> list[Any]:
    """Return the part of a tooltip that names a mark: its page, and its value where there is a second column."""
    split = any(one.value is not None for one in drawn)
    return [alt.Tooltip("page:N", title="page"), *([alt.Tooltip("value:N", title="value")] if split else [])]


def _tooltip(alt: Any, drawn: Sequence[Drawn]) -> list[Any]:
    numbers = ("mean", "median", "sd", "q1", "q3", "low", "high")
    titles = {"sd": "SD", "low": "min", "high": "max"}
    return [
        *_names(alt, drawn),
        alt.Tooltip("cells:Q", format=",", title="cells"),
        *(alt.Tooltip(f"{name}:Q", format=".4~g", title=titles.get(name, name)) for name in numbers),
    ]


def _edges(pooled: np.ndarray) -> np.ndarray:
    """Return bin edges by Freedman & Diaconis (1981), width 2·IQR·n^(−1/3) but 20 to 60 bins.

    Where the IQR is 0 there are 30 bins; where all scores are equal, one.
    """
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
    """Round numbers to six digits; no screen shows more."""
    return [float(f"{value:.6g}") for value in values]


def finished(alt: Any, layers: list[Any], plan: Layout) -> Any:
    """Put the layers together into a chart as wide as its container."""
    return alt.layer(
        *layers,
        width="container",
        height=plan.height,
        # The height is that of the plot without labels, so that labels of several lines do not shrink it.
        autosize=alt.AutoSizeParams(type="fit-x", contains="padding"),
        config=alt.Config(view=alt.ViewConfig(strokeWidth=0)),
    )
