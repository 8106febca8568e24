"""Choices of single scoring methods."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from cellucid_core.errors import InputError


@dataclass(frozen=True)
class MethodOptions:
    """Choices that single methods take; the others pass them by.

    Attributes
    ----------
    max_rank
        ``ucell``: the largest rank that counts. The same for all samples of a study.
    top_share
        ``aucell``: which share of the genes is the top, above 0 and at most 1.
    ctrl_size, n_bins
        ``score_genes``: control genes that are drawn from each bin of mean expression, and how many bins there are.
    gene_pool
        ``score_genes``: ids of the genes that controls are drawn from; none: all genes.
    """

    max_rank: int = 1500
    top_share: float = 0.05
    ctrl_size: int = 50
    n_bins: int = 25
    gene_pool: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, least in (("max_rank", 1), ("ctrl_size", 1), ("n_bins", 2)):
            value = getattr(self, name)
            if type(value) is not int or value < least:
                raise InputError(f"{name} cannot be {value!r}.", f"Use a whole number from {least}.")
        if not 0 < self.top_share <= 1:
            raise InputError(f"top_share cannot be {self.top_share!r}.", "Use a share above 0, and at most 1.")

    def check_rank(self, n_genes: int) -> None:
        """Refuse a largest rank that there is not among so few genes.

        Raises
        ------
        InputError
            It was chosen, and is more than the number of genes.
        """
        if self.max_rank != DEFAULT_OPTIONS.max_rank and self.max_rank > n_genes:
            raise InputError(
                f"max_rank cannot be {self.max_rank:,}: the dataset has {n_genes:,} genes.",
                f"Use a whole number from 1 to {n_genes:,}.",
            )

    def changed(self) -> dict[str, Any]:
        """Return the choices that are not the usual ones, by name."""
        each = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in each.items() if value != getattr(DEFAULT_OPTIONS, name)}

    def used_by(self, method: str) -> dict[str, Any]:
        """Return those of `changed` that a method takes."""
        return {name: value for name, value in self.changed().items() if name in _TAKES.get(method, ())}


#: Method → the choices that it takes.
_TAKES = {"ucell": ("max_rank",), "aucell": ("top_share",), "score_genes": ("ctrl_size", "n_bins", "gene_pool")}
DEFAULT_OPTIONS = MethodOptions()
