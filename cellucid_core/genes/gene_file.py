"""Files of genes, as spreadsheets and other programs write them. These are the rules, for every page and command.

- **Text** is UTF-8 (with or without a byte order mark), UTF-16 with a byte order mark (Excel's "Unicode text"), or else
  Windows-1252, or Latin-1 for bytes that Windows-1252 does not define. Content with a NUL character is refused.
- **Comments**: lines that begin with ``#`` are left out; a gene that begins with ``#`` must be in quotes. In a ``.gmt``
  file such a line is a set if it has tabs.
- A ``.gmt`` file holds sets of genes: each line a name, a description and genes, separated by tabs.
- **Lists**: any other file is read like a pasted list (`parse_genes`), unless it is a table.
- **Tables** are a ``.csv`` or ``.tsv`` of more than one row and column, any file with tabs in each of its rows, and any
  file of genes and weights. The genes are in the column whose header says so (``gene``, ``symbol``, ``Ensembl ID``, …),
  or else in the first column.
- **Header**: the first entry of a list, and the first row of a table, is a header if it is a word for genes (``gene``,
  ``symbols``, ``hgnc_symbol``, ``name``, ``id``, …) and others follow. The first row of a table is also a header if it
  has no number where most other rows have one ("Transcript; change").
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cellucid_core.errors import InputError
from cellucid_core.genes.gene_list import parse_genes

#: Bytes; a larger file is not a list of genes, as the largest published collections of gene sets have some 20 MB.
MAX_BYTES = 50 * 2**20
_FIX = "Name a text file, one gene per line."
#: Headers of a column of genes, sure and likely ones, in lower case and with "_" for spaces, dots and dashes.
_SURE = re.compile(
    r"((hgnc|ensembl|official|approved)_?)?(gene|symbol|feature|marker)s?(_?(id|name|symbol)s?)?|ensembl(_?id)?s?"
)
_LIKELY = re.compile(r"(name|id)s?|(hgnc|ensembl)_?(name|id)s?")
#: The line's number, and its fields.
_Row = tuple[int, list[str]]
WEIGHT_WORDS = frozenset(
    """
    weight weights score scores coefficient coefficients coef loading loadings value importance logfc
    log2fc avg_log2fc logfoldchange logfoldchanges log2foldchange lfc beta
    """.split()  # noqa: SIM905
)


def file_bytes(path: Path) -> bytes:
    """Return a file's content, up to one byte more than `MAX_BYTES`.

    Raises
    ------
    InputError
        The file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "that is not a file name"
        raise InputError(f"The gene list {path} cannot be read: {reason}.", _FIX) from error


def file_text(content: bytes, name: str) -> str:
    r"""Return a file's text with lines that end in ``\n`` and without byte order marks.

    Raises
    ------
    InputError
        The content is not text, or larger than `MAX_BYTES`.
    """
    if len(content) > MAX_BYTES:
        raise InputError(f"{name} is too large for a gene list.", _FIX)
    marked = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    # Five bytes mean nothing in Windows-1252; in Latin-1 every byte has a meaning.
    encodings = ["utf-16"] if marked else ["utf-8-sig", "cp1252", "latin-1"]
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\x00" not in text:
            return plain_text(text)
        break
    raise InputError(f"{name} is not text.", "Save the list as text or CSV, one gene per line.")


def plain_text(text: str) -> str:
    r"""Return text whose lines end in ``\n``, whatever ended them, without byte order marks."""
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\ufeff", "")


def is_gmt(name: str) -> bool:
    """Tell from a file's name whether it is a GMT file."""
    return name.lower().endswith(".gmt")


def gmt_lines(text: str) -> Iterator[tuple[int, str, str, tuple[str, ...]]]:
    """Yield number, name, description and genes of each line that is neither blank nor a comment.

    The name is "" where there is none, or where the line has no tabs.
    """
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip() or (line.startswith("#") and "\t" not in line):
            continue
        fields = line.split("\t")
        title = fields[0].strip().strip('"') if len(fields) > 1 else ""
        genes = (field.strip().strip('"').strip() for field in fields[2:])
        yield number, title, fields[1].strip() if len(fields) > 1 else "", tuple(gene for gene in genes if gene)


@dataclass(frozen=True)
class GeneRows:
    """The rows of a file of genes, without its header.

    Attributes
    ----------
    rows
        Per gene the line's number (0 in a list), the gene, and its weight as written ("" where the file has none). A
        row with a weight may have a blank gene.
    weighted
        Whether one column holds weights.
    width
        Number of the table's columns; 1 for a list.
    column
        The header of the genes' column, "" without a header.
    """

    rows: list[tuple[int, str, str]]
    weighted: bool = False
    width: int = 1
    column: str = ""

    @property
    def genes(self) -> list[str]:
        """The genes in order, repeats kept."""
        return [gene for _, gene, _ in self.rows if gene]


