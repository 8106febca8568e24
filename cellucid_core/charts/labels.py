"""Names along the axes of a table-like chart (genes × pages, signatures × pages) that do not touch or get cut off."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from cellucid_core.charts.layout import SCREEN, Room, drawable, half_back, wrap

PIXELS_PER_LETTER = 6.8
_LINE = 13
#: Longer names are shortened; the tooltip has the whole name.
_MOST_LETTERS = 32
#: Share of a chart's width that unshortened names at the left take up before they are wrapped.
_LEFT_SHARE = 0.45
_COLUMN_LETTERS = 28


def name_axis(alt: Any, names: Sequence[str], *, step: float, columns: bool, room: Room = SCREEN) -> Any:
    """Return an axis that writes names at 0, 1, 2 and so on.

    Parameters
    ----------
    alt
        The altair module.
    names
        In order.
    step
        Pixels from one name to the next.
    columns
        Whether the names stand along the top (upright where they do not fit side by side) rather than at the left.
    room
        What room the names have.
    """
    lines = [[shortened(name, _COLUMN_LETTERS, room)] for name in names] if columns else _row_lines(names, room)
    upright, deepest = False, 1
    if columns:
        letters = int(step / PIXELS_PER_LETTER) - 1
        wrapped = [wrap(name, letters) for name in names]
        fits = letters >= 6 and all(len(w) <= 3 and max(map(len, w)) <= letters for w in wrapped)
        if fits:
            # Lines grow downwards: short names get empty lines first, and all names are moved up by the same amount.
            deepest = max(map(len, wrapped), default=1)
            lines = [[""] * (deepest - len(w)) + w for w in wrapped]
        else:
            upright = True
            if room.whole:  # in as many lines as fit into the width of a column
                most = max(int(step / _LINE), 1)
                lines = [wrap(name, max(_COLUMN_LETTERS, -(-len(name) // most) + 4)) for name in names]
    return alt.Axis(
        values=list(range(len(names))),
        labelExpr=f"{json.dumps(lines)}[datum.value]",
        title=None,
        ticks=False,
        grid=False,
        domain=False,
        orient="top" if columns else "left",
        labelAngle=-90 if upright else 0,
        labelAlign="left" if upright else ("center" if columns else "right"),
        labelBaseline="middle" if upright or not columns else "bottom",
        labelLimit=0,
        labelOverlap=False,
        labelPadding=6 + (deepest - 1) * _LINE,
        labelLineHeight=_LINE,
        # Vega centres the first line on the row; moved back, the block of lines is centred.
        labelOffset=0 if columns and not upright else half_back(alt, lines),
    )


def row_step(names: Sequence[str], step: int, room: Room) -> int:
    """Return the height in pixels of rows with these names, at least `step`."""
    return max(step, max(map(len, _row_lines(names, room)), default=1) * _LINE + 6)


def _row_lines(names: Sequence[str], room: Room) -> list[list[str]]:
    if room.whole:
        return [wrap(name, int(room.width * _LEFT_SHARE / PIXELS_PER_LETTER)) for name in names]
    return [[shortened(name, _MOST_LETTERS, room)] for name in names]


def shortened(name: str, letters: int, room: Room = SCREEN) -> str:
    """Return a name on one line; a name that is too long loses its middle, as beginning and end tell names apart."""
    name = " ".join(drawable(name).split()) or "(no name)"
    if len(name) <= letters or room.whole:
        return name
    end = letters // 3
    return f"{name[: letters - end - 1]}…{name[-end:]}"


def legend_labels(names: Sequence[str], letters: int, room: Room) -> tuple[list[list[str]], int]:
    """Return the lines of each name in a legend, and how many letters the longest line has."""
    if room.whole:
        lines = [wrap(name, int((room.width - 40) / PIXELS_PER_LETTER)) for name in names]
    else:
        lines = [[shortened(name, letters)] for name in names]
    return lines, max((len(line) for some in lines for line in some), default=1)


def left_room(names: Sequence[str], room: Room = SCREEN) -> int:
    """Return how many pixels the names at the left of a chart take up."""
    letters = max((len(line) for lines in _row_lines(names, room) for line in lines), default=0)
    return int(letters * PIXELS_PER_LETTER) + 14
