"""Delimited text, read in pieces and strictly: a line with more or fewer fields than the header is an error."""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cellucid_core.csv_safety import exact_floats
from cellucid_core.errors import InputError

#: Characters of one piece; what pandas makes of it takes several times as much memory.
PIECE_CHARS = 16 * 2**20
#: Characters of the longest line that is read: `MAX_FIELDS` fields of about fifty characters.
MAX_LINE = 256 * 2**20
_SEPARATORS = ("\t", ",", ";", "|")
_SAMPLE_LINES = 50
#: Characters of the first lines that are looked at; two lines are looked at in any case.
_SAMPLE_CHARS = 32 * 2**20
#: Most fields of a line; each takes some hundred bytes while a table is read.
MAX_FIELDS = 5_000_000
_DECIMAL_COMMA = re.compile(r"^[+-]?\d+,\d+(?:[eE][+-]?\d+)?$")
_MISSING = frozenset(["", "NA", "NaN", "nan", "N/A", "null", "NULL", "None", "<NA>", "#N/A"])


@dataclass(frozen=True)
class Layout:
    """How a delimited text is laid out.

    Attributes
    ----------
    encoding, separator, decimal
        As `pandas.read_csv` takes them.
    corner
        The header's field above the row names; None if there are no row names.
    columns
        The other fields of the header.
    text_columns
        Positions (among `columns`) of columns that hold texts rather than numbers in the first lines.
    sample
        Row names of the first lines.
    above
        How many lines (header, comments, blank ones) are above the first line of values.
    """

    encoding: str
    separator: str
    decimal: str
    corner: str | None
    columns: list[str]
    text_columns: list[int]
    sample: list[str]
    above: int = 1


def read_layout(path: Path, file_name: str) -> Layout:
    """Find out how a text is laid out, from its first lines.

    Raises
    ------
    InputError
        If it is no table, or a line has too many fields.
    """
    encoding = _encoding(path)
    lines = []
    with closing(_table_lines(path, encoding, file_name)) as all_lines:
        for line in islice(all_lines, _SAMPLE_LINES):
            lines.append(line)
            if len(lines) > 2 and sum(map(len, lines)) > _SAMPLE_CHARS:
                break
    if len(lines) < 2:
        raise InputError(
            f"{file_name} {'is empty' if not lines else 'has a header but no further line'}.",
            "A table has a header with names and one line per cell or gene.",
        )
    separator = max(_SEPARATORS, key=lambda separator: _regularity(separator, lines))
    if separator not in lines[1]:
        raise InputError(
            f"{file_name} is not a table: its lines are not separated by tabs, commas or semicolons.",
            "Save it as CSV or TSV with a header.",
        )
    if max(line.count(separator) for line in lines) >= MAX_FIELDS:
        raise InputError(
            f"{file_name} has a line of more than {MAX_FIELDS:,} fields.", "Write it as .h5ad, which has no such limit."
        )
    above = _lines_above(path, encoding, file_name)
    rows = [_fields(line, separator, number, file_name) for number, line in enumerate(lines, above)]
    header, body = rows[0], rows[1:]
    width = len(body[0])
    short = len(header) == width - 1  # as R's write.table leaves it
    if not short and len(header) != width:
        raise _ragged(file_name, above + 1, width, len(header))
    decimal = "," if separator != "," and any(_DECIMAL_COMMA.match(field) for field in body[0][1:]) else "."
    columns = [row[1:] for row in body if len(row) == width]
    text = [at for at in range(width - 1) if not all(_is_number(row[at], decimal) for row in columns)]
    names = [row[0] for row in body]
    corner: str | None = "" if short else header[0]
    named = short or not header[0].strip() or len(set(names)) == len(names)
    if not named and all(_is_number(name, decimal) for name in names):
        corner = None  # numbers that repeat, below a heading, name no rows: it is a column like the others
    heading = header if short or corner is None else header[1:]
    if corner is None and text:
        text = [at + 1 for at in text]
    return Layout(encoding, separator, decimal, corner, heading, text, names if corner is not None else [], above)


def pieces(path: Path, layout: Layout, file_name: str) -> Iterator[tuple[list[str] | None, pd.DataFrame, np.ndarray]]:
    """Yield the lines of a table piece by piece.

    Yields
    ------
    tuple
        Row names (None if the table has none), the text columns, by their positions, and the numbers,
        (n_rows, n_numeric_columns) float64.

    Raises
    ------
    InputError
        If a line has another number of fields than the header, or text in a column of numbers.
    """
    n_fields = len(layout.columns) + (layout.corner is not None)
    offset = layout.corner is not None
    numeric = [at for at in range(len(layout.columns)) if at not in set(layout.text_columns)]
    held: list[str] = []
    size, first = 0, layout.above + 1
    with closing(_table_lines(path, layout.encoding, file_name)) as lines:
        next(lines, None)
        for number, line in enumerate(lines, first):
            if '"' in line:
                count = len(_fields(line, layout.separator, number, file_name))
            else:
                count = line.count(layout.separator) + 1
            if count != n_fields:
                raise _ragged(file_name, number, count, n_fields)
            held.append(line)
            size += len(line)
            if size >= PIECE_CHARS:
                yield _piece(held, layout, numeric, offset, first, file_name)
                held, size, first = [], 0, number + 1
    if held:
        yield _piece(held, layout, numeric, offset, first, file_name)


