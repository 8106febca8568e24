"""Comparing pages by their scores: effects, tests, replicates, chance, and the genes behind a score."""

from __future__ import annotations

from cellucid_core.signature.statistics.adjustment import adjusted
from cellucid_core.signature.statistics.agreement import Agreement, agreement, joined_column, sample_columns, unit_word
from cellucid_core.signature.statistics.all_pairs import Pooled
from cellucid_core.signature.statistics.chance import Chance, against_chance
from cellucid_core.signature.statistics.compare import MAX_PAIRED_PAGES, compare_samples, welch_t
from cellucid_core.signature.statistics.correlation import pearson, ranks, some_cells
from cellucid_core.signature.statistics.effects import Sample, cohens_d, u_statistic
from cellucid_core.signature.statistics.library_size import LibrarySize, library_size
from cellucid_core.signature.statistics.mixed_model import MixedPair, mixed_model
from cellucid_core.signature.statistics.quality import SignatureQuality, contributions, signature_quality
from cellucid_core.signature.statistics.replicates import (
    Owned,
    by_owner,
    owned_by,
    owned_scores,
    paired_t,
    sample_codes,
)
from cellucid_core.signature.statistics.result import Adjustment, TestResult
from cellucid_core.signature.statistics.split import MAX_SPLIT_VALUES, Split, can_split, split_pages, split_values
from cellucid_core.signature.statistics.summary import summarize

__all__ = [
    "MAX_PAIRED_PAGES",
    "MAX_SPLIT_VALUES",
    "Adjustment",
    "Agreement",
    "Chance",
    "LibrarySize",
    "MixedPair",
    "Owned",
    "Pooled",
    "Sample",
    "SignatureQuality",
    "Split",
    "TestResult",
    "adjusted",
    "against_chance",
    "agreement",
    "by_owner",
    "can_split",
    "cohens_d",
    "compare_samples",
    "contributions",
    "joined_column",
    "library_size",
    "mixed_model",
    "owned_by",
    "owned_scores",
    "paired_t",
    "pearson",
    "ranks",
    "sample_codes",
    "sample_columns",
    "signature_quality",
    "some_cells",
    "split_pages",
    "split_values",
    "summarize",
    "u_statistic",
    "unit_word",
    "welch_t",
]
