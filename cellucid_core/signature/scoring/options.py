"""Options of single scoring methods."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from cellucid_core.errors import InputError


@dataclass(frozen=True)
class MethodOptions:
    """Options of single methods; the other methods ignore them.

    Attributes
    ----------
    max_rank
        ``ucell``: the largest rank that counts, from 1. It should be the same for all samples of a study.
    top_share
        ``aucell``: which share of the ranked genes is the top, above 0 and at most 1.
    ctrl_size, n_bins
        ``score_genes``: control genes that are drawn from each bin of mean expression, from 1, and the number of bins,
        from 2.
    gene_pool
        ``score_genes``: ids of the genes that controls are drawn from; empty means all genes.

    Raises
    ------
    InputError
        A number is outside its range.
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
        """Refuse a largest rank that exceeds the number of genes.

        Raises
        ------
        InputError
            `max_rank` is not the default and exceeds `n_genes`.
        """
        if self.max_rank != DEFAULT_OPTIONS.max_rank and self.max_rank > n_genes:
            raise InputError(
                f"max_rank cannot be {self.max_rank:,}: the dataset has {n_genes:,} genes.",
                f"Use a whole number from 1 to {n_genes:,}.",
            )

    def changed(self) -> dict[str, Any]:
        """Return the options that differ from their defaults, by name."""
        each = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in each.items() if value != getattr(DEFAULT_OPTIONS, name)}

    def used_by(self, method: str) -> dict[str, Any]:
        """Return the options of `changed` that a method takes."""
        return {name: value for name, value in self.changed().items() if name in _TAKES.get(method, ())}


#: Method → the options that it takes.
_TAKES = {"ucell": ("max_rank",), "aucell": ("top_share",), "score_genes": ("ctrl_size", "n_bins", "gene_pool")}
DEFAULT_OPTIONS = MethodOptions()
