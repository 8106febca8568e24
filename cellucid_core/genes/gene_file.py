"""Gene lists in files, as spreadsheets and other programs write them: the first column counts."""

from __future__ import annotations

import csv
import re
from pathlib import Path

from cellucid_core.errors import InputError
from cellucid_core.genes.gene_list import parse_genes

#: Larger files are no gene lists.
MAX_BYTES = 20 * 2**20
#: What the head of a column of genes is called.
_HEAD = re.compile(r"((hgnc|ensembl)_)?(gene|symbol|name|id|feature|marker)s?(_(id|name|symbol)s?)?|ensembl")


def read_gene_file(path: str | Path) -> list[str]:
    """Read a gene list from a file.

    Raises
    ------
    InputError
        If it cannot be read or is no text.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(
            f"The gene list {path} cannot be read: {error.strerror}.", "Name a text file, one gene per line."
        ) from error
    return gene_file_genes(content, path.name)


def gene_file_genes(content: bytes, name: str) -> list[str]:
    r"""Return the genes in a file's content.

    Parameters
    ----------
    content
        Text in UTF-8, UTF-16 with a byte order mark, or Latin-1.
    name
        The file's name. Of a ``.csv`` or ``.tsv``, and of any text with tabs in every line, the first column counts,
        and a head such as "gene" is left out; a single row is taken as a list. Any other text is a pasted list.

    Raises
    ------
    InputError
        If it is no text, or too large for a gene list.

    Examples
    --------
    >>> gene_file_genes(b"gene;logFC\r\nCD3D;2.1\r\nLYZ;1.7\r\n", "markers.csv")
    ['CD3D', 'LYZ']
    """
    if len(content) > MAX_BYTES:
        raise InputError(f"{name} is too large for a gene list.", "Name a text file, one gene per line.")
    text = _decoded(content, name)
    lines = [line for line in text.splitlines() if line.strip()]
    suffix = Path(name).suffix.lower()
    if not lines:
        return []
    if suffix not in (".csv", ".tsv") and not all("\t" in line for line in lines):
        return _without_head(parse_genes(text))
    separator = (
        "\t" if suffix == ".tsv" or "\t" in lines[0] else ";" if lines[0].count(";") > lines[0].count(",") else ","
    )
    rows = [row for row in csv.reader(lines, delimiter=separator, skipinitialspace=True) if row]
    if len(rows) == 1:
        return [gene.strip() for gene in rows[0] if gene.strip()]
    return _without_head([row[0].strip() for row in rows if row[0].strip()])


def _decoded(content: bytes, name: str) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = ["utf-16"]
    elif b"\x00" in content:
        encodings = []
    else:
        encodings = ["utf-8-sig", "latin-1"]
    for encoding in encodings:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise InputError(f"{name} is no text.", "Save the list as text or CSV, one gene per line.")


def _without_head(genes: list[str]) -> list[str]:
    head = genes[0].lower().replace(" ", "_") if genes else ""
    return genes[1:] if _HEAD.fullmatch(head) and len(genes) > 1 else genes
