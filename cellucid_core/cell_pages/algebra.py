"""Pages from pages: union, intersection, difference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from cellucid_core.cell_pages.page import Page
from cellucid_core.cell_pages.page_set import SavedPage
from cellucid_core.errors import InputError

if TYPE_CHECKING:
    from cellucid_core.dataset import View

Operation = Literal["union", "intersection", "difference"]
_SIGNS: dict[Operation, str] = {"union": " ∪ ", "intersection": " ∩ ", "difference": " ∖ "}


def combine(view: View, operation: Operation, pages: Sequence[Page]) -> SavedPage:
    """Make a page from two or more others, called ``A ∪ B``, ``A ∩ B`` or ``A ∖ B``.

    Parameters
    ----------
    view
        The dataset as mapped, whose cells the pages hold.
    operation
        ``union``: cells in any page; ``intersection``: in all; ``difference``: in the first and in no other.
    pages
        Two or more, in order.

    Raises
    ------
    InputError
        There are fewer than two pages, the operation is unknown, or no cell is left.
    """
    if operation not in _SIGNS:
        raise InputError(f"There is no set operation {operation!r}.", f"Use one of: {', '.join(_SIGNS)}.")
    if len(pages) < 2:
        raise InputError("A set operation needs at least two pages.", "Choose another page.")
    first = np.zeros(view.n_cells, dtype=bool)
    first[pages[0].cells] = True
    for page in pages[1:]:
        other = np.zeros(view.n_cells, dtype=bool)
        other[page.cells] = True
        first = {"union": first | other, "intersection": first & other, "difference": first & ~other}[operation]
    made = _SIGNS[operation].join(page.name for page in pages)
    cells = np.flatnonzero(first)
    if len(cells) == 0:
        why = {
            "union": "All of the pages are empty.",
            "intersection": "The pages have no cell in common.",
            "difference": "Every cell of the first page is in one of the others.",
        }[operation]
        raise InputError(why, "Choose other pages or another operation.")
    return SavedPage(made, view.cell_index[cells], made=made)
