"""Names along the axes of a table-like chart (genes × pages, signatures × pages), so that none touches or is cut."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from cellucid_core.charts.layout import drawable, wrap

_PIXELS_PER_LETTER = 6.8
_LINE = 13
#: Longer names are shortened; the tooltip has the whole.
_MOST_LETTERS = 32
_COLUMN_LETTERS = 28


def name_axis(alt: Any, names: Sequence[str], *, step: float, columns: bool) -> Any:
    """Return an axis that writes names at 0, 1, 2 and so on.

    Parameters
    ----------
    alt
        The altair module.
    names
        In order.
    step
        Pixels from one to the next.
    columns
        Whether they stand along the top; where they do not fit side by side they stand upright.
    """
    lines = [[shortened(name, _COLUMN_LETTERS if columns else _MOST_LETTERS)] for name in names]
    upright, deepest = False, 1
    if columns:
        letters = int(step / _PIXELS_PER_LETTER) - 1
        wrapped = [wrap(name, letters) for name in names]
        fits = letters >= 6 and all(len(w) <= 3 and max(map(len, w)) <= letters for w in wrapped)
        if fits:
            # Lines grow downwards: short names start with empty ones, and all are moved up by the same.
            deepest = max(map(len, wrapped), default=1)
            lines = [[""] * (deepest - len(w)) + w for w in wrapped]
        else:
            upright = True
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
    )


def shortened(name: str, letters: int) -> str:
    """Return a name on one line, its middle left out where it is too long: beginnings and ends tell names apart."""
    name = " ".join(drawable(name).split()) or "(no name)"
    if len(name) <= letters:
        return name
    end = letters // 3
    return f"{name[: letters - end - 1]}…{name[-end:]}"


def left_room(names: Sequence[str]) -> int:
    """Return how many pixels names take up at the left of a chart."""
    return int(max((len(shortened(name, _MOST_LETTERS)) for name in names), default=0) * _PIXELS_PER_LETTER) + 14
