"""The neighbour graph as pairs of cells: ``connectivity/edges.src.bin`` and ``edges.dst.bin``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from cellucid_core.errors import WorkRefused


@dataclass(frozen=True)
class Edges:
    """Undirected edges, each once, sorted by source and then destination.

    Attributes
    ----------
    sources, destinations
        uint16 up to 65,535 cells, else uint32, little-endian, (n_edges,); source < destination.
    max_neighbors
        The largest number of neighbours of a cell.
    """

    sources: np.ndarray
    destinations: np.ndarray
    max_neighbors: int

    @property
    def n_edges(self) -> int:
        """Number of edges."""
        return len(self.sources)


def index_dtype(n_cells: int) -> str:
    """Return the manifest's name of the integer that holds a cell's position."""
    return "uint16" if n_cells <= 65_535 else "uint32"


def edges(matrix: sparse.csr_matrix) -> Edges:
    """Take the edges from a matrix of weights.

    A pair of cells is an edge if either direction has a weight other than 0 (``export-format.md``, connectivity).
    Weights are forgotten, so a NaN or negative weight is an edge like any other, as in cellucid 0.0.9; a cell is no
    neighbour of itself. Linear in the number of stored entries.

    Parameters
    ----------
    matrix
        (n_cells, n_cells).

    Raises
    ------
    WorkRefused
        If the matrix is not square.
    """
    n_cells = matrix.shape[0]
    if matrix.shape[1] != n_cells:
        raise WorkRefused(f"The graph is {matrix.shape[0]:,} × {matrix.shape[1]:,}.", "Leave it out.")
    weights = matrix.copy()  # what follows works in place
    weights.sum_duplicates()
    row = np.repeat(np.arange(n_cells, dtype=weights.indices.dtype), np.diff(weights.indptr))
    present = (weights.data != 0) & (row != weights.indices)
    pattern = sparse.csr_matrix(
        (np.ones(int(present.sum()), np.int8), (row[present], weights.indices[present])), shape=weights.shape
    )
    both = sparse.csr_matrix(pattern + pattern.T)
    both.sort_indices()
    degrees = np.diff(both.indptr)
    row = np.repeat(np.arange(n_cells, dtype=both.indices.dtype), degrees)
    upper = both.indices > row
    dtype = np.dtype(index_dtype(n_cells)).newbyteorder("<")
    return Edges(row[upper].astype(dtype), both.indices[upper].astype(dtype), int(degrees.max()) if n_cells else 0)


def manifest(found: Edges, n_cells: int, suffix: str, compression: int | None) -> dict[str, object]:
    """Return ``connectivity_manifest.json``.

    Parameters
    ----------
    suffix
        ``".gz"`` or nothing.
    """
    name = index_dtype(n_cells)
    return {
        "format": "edge_pairs",
        "n_cells": n_cells,
        "n_edges": found.n_edges,
        "max_neighbors": found.max_neighbors,
        "index_bytes": np.dtype(name).itemsize,
        "index_dtype": name,
        "sourcesPath": f"connectivity/edges.src.bin{suffix}",
        "destinationsPath": f"connectivity/edges.dst.bin{suffix}",
        "compression": compression,
    }
