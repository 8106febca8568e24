"""Altair builders: numbers in, chart out; never one mark per cell where a summary will do.

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
from cellucid_core.charts.embedding import MAX_POINTS, embedding
from cellucid_core.charts.signatures import (
    FRONT_CAPTION,
    TREE_CAPTION,
    correlation_heatmap,
    level_tree,
    pareto_front,
    stacked_fractions,
)

__all__ = [
    "BOX_CAPTION",
    "FRONT_CAPTION",
    "HISTOGRAM_CAPTION",
    "MAX_POINTS",
    "TREE_CAPTION",
    "VIOLIN_CAPTION",
    "box",
    "correlation_heatmap",
    "embedding",
    "histogram",
    "level_tree",
    "pareto_front",
    "stacked_fractions",
    "violin",
]
