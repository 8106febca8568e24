"""The prepared export, artefact by artefact: points, columns, genes, graph, vectors, identity, and their encoding."""

from __future__ import annotations

from cellucid_core.export.compact.compress import Buffer, Compressor, gzip_bytes
from cellucid_core.export.compact.genes import blocks, encode_gene
from cellucid_core.export.compact.graph import Edges, edges, take_upper
from cellucid_core.export.compact.groups import Groups, centroids, group_cells, outlier_quantiles
from cellucid_core.export.compact.identity import fixed_time, identity, to_json
from cellucid_core.export.compact.obs import categories_of, numbers_of
from cellucid_core.export.compact.points import Points, normalize
from cellucid_core.export.compact.quantize import COMPILED_FROM, limits, put_codes
from cellucid_core.export.compact.vectors import Vectors, identity_entry, vector_fields

__all__ = [
    "COMPILED_FROM",
    "Buffer",
    "Compressor",
    "Edges",
    "Groups",
    "Points",
    "Vectors",
    "blocks",
    "categories_of",
    "centroids",
    "edges",
    "encode_gene",
    "fixed_time",
    "group_cells",
    "gzip_bytes",
    "identity",
    "identity_entry",
    "limits",
    "normalize",
    "numbers_of",
    "outlier_quantiles",
    "put_codes",
    "take_upper",
    "to_json",
    "vector_fields",
]