def read_rows(text: str, name: str) -> GeneRows:
    """Read a list or a table of genes by the rules of the module.

    Parameters
    ----------
    text
        The content, from `file_text` or `plain_text`.
    name
        The file's name, for its ending and for messages.

    Raises
    ------
    InputError
        It is a table that does not say which column holds the genes.
    """
    text = text.replace("\u2028", "\n").replace("\u2029", "\n")
    lines = ["" if line.startswith("#") else line for line in text.split("\n")]
    rows, separator = split_rows(lines)
    table = _table(rows, separator, name)
    if table is not None:
        return table
    genes = parse_genes("\n".join(lines))
    if len(genes) > 1 and (_matches(genes[0], _SURE) or _matches(genes[0], _LIKELY)):
        genes = genes[1:]
    return GeneRows([(0, gene, "") for gene in genes])


def split_rows(lines: list[str]) -> tuple[list[_Row], str]:
    """Split lines into numbered rows, without blank ones, and return the separator: the one most of the lines have."""
    head = [line for line in lines if line.strip()][:50]
    separator = max("\t;,", key=lambda mark: (sum(mark in line for line in head), mark == "\t"))
    try:
        reader = csv.reader(io.StringIO("\n".join(lines), newline=""), delimiter=separator, skipinitialspace=True)
        rows = [(reader.line_num, [field.strip() for field in row]) for row in reader]
    except csv.Error:  # a quote that is not closed, or a field of more than 128 kB
        rows = [(i, [field.strip() for field in line.split(separator)]) for i, line in enumerate(lines, start=1)]
    return [(number, row) for number, row in rows if any(row)], separator


def _table(rows: list[_Row], separator: str, name: str) -> GeneRows | None:
    """Return the rows of a table, or None for a list."""
    width = max((len(row) for _, row in rows), default=0)
    if width < 2:
        return None
    first = rows[0][1]
    named = _gene_column(rows)
    gene_at = named or 0
    header = named is not None or any(
        _is_numeric(rows[1:], at) and field and not _is_number(field) for at, field in enumerate(first) if at != gene_at
    )
    body = rows[1:] if header else rows
    spreadsheet = Path(name).suffix.lower() in (".csv", ".tsv")
    by_columns = spreadsheet or (separator == "\t" and all(len(row) > 1 for _, row in rows))
    weight_at = None
    if named is not None:
        weight_at = next((at for at, f in enumerate(first) if at != named and f.casefold() in WEIGHT_WORDS), None)
    if weight_at is None and width == 2 and gene_at == 0:
        some = named is not None and any(_is_number(_field(row, 1)) for _, row in body)
        # In a pasted list, pairs of numbers are genes (Entrez ids).
        most = _is_numeric(body, 1) and (by_columns or not _is_numeric(body, 0))
        weight_at = 1 if some or most else None
    if weight_at is None:
        if len(rows) < 2 or not by_columns:
            return None
        if named is None and width > 2 and _is_numeric(body, 0):
            raise InputError(
                f"{name} is a table of {width} columns and does not say which holds the genes.",
                "Keep the column of genes, or call it gene.",
            )
    found = [
        (number, _field(row, gene_at), "" if weight_at is None else _field(row, weight_at)) for number, row in body
    ]
    column = _field(first, gene_at) if header else ""
    return GeneRows([row for row in found if row[1] or row[2]], weight_at is not None, width, column)


def _gene_column(rows: list[_Row]) -> int | None:
    """Return the column whose header, in a first row that others follow, is a sure or else a likely word for genes."""
    first, rest = rows[0][1], rows[1:]
    for words in (_SURE, _LIKELY):
        for at, field in enumerate(first if rest else []):
            # An annotation with such a name ("CD3D, marker") is also in other rows.
            if _matches(field, words) and not (at and any(_field(row, at) == field for _, row in rest)):
                return at
    return None


def _matches(field: str, words: re.Pattern[str]) -> bool:
    return words.fullmatch(re.sub(r"[\s._-]+", "_", field.lower())) is not None


def is_gene_heading(field: str) -> bool:
    """Tell whether the header of a column is a sure word for genes."""
    return _matches(field, _SURE)


def _field(row: list[str], at: int) -> str:
    return row[at] if at < len(row) else ""


def _is_numeric(rows: list[_Row], at: int) -> bool:
    """Tell whether most rows have a number in a column."""
    return 2 * sum(_is_number(_field(row, at)) for _, row in rows) > len(rows)


def finite_number(text: str) -> float | None:
    """Return text as a finite number, also with a decimal comma; None if it is not one."""
    for written in (text, text.replace(",", ".", 1)):
        try:
            value = float(written)
        except ValueError:
            continue
        return value if math.isfinite(value) else None
    return None


def _is_number(field: str) -> bool:
    """Tell whether a field is a number or stands for a missing or infinite one (NA, nan, inf)."""
    return finite_number(field) is not None or field.casefold() in ("na", "nan", "inf", "-inf", "n/a")
