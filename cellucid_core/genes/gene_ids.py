"""A dataset's gene ids, prepared for looking up genes, and proposals for what a missing gene could be."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from cellucid_core.genes.gene_list import without_spaces
from cellucid_core.genes.known_names import known_names, spellings, squashed

_VERSION = re.compile(r"^(ENS[A-Z]*\d{6,})\.\d+(_PAR_Y)?$")


@dataclass(frozen=True)
class Proposal:
    """What a missing gene could be.

    Attributes
    ----------
    gene
        An id of the dataset.
    reason
        Why this gene may be meant, in words that follow the id.
    """

    gene: str
    reason: str


class GeneIds:
    """A dataset's gene ids, prepared for looking up genes.

    Parameters
    ----------
    gene_ids
        (n_genes,) ids.
    other_ids
        Other id columns, {name: (n_genes,)}; used for proposals only.

    Attributes
    ----------
    ids
        The ids as text, in order.
    place
        Id → its first position.
    """

    def __init__(self, gene_ids: np.ndarray, other_ids: Mapping[str, np.ndarray] | None = None) -> None:
        self.ids = [str(gene) for gene in gene_ids]
        self._other_ids = other_ids or {}
        self._proposed: dict[str, list[Proposal]] = {}
        self.place: dict[str, int] = {}
        for i, gene in enumerate(self.ids):
            self.place.setdefault(gene, i)

    @cached_property
    def repeated(self) -> frozenset[str]:
        """Ids that more than one gene has."""
        if len(self.place) == len(self.ids):
            return frozenset()
        return frozenset(gene for gene, n in Counter(self.ids).items() if n > 1)

    @cached_property
    def folded(self) -> _Index:
        """Case-folded ids → the ids."""
        return _Index(_each(str.casefold, self.place), self.place)

    @cached_property
    def _without_spaces(self) -> _Index:
        return _Index(_each(str.casefold, map(_spaceless, self.place)), self.place)

    @cached_property
    def _bare(self) -> _Index:
        """Ids without an Ensembl version → the ids."""
        return _Index([_VERSION.sub(r"\1", gene) if "." in gene else gene for gene in self.place], self.place)

    @cached_property
    def _others(self) -> dict[str, _Index]:
        """For each other id column: its ids → the dataset's ids of the genes that have them."""
        return {name: _Index([*map(str, column)], self.ids) for name, column in self._other_ids.items()}

    @cached_property
    def _squashed(self) -> _Index:
        return _Index(_each(squashed, self.place), self.place)

    def proposals(self, gene: str) -> list[Proposal]:
        """Return what a missing gene could be, best first, each id once; computed once per gene."""
        if gene not in self._proposed:
            found: dict[str, str] = {}
            for candidate, reason in self._candidates(gene):
                if candidate.strip() and candidate != gene:
                    found.setdefault(candidate, reason)
            self._proposed[gene] = [Proposal(*pair) for pair in found.items()]
        return self._proposed[gene]

    def _candidates(self, gene: str) -> Iterator[tuple[str, str]]:
        """Yield ids of the dataset and reasons, best first."""
        bare = _VERSION.sub(r"\1", gene)
        for found in self.folded.get(gene.casefold(), ()):
            yield found, "in another letter case"
        for found in self._without_spaces.get(without_spaces(gene).casefold(), ()):
            yield found, "with other spaces"
        for name in dict.fromkeys((gene, bare)):
            for column, ids in self._others.items():
                for found in ids.get(name, ()):
                    yield found, f"has this name in the column {column}"
        for found in self._bare.get(bare, ()):
            yield found, "the same Ensembl id, apart from the version"
        yield from self._by_known_names(gene, bare)
        for short in spellings(gene):
            for found in self._squashed.get(short, ()):
                yield found, "written with other dashes or letters"

    def _by_known_names(self, gene: str, bare: str) -> Iterator[tuple[str, str]]:
        known = known_names()
        symbol = known.symbol_of(bare)
        if symbol:
            yield from self._called(symbol, f"the symbol of {bare}", ids=False)
        for ensembl in known.ids_of(gene):
            for found in self._bare.get(ensembl, ()):
                yield found, f"the Ensembl id of {gene}"
        start = symbol or gene
        meant = {start: ""}
        for human, what in known.meant_by(start):
            meant.setdefault(human, f"{start} is {what} of {human}" if "protein" not in what else f"of {start}")
        for written in known.spelled_like(gene):
            if known.ids_of(written):
                meant.setdefault(written, f"another spelling of {gene}")
            for human, _ in known.meant_by(written):
                meant.setdefault(human, f"{written} is another name of {human}")
        for human, why in meant.items():
            if why:
                yield from self._called(human, why)
            for name in known.earlier_names(human):
                yield from self._called(name, f"an earlier or other name of {human}", ids=False)
        for symbol in meant:
            for other, species in ((known.to_mouse.get(symbol), "mouse"), (known.to_human.get(symbol), "human")):
                if other:
                    yield from self._called(other, f"the {species} ortholog of {symbol}")

    def _called(self, symbol: str, why: str, *, ids: bool = True) -> Iterator[tuple[str, str]]:
        """Yield the dataset's genes that have a symbol: as id, in another id column, or by its Ensembl id (`ids`)."""
        if symbol in self.place:
            yield symbol, why
        for column in self._others.values():
            for found in column.get(symbol, ()):
                yield found, why
        for ensembl in known_names().ids_of(symbol) if ids else ():
            for found in self._bare.get(ensembl, ()):
                yield found, why


class _Index:
    """A map from each key to the ids that have it, in order."""

    def __init__(self, keys: list[str], ids: Iterable[str]) -> None:
        values = list(ids)
        # Nearly all keys have one id; making a list for each would take most of the time.
        self._first = dict(zip(reversed(keys), reversed(values), strict=True))
        self._more: dict[str, list[str]] = {}
        if len(self._first) < len(keys):
            seen: set[str] = set()
            for key, value in zip(keys, values, strict=True):
                if key in seen:
                    self._more.setdefault(key, []).append(value)
                seen.add(key)

    def get(self, key: str, default: Sequence[str] = ()) -> Sequence[str]:
        """Return the ids of a key."""
        return [self._first[key], *self._more.get(key, ())] if key in self._first else default


def _each(change: Callable[[str], str], names: Iterable[str]) -> list[str]:
    """Return `change` of each name; unless one has line ends, all are changed as one text, in a tenth of the time."""
    every = list(names)
    changed = change("\n".join(every)).split("\n")
    return changed if len(changed) == len(every) else [change(name) for name in every]


def _spaceless(name: str) -> str:
    return name if name.isascii() and name.isprintable() and " " not in name else without_spaces(name)
