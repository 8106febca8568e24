"""Pages from cell ids that a user pasted or uploaded, as a list or as a table."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING

import numpy as np

from cellucid_core.cell_pages.cell_lookup import CellLookup, Found, notes_on, some
from cellucid_core.cell_pages.page_set import MAX_FILE, MAX_SAVED, MadePages, SavedPage
from cellucid_core.errors import InputError

if TYPE_CHECKING:
    from cellucid_core.dataset import View

ID_COLUMN, PAGE_COLUMN, ROW_COLUMN = "cell_id", "page", "cell_index"
_BETWEEN = re.compile(r"[,;\t]")


def pages_from_ids(view: View, source: str | bytes, *, name: str = "Pasted cells") -> MadePages:
    """Make pages from cell ids.

    Parameters
    ----------
    view
        The dataset as mapped.
    source
        Text, or a file's bytes in UTF-8: ids between commas, semicolons, tabs, spaces and line ends; or a table whose
        first line names a column ``cell_id`` (or, as pandas writes it, begins with an empty field). A table with a
        column ``page`` makes a page per value. With a column ``cell_index``, as in the table of scores that this
        program writes, repeated ids are told apart.
    name
        What the page is called where the table does not name pages.

    Returns
    -------
    MadePages
        An id that several cells have stands for all of them. Notes name such ids, and ids that no cell has.

    Raises
    ------
    InputError
        The source is larger than 512 MiB, not UTF-8 text, or not a readable table; it holds no ids; none of them is in
        the dataset; or there are more than 100 pages.
    """
    text = _text(source)
    lookup = CellLookup(view)
    table = _table(text)
    if table is None:
        return _from_list(view, lookup, text, name)
    return _from_table(view, lookup, table, name)


def _text(source: str | bytes) -> str:
    if len(source) > MAX_FILE:
        raise InputError(f"This is more than {MAX_FILE // 2**20} MiB of ids.", "Give fewer cells.")
    if isinstance(source, str):
        return source.removeprefix("\ufeff")
    try:
        return source.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError("The file is not text in UTF-8.", "Save the cell ids as CSV or as plain text.") from None


def _from_list(view: View, lookup: CellLookup, text: str, name: str) -> MadePages:
    """Make one page from a list, splitting lines only as far as needed: an id may itself hold a comma or a space."""
    ids: list[str] = []
    pieces = [line.strip() for line in text.splitlines()]
    for between in (_BETWEEN, re.compile(r"\s+"), None):
        pieces = [piece for piece in pieces if piece]
        if not pieces:
            break
        known = lookup.known(pieces)
        ids += [piece for piece, there in zip(pieces, known, strict=True) if there]
        pieces = [piece for piece, there in zip(pieces, known, strict=True) if not there]
        if between is not None:
            pieces = [part.strip().strip("\"'") for piece in pieces for part in between.split(piece)]
    unknown = [piece for piece in pieces if piece.casefold() != ID_COLUMN]
    found = _checked(lookup, [*ids, *unknown])
    return MadePages([SavedPage(name, found.rows, made="Cell ids")], notes_on(found, view))


def _checked(lookup: CellLookup, ids: list[str]) -> Found:
    if not ids:
        raise InputError("There are no cell ids.", "Paste ids as they are in obs_names, one per line.")
    found = lookup.find(ids)
    if len(found.rows) == 0:
        n = len(found.unknown)
        what = (
            f"The id {some(found.unknown)} is not in the dataset."
            if n == 1
            else f"None of the {n:,} ids is in the dataset: {some(found.unknown)}."
        )
        raise InputError(what, f"The dataset's ids look like {lookup.examples()}.")
    return found


def _table(text: str) -> list[list[str]] | None:
    """Return the rows of a table, its header first, or None if the text is a plain list."""
    head = text.lstrip("\r\n").split("\n", 1)[0]
    separator = max(",;\t", key=head.count)
    header = [field.strip().strip("\"'").casefold() for field in head.strip("\r\n").split(separator)]
    # pandas writes an index without a name, so the header of a saved cell table begins with an empty field.
    if len(header) < 2 or not (ID_COLUMN in header or (header[0] == "" and any(header))):
        return None
    try:
        return [row for row in csv.reader(io.StringIO(text), delimiter=separator) if any(row)]
    except csv.Error as error:
        raise InputError(f"The table cannot be read ({error}).", "Save it as CSV with a column cell_id.") from error


def _from_table(view: View, lookup: CellLookup, table: list[list[str]], name: str) -> MadePages:
    header = [field.strip().casefold() for field in table[0]]
    place = header.index(ID_COLUMN) if ID_COLUMN in header else 0
    rows = table[1:]
    short = next((i for i, row in enumerate(rows, 2) if len(row) != len(header)), None)
    if short is not None:
        raise InputError(
            f"Line {short:,} of the table has {len(rows[short - 2])} fields, its header has {len(header)}.",
            "Save it as CSV with as many fields in every line.",
        )
    ids = [row[place] for row in rows]
    if not lookup.known(ids[:1000]).any():
        ids = [one.strip() for one in ids]
    everything = _checked(lookup, ids)
    exact = _exact_rows(lookup, ids, [row[header.index(ROW_COLUMN)] for row in rows]) if ROW_COLUMN in header else None
    if PAGE_COLUMN not in header:
        found = everything if exact is None else Found(_sorted(exact), everything.unknown, [])
        return MadePages([SavedPage(name, found.rows, made="Cell ids of a table")], notes_on(found, view))
    of_page: dict[str, list[int]] = {}
    for i, row in enumerate(rows):
        of_page.setdefault(row[header.index(PAGE_COLUMN)], []).append(i)
    if len(of_page) > MAX_SAVED:
        raise InputError(
            f"The column page has {len(of_page):,} different values; a dataset can have {MAX_SAVED} pages.",
            "Leave pages out of the table.",
        )
    pages, notes, lost = [], notes_on(everything if exact is None else Found(everything.rows, [], []), view), []
    if exact is not None and everything.unknown:
        notes = notes_on(Found(everything.rows, everything.unknown, []), view)
    for page, members in of_page.items():
        cells = lookup.find([ids[i] for i in members]).rows if exact is None else _sorted(exact[members])
        if len(cells):
            pages.append(SavedPage(page, cells, made="Cell ids and pages of a table"))
        else:
            lost.append(page)
    if lost:
        notes.append(f"No cell of {'this page' if len(lost) == 1 else 'these pages'} is in the dataset: {some(lost)}.")
    return MadePages(pages, notes)


def _exact_rows(lookup: CellLookup, ids: list[str], given: list[str]) -> np.ndarray | None:
    """Return each line's row of the source, −1 if unknown; None where the column of rows is not used.

    It is used only if ids repeat, and if the dataset has every known id in the row that the table gives.
    """
    if lookup.unique:
        return None
    try:
        rows = np.array([int(text) if text else -1 for text in given], dtype=np.int64)
    except (ValueError, OverflowError):
        return None
    known = lookup.known(ids)
    if np.any(rows[known] < 0) or np.any(rows[known] >= len(lookup.ids)):
        return None
    if any(lookup.ids[row] != one for row, one, there in zip(rows, ids, known, strict=True) if there):
        return None
    rows[~known] = -1
    return rows


def _sorted(rows: np.ndarray) -> np.ndarray:
    return np.unique(rows[rows >= 0])
