"""Signatures from files: GMT with many of them, or a table of one with weights.

Nothing is dropped silently: what a reader leaves out, it says, with the number of the line.
"""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from cellucid_core.errors import InputError
from cellucid_core.genes import parse_genes
from cellucid_core.names import listed, unique

_GENE_WORDS = frozenset(
    """
    gene genes symbol symbols gene_symbol gene_symbols gene_name gene_names gene_id gene_ids geneid
    genesymbol genename ensembl ensembl_id ensembl_gene_id feature feature_name name names id marker
    markers
    """.split()  # noqa: SIM905
)
_WEIGHT_WORDS = frozenset(
    """
    weight weights score scores coefficient coefficients coef loading loadings value importance logfc
    log2fc avg_log2fc logfoldchange logfoldchanges log2foldchange lfc beta
    """.split()  # noqa: SIM905
)


@dataclass(frozen=True)
class Signature:
    """A named list of genes.

    Attributes
    ----------
    name
        What it is called.
    genes
        As listed, repeats kept.
    weights
        One per gene, finite; None where each counts once.
    description
        What a file says about it.
    """

    name: str
    genes: tuple[str, ...]
    weights: tuple[float, ...] | None = None
    description: str = ""


@dataclass(frozen=True)
class GeneSets:
    """What a file holds.

    Attributes
    ----------
    signatures
        In the file's order, each with a name of its own.
    notes
        What was left out or changed, one sentence each.
    """

    signatures: list[Signature]
    notes: list[str]


def read_gene_sets(source: bytes | str | Path, file_name: str | None = None) -> GeneSets:
    """Read signatures from a file, told by its name: ``.gmt``, or a ``.csv``, ``.tsv`` or ``.txt`` of one signature.

    Parameters
    ----------
    source
        The content, or a path.
    file_name
        What the user calls it; by default the path's name.

    Raises
    ------
    InputError
        It cannot be read, is no text, or holds no signature.
    """
    name = file_name or (source.name if isinstance(source, Path) else "signature.txt")
    if isinstance(source, Path):
        try:
            source = source.read_bytes()
        except OSError as error:
            raise InputError(f"{name} cannot be read ({error.strerror}).", "Name a text file.") from error
    text = source if isinstance(source, str) else _decoded(source, name)
    text = text.removeprefix("\ufeff")
    if not text.strip():
        raise InputError(f"{name} is empty.", "Give a GMT file, or a table of genes.")
    if name.lower().endswith(".gmt"):
        return read_gmt(text, name)
    return read_gene_table(text, name)


def _decoded(content: bytes, name: str) -> str:
    """Return a file's text: UTF-8, or UTF-16 as Excel writes it."""
    try:
        return content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{name} is no UTF-8 text.", "Save it as a text file in UTF-8.") from None


def read_gmt(text: str, name: str = "The file") -> GeneSets:
    """Read a GMT file: one signature per line, its name, a description and its genes, separated by tabs.

    Parameters
    ----------
    text
        The content.
    name
        What the file is called, for messages.

    Returns
    -------
    GeneSets
        A repeated name gets a number; empty lines are skipped; a line without a name, tabs or genes is left out and
        said.

    Raises
    ------
    InputError
        No line holds a signature.
    """
    signatures: list[Signature] = []
    bad: list[int] = []
    empty: list[str] = []
    for number, line in enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), start=1):
        if not line.strip():
            continue
        fields = line.split("\t")
        title = fields[0].strip().strip('"')
        if len(fields) < 2 or not title:
            bad.append(number)
            continue
        genes = tuple(gene for gene in (field.strip().strip('"').strip() for field in fields[2:]) if gene)
        if genes:
            signatures.append(Signature(title, genes, None, fields[1].strip()))
        else:
            empty.append(title)
    if not signatures:
        raise InputError(
            f"{name} holds no signature.",
            "In a GMT file each line is a name, a description and genes, separated by tabs.",
        )
    notes = []
    if bad:
        lines = "Line" if len(bad) == 1 else "Lines"
        notes.append(f"{lines} {listed(bad)} left out: not a name, a description and genes separated by tabs.")
    if empty:
        notes.append(f"{len(empty):,} without genes left out: {listed(empty)}.")
    return GeneSets(*_named_apart(signatures, notes))


def _named_apart(signatures: list[Signature], notes: list[str]) -> tuple[list[Signature], list[str]]:
    """Give signatures that share a name a number each, and say so."""
    names = [one.name for one in signatures]
    repeated = [name for name, n in Counter(names).items() if n > 1]
    if not repeated:
        return signatures, notes
    notes = [*notes, f"{len(repeated):,} names stand more than once and got numbers: {listed(repeated)}."]
    apart = unique(names)
    return [
        one if one.name == name else Signature(name, one.genes, one.weights, one.description)
        for one, name in zip(signatures, apart, strict=True)
    ], notes


