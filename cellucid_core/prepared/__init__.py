"""The prepared export's format: reading its files, its manifests and its numbers.

Used by `reading`, which opens such exports, and `export`, which writes and verifies them.
"""

from __future__ import annotations

from cellucid_core.prepared.containers import IDENTITY, DamagedError, ExportFiles, open_export
from cellucid_core.prepared.decoding import PreparedExport, decode_array, decode_categories, decode_numbers
from cellucid_core.prepared.encoding import MARKER, MAX_CATEGORIES, MAX_QUANT, dequantize, encoding
from cellucid_core.prepared.reading import MAX_JSON, read_array, read_json, strict_json
from cellucid_core.prepared.structure import Categories, Graph, Numbers, Structure, read_structure

__all__ = [
    "IDENTITY",
    "MARKER",
    "MAX_CATEGORIES",
    "MAX_JSON",
    "MAX_QUANT",
    "Categories",
    "DamagedError",
    "ExportFiles",
    "Graph",
    "Numbers",
    "PreparedExport",
    "Structure",
    "decode_array",
    "decode_categories",
    "decode_numbers",
    "dequantize",
    "encoding",
    "open_export",
    "read_array",
    "read_json",
    "read_structure",
    "strict_json",
]
