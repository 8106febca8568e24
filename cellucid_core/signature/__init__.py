"""Gene signatures: find the genes, score every cell, compare pages by the score, and say it honestly."""

from __future__ import annotations

from cellucid_core.signature.caution import cautions
from cellucid_core.signature.compare import compare
from cellucid_core.signature.genes import GeneMatch, match_genes
from cellucid_core.signature.normalize import NORMALIZATIONS, Normalization, normalize
from cellucid_core.signature.replicates import by_sample
from cellucid_core.signature.result import TestResult
from cellucid_core.signature.run import SignatureRun, match_in_view, run_signature, score_title
from cellucid_core.signature.score import METHODS, Method, genes_used, score_cells
from cellucid_core.signature.sentence import headline
from cellucid_core.signature.summary import summarize
from cellucid_core.signature.table import csv_chunks, read_csv, scores_table, write_csv
from cellucid_core.signature.tests_table import tests_table

__all__ = [
    "METHODS",
    "NORMALIZATIONS",
    "GeneMatch",
    "Method",
    "Normalization",
    "SignatureRun",
    "TestResult",
    "by_sample",
    "cautions",
    "compare",
    "csv_chunks",
    "genes_used",
    "headline",
    "match_genes",
    "match_in_view",
    "normalize",
    "read_csv",
    "run_signature",
    "score_cells",
    "score_title",
    "scores_table",
    "summarize",
    "tests_table",
    "write_csv",
]
