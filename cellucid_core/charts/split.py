"""Pages split by the values of a second column: half violins for two values, violins beside one another for more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cellucid_core.cell_pages import Page
from cellucid_core.charts.brackets import Bracket
from cellucid_core.charts.distributions import Drawn, Palette, draw_boxes, draw_violins, finite_sorted, page_colors
from cellucid_core.charts.layout import SCREEN, Layout, Room, layout

SPLIT_CAPTION = "halves: the two values"
#: Share of a page's place that its violins or boxes take up together, and share of its own place that a violin fills.
_WIDTH = 0.88
_FILLED = 0.94
_HALF_VIOLIN = 0.43
#: How far the summary of half a violin stands from the middle line.
_BESIDE = 0.1


def split_places(n_values: int) -> list[float]:
    """Return where the values of a page stand, relative to the page's place; brackets join these places."""
    if n_values == 2:
        return [-_HALF_VIOLIN / 2, _HALF_VIOLIN / 2]
    return [(j - (n_values - 1) / 2) * _WIDTH / n_values for j in range(n_values)]


def split_violin(
    pages: Sequence[Page],
    values: Sequence[Page],
    scores: Sequence[Sequence[np.ndarray]],
    title: str,
    column: str,
    *,
    points: int | None = None,
    brackets: Sequence[Bracket] = (),
    room: Room = SCREEN,
) -> Any:
    """Draw each page's violins of the values of a second column: two values as halves of one, more side by side.

    Parameters
    ----------
    pages
        In order.
    values
        The values of the second column, in order, in the colours of the legend.
    scores
        One list per page with one array per value; what is not finite is left out.
    title, column
        What the score is, and the name of the second column, the title of the legend.
    points
        As for `violin`.
    brackets
        As for `violin`; value j of page i stands at ``i + split_places(len(values))[j]``.
    room
        What room names have.

    Returns
    -------
    altair.LayerChart
        As wide as its container.
    """
    k = len(values)
    drawn, plan = _plan(pages, values, scores, room, halves=k == 2)
    size = 6 if k < 4 else 4
    colors = _palette(values, column, room)
    return draw_violins(drawn, colors, plan, title, size=size, points=points, brackets=brackets)


def split_box(
    pages: Sequence[Page],
    values: Sequence[Page],
    scores: Sequence[Sequence[np.ndarray]],
    title: str,
    column: str,
    *,
    points: int | None = None,
    brackets: Sequence[Bracket] = (),
    room: Room = SCREEN,
) -> Any:
    """Draw each page's boxes of the values of a second column side by side; see `split_violin` for the parameters."""
    drawn, plan = _plan(pages, values, scores, room, halves=False)
    half = _WIDTH / len(values) * 0.4
    return draw_boxes(drawn, _palette(values, column, room), plan, title, half=half, points=points, brackets=brackets)


def _palette(values: Sequence[Page], column: str, room: Room) -> Palette:
    return Palette(tuple(page_colors(values)), tuple(value.name for value in values), column, room)


def _plan(
    pages: Sequence[Page], values: Sequence[Page], scores: Sequence[Sequence[np.ndarray]], room: Room, *, halves: bool
) -> tuple[list[Drawn], Layout]:
    """Give each value of each page a place and its finite scores."""
    k = len(values)
    offsets = split_places(k)
    drawn = []
    for i, (page, some) in enumerate(zip(pages, scores, strict=True)):
        for j, (value, array) in enumerate(zip(values, some, strict=True)):
            valid = finite_sorted(array)
            if halves:
                side = -1 if j == 0 else 1
                drawn.append(
                    Drawn(
                        float(i),
                        j,
                        page.name,
                        valid,
                        sides=(-1, 0) if j == 0 else (0, 1),
                        middle=i + side * _BESIDE,
                        value=value.name,
                    )
                )
            else:
                half = _WIDTH / k / 2 * _FILLED
                drawn.append(Drawn(i + offsets[j], j, page.name, valid, half=half, value=value.name))
    counts = [sum(len(one.valid) for one in drawn[i * k : (i + 1) * k]) for i in range(len(pages))]
    return drawn, layout([page.name for page in pages], counts, within=k, room=room)
