"""Pages: named groups of cells, where they come from and the colour each one keeps on every chart."""

from __future__ import annotations

from cellucid_core.cell_pages.from_column import choose_pages, group_colors, pages_from_column
from cellucid_core.cell_pages.page import REST_COLOR, Page, rest_of
from cellucid_core.cell_pages.palette import palette

__all__ = ["REST_COLOR", "Page", "choose_pages", "group_colors", "pages_from_column", "palette", "rest_of"]
