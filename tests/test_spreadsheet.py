"""A small workbook that declares an enormous sheet is refused before the reader allocates it."""

from __future__ import annotations

import io
import zipfile

import pytest

from cellucid_core import spreadsheet
from cellucid_core.errors import InputError
from tests.reading.test_sample_files import write_workbook

A1 = '<row r="1"><c r="A1"><v>1</v></c></row>'


def workbook(tmp_path, data, *, part="worksheets/sheet1.xml", head="", extra=()):
    """Return the bytes of a workbook of one sheet with the given XML in its sheetData."""
    write_workbook(tmp_path / "plain.xlsx", {"one": [["x"]]})
    made = io.BytesIO()
    with zipfile.ZipFile(tmp_path / "plain.xlsx") as plain, zipfile.ZipFile(made, "w") as book:
        for name in plain.namelist():
            text = plain.read(name).decode().replace("worksheets/sheet1.xml", part)
            if name.endswith("sheet1.xml"):
                name = f"xl/{part}"
                text = f"{head}{text[: text.index('<sheetData>')]}<sheetData>{data}</sheetData></worksheet>"
            book.writestr(name, text)
        for name in extra:
            book.writestr(name, "")
    return made.getvalue()


@pytest.fixture(autouse=True)
def reader(monkeypatch):
    """Fail instead of letting the reader allocate what a check let through."""
    import python_calamine

    read = python_calamine.load_workbook

    def small(content):
        if b"enormous" in content.getvalue():
            pytest.fail("the reader would allocate it")
        return read(content)

    monkeypatch.setattr(python_calamine, "load_workbook", small)


@pytest.mark.parametrize(
    "far",
    [
        '<row><c r="XFD1048576"><v>1</v></c></row>',
        '<row><c r = "XFD1048576"><v>1</v></c></row>',
        """<row><c x=">" r='XFD1048576'><v>1</v></c></row>""",
        '<row><c r="xfd1048576"><v>1</v></c></row>',
        '<row><c r="A99999999"><v>1</v></c></row>',
        '<row><c r="AAAAAA1"><v>1</v></c></row>',
        f'<row><c x="{" " * 3 * 2**20}" r="XFD1048576"><v>1</v></c></row>',
        '<x:row xmlns:x="y"><x:c r="XFD1048576"><v>1</v></x:c></x:row>',
        '<row><c r="XFC9"><v>1</v></c></row><row r="1048575"/><row><c><v>1</v></c></row>',
        '<row r="1048576"><c r="XFC9"><v>1</v></c><c><v>1</v></c></row>',
    ],
)
def test_sheets_that_span_billions_of_cells(tmp_path, far):
    with pytest.raises(InputError):
        spreadsheet.workbook_rows(workbook(tmp_path, f"{A1}{far}<!-- enormous -->"), "x.xlsx")


@pytest.mark.parametrize(
    "how",
    [
        {"part": "elsewhere/s.bin"},
        {"head": '<!DOCTYPE worksheet [<!ATTLIST c r CDATA "A1">]>'},
        {"head": "<?odd?>"},
        {"extra": ["content.xml"]},
        {"extra": ["xl/Workbook.bin"]},
    ],
)
def test_sheets_in_disguise(tmp_path, how):
    data = A1 if "part" not in how else f'{A1}<row><c r="XFD1048576"><v>1</v></c></row>'
    with pytest.raises(InputError):
        spreadsheet.workbook_rows(workbook(tmp_path, f"{data}<!-- enormous -->", **how), "x.xlsx")


def test_sheets_that_are_large_only_together(tmp_path, monkeypatch):
    monkeypatch.setattr(spreadsheet, "MAX_CELLS", 5)
    write_workbook(tmp_path / "x.xlsx", {"one": [["a", "b", "c"]], "two": [["d", "e", "f"]]})
    with pytest.raises(InputError, match="too large"):
        spreadsheet.workbook_rows((tmp_path / "x.xlsx").read_bytes(), "x.xlsx")


def test_cells_without_references_and_small_letters_are_read(tmp_path):
    data = '<row><c><v>1</v></c><c><v>2</v></c></row><row r="4"><c r="b4"><v>3</v></c><c><v>4</v></c></row>'
    rows = spreadsheet.workbook_rows(workbook(tmp_path, data), "x.xlsx")["one"]
    assert rows == [["1", "2", ""], ["", "", ""], ["", "", ""], ["", "3", "4"]]
