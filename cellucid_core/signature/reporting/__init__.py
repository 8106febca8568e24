"""A run in words, tables, files and lines of Python."""

from __future__ import annotations

from cellucid_core.signature.reporting.api_lines import api_code
from cellucid_core.signature.reporting.cautions import cautions
from cellucid_core.signature.reporting.many_table import all_scores, long_csv, wide_csv, wide_parquet
from cellucid_core.signature.reporting.pairs_table import MANY_PAGES, STARS, deciding_pairs, pairs_table
from cellucid_core.signature.reporting.record import record_json, run_record
from cellucid_core.signature.reporting.reproduce import python_code
from cellucid_core.signature.reporting.scores_table import csv_chunks, read_csv, scores_table, write_csv
from cellucid_core.signature.reporting.sentence import headline
from cellucid_core.signature.reporting.split_table import brackets_caption, split_csv, split_sentence, split_table
from cellucid_core.signature.reporting.statistics_table import statistics_csv, summary_csv
from cellucid_core.signature.reporting.tests_table import mixed_model_table, overall_sentence, tests_table
from cellucid_core.signature.reporting.with_dataset import obs_csv, write_h5ad, write_parquet

__all__ = [
    "MANY_PAGES",
    "STARS",
    "all_scores",
    "api_code",
    "brackets_caption",
    "cautions",
    "csv_chunks",
    "deciding_pairs",
    "headline",
    "long_csv",
    "mixed_model_table",
    "obs_csv",
    "overall_sentence",
    "pairs_table",
    "python_code",
    "read_csv",
    "record_json",
    "run_record",
    "scores_table",
    "split_csv",
    "split_sentence",
    "split_table",
    "statistics_csv",
    "summary_csv",
    "tests_table",
    "wide_csv",
    "wide_parquet",
    "write_csv",
    "write_h5ad",
    "write_parquet",
]
