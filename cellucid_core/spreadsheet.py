"""Sheets of an ``.xlsx`` file as rows of text; the size that a file declares is checked before it is read."""

from __future__ import annotations

import io
import re
import zipfile

from cellucid_core.errors import InputError

#: Most unpacked bytes of all parts of a workbook together, and most cells of the rectangle that one sheet spans.
MAX_UNPACKED, MAX_CELLS = 512 * 2**20, 20_000_000
_CELL = re.compile(rb"""<(?:\w+:)?c\s[^>]*?\br=["']([A-Z]{1,3})(\d{1,7})["']""")
_PIECE = 2**20


def is_workbook(content: bytes) -> bool:
    """Tell whether bytes are an ``.xlsx`` or ``.xlsm`` file."""
    if not content.startswith(b"PK"):
        return False
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return "xl/workbook.xml" in archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError):
        return False


def workbook_rows(content: bytes, name: str) -> dict[str, list[list[str]]]:
    """Return the sheets of a workbook that are not empty, by name, each as rows of text.

    Parameters
    ----------
    content
        The bytes of the file.
    name
        The user's name for the file, for messages.

    Returns
    -------
    dict
        Sheet → rows of equal length; an empty cell is "", a whole number has no decimals, a date is written as in
        ISO 8601.

    Raises
    ------
    InputError
        If the file is damaged, or larger than `MAX_UNPACKED` or `MAX_CELLS`.
    """
    import python_calamine

    damaged = InputError(f"{name} is damaged, or not an Excel workbook.", "Save it as .xlsx or .csv again.")
    try:
        _check(content, name)
        with python_calamine.load_workbook(io.BytesIO(content)) as book:
            sheets = {
                title: [[_text(cell) for cell in row] for row in book.get_sheet_by_name(title).to_python()]
                for title in book.sheet_names
            }
    except InputError:
        raise
    except Exception as error:  # the reader raises errors of several kinds on damaged files
        raise damaged from error
    return {title: rows for title, rows in sheets.items() if any(any(row) for row in rows)}


def _check(content: bytes, name: str) -> None:
    """Refuse what would take too much memory: the reader allocates the whole rectangle that a sheet's cells span."""
    too_large = InputError(f"{name} is too large for a workbook.", "Save the sheet as CSV.")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = archive.infolist()
        if sum(entry.file_size for entry in entries) > MAX_UNPACKED:
            raise too_large
        for entry in entries:
            if not entry.filename.startswith("xl/worksheets/"):
                continue
            width = height = 0
            kept = b""
            with archive.open(entry) as part:
                while piece := part.read(_PIECE):
                    kept += piece
                    for letters, row in _CELL.findall(kept):
                        column = 0
                        for letter in letters:
                            column = 26 * column + letter - 64
                        width, height = max(width, column), max(height, int(row))
                    kept = kept[-200:]
            if width * height > MAX_CELLS:
                raise too_large


def _text(cell: object) -> str:
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    return str(cell).strip()