def _piece(
    lines: list[str], layout: Layout, numeric: list[int], offset: int, first: int, file_name: str
) -> tuple[list[str] | None, pd.DataFrame, np.ndarray]:
    texts = {at + offset: str for at in layout.text_columns} | ({0: str} if offset else {})
    options: dict[str, Any] = {
        "dtype": {**{at + offset: np.float64 for at in numeric}, **texts},
        "na_values": {at + offset: sorted(_MISSING) for at in range(len(layout.columns))},
    }
    try:
        frame: pd.DataFrame = pd.read_csv(
            io.StringIO("\n".join(lines)),
            sep=layout.separator,
            decimal=layout.decimal,
            header=None,
            **options,
            keep_default_na=False,
            low_memory=False,
            **exact_floats(),
        )
    except (ValueError, OverflowError) as error:
        raise InputError(
            f"{file_name} has a text where numbers are, in lines {first:,} to {first + len(lines) - 1:,} ({error}).",
            "Give cell annotations as a table of their own, and keep only numbers here.",
        ) from error
    names = frame[0].astype(str).tolist() if offset else None
    table = pd.DataFrame({at: frame[at + offset] for at in layout.text_columns})
    return names, table, frame[[at + offset for at in numeric]].to_numpy(dtype=np.float64)


def _regularity(separator: str, lines: list[str]) -> tuple[bool, int, int]:
    """Return how well a character separates fields.

    Whether the header fits the first line, how many lines have as many separators as that, and how many these are.
    """
    count = lines[1].count(separator)
    fits = count > 0 and count - lines[0].count(separator) in (0, 1)
    return fits, sum(line.count(separator) == count for line in lines[1:]), count


def _ragged(file_name: str, line: int, found: int, expected: int) -> InputError:
    return InputError(
        f"{file_name} has {found:,} fields in line {line:,} and {expected:,} in its header.",
        "The file is cut off or damaged there, or a name holds the separator: write it again.",
    )


def _is_number(text: str, decimal: str) -> bool:
    text = text.strip()
    if text in _MISSING:
        return True
    if decimal == ",":
        text = text.replace(",", ".")
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text


def _fields(line: str, separator: str, number: int, file_name: str) -> list[str]:
    if '"' not in line:  # as csv does it, but csv limits a field's length, and that limit is one for the whole process
        return line.split(separator)
    try:
        return next(csv.reader([line], delimiter=separator, strict=True), []) or [""]
    except csv.Error as error:
        raise InputError(
            f"{file_name} has a quotation mark that is not closed, or a very long text in quotation marks, "
            f"in line {number:,} ({error}).",
            "Write it again.",
        ) from error


def _encoding(path: Path) -> str:
    with open_unpacked(path) as file:
        head = file.read(2**20)
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    try:
        head[: len(head) - 4 if len(head) == 2**20 else len(head)].decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:
            return "latin-1"
    return "utf-8-sig"


def open_unpacked(path: Path) -> Any:
    """Open a file for reading its bytes; those that a gzip file unpacks to, whatever its name."""
    return gzip.open(path, "rb") if is_gzip(path) else path.open("rb")


def is_gzip(path: Path) -> bool:
    """Whether a file is packed with gzip, whatever its name."""
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _table_lines(path: Path, encoding: str, file_name: str) -> Generator[str, None, None]:
    """Yield a table's lines, the header first.

    Of what is above it, blank lines and comments (``#``), only a comment that is itself the header is among them.
    """
    with closing(_lines(path, encoding, file_name)) as lines:
        comment: str | None = None
        for line in lines:
            if line.startswith("#"):
                comment = line
                continue
            if not line:
                continue
            if comment is not None and _is_header(comment, line):
                yield comment.lstrip("#").strip(" ")
            yield line
            break
        yield from lines


def _lines_above(path: Path, encoding: str, file_name: str) -> int:
    above, comment = 0, None
    with closing(_lines(path, encoding, file_name)) as lines:
        for line in lines:
            if line and not line.startswith("#"):
                return above if comment is not None and _is_header(comment, line) else above + 1
            comment, above = line or comment, above + 1
    return above


def _is_header(comment: str, line: str) -> bool:
    """Tell whether a comment names the columns of the line that follows it."""
    if comment.startswith("##"):
        return False
    counts = ((comment.count(separator), line.count(separator)) for separator in _SEPARATORS)
    return any(below and above in (below, below - 1) for above, below in counts)


def _lines(path: Path, encoding: str, file_name: str) -> Generator[str, None, None]:
    """Yield lines without their line ends; empty ones at the end of the file are left out."""
    try:
        with open_unpacked(path) as raw, io.TextIOWrapper(raw, encoding=encoding) as file:
            empty = 0
            while line := file.readline(MAX_LINE):
                if len(line) >= MAX_LINE:
                    raise InputError(
                        f"{file_name} has a line that is too long.", "Transpose the table, or save it as .h5ad."
                    )
                line = line.rstrip("\r\n")
                if not line.strip():
                    empty += 1
                    continue
                yield from [""] * empty
                empty = 0
                yield line
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(
            f"{file_name} is a gzip file that is damaged or was cut off.", "Copy or download it again, then open it."
        ) from error
    except UnicodeError as error:
        raise InputError(
            f"{file_name} holds bytes that are no text in {encoding}.", "Save it as UTF-8, then open it."
        ) from error