def read_gene_table(text: str, name: str = "signature") -> GeneSets:
    """Read one signature: genes as they are pasted, or a table whose columns are gene and weight.

    Parameters
    ----------
    text
        The content. Tabs, semicolons or commas separate columns. The first row is a header if it says so
        (``gene``, ``weight``, …) or if it is the only one whose weight is no number. Of a wider table the columns
        named gene and weight are taken.
    name
        The file's name; without its ending it names the signature.

    Returns
    -------
    GeneSets
        One signature. Rows without a gene or a finite weight are left out and said; so are negative weights.

    Raises
    ------
    InputError
        No gene is in it, or it is a wider table without such columns.
    """
    title = Path(name).stem or "signature"
    rows = _rows(text)
    width = max((len(row) for _, row in rows), default=0)
    columns = _columns(rows, width, name)
    if columns is None:
        genes = parse_genes(text)
        if genes and genes[0].casefold() in _GENE_WORDS and width == 1:
            genes = genes[1:]
        if not genes:
            raise InputError(f"{name} holds no genes.", "Give one gene per line, or a gene and its weight.")
        return GeneSets([Signature(title, tuple(genes))], [])
    gene_at, weight_at, header = columns
    kept: list[tuple[str, float]] = []
    unclear: list[str] = []
    for number, row in rows[1:] if header else rows:
        gene = row[gene_at].strip() if gene_at < len(row) else ""
        written = row[weight_at].strip() if weight_at < len(row) else ""
        weight = _number(written)
        if gene and weight is not None:
            kept.append((gene, weight))
        elif gene or written:
            unclear.append(f"{number} ({gene or 'no gene'}, {written or 'no weight'})")
    if not kept:
        raise InputError(f"{name} has no gene with a finite weight.", "Give a gene and a number per line.")
    notes = []
    if unclear:
        rows_are = "Row" if len(unclear) == 1 else "Rows"
        notes.append(f"{rows_are} {listed(unclear)} left out: no gene, or no finite weight.")
    negative = [gene for gene, weight in kept if weight < 0]
    if negative:
        have = "has a negative weight" if len(negative) == 1 else "have negative weights"
        notes.append(f"{len(negative):,} genes {have}: {listed(negative)}." if len(negative) > 1 else
                     f"{negative[0]} {have}.")  # fmt: skip
    apart = {gene for gene, _ in kept if len({w for g, w in kept if g == gene}) > 1} if _repeats(kept) else set()
    if apart:
        notes.append(f"{listed(sorted(apart))}: listed with different weights, of which the first counts.")
    return GeneSets([Signature(title, tuple(g for g, _ in kept), tuple(w for _, w in kept))], notes)


def _repeats(kept: list[tuple[str, float]]) -> bool:
    return len({gene for gene, _ in kept}) < len(kept)


def _rows(text: str) -> list[tuple[int, list[str]]]:
    """Split text into numbered rows of fields by the separator that its first rows have, blank rows left out."""
    lines = [line for line in text.splitlines() if line.strip()][:50]
    separator = max("\t;,", key=lambda s: (sum(s in line for line in lines), s == "\t"))
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
        return [(reader.line_num, row) for row in reader if any(field.strip() for field in row)]
    except csv.Error:  # a quote without end, or a field of more than 128 kB
        return [
            (i, line.split(separator)) for i, line in enumerate(text.splitlines(), start=1) if line.strip(separator)
        ]


def _columns(rows: list[tuple[int, list[str]]], width: int, name: str) -> tuple[int, int, bool] | None:
    """Return the columns of gene and weight and whether there is a header; None for a plain list of genes."""
    first = [field.strip().casefold() for field in rows[0][1]] if rows else []
    gene_at = next((i for i, word in enumerate(first) if word in _GENE_WORDS), None)
    weight_at = next((i for i, word in enumerate(first) if word in _WEIGHT_WORDS), None)
    if width == 2 and len(rows[0][1]) == 2:
        numbers = sum(_is_number(row[1]) for _, row in rows[1:] if len(row) > 1)
        if (gene_at, weight_at) == (0, 1) or (gene_at == 0 and numbers):
            return 0, 1, True
        if (gene_at, weight_at) == (1, 0):
            return 1, 0, True
        if _is_number(rows[0][1][1]):
            return 0, 1, False
        # A header in other words: the only row whose weight is no number.
        return (0, 1, True) if numbers and numbers * 2 > len(rows) - 1 else None
    if width > 2 and gene_at is not None and weight_at is not None:
        return gene_at, weight_at, True
    if width > 2 and (gene_at is not None or sum(_is_number(f) for _, row in rows for f in row) > len(rows) / 2):
        raise InputError(
            f"{name} is a table of {width} columns and does not say which holds the genes and which the weights.",
            "Keep two columns, gene and weight, or call two of them so.",
        )
    return None


def _number(text: str) -> float | None:
    """Read a finite number; a decimal comma is understood."""
    for written in (text, text.replace(",", ".", 1)):
        try:
            value = float(written)
        except ValueError:
            continue
        return value if math.isfinite(value) else None
    return None


def _is_number(text: str) -> bool:
    """Tell whether a field is a number, missing ones (NA, nan) included."""
    word = text.strip()
    return _number(word) is not None or word.casefold() in ("na", "nan", "inf", "-inf", "n/a")
