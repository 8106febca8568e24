"""Sets of genes from files: GMT with many of them, or a list or table of one, with weights or without.

The rules of `gene_file` say what the genes of a file are; here they get names and weights.

Nothing is dropped silently: what a reader leaves out, it says, with the number of the line.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from cellucid_core.errors import InputError
from cellucid_core.genes.gene_file import (
    file_bytes,
    file_text,
    finite_number,
    gmt_lines,
    is_gmt,
    plain_text,
    read_rows,
)
from cellucid_core.names import listed, unique


@dataclass(frozen=True)
class GeneSet:
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

    signatures: list[GeneSet]
    notes: list[str]


def read_gene_sets(source: bytes | str | Path, file_name: str | None = None) -> GeneSets:
    """Read sets of genes from a file, told by its name: ``.gmt``, or any other text of one set.

    Parameters
    ----------
    source
        The content, or a path.
    file_name
        What the user calls it; by default the path's name.

    Raises
    ------
    InputError
        It cannot be read, is no text, or holds no genes.
    """
    name = file_name or (source.name if isinstance(source, Path) else "signature.txt")
    if isinstance(source, Path):
        source = file_bytes(source)
    text = plain_text(source) if isinstance(source, str) else file_text(source, name)
    if not text.strip():
        raise InputError(f"{name} is empty.", "Give a GMT file, or a table of genes.")
    return read_gmt(text, name) if is_gmt(name) else read_gene_table(text, name)


def gene_set_argument(argument: str) -> tuple[str | GeneSet, list[str]]:
    """Read a command line's genes: pasted text, or ``@FILE``, whatever kind of file it is.

    Returns
    -------
    tuple
        The text, or the file's set of genes; and what there is to say about the file.

    Raises
    ------
    InputError
        If the file cannot be read, or holds several sets.
    """
    if not argument.startswith("@"):
        return argument, []
    path = Path(argument[1:])
    found = read_gene_sets(path)
    if len(found.signatures) > 1:
        names = listed([one.name for one in found.signatures])
        raise InputError(
            f"{path.name} holds {len(found.signatures):,} sets of genes ({names}).",
            "Name a file with one of them.",
        )
    return found.signatures[0], found.notes


def read_gmt(text: str, name: str = "The file") -> GeneSets:
    """Read a GMT file: one set per line, its name, a description and its genes, separated by tabs.

    Parameters
    ----------
    text
        The content.
    name
        What the file is called, for messages.

    Returns
    -------
    GeneSets
        A repeated name gets a number; empty lines and comments are skipped; a line without a name, tabs or genes is
        left out and said.

    Raises
    ------
    InputError
        No line holds a set.
    """
    signatures: list[GeneSet] = []
    bad: list[int] = []
    empty: list[str] = []
    for number, title, description, genes in gmt_lines(plain_text(text)):
        if not title:
            bad.append(number)
        elif genes:
            signatures.append(GeneSet(title, genes, None, description))
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


def _named_apart(signatures: list[GeneSet], notes: list[str]) -> tuple[list[GeneSet], list[str]]:
    """Give signatures that share a name a number each, and say so."""
    names = [one.name for one in signatures]
    repeated = [name for name, n in Counter(names).items() if n > 1]
    if not repeated:
        return signatures, notes
    notes = [*notes, f"{len(repeated):,} names occur more than once and got numbers: {listed(repeated)}."]
    apart = unique(names)
    return [
        one if one.name == name else GeneSet(name, one.genes, one.weights, one.description)
        for one, name in zip(signatures, apart, strict=True)
    ], notes


def read_gene_table(text: str, name: str = "signature") -> GeneSets:
    """Read one set: genes as they are pasted, or a table of genes, with weights or without.

    Parameters
    ----------
    text
        The content.
    name
        The file's name; without its ending it names the set.

    Returns
    -------
    GeneSets
        One set. Rows without a gene or a finite weight are left out and said; so are negative weights, and columns that
        were not read.

    Raises
    ------
    InputError
        No gene is in it, or it is a table that does not say where its genes are.
    """
    title = Path(name).stem or "signature"
    read = read_rows(plain_text(text), name)
    if not read.weighted:
        if not read.genes:
            raise InputError(f"{name} holds no genes.", "Give one gene per line, or a gene and its weight.")
        which = f"column {read.column!r}" if read.column else "first column"
        more = [f"The genes are those of the {which}; other columns were not read."] if read.width > 1 else []
        return GeneSets([GeneSet(title, tuple(read.genes))], more)
    kept: list[tuple[str, float]] = []
    unclear: list[str] = []
    for number, gene, written in read.rows:
        weight = finite_number(written)
        if gene and weight is not None:
            kept.append((gene, weight))
        else:
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
    return GeneSets([GeneSet(title, tuple(g for g, _ in kept), tuple(w for _, w in kept))], notes)


def _repeats(kept: list[tuple[str, float]]) -> bool:
    return len({gene for gene, _ in kept}) < len(kept)
