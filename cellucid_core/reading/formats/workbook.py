"""``.xlsx``: a sheet of expression values, read as the CSV that Excel would save of it; sheets are modalities."""

from __future__ import annotations

import csv
from dataclasses import replace

from cellucid_core.cache import scratch_folder
from cellucid_core.errors import InputError
from cellucid_core.reading.contents import Contents
from cellucid_core.reading.formats.table import read_table
from cellucid_core.reading.source import Source
from cellucid_core.spreadsheet import MAX_UNPACKED, workbook_rows


def read_workbook(source: Source) -> Contents:
    """Open a sheet: the one asked for, else the first that is not empty.

    Raises
    ------
    InputError
        If the workbook is damaged or too large, lacks the sheet asked for, or the sheet is no table of numbers.
    """
    if source.path.stat().st_size > MAX_UNPACKED:
        raise InputError(f"{source.file_name} is too large for a workbook.", "Save the sheet as CSV.")
    sheets = workbook_rows(source.path.read_bytes(), source.file_name)
    sheet = source.choose(list(sheets), ())
    rows = sheets[sheet]
    width = max(map(len, rows))
    with scratch_folder() as folder:
        path = folder / "sheet.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([*row, *[""] * (width - len(row))] for row in rows if any(row))
        identity = source.part("sheet", sheet)
        # `read_table` copies the values to a file of its own, so the CSV need not outlive this block.
        contents = read_table(replace(source, path=path, hashing=lambda: identity))
    if len(sheets) < 2:
        return contents
    others = ", ".join(title for title in sheets if title != sheet)
    note = f"This is the sheet {sheet}; the file also holds {others}."
    return replace(contents, modality=sheet, modalities=tuple(sheets), notes=(*contents.notes, note))
