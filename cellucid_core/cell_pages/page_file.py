"""Pages as a file: JSON with the ids of the cells, so that it can be read for this dataset and for others.

``{"format": "cellucid-dashboard-pages", "version": 1, "dataset": {…}, "pages": [{"name", "color", "made", "cells"}]}``.
Where ids repeat, a page also has ``rows``, the rows of the source file; they are used only for the same dataset.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from cellucid_core.cell_pages.cell_lookup import CellLookup, Found, notes_on, some
from cellucid_core.cell_pages.page_set import MAX_FILE, MAX_SAVED, MadePages, SavedPage
from cellucid_core.errors import InputError

if TYPE_CHECKING:
    from cellucid_core.dataset import View

FORMAT, VERSION = "cellucid-dashboard-pages", 1


def pages_to_json(view: View, pages: Iterable[SavedPage]) -> str:
    """Return pages, in order, as the text of a file; cells that the view leaves out are included."""
    lookup = CellLookup(view)
    written = []
    for page in pages:
        entry: dict[str, Any] = {
            "name": page.name,
            "color": page.color,
            "made": page.made,
            "cells": lookup.ids[page.rows].tolist(),
        }
        if not lookup.unique:
            entry["rows"] = page.rows.tolist()
        written.append(entry)
    dataset = view.dataset
    return json.dumps(
        {
            "format": FORMAT,
            "version": VERSION,
            "dataset": {
                "id": dataset.id,
                "name": dataset.name,
                "content_hash": dataset.content_hash,
                "cells": dataset.n_cells,
            },
            "pages": written,
        },
        ensure_ascii=True,  # any id survives, even one that UTF-8 cannot hold
        indent=None,
    )


def pages_from_json(view: View, data: str | bytes) -> MadePages:
    """Read pages from the text of a file and find their cells by id.

    Parameters
    ----------
    view
        The dataset as mapped, not necessarily that of the file.
    data
        What `pages_to_json` returned; as anybody may have written the file, it is checked.

    Returns
    -------
    MadePages
        With names, colours and how each was made; notes name cells and pages that the dataset does not have.

    Raises
    ------
    InputError
        It is not a file of pages of this version, it is larger than 512 MiB, it has no pages or more than 100, or none
        of its cells is in the dataset.
    """
    content = _content(data)
    entries = content.get("pages")
    if not isinstance(entries, list) or not entries:
        raise InputError("The file holds no pages.", "Choose a file that was saved as pages.")
    if len(entries) > MAX_SAVED:
        raise InputError(f"The file holds {len(entries):,} pages; a dataset can have {MAX_SAVED}.", "Split the file.")
    of_dataset = content.get("dataset")
    hash_there = of_dataset.get("content_hash") if isinstance(of_dataset, dict) else None
    lookup = CellLookup(view)
    pages: list[SavedPage] = []
    notes: list[str] = []
    lost: list[str] = []
    for number, entry in enumerate(entries, 1):
        name, ids = _entry(entry, number)
        found = lookup.find(ids)
        rows = _rows(entry, lookup, ids) if hash_there == view.dataset.content_hash else None
        if rows is not None:
            found = Found(rows, [], [])
        if len(found.rows) == 0:
            lost.append(name)
            continue
        color, made = entry.get("color"), entry.get("made")
        pages.append(
            SavedPage(
                name,
                found.rows,
                color if isinstance(color, str) else None,
                made[:1000] if isinstance(made, str) else "",
            )
        )
        notes += notes_on(found, view, name)
    if not pages:
        raise InputError(
            "None of the cells of the file is in the dataset.", f"The dataset's ids look like {lookup.examples()}."
        )
    if lost:
        notes.append(f"No cell of {'this page' if len(lost) == 1 else 'these pages'} is in the dataset: {some(lost)}.")
    return MadePages(pages, notes)


def _content(data: str | bytes) -> dict[str, Any]:
    wrong = InputError(
        "This is not a file of pages.", "Choose the JSON file that Save pages wrote, or use From ids for a list."
    )
    if len(data) > MAX_FILE:
        raise InputError(f"The file is larger than {MAX_FILE // 2**20} MiB.", "Split it.")
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        raise wrong from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise wrong
    version = content.get("version")
    if version != VERSION:
        raise InputError(
            f"The file has version {str(version)[:20]}; this program reads version {VERSION}.",
            "Update this program, or save the pages again.",
        )
    return content


def _entry(entry: object, number: int) -> tuple[str, list[str]]:
    if isinstance(entry, dict):
        name, cells = entry.get("name"), entry.get("cells")
        if isinstance(name, str) and isinstance(cells, list) and all(isinstance(cell, str) for cell in cells):
            return name, cells
    raise InputError(f"Page {number} of the file has no name or no list of cell ids.", "Save the pages again.")


def _rows(entry: dict[str, Any], lookup: CellLookup, ids: list[str]) -> np.ndarray | None:
    """Return the rows that a page lists, ascending, or None if they are not those of its ids."""
    given = entry.get("rows")
    if not isinstance(given, list) or len(given) != len(ids):
        return None
    if not all(isinstance(row, int) and 0 <= row < len(lookup.ids) for row in given):
        return None
    rows = np.array(given, dtype=np.int64)
    return np.unique(rows) if lookup.ids[rows].tolist() == ids else None
