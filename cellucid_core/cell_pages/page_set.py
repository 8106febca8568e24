"""The pages that a user made, kept as rows of the source file, so that fixes that leave cells out do not lose them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from cellucid_core.cell_pages.page import Page
from cellucid_core.cell_pages.palette import palette
from cellucid_core.errors import InputError
from cellucid_core.names import unique

if TYPE_CHECKING:
    from cellucid_core.dataset import View

#: How many pages one dataset can have; more could not be told apart in a list or a chart.
MAX_SAVED = 100
MAX_NAME = 200
#: Largest file, in bytes, that pages are read from: some tens of millions of cell ids.
MAX_FILE = 512 * 2**20
_COLOR = re.compile(r"#[0-9A-Fa-f]{6}")


@dataclass(frozen=True, eq=False)
class SavedPage:
    """A page as it is kept.

    Attributes
    ----------
    name
        What it is called.
    rows
        Rows of the source file, int64, ascending, each once; cells that a fix leaves out are included.
    color
        ``#RRGGBB``, or None until the page is in a set.
    made
        How it was made, in words: ``n_counts from 100 to 2,000``.
    id
        Stays the same within its set when the page is renamed; empty until the page is in a set.
    """

    name: str
    rows: np.ndarray
    color: str | None = None
    made: str = ""
    id: str = ""

    def in_view(self, view: View) -> Page:
        """Return the page as positions in a view; cells that the view leaves out are not in it."""
        rows = self.rows[self.rows < view.dataset.n_cells]
        if view.all_cells:
            return Page(self.name, rows, self.color)
        keep = np.zeros(view.dataset.n_cells, dtype=bool)
        keep[view.cell_index] = True
        position = np.cumsum(keep) - 1
        return Page(self.name, position[rows[keep[rows]]].astype(np.int64), self.color)


@dataclass(frozen=True)
class MadePages:
    """Pages just made, and what the user should know about them.

    Attributes
    ----------
    pages
        The pages; each has at least one cell.
    notes
        What was not found, repeated or left out, one sentence each.
    """

    pages: list[SavedPage]
    notes: list[str]


@dataclass(frozen=True, eq=False)
class PageSet:
    """The pages of one dataset, in order. A set is never changed: every method returns a new one.

    Attributes
    ----------
    pages
        The pages; names and ids are unique.
    made_so_far
        How many pages were ever added, so that no id is used twice.
    """

    pages: tuple[SavedPage, ...] = ()
    made_so_far: int = 0

    def __len__(self) -> int:
        return len(self.pages)

    def __iter__(self) -> Iterator[SavedPage]:
        return iter(self.pages)

    def get(self, page_id: str) -> SavedPage | None:
        """Return the page with an id, or None."""
        return next((page for page in self.pages if page.id == page_id), None)

    def add(self, pages: Iterable[SavedPage], taken: Iterable[str] = ()) -> PageSet:
        """Return the set with more pages at its end.

        Parameters
        ----------
        pages
            The new pages. A name that the set already has gets a number; a page without a valid colour gets the first
            one of the palette that is free.
        taken
            Colours of other pages on the same charts, ``#RRGGBB``, which are not free.

        Raises
        ------
        InputError
            There would be more than 100 pages, or a page has no cells.
        """
        new = list(pages)
        if len(self.pages) + len(new) > MAX_SAVED:
            raise InputError(
                f"{len(self.pages) + len(new):,} pages are more than the {MAX_SAVED} that a dataset can have.",
                "Delete pages, or add fewer.",
            )
        for page in new:
            require_cells(page.rows, f"The page {page.name!r}")
        names = unique([*(page.name for page in self.pages), *(clean_name(page.name) for page in new)])
        used = {color.upper() for color in (*taken, *(page.color or "" for page in self.pages))}
        added = []
        for number, (page, name) in enumerate(zip(new, names[len(self.pages) :], strict=True), self.made_so_far + 1):
            color = page.color if page.color and _COLOR.fullmatch(page.color) else _free_color(used)
            used.add(color.upper())
            added.append(replace(page, name=name, color=color, id=f"p{number}"))
        return PageSet((*self.pages, *added), self.made_so_far + len(new))

    def rename(self, page_id: str, name: str) -> PageSet:
        """Return the set with a page renamed, see `clean_name`; a name that another page has gets a number."""
        others = [page.name for page in self.pages if page.id != page_id]
        return self._with(page_id, name=unique([*others, clean_name(name)])[-1])

    def recolor(self, page_id: str, color: str) -> PageSet:
        """Return the set with a page recoloured.

        Raises
        ------
        InputError
            The colour is not ``#RRGGBB``.
        """
        if not _COLOR.fullmatch(color):
            raise InputError(f"{color!r} is not a colour.", "Write it as #RRGGBB.")
        return self._with(page_id, color=color.upper())

    def delete(self, page_id: str) -> PageSet:
        """Return the set without a page."""
        return replace(self, pages=tuple(page for page in self.pages if page.id != page_id))

    def in_view(self, view: View) -> dict[str, Page]:
        """Return the pages as positions in a view, by id; a page whose cells are all left out is empty."""
        return {page.id: page.in_view(view) for page in self.pages}

    def _with(self, page_id: str, **changes: str) -> PageSet:
        changed = (replace(page, **changes) if page.id == page_id else page for page in self.pages)  # type: ignore[arg-type]
        return replace(self, pages=tuple(changed))


def clean_name(name: str) -> str:
    r"""Return a name that can be shown and written: one line, no control characters, at most 200 characters.

    Examples
    --------
    >>> clean_name("  CD8\nT cells ")
    'CD8 T cells'
    >>> clean_name("")
    'Page'
    """
    text = name.encode("utf-8", "replace").decode("utf-8")
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return (text if len(text) <= MAX_NAME else f"{text[: MAX_NAME - 1]}…") or "Page"


def require_cells(cells: np.ndarray, what: str) -> None:
    """Refuse a page without cells.

    Raises
    ------
    InputError
        `cells` is empty; the sentence begins with `what`.
    """
    if len(cells) == 0:
        raise InputError(f"{what} has no cells.", "A page needs at least one cell.")


def _free_color(used: set[str]) -> str:
    """Return the first colour of the palette that is not used, or one of them again if all are used."""
    n = len(used) + 1
    return next((color for color in palette(n) if color not in used), palette(n)[-1])
