"""The gene-major store of a matrix: built once, memory-mapped, with statistics of each gene."""

from __future__ import annotations

from cellucid_core.store.build import place_rows
from cellucid_core.store.gene_major import Store, has_store, open_store, store_folder
from cellucid_core.store.gene_stats import (
    GeneStats,
    dense_gene_stats,
    gather_stats,
    missing_gene_stats,
    sparse_gene_stats,
)
from cellucid_core.store.joined import JoinedStore

__all__ = [
    "GeneStats",
    "JoinedStore",
    "Store",
    "dense_gene_stats",
    "gather_stats",
    "has_store",
    "missing_gene_stats",
    "open_store",
    "place_rows",
    "sparse_gene_stats",
    "store_folder",
]
