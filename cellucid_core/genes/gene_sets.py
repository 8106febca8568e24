"""Sets of genes from files: files of many sets (GMT and others), or a list or table of one, with weights or without.

The rules of `gene_file` say what the genes of a file are; here they get names and weights.

Notes say what was left out: sets without genes, and lines, rows, columns or entries that hold no set, gene or weight.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from cellucid_core.errors import InputError
from cellucid_core.genes.gene_file import (
    MAX_BYTES,
    file_bytes,
    file_text,
    finite_number,
    gmt_lines,
    is_gmt,
    plain_text,
    read_rows,
)
from cellucid_core.genes.set_files import RawSets, gmx_sets, grp_sets, json_sets, sets_of_rows, table_sets
from cellucid_core.names import listed, unique
from cellucid_core.spreadsheet import is_workbook, workbook_rows


@dataclass(frozen=True)
class GeneSet:
    """A named list of genes.

    Attributes
    ----------
    name
        What it is called.
    genes
        The genes as listed, repeats kept.
    weights
        One per gene, finite; None where each counts once.
    description
        What a file says about the set.
    halves
        The names of the two sets, up and down, that make up this one, with weights +1 and −1; None where it is one set.
    """

    name: str
    genes: tuple[str, ...]
    weights: tuple[float, ...] | None = None
    description: str = ""
    halves: tuple[str, str] | None = None

    def apart(self) -> list[GeneSet]:
        """Return the two sets that make up this one, or the set itself where it is one."""
        if self.halves is None or self.weights is None:
            return [self]
        signs = ((self.halves[0], 1), (self.halves[1], -1))
        pairs = list(zip(self.genes, self.weights, strict=True))
        return [
            GeneSet(name, tuple(gene for gene, weight in pairs if weight * sign > 0), None, self.description)
            for name, sign in signs
        ]


@dataclass(frozen=True)
class GeneSets:
    """What a file holds.

    Attributes
    ----------
    signatures
        The sets in the file's order, each with a name of its own.
    notes
        What was left out or changed, one sentence each.
    """

    signatures: list[GeneSet]
    notes: list[str]

    def apart(self, *names: str) -> GeneSets:
        """Return the same with signed pairs as two sets each: the pairs with these names, or all."""
        wanted = [one.apart() if not names or one.name in names else [one] for one in self.signatures]
        return GeneSets([part for parts in wanted for part in parts], self.notes)

    def named(self, name: str) -> GeneSet:
        """Return the set with a name; half of a signed pair is found by its own name.

        Raises
        ------
        InputError
            There is no set with this name.
        """
        for one in (*self.signatures, *self.apart().signatures):
            if one.name == name:
                return one
        raise InputError(
            f"There is no gene set {name!r} in the file.",
            f"It has: {listed([one.name for one in self.signatures], 10)}.",
        )


def read_gene_sets(source: bytes | str | Path, file_name: str | None = None, *, pairs: bool = True) -> GeneSets:
    """Read sets of genes from a file: GMT, GMX, GRP, JSON, a long or wide table, a workbook, or a list of one set.

    Parameters
    ----------
    source
        The content, or a path.
    file_name
        The file's name, by default that of the path. GMT, GMX, GRP and JSON are told by its ending.
    pairs
        Whether ``NAME_UP`` and ``NAME_DN`` become one signed set, +1 and −1.

    Raises
    ------
    InputError
        The file cannot be read, is larger than `MAX_BYTES`, is not text or a workbook, holds no genes, or is a table
        that does not say where its genes are.
    """
    name = file_name or (source.name if isinstance(source, Path) else "signature.txt")
    if isinstance(source, Path):
        source = file_bytes(source)
    if isinstance(source, bytes) and len(source) <= MAX_BYTES and is_workbook(source):
        sets = _workbook(source, name)
    else:
        text = plain_text(source) if isinstance(source, str) else file_text(source, name)
        if not text.strip():
            raise InputError(f"{name} is empty.", "Give a GMT file, or a table of genes.")
        sets = _text_sets(text, name)
    return _paired(sets) if pairs else sets


def read_gene_file(path: str | Path) -> list[str]:
    """Read the genes of a file, in order, repeats kept; from a file of sets the genes of all sets.

    Raises
    ------
    InputError
        The file cannot be read, or as `gene_file_genes`.
    """
    path = Path(path)
    return gene_file_genes(file_bytes(path), path.name)


def gene_file_genes(content: bytes, name: str) -> list[str]:
    r"""Return the genes in a file's content, in order, repeats kept; from a file of sets the genes of all sets.

    Parameters
    ----------
    content
        The file's bytes.
    name
        The file's name; its ending counts (see `gene_file`).

    Raises
    ------
    InputError
        The content is larger than `MAX_BYTES`, is not text or a workbook, is a file of sets without genes, or is a
        table that does not say where its genes are.

    Examples
    --------
    >>> gene_file_genes(b"gene;logFC\r\nCD3D;2.1\r\nLYZ;1.7\r\n", "markers.csv")
    ['CD3D', 'LYZ']
    """
    if len(content) <= MAX_BYTES and is_workbook(content):
        sets = _workbook(content, name)
    else:
        text = file_text(content, name)
        if is_gmt(name):
            return [gene for _, _, _, genes in gmt_lines(text) for gene in genes]
        others = _other_sets(text, name)
        if others is None:
            return read_rows(text, name).genes
        sets = others
    return [gene for one in sets.signatures for gene in one.genes]


def _text_sets(text: str, name: str) -> GeneSets:
    if is_gmt(name):
        return read_gmt(text, name)
    return _other_sets(text, name) or read_gene_table(text, name)


def _other_sets(text: str, name: str) -> GeneSets | None:
    """Read a file of sets other than GMT; None for a list or a table of one set."""
    suffix = Path(name).suffix.lower()
    if suffix == ".json":
        return _made(json_sets(text, name), name)
    if suffix == ".gmx":
        return _made(gmx_sets(text), name)
    if suffix == ".grp":
        return _made((grp_sets(text, name), []), name)
    found = table_sets(text)
    return None if found is None else _made(found, name)


def _workbook(content: bytes, name: str) -> GeneSets:
    """Read all sheets; a sheet that is not a table of sets is one set, named by the sheet if there are several."""
    signatures: list[GeneSet] = []
    notes: list[str] = []
    sheets = workbook_rows(content, name)
    for title, rows in sheets.items():
        found = sets_of_rows(rows)
        if found is not None:
            read = _made(found, name)
        else:
            stream = io.StringIO()
            csv.writer(stream).writerows(rows)
            read = read_gene_table(stream.getvalue(), f"{title if len(sheets) > 1 else Path(name).stem}.csv")
        signatures += read.signatures
        notes += read.notes
    if not signatures:
        raise InputError(f"{name} is empty.", "Give a table of genes.")
    return GeneSets(*_named_apart(signatures, notes))


def _made(read: RawSets, name: str) -> GeneSets:
    """Make sets of what was read; a note names empty sets, which are left out."""
    found, notes = read
    empty = [title for title, genes, _, _ in found if not genes]
    signatures = [
        GeneSet(title, tuple(genes), None if weights is None else tuple(weights), description)
        for title, genes, weights, description in found
        if genes
    ]
    if not signatures:
        raise InputError(f"{name} holds no genes.", "Give one gene per line, or a set and a gene per row.")
    if empty:
        notes = [
            *notes,
            f"{len(empty):,} {'set' if len(empty) == 1 else 'sets'} without genes left out: {listed(empty)}.",
        ]
    return GeneSets(*_named_apart(signatures, notes))


_UP_OR_DOWN = re.compile(r"^(.+?)(?:[ _.-]+(up|dn|down)|[ _]*\((up|dn|down)\))$", re.IGNORECASE)


def _paired(sets: GeneSets) -> GeneSets:
    """Join ``NAME_UP`` and ``NAME_DN`` (``_DOWN``, ``-up``, `` (up)``) into a signed set without their common genes."""
    halves: dict[str, dict[bool, GeneSet]] = {}
    stems: dict[str, str] = {}
    for one in sets.signatures:
        match = _UP_OR_DOWN.match(one.name)
        if match and one.weights is None:
            stems[one.name] = match[1]
            halves.setdefault(match[1], {})[(match[2] or match[3]).lower() == "up"] = one
    taken = {one.name for one in sets.signatures}
    pairs = {stem: both for stem, both in halves.items() if len(both) == 2 and stem not in taken}
    signatures: dict[str, GeneSet] = {}
    both_ways: list[str] = []
    for one in sets.signatures:
        stem = stems.get(one.name, "")
        up, down = (pairs[stem][True], pairs[stem][False]) if stem in pairs else (one, one)
        if (one is not up and one is not down) or up is down:  # a third spelling of the same pair stays
            signatures[one.name] = one
        elif stem not in signatures:
            shared = set(up.genes) & set(down.genes)
            both_ways += sorted(shared)
            ups, downs = ([gene for gene in half.genes if gene not in shared] for half in (up, down))
            weights = (1.0,) * len(ups) + (-1.0,) * len(downs)
            if ups and downs:
                signatures[stem] = GeneSet(
                    stem, (*ups, *downs), weights, up.description or down.description, (up.name, down.name)
                )
            else:
                signatures |= {half.name: half for half in (up, down)}
    notes = list(sets.notes)
    if pairs:
        many = "pair of sets was" if len(pairs) == 1 else "pairs of sets were"
        notes.append(f"{len(pairs):,} {many} read as one signed set, up +1 and down −1: {listed(list(pairs))}.")
    if both_ways:
        notes.append(f"Left out because both up and down list them: {listed(both_ways)}.")
    return GeneSets(list(signatures.values()), notes)


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
        A repeated name gets a number; empty lines and comments are skipped; notes name lines without a name, tabs or
        genes, which are left out.

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
        notes.append(f"{len(empty):,} {'set' if len(empty) == 1 else 'sets'} without genes left out: {listed(empty)}.")
    return GeneSets(*_named_apart(signatures, notes))


def _named_apart(signatures: list[GeneSet], notes: list[str]) -> tuple[list[GeneSet], list[str]]:
    """Number the later ones of signatures that share a name, and add a note."""
    names = [one.name for one in signatures]
    repeated = [name for name, n in Counter(names).items() if n > 1]
    if not repeated:
        return signatures, notes
    notes = [*notes, f"{len(repeated):,} names occur more than once and got numbers: {listed(repeated)}."]
    apart = unique(names)
    return [
        one if one.name == name else replace(one, name=name) for one, name in zip(signatures, apart, strict=True)
    ], notes


def read_gene_table(text: str, name: str = "signature") -> GeneSets:
    """Read one set: a list as it is pasted, or a table of genes, with weights or without.

    Parameters
    ----------
    text
        The content.
    name
        The file's name; without its ending it names the set.

    Returns
    -------
    GeneSets
        One set. Rows without a gene or a finite weight are left out; notes name these, genes with negative or several
        different weights, and say so if columns were not read.

    Raises
    ------
    InputError
        It holds no gene, or it is a table that does not say where its genes are.
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
