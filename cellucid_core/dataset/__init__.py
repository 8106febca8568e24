"""Open single-cell data: any supported file becomes a `Dataset`, seen through a `Mapping` as a `View`.

Tables are kept in memory; an expression matrix is turned once into a gene-major store on disk (`store`), because
everything the product does reads whole genes.
"""

from __future__ import annotations

from cellucid_core.dataset.computed import READ_AT_ONCE, Derived, NotComputed, derived
from cellucid_core.dataset.expression import Expression
from cellucid_core.dataset.mapping import (
    AppliedFix,
    ColumnKind,
    Mapping,
    choose,
    default_mapping,
    embedding_candidates,
    is_vector_field,
)
from cellucid_core.dataset.model import Dataset
from cellucid_core.dataset.opening import DEMO, open_dataset
from cellucid_core.dataset.scale import LINEAR
from cellucid_core.dataset.transposed import Turn
from cellucid_core.dataset.view import View, gene_ids, natural_kind

__all__ = [
    "DEMO",
    "LINEAR",
    "READ_AT_ONCE",
    "AppliedFix",
    "ColumnKind",
    "Dataset",
    "Derived",
    "Expression",
    "Mapping",
    "NotComputed",
    "Turn",
    "View",
    "choose",
    "default_mapping",
    "derived",
    "embedding_candidates",
    "gene_ids",
    "is_vector_field",
    "natural_kind",
    "open_dataset",
]
