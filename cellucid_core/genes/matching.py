"""Find the genes of a signature in a dataset, and propose what a missing gene could be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from cellucid_core.genes.gene_ids import GeneIds, Proposal

#: UCell's notation at a gene's end → its sign; −1 for a gene that counts against the signature.
SIGNS = {"+": 1, "-": -1}


@dataclass(frozen=True, eq=False)
class GeneMatch:
    """A signature's genes as the dataset has them.

    Attributes
    ----------
    found
        Found genes in the order asked for, each once (once per sign where there are signs).
    positions
        (found,) int64: their places among the dataset's genes.
    weights
        (found,) float64: what each counts in a mean or a sum: how often it was listed, or the weight that was given.
    signs
        (found,) int8: +1 or −1; all +1 where there are no signs.
    missing
        Genes that the dataset does not have, in the order asked for, each once, as they were written.
    missing_weights, missing_signs
        Weights and signs of the missing genes, once per sign.
    repeated
        Genes that were listed more than once, each once.
    proposals
        Missing gene → the dataset's genes that it could be, best first, each with the reason.
    ambiguous
        Found genes whose id the dataset has more than once; the first of those was taken.
    weighted
        Whether weights were given, so that `weights` are not counts.
    replaced
        Gene as asked for → the dataset's gene that was accepted for it.
    notes
        How a pasted list was read, where that is not obvious, one sentence each.
    """

    found: list[str]
    positions: np.ndarray
    weights: np.ndarray
    signs: np.ndarray
    missing: list[str]
    missing_weights: np.ndarray
    missing_signs: np.ndarray
    repeated: list[str]
    proposals: dict[str, list[Proposal]] = field(default_factory=dict)
    ambiguous: list[str] = field(default_factory=list)
    weighted: bool = False
    replaced: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def only_proposals(self) -> dict[str, str]:
        """Missing gene → its proposal, where there is exactly one."""
        return {gene: some[0].gene for gene, some in self.proposals.items() if len(some) == 1}

    def unweighted(self) -> GeneMatch:
        """Return the same genes without given weights, each counting once; counts of repeats stay as they are."""
        if not self.weighted:
            return self
        ones, missing = np.ones(len(self.found)), np.ones(len(self.missing))
        return replace(self, weights=ones, missing_weights=missing, weighted=False)

    @property
    def signed(self) -> bool:
        """Whether a found gene counts against the signature."""
        return bool((self.signs < 0).any())

    def half(self, sign: int) -> GeneMatch:
        """Return the match with only the found genes of one sign, whose sign becomes +1; the missing ones stay."""
        mine = self.signs == sign
        return replace(
            self,
            found=[gene for gene, kept in zip(self.found, mine, strict=True) if kept],
            positions=self.positions[mine],
            weights=self.weights[mine],
            signs=np.ones(int(mine.sum()), dtype=np.int8),
        )

    @property
    def n_asked(self) -> int:
        """How many different genes were asked for; a found gene with both signs counts twice."""
        return len(self.found) + len(self.missing)


def match_genes(
    requested: Sequence[str],
    gene_ids: np.ndarray | GeneIds,
    *,
    repeats: Literal["once", "count"] = "once",
    other_ids: Mapping[str, np.ndarray] | None = None,
    signed: bool = False,
    gene_weights: Sequence[float] | None = None,
    gene_signs: Sequence[int] | None = None,
    replaced: Mapping[str, str] | None = None,
    propose: bool = True,
) -> GeneMatch:
    """Find genes in a dataset by their exact ids; nothing is replaced silently.

    Parameters
    ----------
    requested
        Genes in order, as from `parse_genes`.
    gene_ids
        (n_genes,) the dataset's gene ids; or these prepared, with the other id columns.
    repeats
        Whether a gene that is listed more than once counts once or as often as it is listed.
    other_ids
        Other id columns of the dataset, {name: (n_genes,)}; used for proposals only.
    signed
        Whether ``+`` or ``-`` at a gene's end is its sign (as in pyucell) rather than part of its name.
    gene_weights
        One weight for each of `requested`. For a gene that is listed more than once the first weight counts, or with
        ``repeats="count"`` the sum.
    gene_signs
        +1 or −1 for each of `requested`; `signed` is then ignored.
    replaced
        Gene as asked for → the dataset's gene that the user accepted for it; only a missing gene is replaced.
    propose
        Whether to look for proposals for missing genes.
    """
    known = gene_ids if isinstance(gene_ids, GeneIds) else GeneIds(gene_ids, other_ids)
    place = known.place
    asked = [(_split_sign(gene) if signed else (gene, 1)) for gene in map(str, requested)]
    if gene_signs is not None:
        asked = [(gene.strip(), sign) for gene, sign in zip(map(str, requested), gene_signs, strict=True)]
    taken: dict[str, str] = {}
    for at, (gene, sign) in enumerate(asked if replaced else []):
        new = (replaced or {}).get(str(requested[at]), (replaced or {}).get(gene))
        if gene not in place and new in place:
            taken[gene], asked[at] = str(new), (str(new), sign)
    counts = Counter(asked)
    written = dict(zip(reversed(asked), reversed([str(g) for g in requested]), strict=True))
    given = None if gene_weights is None else _added_up(asked, gene_weights, repeats)
    found = [key for key in counts if key[0] in place]
    missing = [key for key in counts if key[0] not in place]

    def weights(keys: list[tuple[str, int]]) -> np.ndarray:
        if given is not None:
            return np.array([given[key] for key in keys], dtype=np.float64)
        return np.array([counts[key] if repeats == "count" else 1 for key in keys], dtype=np.float64)

    return GeneMatch(
        found=[gene for gene, _ in found],
        positions=np.array([place[gene] for gene, _ in found], dtype=np.int64),
        weights=weights(found),
        signs=np.array([sign for _, sign in found], dtype=np.int8),
        missing=list(dict.fromkeys(written[key] for key in missing)),
        missing_weights=weights(missing),
        missing_signs=np.array([sign for _, sign in missing], dtype=np.int8),
        repeated=list(dict.fromkeys(gene for (gene, _), n in counts.items() if n > 1)),
        proposals={written[key]: some for key in missing if (some := known.proposals(key[0]))} if propose else {},
        ambiguous=[gene for gene in dict.fromkeys(g for g, _ in found) if gene in known.repeated],
        weighted=given is not None,
        replaced=taken,
    )


def _added_up(
    asked: list[tuple[str, int]], gene_weights: Sequence[float], repeats: Literal["once", "count"]
) -> dict[tuple[str, int], float]:
    """Return one weight per gene and sign: the first that is given, or the sum of all."""
    given: dict[tuple[str, int], float] = {}
    for key, weight in zip(asked, gene_weights, strict=True):
        if repeats == "count":
            given[key] = given.get(key, 0.0) + float(weight)
        else:
            given.setdefault(key, float(weight))
    return given


def _split_sign(gene: str) -> tuple[str, int]:
    """Split ``CD19-`` into ``CD19`` and −1; a gene without a sign has +1."""
    gene = gene.strip()
    return (gene[:-1], SIGNS[gene[-1]]) if gene[-1:] in SIGNS else (gene, 1)
