"""Sheets of an ``.xlsx`` file as rows of text; the size that a file declares is checked before it is read."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from xml.parsers import expat

from cellucid_core.errors import InputError

#: Most unpacked bytes of all parts of a workbook together, and most cells of the rectangles that its sheets span.
MAX_UNPACKED, MAX_CELLS = 512 * 2**20, 20_000_000
_REFERENCE = re.compile(r"([A-Za-z]{0,3})([0-9]{1,7})")
#: The element that holds a sheet's cells.
_CELLS = b"sheetData"
#: Files that make the reader try whether a zip is an ``.xlsb`` or an ``.ods``, which are not checked.
_OTHER_KINDS = {"xl/workbook.bin", "content.xml"}
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
            sheets, left = {}, MAX_CELLS
            for title in book.sheet_names:
                sheet = book.get_sheet_by_name(title)
                left -= sheet.height * sheet.width
                if left < 0:
                    raise _too_large(name)
                sheets[title] = [[_text(cell) for cell in row] for row in sheet.to_python()]
    except InputError:
        raise
    except Exception as error:  # the reader raises errors of several kinds on damaged files
        raise damaged from error
    return {title: rows for title, rows in sheets.items() if any(any(row) for row in rows)}


def _check(content: bytes, name: str) -> None:
    """Refuse what would take too much memory: the reader allocates the whole rectangle that a sheet's cells span.

    Raises
    ------
    InputError
        If the file is too large.
    ValueError, xml.parsers.expat.ExpatError
        If a sheet is damaged, or has what no program writes (a document type, cells beyond what Excel has).
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = archive.infolist()
        if sum(entry.file_size for entry in entries) > MAX_UNPACKED:
            raise _too_large(name)
        if {entry.filename.lower() for entry in entries} & _OTHER_KINDS:
            raise ValueError("what the reader might take for another kind of workbook")
        for entry in entries:  # a sheet may have any name
            if _holds_cells(archive, entry) and _cells_spanned(archive, entry) > MAX_CELLS:
                raise _too_large(name)


def _too_large(name: str) -> InputError:
    return InputError(f"{name} is too large for a workbook.", "Save the sheet as CSV.")


def _pieces(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    with archive.open(entry) as part:
        while piece := part.read(_PIECE):
            yield piece


def _holds_cells(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bool:
    kept = b""
    for piece in _pieces(archive, entry):
        if _CELLS in kept + piece:
            return True
        kept = piece[1 - len(_CELLS) :]
    return False


def _cells_spanned(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> int:
    """Return how many cells the rectangle from A1 to the last row and column has, counted as the reader counts.

    A cell without a reference is the one after the one before it; a row without a number, the one after the row before.
    """
    row = column = 1
    width = height = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal row, column, width, height
        tag = tag.partition(":")[2] or tag
        if tag == "c":
            at = row
            if "r" in attributes:
                at, column = _place(attributes["r"])
            width, height = max(width, column), max(height, at)
            column += 1
        elif tag == "row" and "r" in attributes:
            row = _place(attributes["r"])[0]

    def end(tag: str) -> None:
        nonlocal row, column
        if tag == "row" or tag.endswith(":row"):
            row, column = row + 1, 1

    parser = expat.ParserCreate("utf-8")  # whatever it declares: the reader takes its bytes as these
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.StartDoctypeDeclHandler = parser.ProcessingInstructionHandler = _refuse
    for piece in _pieces(archive, entry):
        parser.Parse(piece)
    parser.Parse(b"", True)
    return width * height


def _place(reference: str) -> tuple[int, int]:
    """Return the row and the column that a reference such as ``B3`` names, from 1; column 0 if it names only a row."""
    found = _REFERENCE.fullmatch(reference)
    if found is None:
        raise ValueError(f"no cell of Excel: {reference[:20]}")
    letters, digits = found.groups()
    column = 0
    for letter in letters.upper():
        column = 26 * column + ord(letter) - 64
    return int(digits), column


def _refuse(*_: object) -> None:
    raise ValueError("a document type or a processing instruction, which no sheet has")


def _text(cell: object) -> str:
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    return str(cell).strip()
