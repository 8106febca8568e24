"""Displacements of cells (RNA velocity and the like): ``vectors/<field>_<dim>d.bin``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cellucid_core.errors import WorkRefused
from cellucid_core.names import case_collisions, safe_key

_EXPLICIT = re.compile(r"^(.*)_([123])d$")


@dataclass(frozen=True)
class Vectors:
    """Vector fields as they are written.

    Attributes
    ----------
    arrays
        (Field id, dimension, float32 (n_cells, dimension)), in the order of the identity.
    warnings
        What was left out and why, one sentence each.
    """

    arrays: tuple[tuple[str, int, np.ndarray], ...] = ()
    warnings: tuple[str, ...] = field(default=())


def vector_fields(found: Mapping[str, np.ndarray], scales: Mapping[int, float], n_cells: int) -> Vectors:
    """Sort obsm arrays into fields and dimensions, and multiply them by the scale of the points.

    A key ``<field>_<dim>d`` names its dimension. Another key is a field by itself, of as many dimensions as it has
    columns, unless a key names that field and dimension (``compact_v1``, vectors).

    Parameters
    ----------
    found
        obsm key → (n_cells, k) or (n_cells,).
    scales
        Dimension → scale of its points.

    Raises
    ------
    WorkRefused
        If a field id cannot be a file name, two differ only in letter case, or an array has a wrong shape.
    """
    fields: dict[str, dict[int, np.ndarray]] = {}
    for key, array in found.items():
        if match := _EXPLICIT.match(key):
            fields.setdefault(match[1], {})[int(match[2])] = _as_columns(key, array, n_cells, int(match[2]))
    for key, array in found.items():
        if not _EXPLICIT.match(key):
            columns = _as_columns(key, array, n_cells, None)
            fields.setdefault(key, {}).setdefault(columns.shape[1], columns)
    for name in fields:
        if safe_key(name) != name:
            raise WorkRefused(
                f"The vector field id {name!r} cannot be a file name.", f"Rename it to {safe_key(name)!r}."
            )
    for names in case_collisions(fields).values():
        raise WorkRefused(
            f"The vector fields {' and '.join(names)} differ only in letter case.", "Rename or leave out one of them."
        )
    arrays, warnings = [], []
    for name, by_dimension in fields.items():
        for dimension, array in sorted(by_dimension.items()):
            if dimension not in scales:
                warnings.append(f"Vector field {name} left out in {dimension}D: there are no {dimension}D points.")
                continue
            with np.errstate(over="ignore"):
                arrays.append((name, dimension, array.astype("<f4") * np.float32(scales[dimension])))
    return Vectors(tuple(arrays), tuple(warnings))


def _as_columns(key: str, array: np.ndarray, n_cells: int, dimension: int | None) -> np.ndarray:
    columns = array[:, None] if array.ndim == 1 else array
    fits = columns.ndim == 2 and len(columns) == n_cells and columns.shape[1] in (1, 2, 3)
    if not fits or (dimension is not None and columns.shape[1] != dimension):
        wanted = f"({n_cells:,}, {dimension if dimension else '1, 2 or 3'})"
        raise WorkRefused(f"The vector field {key} has the shape {array.shape}, not {wanted}.", "Leave it out.")
    return columns


def identity_entry(written: Vectors, suffix: str) -> dict[str, Any] | None:
    """Return ``vector_fields`` of the identity, or None without any; `suffix` is ``".gz"`` or empty."""
    fields: dict[str, dict[str, Any]] = {}
    for name, dimension, _ in written.arrays:
        entry = fields.setdefault(
            name, {"label": label(name), "available_dimensions": [], "default_dimension": 0, "files": {}}
        )
        entry["available_dimensions"].append(dimension)
        entry["default_dimension"] = max(entry["available_dimensions"])
        entry["files"][f"{dimension}d"] = f"vectors/{name}_{dimension}d.bin{suffix}"
        if name.endswith("_umap"):
            entry["basis"] = "umap"
    if not fields:
        return None
    default = "velocity_umap" if "velocity_umap" in fields else min(fields)
    return {"default_field": default, "fields": fields}


def label(name: str) -> str:
    """Return the name of a field that the viewer shows.

    Examples
    --------
    >>> label("T_fwd_umap")
    'T fwd (UMAP)'
    """
    words = name.removesuffix("_umap").replace("_", " ").strip()
    words = words[:1].upper() + words[1:] if words else name
    return f"{words} (UMAP)" if name.endswith("_umap") else words
