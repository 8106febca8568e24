"""Where pages stand in a chart and how their labels are written, so that no label touches another or is cut off."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_PIXELS_PER_LETTER = 6.6
_MOST_COLUMNS = 8
#: How many marks stand side by side at most, and the pixels that each takes up where a row holds several.
_MOST_MARKS = 18
_MARK = 22
_MOST_LINES = 4
_ROW_LETTERS = 26
_ROW_LINES = 2
#: Share of a narrow chart's width that names at the left of rows take up at most, and the letters they have at least.
_ROW_SHARE, _LEAST_ROW_LETTERS = 0.35, 10
_LINE = 14
_HEIGHT = 360
#: The pieces into which a word may be broken.
_PIECE = re.compile(r"[^_\-/+|:]*[_\-/+|:]+|[^_\-/+|:]+")
_LEAST_HEIGHT = 240
#: Characters that XML, and so an SVG, cannot hold; vl-convert ends the whole process if it meets one.
_UNDRAWABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True)
class Room:
    """What room the names in a chart have.

    Attributes
    ----------
    width
        Width of the chart in pixels for which names are wrapped; a wider chart only gets more space between them.
    whole
        Whether long names are written in full, as on paper; on a screen they are shortened, and the tooltip has the
        full name.
    """

    width: float = 620
    whole: bool = False


SCREEN = Room()


@dataclass(frozen=True)
class Layout:
    """How the pages of a chart are laid out.

    Attributes
    ----------
    rows
        Whether pages stand below one another (scores run to the right) rather than side by side.
    labels
        Lines of each page's label.
    height
        Height of the plot in pixels.
    domain
        Range of the pages' axis, on which page i stands at i; a few pages get room at the sides instead of growing
        wide.
    """

    rows: bool
    labels: list[list[str]]
    height: int
    domain: tuple[float, float]


def layout(
    names: Sequence[str], counts: Sequence[int], *, rows: bool | None = None, within: int = 1, room: Room = SCREEN
) -> Layout:
    """Lay out pages: side by side if every label fits under its place, else as rows.

    Parameters
    ----------
    names
        Page names.
    counts
        Cells (or samples) per page, written under the name.
    rows
        Whether to force (True) or forbid (False) rows; None decides by the labels.
    within
        How many violins or boxes stand in each page's place.
    room
        What room the labels have.
    """
    n = len(names)
    slots = max(n, 4)
    letters = int(room.width / slots / _PIXELS_PER_LETTER) - 1
    lines = [wrap(name, letters) for name in names]
    whole = all(len(piece) <= letters for name in names for word in name.split() for piece in _PIECE.findall(word))
    fits = (
        n <= _MOST_COLUMNS and n * within <= _MOST_MARKS and whole and all(len(line) <= _MOST_LINES for line in lines)
    )
    as_rows = not fits if rows is None else rows
    if as_rows:
        letters = min(_ROW_LETTERS, max(int(room.width * _ROW_SHARE / _PIXELS_PER_LETTER), _LEAST_ROW_LETTERS))
        lines = [wrap(name, letters) for name in names]
        if not room.whole:
            lines = [_shortened(line, _ROW_LINES, letters) for line in lines]
    labels = [[*line, f"n = {count:,}"] for line, count in zip(lines, counts, strict=True)]
    if not as_rows:
        pad = (slots - n) / 2
        return Layout(False, labels, _HEIGHT, (-0.5 - pad, n - 0.5 + pad))
    step = max(44, max(map(len, labels), default=2) * _LINE + 10, within * _MARK + 10)
    return Layout(True, labels, max(n * step, _LEAST_HEIGHT), (-0.5, n - 0.5))


def wrap(name: str, letters: int) -> list[str]:
    """Break a name into lines: at spaces first, then after ``_ - / + | :``, and inside a word only if it must be.

    Examples
    --------
    >>> wrap("CD8+/CD45RA+ Naive Cytotoxic", 10)
    ['CD8+/', 'CD45RA+', 'Naive', 'Cytotoxic']
    """
    letters = max(letters, 4)
    lines: list[str] = []
    line = ""
    for word in drawable(name).split() or ["(no name)"]:
        if line and len(line) + 1 + len(word) <= letters:
            line = f"{line} {word}"
            continue
        if line:
            lines.append(line)
        line = ""
        for piece in _PIECE.findall(word) if len(word) > letters else [word]:
            if line and len(line) + len(piece) > letters:
                lines.append(line)
                line = ""
            line += piece
            while len(line) > letters and len(line) - letters > 2:
                lines.append(line[:letters])
                line = line[letters:]
    return [*lines, line] if line else lines


def drawable(text: str) -> str:
    """Return text without the characters that a picture cannot hold."""
    return _UNDRAWABLE.sub("", text)


def _shortened(lines: list[str], most: int, letters: int) -> list[str]:
    """Keep the first `most` lines; an ellipsis marks what was left out."""
    if len(lines) <= most:
        return lines
    return [*lines[: most - 1], f"{lines[most - 1][: letters - 1]}…"]


def page_axis(alt: Any, plan: Layout) -> Any:
    """Return the axis that writes the page labels.

    The labels are put into the expression as JSON, in ASCII, so that no name can end the string that it is in.
    """
    return alt.Axis(
        values=list(range(len(plan.labels))),
        labelExpr=f"{json.dumps(plan.labels)}[datum.value]",
        title=None,
        ticks=False,
        grid=False,
        domain=False,
        labelOverlap=False,
        labelLimit=0,
        labelLineHeight=_LINE,
        labelPadding=8,
        labelAngle=0,
        labelBaseline="middle" if plan.rows else "top",
        # Vega centres the first line on the row; moved up, the block of lines is centred.
        labelOffset=half_back(alt, plan.labels) if plan.rows else 0,
    )


def half_back(alt: Any, labels: Sequence[Sequence[str]]) -> Any:
    """Return the offset in pixels, per label where they differ, that centres each label's lines on its place."""
    offsets = [-(len(lines) - 1) * _LINE / 2 for lines in labels]
    if len(set(offsets)) < 2:
        return offsets[0] if offsets else 0
    return alt.ExprRef(f"{json.dumps(offsets)}[datum.value]")


def inline(alt: Any, rows: list[dict[str, Any]]) -> Any:
    """Return rows as a chart's own data.

    They are put in after the object is made, because Altair would otherwise validate every row against the Vega-Lite
    schema, which takes seconds for 20,000 rows; and as a tuple, because a list is copied, row by row, with every step
    of building.
    """
    data = alt.InlineData(values=[])
    data["values"] = tuple(rows)
    return data
