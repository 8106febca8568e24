"""Highly variable genes and marker genes; results of large matrices are kept on disk."""

from __future__ import annotations

from cellucid_core.ranking.gene_rankings import kept_markers, kept_variability
from cellucid_core.ranking.variable_genes import (
    FLAVORS,
    Flavor,
    highly_variable,
    most_variable,
    refuse_without_logs,
    variability,
)

__all__ = [
    "FLAVORS",
    "Flavor",
    "highly_variable",
    "kept_markers",
    "kept_variability",
    "most_variable",
    "refuse_without_logs",
    "variability",
]
