"""Chart builders, numbers in, chart out: Altair, and ECharts to draw on; no mark per cell where a summary will do.

Altair is imported when the first chart is built, so the command line never loads it. Field names inside a chart are
fixed words and names of the data only ever appear as data values, so that a page called ``a.b[c]`` is just a page.
Text colours are left to the theme; every other colour reads on light and on dark.
"""

from __future__ import annotations

from cellucid_core.charts.distributions import (
    BOX_CAPTION,
    HISTOGRAM_CAPTION,
    VIOLIN_CAPTION,
    box,
    histogram,
    violin,
)
from cellucid_core.charts.drawing_board import board_height, drawing_board
from cellucid_core.charts.embedding import MAX_POINTS, embedding

__all__ = [
    "BOX_CAPTION",
    "HISTOGRAM_CAPTION",
    "MAX_POINTS",
    "VIOLIN_CAPTION",
    "board_height",
    "box",
    "drawing_board",
    "embedding",
    "histogram",
    "violin",
]
