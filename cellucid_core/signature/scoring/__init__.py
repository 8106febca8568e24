"""One score per cell, one method a file."""

from __future__ import annotations

from cellucid_core.signature.scoring.about import ABOUT
from cellucid_core.signature.scoring.genes_in_view import match_in_view, match_many, need_expression, none_found
from cellucid_core.signature.scoring.linear import batches, weighted_sums
from cellucid_core.signature.scoring.many import ManySignatures, iter_scores, page_numbers, score_many
from cellucid_core.signature.scoring.methods import (
    METHODS,
    WEIGHTED_METHODS,
    Method,
    check_weights,
    genes_used,
    score_cells,
)
from cellucid_core.signature.scoring.normalize import NORMALIZATIONS, Normalization, normalize
from cellucid_core.signature.scoring.options import DEFAULT_OPTIONS, MethodOptions
from cellucid_core.signature.scoring.page_sums import PageCodes, page_codes

__all__ = [
    "ABOUT",
    "DEFAULT_OPTIONS",
    "METHODS",
    "NORMALIZATIONS",
    "WEIGHTED_METHODS",
    "ManySignatures",
    "Method",
    "MethodOptions",
    "Normalization",
    "PageCodes",
    "batches",
    "check_weights",
    "genes_used",
    "iter_scores",
    "match_in_view",
    "match_many",
    "need_expression",
    "none_found",
    "normalize",
    "page_codes",
    "page_numbers",
    "score_cells",
    "score_many",
    "weighted_sums",
]
