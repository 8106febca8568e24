"""The genes of a signature: read them from text, find them in the dataset, propose what a missing one could be."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

_QUOTES = {'"': '"', "'": "'", "“": "”", "‘": "’", "„": "“", "`": "`"}
_SEPARATORS = ",;\t\r\n"
_VERSION = re.compile(r"^(ENS[A-Z]*\d{6,})\.\d+(_PAR_Y)?$")

#: A gene that a signed signature wants low counts against it (UCell's notation).
SIGNS = {"+": 1, "-": -1}


@dataclass(frozen=True, eq=False)
class GeneMatch:
    """A signature's genes as the dataset has them.

    Attributes
    ----------
    found
        Matched genes in the order asked for, each once (once per sign where signs are read).
    positions
        Their places among the dataset's genes, int64.
    weights
        How often each counts, float64.
    signs
        +1 or −1 each, int8; all +1 where signs are not read.
    missing
        Genes that the dataset does not have, in the order asked for, each once, as they were written.
    missing_weights, missing_signs
        The same for the missing ones.
    repeated
        Genes that were listed more than once, each once.
    proposals
        Missing gene → the dataset's gene that it could be.
    ambiguous
        Found genes whose id the dataset has more than once; the first of those was taken.
    """

    found: list[str]
    positions: np.ndarray
    weights: np.ndarray
    signs: np.ndarray
    missing: list[str]
    missing_weights: np.ndarray
    missing_signs: np.ndarray
    repeated: list[str]
    proposals: dict[str, str] = field(default_factory=dict)
    ambiguous: list[str] = field(default_factory=list)

    @property
    def n_asked(self) -> int:
        """How many different genes were asked for."""
        return len(self.found) + len(self.missing)


def parse_genes(text: str) -> list[str]:
    r"""Read a pasted gene list.

    Commas, semicolons, tabs and line ends (LF, CR LF, CR) separate genes; spaces and quotes around a gene go; a quoted
    gene keeps the separators inside its quotes. Order and repeats are kept.

    Examples
    --------
    >>> parse_genes('CD3E, CD4;"a,b"\r\nMS4A1\tCD4')
    ['CD3E', 'CD4', 'a,b', 'MS4A1', 'CD4']
    """
    genes: list[str] = []
    at = 0
    text = text.replace("\ufeff", "").replace("\u2028", "\n").replace("\u2029", "\n")
    while at < len(text):
        if text[at] in _SEPARATORS or text[at].isspace():
            at += 1
            continue
        end = _quoted_end(text, at)
        if end is None:
            end = at
            while end < len(text) and text[end] not in _SEPARATORS:
                end += 1
        genes.append(_bare(text[at:end]))
        at = end
    return [gene for gene in genes if gene]


def _quoted_end(text: str, at: int) -> int | None:
    """Return where a gene that opens with a quote ends, or None if no quote closes it before a separator."""
    closing = _QUOTES.get(text[at])
    if closing is None:
        return None
    line_end = min((i for i in (text.find("\n", at), text.find("\r", at)) if i >= 0), default=len(text))
    close = text.find(closing, at + 1, line_end)
    while close >= 0:
        after = close + 1
        while after < len(text) and text[after].isspace() and text[after] not in _SEPARATORS:
            after += 1
        if after == len(text) or text[after] in _SEPARATORS:
            return close + 1
        close = text.find(closing, close + 1, line_end)
    return None


def _bare(gene: str) -> str:
    """Take spaces and quotes off both ends; a lone prime at the end belongs to the name."""
    gene = gene.strip()
    while len(gene) > 1 and _QUOTES.get(gene[0]) == gene[-1]:
        gene = gene[1:-1].strip()
    return gene.strip('"').strip()


def match_genes(
    requested: Sequence[str],
    gene_ids: np.ndarray,
    *,
    repeats: Literal["once", "count"] = "once",
    other_ids: Mapping[str, np.ndarray] | None = None,
    signed: bool = False,
) -> GeneMatch:
    """Find genes in a dataset, exactly and by letter case; nothing is replaced silently.

    Parameters
    ----------
    requested
        Genes in order, as from `parse_genes`.
    gene_ids
        The dataset's gene ids, (n_genes,).
    repeats
        Whether a gene that is listed more than once counts once or as often as it is listed.
    other_ids
        Other id columns of the dataset, {name: (n_genes,)}; used for proposals only.
    signed
        Read a ``+`` or ``-`` at a gene's end as its sign (as pyucell does), not as part of its name.

    Returns
    -------
    GeneMatch
        What was found, what was not, and what a missing gene could be.
    """
    ids = [str(gene) for gene in gene_ids]
    place: dict[str, int] = {}
    for i, gene in enumerate(ids):
        place.setdefault(gene, i)
    asked = [(_split_sign(gene) if signed else (gene, 1)) for gene in map(str, requested)]
    counts = Counter(asked)
    written = dict(zip(reversed(asked), reversed([str(g) for g in requested]), strict=True))
    found = [key for key in counts if key[0] in place]
    missing = [key for key in counts if key[0] not in place]

    def weights(keys: list[tuple[str, int]]) -> np.ndarray:
        return np.array([counts[key] if repeats == "count" else 1 for key in keys], dtype=np.float64)

    wanted = {gene for gene, _ in found}
    several = {gene for gene, n in Counter(g for g in ids if g in wanted).items() if n > 1}
    return GeneMatch(
        found=[gene for gene, _ in found],
        positions=np.array([place[gene] for gene, _ in found], dtype=np.int64),
        weights=weights(found),
        signs=np.array([sign for _, sign in found], dtype=np.int8),
        missing=list(dict.fromkeys(written[key] for key in missing)),
        missing_weights=weights(missing),
        missing_signs=np.array([sign for _, sign in missing], dtype=np.int8),
        repeated=list(dict.fromkeys(gene for (gene, _), n in counts.items() if n > 1)),
        proposals=_proposals([(written[key], key[0]) for key in missing], ids, other_ids or {}),
        ambiguous=[gene for gene in dict.fromkeys(g for g, _ in found) if gene in several],
    )


def _split_sign(gene: str) -> tuple[str, int]:
    """Split ``CD19-`` into ``CD19`` and −1; without a sign it is +1."""
    gene = gene.strip()
    return (gene[:-1], SIGNS[gene[-1]]) if gene[-1:] in SIGNS else (gene, 1)


def _proposals(missing: list[tuple[str, str]], ids: list[str], other_ids: Mapping[str, np.ndarray]) -> dict[str, str]:
    """Say what each missing gene could be: other letter case, other id column, Ensembl id without its version."""
    if not missing:
        return {}
    folded: dict[str, str] = {}
    bare: dict[str, str] = {}
    for gene in ids:
        folded.setdefault(gene.casefold(), gene)
        bare.setdefault(_VERSION.sub(r"\1", gene), gene)
    others: list[dict[str, str]] = []
    for column in other_ids.values():
        names: dict[str, str] = {}
        for other, gene in zip(column, ids, strict=True):
            names.setdefault(str(other), gene)
        others.append(names)
    proposals: dict[str, str] = {}
    for written, gene in missing:
        unversioned = _VERSION.sub(r"\1", gene)
        candidates = [
            folded.get(gene.casefold()),
            *(names.get(gene) for names in others),
            bare.get(unversioned),
            *(names.get(unversioned) for names in others),
        ]
        best = next((c for c in candidates if c is not None), None)
        if best is not None:
            # The proposal takes the written gene's place in the list, so it keeps a written sign.
            proposals[written] = best + (written.strip()[-1] if written.strip() != gene else "")
    return proposals
