"""A page: a named set of cells, and the cells that are not in it."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace

import numpy as np

#: Colour of ``Rest of <page>``: a grey that recedes on light and on dark, and is not a category's colour.
REST_COLOR = "#8C939A"


#: Names that say nothing without their column.
_BARE = re.compile(r"(Rest of )?([+-]?\d+(?:\.\d+)?|True|False|true|false|TRUE|FALSE)")


@dataclass(frozen=True, eq=False)
class Page:
    """A named group of cells.

    Parameters
    ----------
    name
        What the page is called; files hold exactly this.
    cells
        Positions of its cells in the view, int64, ascending, each once.
    color
        ``#RRGGBB``, or None where no chart needs one.
    column
        The obs column that has this page, or for a rest the page that is left out, as a category; else empty.
    """

    name: str
    cells: np.ndarray
    color: str | None = None
    column: str = ""

    @property
    def n(self) -> int:
        """How many cells the page holds."""
        return len(self.cells)

    @property
    def label(self) -> str:
        """The name for people: a bare number or boolean gets its column, ``leiden 1``, ``flag True``."""
        bare = _BARE.fullmatch(self.name) if self.column else None
        return f"{bare[1] or ''}{self.column} {bare[2]}" if bare else self.name

    def spoken(self) -> Page:
        """Return the page named by its label, for sentences, charts and tables; files keep the name."""
        return self if self.label == self.name else replace(self, name=self.label, column="")

    def digest(self) -> str:
        """Return a short hash of the cells, a key for caching what depends on them."""
        return hashlib.blake2b(self.cells.tobytes(), digest_size=12).hexdigest()


def rest_of(page: Page, n_cells: int) -> Page:
    """Return the page of all cells that are not in a page.

    Parameters
    ----------
    page
        The page that is left out.
    n_cells
        How many cells the view has.

    Returns
    -------
    Page
        Named ``Rest of <name>``, in `REST_COLOR`; it may be empty.
    """
    outside = np.ones(n_cells, dtype=bool)
    outside[page.cells] = False
    return Page(f"Rest of {page.name}", np.flatnonzero(outside).astype(np.int64), REST_COLOR, page.column)
