"""The neighbour graph as pairs of cells: ``connectivity/edges.src.bin`` and ``edges.dst.bin``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from cellucid_core.compiled import compiled
from cellucid_core.errors import WorkRefused

#: Loading the compiler takes longer than it saves on graphs with fewer stored entries.
_COMPILED_FROM = 200_000
#: Rows that are merged and cut at a time.
_ROWS = 65_536


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
    """Return the name of the integer type that holds a cell's position."""
    return "uint16" if n_cells <= 65_535 else "uint32"


def edges(matrix: sparse.csr_matrix) -> Edges:
    """Return the edges of a matrix of weights.

    A pair of cells is an edge if either direction has a weight other than 0 (``compact_v1``, connectivity).
    Weights are not kept, so a NaN or negative weight is an edge like any other, as in cellucid 0.0.9; a cell is not its
    own neighbour. The time is linear in the number of stored entries. Most graphs hold both directions of every pair
    and need no merging.

    Parameters
    ----------
    matrix
        (n_cells, n_cells); not modified.

    Raises
    ------
    WorkRefused
        If the matrix is not square.
    """
    n_cells = matrix.shape[0]
    if matrix.shape[1] != n_cells:
        raise WorkRefused(f"The graph is {matrix.shape[0]:,} × {matrix.shape[1]:,}.", "Leave it out.")
    if not matrix.has_canonical_format:
        matrix = matrix.copy()  # sum_duplicates works in place
        matrix.sum_duplicates()
    dtype = np.dtype(index_dtype(n_cells)).newbyteorder("<")
    if matrix.nnz >= _COMPILED_FROM and (found := _symmetric_edges(matrix, dtype)) is not None:
        return found
    forward = _pattern(matrix)
    backward = forward.tocsc()  # read as rows, the transposed pattern; its columns come out sorted
    same = np.array_equal(forward.indptr, backward.indptr) and np.array_equal(forward.indices, backward.indices)
    sources, destinations = [], []
    for start in range(0, n_cells, _ROWS):
        stop = min(n_cells, start + _ROWS)
        block = _rows(forward, start, stop)
        if not same:
            block = sparse.csr_matrix(block + _rows(backward, start, stop))
            block.sort_indices()
        row = np.repeat(np.arange(start, stop, dtype=block.indices.dtype), np.diff(block.indptr))
        upper = block.indices > row
        sources.append(row[upper].astype(dtype))
        destinations.append(block.indices[upper].astype(dtype))
    del forward, backward
    ends = []
    for parts in (sources, destinations):
        ends.append(np.concatenate([np.zeros(0, dtype), *parts]))
        parts.clear()
    degrees = np.bincount(ends[0], minlength=n_cells) + np.bincount(ends[1], minlength=n_cells)
    return Edges(ends[0], ends[1], int(degrees.max(initial=0)))


def _symmetric_edges(matrix: sparse.csr_matrix, dtype: np.dtype[Any]) -> Edges | None:
    """Return the edges of a matrix that stores every pair in both directions; None for any other matrix."""
    most = (matrix.nnz + 1) // 2
    sources, destinations = np.empty(most, dtype), np.empty(most, dtype)
    following = np.zeros(matrix.shape[0], np.int64)
    n_edges, max_neighbors = compiled(take_upper)(
        matrix.indptr, matrix.indices, matrix.data, sources, destinations, following
    )
    return None if n_edges < 0 else Edges(sources[:n_edges], destinations[:n_edges], max_neighbors)


def take_upper(
    indptr: np.ndarray,
    indices: np.ndarray,
    weights: np.ndarray,
    sources: np.ndarray,
    destinations: np.ndarray,
    following: np.ndarray,
) -> tuple[int, int]:
    """Take the entries right of the diagonal, and check that each has its mirror image (to be `compiled`).

    Rows are sorted, so the mirror images of a row's entries are found in the same order while later rows are read:
    ``following[c]`` is the position in `sources` of row c's next entry without a mirror image.

    Parameters
    ----------
    indptr, indices, weights
        Of a CSR matrix in canonical format.
    sources, destinations
        Written in place; room for half of the entries.
    following
        Written in place, int64 (n_cells,).

    Returns
    -------
    tuple
        Number of edges, −1 if an entry has no mirror image; largest number of neighbours.
    """
    n_edges, n_mirrored, max_neighbors = 0, 0, 0
    for row in range(len(indptr) - 1):
        following[row] = n_edges
        neighbors = 0
        for k in range(indptr[row], indptr[row + 1]):
            column = indices[k]
            if weights[k] == 0 or column == row:
                continue
            neighbors += 1
            if column > row:
                if n_edges == len(sources):
                    return -1, 0
                sources[n_edges], destinations[n_edges] = row, column
                n_edges += 1
                continue
            mirror = following[column]
            if mirror >= n_edges or sources[mirror] != column or destinations[mirror] != row:
                return -1, 0
            following[column] = mirror + 1
            n_mirrored += 1
        max_neighbors = max(max_neighbors, neighbors)
    return (n_edges if n_edges == n_mirrored else -1), max_neighbors


def _pattern(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return a matrix of int8 ones where `matrix` is not 0; its positions are shared if it stores no 0."""
    present = matrix.data != 0
    if present.all():
        ones = present.view(np.int8)
        return sparse.csr_matrix((ones, matrix.indices, matrix.indptr), shape=matrix.shape)
    ends = np.concatenate([[0], np.cumsum(present)])[matrix.indptr]
    ones = np.ones(int(ends[-1]), np.int8)
    return sparse.csr_matrix((ones, matrix.indices[present], ends.astype(matrix.indptr.dtype)), shape=matrix.shape)


def _rows(matrix: sparse.csr_matrix | sparse.csc_matrix, start: int, stop: int) -> sparse.csr_matrix:
    """Return some rows (of a CSC matrix: columns, as rows) without copying their entries."""
    first, last = int(matrix.indptr[start]), int(matrix.indptr[stop])
    pointers = matrix.indptr[start : stop + 1] - matrix.indptr[start]
    parts = (matrix.data[first:last], matrix.indices[first:last], pointers)
    return sparse.csr_matrix(parts, shape=(stop - start, matrix.shape[0]))


def manifest(found: Edges, n_cells: int, suffix: str, compression: int | None) -> dict[str, object]:
    """Return the content of ``connectivity_manifest.json`` (``compact_v1``).

    Parameters
    ----------
    suffix, compression
        ``".gz"`` and the level, or ``""`` and None.
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
