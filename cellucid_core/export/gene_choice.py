"""Which genes are exported: everything, the most variable, markers of groups, a list, or several of these together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from cellucid_core.errors import InputError
from cellucid_core.genes import parse_genes, read_gene_file

GeneKind = Literal["all", "hvg", "markers", "list", "none", "union"]
_KINDS = ("all", "hvg", "markers", "list", "none", "union")
_NEEDS_QUOTES = re.compile("[,;\\s\"'“”‘’„`\ufeff]|^[@#]|^hvg:|^markers:|^(all|none)$", re.IGNORECASE)


@dataclass(frozen=True)
class GeneChoice:
    """Which genes are exported.

    A gene that several parts of a union name is written once, at its first place. The parts are written in their order;
    within a part, ``all`` and ``hvg`` keep the dataset's order, ``list`` its own, and ``markers`` goes through the
    categories, best gene first.

    Attributes
    ----------
    kind
        ``"all"``, ``"hvg"`` (the most variable), ``"markers"`` (of each category of a column), ``"list"``, ``"none"``
        or ``"union"``.
    n
        For ``"hvg"`` the number of genes (those that vary as much as the last one are added); for ``"markers"`` the
        number of genes of each category.
    ids
        For ``"list"`` the ids, in the order of the export.
    column
        For ``"markers"`` the obs column.
    parts
        For ``"union"`` the choices that are put together; no part is a union itself.

    Raises
    ------
    InputError
        If `kind` is unknown, or what it needs is missing or wrong.
    """

    kind: GeneKind = "all"
    n: int = 0
    ids: tuple[str, ...] = ()
    column: str = ""
    parts: tuple[GeneChoice, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in _KINDS:
            raise InputError(
                f"There is no choice of genes {self.kind!r}.", "Use all, hvg, markers, list, none or union."
            )
        if self.kind in ("hvg", "markers") and (type(self.n) is not int or self.n < 1):
            what = "highly variable" if self.kind == "hvg" else "marker"
            raise InputError(f"{self.n} {what} genes cannot be taken.", "Ask for 1 or more.")
        if self.kind == "markers" and not self.column:
            raise InputError(
                "The choice of markers names no column.", "Name a column of the cell table, such as cell_type."
            )
        if self.kind == "list" and not self.ids:
            raise InputError("The list of genes is empty.", "Name at least one gene.")
        if self.kind == "union" and (len(self.parts) < 2 or any(part.kind == "union" for part in self.parts)):
            raise InputError("A union of genes needs two or more plain choices.", "Use GeneChoice.of.")

    @classmethod
    def of(cls, parts: Iterable[GeneChoice]) -> GeneChoice:
        """Put choices together: unions are flattened, ``none`` and repeats are dropped, one part stays itself."""
        plain = [piece for part in parts for piece in part.each if piece.kind != "none"]
        distinct = tuple(dict.fromkeys(plain))
        if not distinct:
            return cls("none")
        return distinct[0] if len(distinct) == 1 else cls("union", parts=distinct)

    @property
    def each(self) -> tuple[GeneChoice, ...]:
        """The plain choices that this one is made of, in order."""
        return self.parts or (self,)

    @property
    def named(self) -> frozenset[str] | None:
        """The ids, if the choice consists of lists only; else None, also for ``none``."""
        if any(part.kind not in ("list", "none") for part in self.each):
            return None
        return None if self.kind == "none" else frozenset(gene for part in self.each for gene in part.ids)

    @property
    def at_most(self) -> int | None:
        """The largest number of genes that this can be; None if it depends on the dataset.

        Genes that vary exactly as much as the last one of ``hvg`` are not counted (`most_variable`).
        """
        if any(part.kind in ("all", "markers") for part in self.each):
            return None
        return sum(part.n if part.kind == "hvg" else len(part.ids) for part in self.each)

    def to_words(self) -> tuple[str, ...]:
        """Return the words that make this choice, each the value of one ``--genes``."""
        return tuple(_word(part) for part in self.each)


def _word(part: GeneChoice) -> str:
    if part.kind == "hvg":
        return f"hvg:{part.n}"
    if part.kind == "markers":
        return f"markers:{part.column}:{part.n}"
    if part.kind == "list":
        return ",".join(quoted_gene(gene) for gene in part.ids)
    return part.kind


def quoted_gene(gene: str) -> str:
    """Return a gene, in quotes if needed, so that `parse_genes` reads it back as one gene."""
    if not _NEEDS_QUOTES.search(gene):
        return gene
    quote = next((pair for pair in ('""', "''", "“”", "``") if pair[0] not in gene and pair[1] not in gene), '""')
    return f"{quote[0]}{gene}{quote[1]}"


def parse_gene_choice(text: str | Sequence[str]) -> GeneChoice:
    """Read a choice of genes as the command line takes it.

    Parameters
    ----------
    text
        ``all``, ``none``, ``hvg:N``, ``markers:COLUMN:N``, ids separated by commas, or ``@FILE``
        (`cellucid_core.genes.read_gene_file`). Several of these are a union.

    Raises
    ------
    InputError
        If a word is none of these, or a file cannot be read.
    """
    words = [text] if isinstance(text, str) else list(text)
    return GeneChoice.of([_parse(word) for word in words])


def _parse(text: str) -> GeneChoice:
    word = text.strip()
    kind, _, rest = word.partition(":")
    if word.lower() in ("all", "none"):
        return GeneChoice("all" if word.lower() == "all" else "none")
    if kind.lower() == "hvg" and ":" in word:
        return GeneChoice("hvg", n=_number(rest, word, "hvg:2000"))
    if kind.lower() == "markers" and ":" in word:
        column, _, number = rest.rpartition(":")
        return GeneChoice("markers", n=_number(number, word, "markers:cell_type:20"), column=column)
    genes = read_gene_file(word[1:]) if word.startswith("@") else parse_genes(word)
    return GeneChoice("list", ids=tuple(genes))


def _number(text: str, word: str, example: str) -> int:
    text = text.strip()
    if not (text.isascii() and text.isdigit()):
        raise InputError(f"{word!r} does not say how many genes.", f"Write {example}, for instance.")
    return int(text)
