"""Open single-cell data: any supported file becomes a `Dataset`, seen through a `Mapping` as a `View`.

Tables are kept in memory; an expression matrix is rewritten once as a gene-major store on disk (`store`), because
everything that is done with it reads whole genes.
"""

from __future__ import annotations

from cellucid_core.dataset.computed import READ_AT_ONCE, Derived, NotComputed, derived
from cellucid_core.dataset.expression import Expression, ExpressionPart
from cellucid_core.dataset.gene_by_gene import over_genes
from cellucid_core.dataset.joining import JOINS, MAX_SAMPLES, SAMPLE
from cellucid_core.dataset.log_rule import NO_LOGS, LogRule, log_rule_of
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
from cellucid_core.dataset.opening import DEMO, DatasetSource, Openable, joined_name, open_dataset
from cellucid_core.dataset.parts import Join, Part
from cellucid_core.dataset.scale import LINEAR, SAMPLE_CELLS, MatrixScale, scale_of
from cellucid_core.dataset.transposed import Turn
from cellucid_core.dataset.view import View, gene_ids, natural_kind

__all__ = [
    "DEMO",
    "JOINS",
    "LINEAR",
    "MAX_SAMPLES",
    "NO_LOGS",
    "READ_AT_ONCE",
    "SAMPLE",
    "SAMPLE_CELLS",
    "AppliedFix",
    "ColumnKind",
    "Dataset",
    "DatasetSource",
    "Derived",
    "Expression",
    "ExpressionPart",
    "Join",
    "LogRule",
    "Mapping",
    "MatrixScale",
    "NotComputed",
    "Openable",
    "Part",
    "Turn",
    "View",
    "choose",
    "default_mapping",
    "derived",
    "embedding_candidates",
    "gene_ids",
    "is_vector_field",
    "joined_name",
    "log_rule_of",
    "natural_kind",
    "open_dataset",
    "over_genes",
    "scale_of",
]
