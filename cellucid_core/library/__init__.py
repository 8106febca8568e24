"""Processed signatures: mean and variance of genes per cell type, level by level, with marker genes.

They are built from the open dataset (`build_signature`), read from files without running anything in them
(`read_signature`), kept on the server (`entries`), compared with other data, and used to deconvolve bulk samples.
"""

from __future__ import annotations

from cellucid_core.library.build import BuildSettings, build_signature
from cellucid_core.library.bulk import Bulk, BulkCheck, check_bulk, read_bulk
from cellucid_core.library.compare import compare_types
from cellucid_core.library.deconvolution import Logged, Method, deconvolve
from cellucid_core.library.entries import (
    Entry,
    add_entry,
    delete_entry,
    entry_file,
    example_entry,
    list_entries,
    pass_entries,
)
from cellucid_core.library.formats import read_signature, write_signature
from cellucid_core.library.levels import read_labels
from cellucid_core.library.model import Level, Signature
from cellucid_core.library.specific_genes import centroid_correlation, specific_genes, type_degs

__all__ = [
    "BuildSettings",
    "Bulk",
    "BulkCheck",
    "Entry",
    "Level",
    "Logged",
    "Method",
    "Signature",
    "add_entry",
    "build_signature",
    "centroid_correlation",
    "check_bulk",
    "compare_types",
    "deconvolve",
    "delete_entry",
    "entry_file",
    "example_entry",
    "list_entries",
    "pass_entries",
    "read_bulk",
    "read_labels",
    "read_signature",
    "specific_genes",
    "type_degs",
    "write_signature",
]
