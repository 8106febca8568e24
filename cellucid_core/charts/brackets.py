"""Brackets over pairs of pages with their p-values, stacked so that no bracket touches another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from cellucid_core.charts.layout import Layout, inline

if TYPE_CHECKING:
    from cellucid_core.charts.distributions import Sides

_LINE = "#8C939A"
#: Streamlit gives marks of text no colour of its theme. This grey contrasts equally with white and dark, by 4.3 : 1.
_TEXT = "#767D85"
#: Pixels from one bracket to the next, and width of a letter in pixels.
_STEP = 24
_LETTER = 6.8
#: Least lengths in pixels of the pages' axis and of the scores' axis; on a wider screen brackets only get more space.
_LEAST_PLACES, _LEAST_SCORES = 400, 450
_GAP = 0.06


@dataclass(frozen=True)
class Bracket:
    """A bracket over one pair.

    Attributes
    ----------
    start, end
        Where the two stand on the pages' axis.
    text
        The text over the bracket.
    """

    start: float
    end: float
    text: str


def stacked(brackets: Sequence[Bracket], letter: float) -> list[int]:
    """Give each bracket the lowest level where neither it nor its text touches another; short ones come first.

    Parameters
    ----------
    brackets
        In any order.
    letter
        Width of a letter in units of the pages' axis.
    """
    taken: list[list[tuple[float, float]]] = []
    levels = [0] * len(brackets)
    for i in sorted(range(len(brackets)), key=lambda i: (abs(brackets[i].end - brackets[i].start), i)):
        left, right = sorted((brackets[i].start, brackets[i].end))
        middle, half = (left + right) / 2, len(brackets[i].text) * letter / 2
        left, right = min(left, middle - half) - _GAP / 2, max(right, middle + half) + _GAP / 2
        free = (n for n, level in enumerate(taken) if all(right <= a or left >= b for a, b in level))
        levels[i] = next(free, len(taken))
        if levels[i] == len(taken):
            taken.append([])
        taken[levels[i]].append((left, right))
    return levels


def with_brackets(
    alt: Any, brackets: Sequence[Bracket], plan: Layout, sides: Sides, low: float, high: float
) -> tuple[list[Any], Layout]:
    """Return the marks of brackets beyond the highest score, and the layout with room for them.

    Parameters
    ----------
    alt
        The altair module.
    brackets
        The pairs.
    plan, sides
        Layout and encodings of the chart.
    low, high
        Lowest and highest score of the chart.
    """
    if not brackets:
        return [], plan
    across = plan.domain[1] - plan.domain[0]
    levels = stacked(brackets, _LETTER * across / (plan.height if plan.rows else _LEAST_PLACES))
    span = (high - low) or 1.0
    room = _STEP * (max(levels) + 1)
    # If pages stand side by side, the chart grows by the brackets; if they are rows, scores and brackets share a width.
    step = _STEP * span / (max(_LEAST_SCORES - room, _LEAST_SCORES / 3) if plan.rows else plan.height)
    rows = []
    for bracket, level in zip(brackets, levels, strict=True):
        at = high + (level + 0.5) * step
        left, right = sorted((bracket.start, bracket.end))
        rows.append(
            {
                "left": left,
                "right": right,
                "middle": (left + right) / 2,
                "score": at,
                "foot": at - 0.2 * step,
                "over": at + 0.36 * step,
                "text": bracket.text,
            }
        )
    base = alt.Chart(inline(alt, rows))
    line = base.mark_rule(color=_LINE, strokeWidth=1.2)
    marks = [
        line.encode(**sides.place("left:Q", "right:Q"), **sides.value("score:Q")),
        *(line.encode(**sides.place(f"{end}:Q"), **sides.value("foot:Q", "score:Q")) for end in ("left", "right")),
        base.mark_text(
            color=_TEXT, fontSize=12, fontWeight=600, baseline="middle", angle=90 if plan.rows else 0
        ).encode(**sides.place("middle:Q"), **sides.value("over:Q"), text="text:N"),
    ]
    return marks, plan if plan.rows else replace(plan, height=plan.height + room)
