"""A dataset whose file keeps genes as rows, turned so that rows are cells; nothing is read or copied for it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from cellucid_core.dataset.matrix import FileMatrix, Layout

if TYPE_CHECKING:
    from cellucid_core.dataset.model import Dataset

#: How a dataset is turned: not at all; tables and matrices; only matrices that fit their tables no other way.
Turn = Literal["", "all", "matrix"]

_TURNED_LAYOUT: dict[Layout, Layout] = {"dense": "dense", "csr": "csc", "csc": "csr"}


class TurnedArray:
    """A dense array on disk with rows and columns swapped, read by runs of (new) rows.

    Parameters
    ----------
    array
        An h5py or zarr array, (n, m).
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
    """Return a matrix with rows and columns swapped: the entries on disk serve as they are."""
    element = TurnedArray(matrix.element) if matrix.layout == "dense" else matrix.element
    rows, columns = matrix.shape
    return replace(matrix, element=element, layout=_TURNED_LAYOUT[matrix.layout], shape=(columns, rows))


def fits_only_turned(dataset: Dataset, name: str) -> bool:
    """Tell whether a matrix has a row for each gene and a column for each cell of its tables, and not the reverse."""
    shape, tables = dataset.matrices[name].shape, (dataset.n_cells, len(dataset.variables[name]))
    return shape != tables and shape == tables[::-1]


def turn(dataset: Dataset, how: Turn) -> Dataset:
    """Return a dataset as it is when its rows are taken as genes.

    Parameters
    ----------
    dataset
        As the file has it.
    how
        ``"all"``: the gene table becomes the cell table and the reverse, matrices are turned, and arrays of the genes
        (varm) take the place of obsm; matrices with other genes than the first (raw) and cell graphs have no place any
        more. ``"matrix"``: the tables stay, and the matrices that fit them only turned are turned.
    """
    if how == "matrix":
        matrices = {
            name: turned_matrix(matrix) if fits_only_turned(dataset, name) else matrix
            for name, matrix in dataset.matrices.items()
        }
        return replace(dataset, matrices=matrices, turn=how, source=dataset, scales={})
    first = next(iter(dataset.matrices), None)
    cells = dataset.variables[first] if first is not None else dataset.obs.iloc[:0]
    fitting = [name for name, table in dataset.variables.items() if table.index.equals(cells.index)]
    return replace(
        dataset,
        obs=cells,
        variables=dict.fromkeys(fitting, dataset.obs),
        matrices={name: turned_matrix(dataset.matrices[name]) for name in fitting},
        obsm=dict(dataset.varm),
        varm=dict(dataset.obsm),
        graphs={},
        turn=how,
        source=dataset,
        scales={},
    )
