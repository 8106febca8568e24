"""``dataset_identity.json``, the file that a viewer reads first."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from cellucid_core.errors import InputError
from cellucid_core.export.compact.obs import ObsField
from cellucid_core.export.settings import ExportSettings

#: The version of cellucid whose format is written.
DATA_VERSION = "0.0.9"


def fixed_time() -> datetime | None:
    """Return the time, in UTC, that ``SOURCE_DATE_EPOCH`` (seconds since 1970) sets for all outputs; None if unset.

    Raises
    ------
    InputError
        If the variable does not hold a time.
    """
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "").strip()
    if not epoch:
        return None
    try:
        return datetime.fromtimestamp(int(epoch), UTC)
    except (ValueError, OverflowError, OSError):
        raise InputError(
            f"SOURCE_DATE_EPOCH is {epoch!r}, which is not a time.", "Give whole seconds since 1970, or unset it."
        ) from None


def identity(
    settings: ExportSettings,
    *,
    dataset_id: str,
    name: str,
    created: datetime,
    n_cells: int,
    n_genes: int,
    dimensions: Sequence[int],
    fields: Sequence[ObsField],
    n_edges: int | None,
    vectors: dict[str, Any] | None,
) -> dict[str, Any]:
    """Return the content of ``dataset_identity.json`` (``compact_v1``).

    Parameters
    ----------
    created
        In UTC.
    n_genes
        Number of genes that were written.
    n_edges
        None without a graph.
    vectors
        As `vectors.identity_entry` returns it.
    """
    kinds = [field.kind for field in fields]
    source = {
        "name": settings.source_name,
        "url": settings.source_url,
        "citation": settings.source_citation,
    }
    source = {key: text for key, text in source.items() if text}
    payload: dict[str, Any] = {
        "version": 2,
        "id": dataset_id,
        "name": name,
        "description": settings.description,
        "created_at": created.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "cellucid_data_version": DATA_VERSION,
        "stats": {
            "n_cells": n_cells,
            "n_genes": n_genes,
            "n_obs_fields": len(kinds),
            "n_categorical_fields": kinds.count("category"),
            "n_continuous_fields": kinds.count("continuous"),
            "has_connectivity": n_edges is not None,
            "n_edges": n_edges,
        },
        "embeddings": {
            "available_dimensions": list(dimensions),
            "default_dimension": max(dimensions),
            "files": {f"{d}d": f"points_{d}d.bin{settings.suffix}" for d in dimensions},
        },
        "obs_fields": [field.summary for field in fields],
        "export_settings": {
            "compression": settings.manifest_compression,
            "var_quantization": settings.var_quantization,
            "obs_continuous_quantization": settings.obs_quantization,
            "obs_categorical_dtype": settings.categorical_dtype,
        },
    }
    if source:
        payload["source"] = source
    if vectors:
        payload["vector_fields"] = vectors
    return payload


def to_json(payload: dict[str, Any], indent: int | None = None) -> bytes:
    """Return strict JSON (never NaN or Infinity), ASCII only, as cellucid writes it."""
    return json.dumps(payload, indent=indent, allow_nan=False).encode("ascii")
