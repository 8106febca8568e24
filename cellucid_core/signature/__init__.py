"""Gene signatures: find the genes, score every cell, compare pages by the score, and say it honestly."""

from __future__ import annotations

from cellucid_core.signature.agreement import sample_columns, unit_word
from cellucid_core.signature.caution import cautions
from cellucid_core.signature.chance import Chance, against_chance
from cellucid_core.signature.compare import compare
from cellucid_core.signature.library_size import LibrarySize, library_size
from cellucid_core.signature.many import ManySignatures, score_many
from cellucid_core.signature.many_table import long_csv, wide_csv
from cellucid_core.signature.normalize import NORMALIZATIONS, Normalization, normalize
from cellucid_core.signature.quality import SignatureQuality, contributions, signature_quality
from cellucid_core.signature.record import record_json, run_record
from cellucid_core.signature.replicates import by_sample
from cellucid_core.signature.reproduce import python_code
from cellucid_core.signature.result import Adjustment, TestResult
from cellucid_core.signature.run import (
    WEIGHTED_METHODS,
    SignatureRun,
    match_in_view,
    match_many,
    run_signature,
    score_title,
)
from cellucid_core.signature.score import METHODS, Method, genes_used, score_cells
from cellucid_core.signature.sentence import headline
from cellucid_core.signature.statistics_table import statistics_csv, summary_csv
from cellucid_core.signature.summary import summarize
from cellucid_core.signature.table import csv_chunks, read_csv, scores_table, write_csv
from cellucid_core.signature.tests_table import tests_table
from cellucid_core.signature.with_dataset import obs_csv, write_h5ad, write_parquet

__all__ = [
    "METHODS",
    "NORMALIZATIONS",
    "WEIGHTED_METHODS",
    "Adjustment",
    "Chance",
    "LibrarySize",
    "ManySignatures",
    "Method",
    "Normalization",
    "SignatureQuality",
    "SignatureRun",
    "TestResult",
    "against_chance",
    "by_sample",
    "cautions",
    "compare",
    "contributions",
    "csv_chunks",
    "genes_used",
    "headline",
    "library_size",
    "long_csv",
    "match_in_view",
    "match_many",
    "normalize",
    "obs_csv",
    "python_code",
    "read_csv",
    "record_json",
    "run_record",
    "run_signature",
    "sample_columns",
    "score_cells",
    "score_many",
    "score_title",
    "scores_table",
    "signature_quality",
    "statistics_csv",
    "summarize",
    "summary_csv",
    "tests_table",
    "unit_word",
    "wide_csv",
    "write_csv",
    "write_h5ad",
    "write_parquet",
]
