"""Tables of what genes are called: Ensembl ids, earlier and other names, human and mouse orthologs, proteins.

The tables are in ``tables/`` (its README says where they come from). Each is read when it is first needed; all of them
together take about a tenth of a second.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Sequence
from functools import cache, cached_property
from pathlib import Path

_TABLES = Path(__file__).parent / "tables"
_GREEK = {
    "α": ("alpha", "a"), "β": ("beta", "b"), "γ": ("gamma", "g"), "δ": ("delta", "d"), "ε": ("epsilon", "e"),
    "ζ": ("zeta", "z"), "η": ("eta", "h"), "θ": ("theta", "q"), "κ": ("kappa", "k"), "λ": ("lambda", "l"),
    "μ": ("mu", "m"), "σ": ("sigma", "s"), "τ": ("tau", "t"), "ω": ("omega", "w"),
}  # fmt: skip
_WORDS = str.maketrans({sign: word for sign, (word, _) in _GREEK.items()})
_LETTERS = str.maketrans({sign: letter for sign, (_, letter) in _GREEK.items()})
#: Only words of more than three letters: "beta" in BETA1 is the Greek letter, "eta" in THETA is not.
_SHORT = {word: letter for word, letter in _GREEK.values() if len(word) > 3}
_SPELLED = re.compile("|".join(sorted(_SHORT, key=len, reverse=True)))
#: Dashes of every kind, underscores and spaces: papers write IL-2, IL‑2 and IL 2.
_MARKS = "-‐‑‒–—−_ \u00a0\u2009\u202f"


def squashed(names: str) -> str:
    """Return a name, or several joined by line ends, case-folded and without dashes, underscores and spaces."""
    bare = names.casefold()
    for mark in _MARKS:  # for a long text several times as fast as `str.translate`
        bare = bare.replace(mark, "")
    return bare


def spellings(name: str) -> list[str]:
    """Return a squashed name with its Greek letters as Latin letters, as words, and its Greek words as Latin letters.

    Examples
    --------
    >>> spellings("IFN-γ")
    ['ifng', 'ifngamma']
    """
    bare = squashed(name).replace("ς", "σ")
    words = bare.translate(_WORDS)
    short = _SPELLED.sub(lambda word: _SHORT[word[0]], words)
    return list(dict.fromkeys((bare.translate(_LETTERS), words, short)))


class KnownNames:
    """The tables, each read on first use; `known_names` returns the only instance."""

    @cached_property
    def human(self) -> dict[str, str]:
        """Human Ensembl ids → symbols."""
        return _pairs("human.tsv.gz")

    @cached_property
    def mouse(self) -> dict[str, str]:
        """Mouse Ensembl ids → symbols."""
        return _pairs("mouse.tsv.gz")

    @cached_property
    def human_symbols(self) -> frozenset[str]:
        """All human symbols."""
        return frozenset(self.human.values())

    @cached_property
    def mouse_symbols(self) -> frozenset[str]:
        """All mouse symbols."""
        return frozenset(self.mouse.values())

    @cached_property
    def folded(self) -> frozenset[str]:
        """All human and mouse symbols, case-folded."""
        return frozenset("\n".join([*self.human_symbols, *self.mouse_symbols]).casefold().split("\n"))

    @cached_property
    def to_mouse(self) -> dict[str, str]:
        """Human symbols → mouse symbols, one to one."""
        return _pairs("orthologs.tsv.gz")

    @cached_property
    def to_human(self) -> dict[str, str]:
        """Mouse symbols → human symbols, one to one."""
        return {mouse: human for human, mouse in self.to_mouse.items()}

    @cached_property
    def _aliases(self) -> dict[str, str]:
        return _pairs("aliases.tsv.gz")

    @cached_property
    def _ids(self) -> dict[str, str]:
        return grouped([*self.human.values(), *self.mouse.values()], [*self.human, *self.mouse])

    @cached_property
    def _earlier(self) -> dict[str, str]:
        return _pairs("earlier.tsv.gz")

    @cached_property
    def _proteins(self) -> dict[str, list[str]]:
        lines = (_TABLES / "proteins.tsv").read_text(encoding="utf-8").split("\n")
        return {squashed(name): genes.split(",") for name, _, genes in (line.partition("\t") for line in lines) if name}

    @cached_property
    def _squashed(self) -> dict[str, str]:
        """Squashed names → the human symbols and aliases with this squashed form, other than those equal to it."""
        names = [*self.human_symbols, *self._aliases]
        bare = squashed("\n".join(names)).split("\n")
        written = [name for short, name in zip(bare, names, strict=True) if short != name]
        return grouped([short for short, name in zip(bare, names, strict=True) if short != name], written)

    def symbol_of(self, ensembl: str) -> str | None:
        """Return the symbol of a human or mouse Ensembl id without version."""
        return self.human.get(ensembl) or self.mouse.get(ensembl)

    def ids_of(self, symbol: str) -> list[str]:
        """Return the Ensembl ids of a human or mouse symbol."""
        return values_of(self._ids, symbol)

    def meant_by(self, name: str) -> list[tuple[str, str]]:
        """Return the human symbols that a name may mean, best first, and what the name is to each."""
        before, _, also = self._aliases.get(name, "").partition(";")
        found = [(symbol, "an earlier name") for symbol in before.split(",") if symbol]
        found += [(symbol, "another name") for symbol in also.split(",") if symbol]
        proteins = self._proteins.get(squashed(name), [])
        return found + [(symbol, "the protein's name") for symbol in proteins if symbol not in dict(found)]

    def spelled_like(self, name: str) -> list[str]:
        """Return human symbols, aliases and proteins that are spelled alike but for case, dashes and Greek letters."""
        found: dict[str, None] = {}
        for short in spellings(name):
            found.update(dict.fromkeys(values_of(self._squashed, short)))
            if short in self._proteins:
                found[short] = None
        found.pop(name, None)
        return list(found)

    def earlier_names(self, symbol: str) -> list[str]:
        """Return the earlier names of a human symbol, then its aliases."""
        return self._earlier[symbol].split("|") if symbol in self._earlier else []

    def is_gene(self, name: str) -> bool:
        """Tell whether a name is a human or mouse symbol, in any letter case, or an alias of a human gene."""
        return name.casefold() in self.folded or name in self._aliases


@cache
def known_names() -> KnownNames:
    """Return the tables; each is read only when it is needed."""
    return KnownNames()


def _pairs(file: str) -> dict[str, str]:
    text = gzip.decompress((_TABLES / file).read_bytes()).decode("utf-8")
    fields = text.rstrip("\n").replace("\t", "\n").split("\n")
    return dict(zip(fields[::2], fields[1::2], strict=True))


def grouped(keys: Sequence[str], values: Sequence[str]) -> dict[str, str]:
    """Return key → its values, joined by line ends, because making a hundred thousand lists takes ten times as long."""
    groups = dict(zip(reversed(keys), reversed(values), strict=True))  # the first of each
    if len(groups) < len(keys):
        later = [(key, value) for key, value in zip(keys, values, strict=True) if groups[key] is not value]
        for key, value in later:
            groups[key] += f"\n{value}"
    return groups


def values_of(groups: dict[str, str], key: str) -> list[str]:
    """Return the values of a key in a result of `grouped`."""
    return groups[key].split("\n") if key in groups else []
