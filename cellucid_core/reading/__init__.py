"""Any file, folder or archive becomes `Contents`: tables in memory, matrices that stay in the file."""

from __future__ import annotations

from cellucid_core.reading.archives import gunzip, unpack_entry
from cellucid_core.reading.contents import FILTERED, Contents, Graph
from cellucid_core.reading.demo import demo_file, write_demo
from cellucid_core.reading.elements import first_line
from cellucid_core.reading.in_memory import is_adata, read_adata
from cellucid_core.reading.kinds import (
    CONVERT,
    HDF5_SIGNATURE,
    SUPPORTED,
    FileKind,
    Recognised,
    check_file_name,
    checked_hdf5,
    is_openable_folder,
    may_hold_data,
    recognise,
    recognise_remote,
)
from cellucid_core.reading.matrix import BLOCK_BYTES, FileMatrix, Layout, count_into, exact_float
from cellucid_core.reading.remote import RemoteFile, is_remote
from cellucid_core.reading.rewriting import as_categories
from cellucid_core.reading.sample_files import Container, chosen_samples, place_sample, samples_of
from cellucid_core.reading.samples import Sample, is_matrix_market
from cellucid_core.reading.source import Source

__all__ = [
    "BLOCK_BYTES",
    "CONVERT",
    "FILTERED",
    "HDF5_SIGNATURE",
    "SUPPORTED",
    "Container",
    "Contents",
    "FileKind",
    "FileMatrix",
    "Graph",
    "Layout",
    "Recognised",
    "RemoteFile",
    "Sample",
    "Source",
    "as_categories",
    "check_file_name",
    "checked_hdf5",
    "chosen_samples",
    "count_into",
    "demo_file",
    "exact_float",
    "first_line",
    "gunzip",
    "is_adata",
    "is_matrix_market",
    "is_openable_folder",
    "is_remote",
    "may_hold_data",
    "place_sample",
    "read_adata",
    "recognise",
    "recognise_remote",
    "samples_of",
    "unpack_entry",
    "write_demo",
]
