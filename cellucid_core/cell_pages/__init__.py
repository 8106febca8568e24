"""Pages: named groups of cells, where they come from, and the colour that each keeps on every chart."""

from __future__ import annotations

from cellucid_core.cell_pages.against import uniquely_named, with_rest
from cellucid_core.cell_pages.algebra import Operation, combine
from cellucid_core.cell_pages.from_column import choose_pages, group_colors, pages_from_column
from cellucid_core.cell_pages.from_drawing import (
    Box,
    Lasso,
    cells_inside,
    drawing_coordinates,
    page_from_drawing,
    read_areas,
)
from cellucid_core.cell_pages.from_file import pages_from_file
from cellucid_core.cell_pages.from_ids import pages_from_ids
from cellucid_core.cell_pages.from_range import (
    column_values,
    in_range,
    numeric_columns,
    page_from_range,
    quantile_limits,
)
from cellucid_core.cell_pages.page import REST_COLOR, Page, rest_of
from cellucid_core.cell_pages.page_file import pages_from_json, pages_to_json
from cellucid_core.cell_pages.page_set import MAX_FILE, MAX_SAVED, MadePages, PageSet, SavedPage
from cellucid_core.cell_pages.palette import palette
from cellucid_core.cell_pages.session import pages_from_session

__all__ = [
    "MAX_FILE",
    "MAX_SAVED",
    "REST_COLOR",
    "Box",
    "Lasso",
    "MadePages",
    "Operation",
    "Page",
    "PageSet",
    "SavedPage",
    "cells_inside",
    "choose_pages",
    "column_values",
    "combine",
    "drawing_coordinates",
    "group_colors",
    "in_range",
    "numeric_columns",
    "page_from_drawing",
    "page_from_range",
    "pages_from_column",
    "pages_from_file",
    "pages_from_ids",
    "pages_from_json",
    "pages_from_session",
    "pages_to_json",
    "palette",
    "quantile_limits",
    "read_areas",
    "rest_of",
    "uniquely_named",
    "with_rest",
]
