"""A matrix whose file has genes as rows, transposed so that rows are cells, without reading or copying it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np

from cellucid_core.reading import FileMatrix, Layout

#: How a dataset is turned: not at all; tables and matrices; only matrices that fit their tables only transposed.
Turn = Literal["", "all", "matrix"]

_TURNED_LAYOUT: dict[Layout, Layout] = {"dense": "dense", "csr": "csc", "csc": "csr"}


class TurnedArray:
    """A dense array on disk, read with rows and columns swapped.

    Parameters
    ----------
    array
        An h5py or zarr array, (n, m); this one has the shape (m, n).
    """

    def __init__(self, array: Any) -> None:
        self._array = array
        self.shape = (int(array.shape[1]), int(array.shape[0]))
        self.dtype = array.dtype
        chunks = getattr(array, "chunks", None)
        self.chunks = tuple(reversed(chunks)) if chunks else None

    def __getitem__(self, key: Any) -> np.ndarray:
        rows = key[0] if isinstance(key, tuple) else key
        columns = key[1] if isinstance(key, tuple) and len(key) > 1 else slice(None)
        return np.asarray(self._array[columns, rows]).T


def turned_matrix(matrix: FileMatrix) -> FileMatrix:
    """Return a matrix with rows and columns swapped; the values on disk stay as they are."""
    element = TurnedArray(matrix.element) if matrix.layout == "dense" else matrix.element
    rows, columns = matrix.shape
    return replace(matrix, element=element, layout=_TURNED_LAYOUT[matrix.layout], shape=(columns, rows))
