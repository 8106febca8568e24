"""Chart builders, numbers in, chart out: Altair, and ECharts to draw on; no mark per cell where a summary is enough.

Altair is imported when the first chart is built, so the command line never loads it. Field names inside a chart are
fixed words, and names from the data appear only as data values, so that a page called ``a.b[c]`` is just a page. Text
colours are left to the theme; every other colour can be read on light and on dark.
"""

from __future__ import annotations

from cellucid_core.charts.brackets import Bracket
from cellucid_core.charts.cloud import Cloud, point_cloud
from cellucid_core.charts.cumulative import CUMULATIVE_CAPTION, cumulative
from cellucid_core.charts.density import density_contour
from cellucid_core.charts.distributions import (
    BOX_CAPTION,
    HISTOGRAM_CAPTION,
    VIOLIN_CAPTION,
    box,
    histogram,
    violin,
)
from cellucid_core.charts.drawing_board import board_height, drawing_board
from cellucid_core.charts.embedding import EMBEDDING_CAPTION, LEGEND_CAPTION, MAX_POINTS, embedding, embedding_pair
from cellucid_core.charts.evidence import (
    CHANCE_CAPTION,
    CONTRIBUTION_CAPTION,
    TREND_CAPTION,
    chance_histogram,
    contribution_bars,
    library_trend,
)
from cellucid_core.charts.image import MIME, FigureStyle, Ground, chart_image, titles
from cellucid_core.charts.layout import SCREEN, Room
from cellucid_core.charts.library_charts import (
    FRONT_CAPTION,
    TREE_CAPTION,
    correlation_heatmap,
    level_tree,
    pareto_front,
    stacked_fractions,
)
from cellucid_core.charts.page_sizes import PAGE_SIZES_CAPTION, page_sizes
from cellucid_core.charts.per_sample import (
    PER_SAMPLE_CAPTION,
    SPLIT_PER_SAMPLE_CAPTION,
    per_sample,
    split_per_sample,
)
from cellucid_core.charts.points import points_caption
from cellucid_core.charts.specification import specification
from cellucid_core.charts.split import SPLIT_CAPTION, split_box, split_places, split_violin
from cellucid_core.charts.tables import DOTS_CAPTION, HEATMAP_CAPTION, MEANS_CAPTION, dot_plot, signature_heatmap

__all__ = [
    "BOX_CAPTION",
    "CHANCE_CAPTION",
    "CONTRIBUTION_CAPTION",
    "CUMULATIVE_CAPTION",
    "DOTS_CAPTION",
    "EMBEDDING_CAPTION",
    "FRONT_CAPTION",
    "HEATMAP_CAPTION",
    "HISTOGRAM_CAPTION",
    "LEGEND_CAPTION",
    "MAX_POINTS",
    "MEANS_CAPTION",
    "MIME",
    "PAGE_SIZES_CAPTION",
    "PER_SAMPLE_CAPTION",
    "SCREEN",
    "SPLIT_CAPTION",
    "SPLIT_PER_SAMPLE_CAPTION",
    "TREE_CAPTION",
    "TREND_CAPTION",
    "VIOLIN_CAPTION",
    "Bracket",
    "Cloud",
    "FigureStyle",
    "Ground",
    "Room",
    "board_height",
    "box",
    "chance_histogram",
    "chart_image",
    "contribution_bars",
    "correlation_heatmap",
    "cumulative",
    "density_contour",
    "dot_plot",
    "drawing_board",
    "embedding",
    "embedding_pair",
    "histogram",
    "level_tree",
    "library_trend",
    "page_sizes",
    "pareto_front",
    "per_sample",
    "point_cloud",
    "points_caption",
    "signature_heatmap",
    "specification",
    "split_box",
    "split_per_sample",
    "split_places",
    "split_violin",
    "stacked_fractions",
    "titles",
    "violin",
]
