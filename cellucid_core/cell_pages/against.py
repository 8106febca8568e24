"""Which pages are compared: several with each other, or one with all other cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cellucid_core.cell_pages.page import Page
from cellucid_core.cell_pages.page import rest_of as all_but
from cellucid_core.names import unique


def uniquely_named(pages: Sequence[Page]) -> list[Page]:
    """Return pages from several sources, in which the later of equal names gets a number.

    Examples
    --------
    >>> import numpy as np
    >>> [page.name for page in uniquely_named([Page("B", np.arange(3)), Page("B", np.arange(2))])]
    ['B', 'B-1']
    """
    names = unique(page.name for page in pages)
    return [page if page.name == name else replace(page, name=name) for page, name in zip(pages, names, strict=True)]


def with_rest(page: Page, others: Sequence[Page], n_cells: int) -> list[Page]:
    """Return a page, all cells that are not in it, and further pages.

    Parameters
    ----------
    page
        The page to compare with its rest.
    others
        Further pages, after these two.
    n_cells
        How many cells the view has.

    Returns
    -------
    list of Page
        ``page``, ``Rest of <page>``, the others. If one of the others already has that name, the rest is called ``Rest
        of <page> (all other cells)``.
    """
    rest = all_but(page, n_cells)
    if any(rest.name == other.name for other in others):
        rest = replace(rest, name=f"{rest.name} (all other cells)")
    return [page, rest, *others]
