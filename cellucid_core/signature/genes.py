"""The genes of a signature: find them in the dataset, propose what a missing one could be."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

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
