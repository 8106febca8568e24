"""The groups and arrays of a file in order, for `hdf5` and `zarr_zip` to write.

Encodings are anndata's element specification (``encoding-type`` and ``encoding-version`` on every element).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from cellucid_core.export.cellucid_ready import layout
from cellucid_core.export.cellucid_ready.columns import Categories, Column, nullable_values
from cellucid_core.export.cellucid_ready.elements import Elements
from cellucid_core.export.cellucid_ready.expression import Dense, Sparse

#: A chunk's place in the grid of chunks, and its values.
Block = tuple[tuple[int, ...], np.ndarray]


@dataclass(frozen=True)
class Group:
    """A group with its attributes; the root has no path."""

    path: str
    attributes: dict[str, Any]


@dataclass(frozen=True)
class Numbers:
    """An array of numbers.

    Attributes
    ----------
    path, attributes
        Its path in the file, and its AnnData attributes.
    shape, dtype, chunks, shuffle
        How it is stored.
    blocks
        Yields each chunk once.
    first
        Whether the viewer reads it when it opens the file; such arrays are written first.
    """

    path: str
    attributes: dict[str, Any]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    chunks: tuple[int, ...]
    shuffle: bool
    blocks: Callable[[], Iterator[Block]]
    first: bool = False

    @property
    def n_chunks(self) -> int:
        """Number of chunks."""
        return layout.n_chunks(self.shape, self.chunks)


@dataclass(frozen=True)
class Texts:
    """An array of texts; `values` is object (n,), the rest as in `Numbers`."""

    path: str
    attributes: dict[str, Any]
    values: np.ndarray
    first: bool = False

    @property
    def chunks(self) -> tuple[int]:
        """Shape of a chunk."""
        return layout.vector(len(self.values))

    @property
    def n_chunks(self) -> int:
        """Number of chunks."""
        return layout.n_chunks((len(self.values),), self.chunks)


@dataclass(frozen=True)
class Scalar:
    """A single text or number."""

    path: str
    attributes: dict[str, Any]
    value: str | int | bool

    n_chunks = 1


Node = Group | Numbers | Texts | Scalar


def encoding(kind: str, version: str, **more: Any) -> dict[str, Any]:
    """Return the AnnData attributes of an element: its encoding type and version, and `more`."""
    return {"encoding-type": kind, "encoding-version": version, **more}


_ARRAY, _DICT = encoding("array", "0.2.0"), encoding("dict", "0.1.0")


def nodes(elements: Elements) -> Iterator[Node]:
    """Yield everything that a file holds, parents before children, in the order in which it is written."""
    yield Group("", encoding("anndata", "0.1.0"))
    yield from _uns("uns", elements.uns, first=True)
    yield from _frame("var", elements.gene_ids, elements.var, first=True)
    matrix = elements.matrix
    if isinstance(matrix, Sparse):
        yield Group("X", encoding("csc_matrix", "0.1.0", shape=list(matrix.shape)))
        yield _array("X/indptr", matrix.indptr, first=True, attributes={})
    yield from _frame("obs", elements.cell_ids, elements.obs, first_labels=True)
    yield Group("obsm", _DICT)
    for key, array in elements.obsm.items():
        yield _array(f"obsm/{key}", array, np.dtype("<f4"), layout.rows(array.shape))
    yield Group("obsp", _DICT)
    if elements.graph is not None:
        yield from _graph("obsp/connectivities", elements.graph)
    for empty in ("varm", "varp", "layers"):
        yield Group(empty, _DICT)
    if isinstance(matrix, Sparse):
        chunks = layout.vector(matrix.n_stored, layout.SLICED)
        for name, dtype in (("data", matrix.dtype), ("indices", np.dtype("<i4"))):
            # Whole values repeat in expression, and the shuffle would tear them apart.
            yield Numbers(
                f"X/{name}",
                {},
                (matrix.n_stored,),
                dtype,
                chunks,
                name == "indices",
                lambda name=name: matrix.blocks(name, chunks[0]),  # type: ignore[misc]
            )
    elif isinstance(matrix, Dense):
        shape = layout.strip(matrix.shape)
        yield Numbers("X", _ARRAY, matrix.shape, matrix.dtype, shape, False, lambda: matrix.blocks(shape))


def _array(
    path: str,
    values: np.ndarray,
    dtype: np.dtype[Any] | None = None,
    chunks: tuple[int, ...] | None = None,
    *,
    first: bool = False,
    attributes: dict[str, Any] = _ARRAY,
) -> Numbers:
    """Return a node for an array in memory."""
    shape = chunks or layout.vector(len(values))
    grid = [range(-(-length // size)) for length, size in zip(values.shape, shape, strict=True)]

    def blocks() -> Iterator[Block]:
        for place in product(*grid):
            part = tuple(slice(at * size, (at + 1) * size) for at, size in zip(place, shape, strict=True))
            yield place, values[part]

    stored = np.dtype(dtype or values.dtype).newbyteorder("<")
    return Numbers(path, attributes, values.shape, stored, shape, stored.itemsize > 1, blocks, first)


def _texts(path: str, values: np.ndarray, first: bool = False) -> Texts:
    return Texts(path, encoding("string-array", "0.2.0"), values, first)


def _uns(path: str, value: Any, first: bool) -> Iterator[Node]:
    if isinstance(value, Mapping):
        yield Group(path, _DICT)
        for key, item in value.items():
            yield from _uns(f"{path}/{key}", item, first and key != "outlierQuantiles")
    elif isinstance(value, np.ndarray):
        yield _array(path, value, first=first)
    else:
        yield Scalar(path, encoding("string" if isinstance(value, str) else "numeric-scalar", "0.2.0"), value)


def _frame(
    path: str, index: np.ndarray, columns: Mapping[str, Column], first: bool = False, first_labels: bool = False
) -> Iterator[Node]:
    order = {"_index": "_index", "column-order": list(columns)}
    yield Group(path, encoding("dataframe", "0.2.0", **order))
    yield _texts(f"{path}/_index", index, first)
    for key, column in columns.items():
        yield from _column(f"{path}/{key}", column, first_labels)


def _column(path: str, column: Column, first_labels: bool) -> Iterator[Node]:
    if isinstance(column, Categories):
        yield Group(path, encoding("categorical", "0.2.0", ordered=column.ordered))
        yield _array(f"{path}/codes", column.codes)
        if column.labels.dtype == object:
            yield _texts(f"{path}/categories", column.labels, first_labels)
        else:
            yield _array(f"{path}/categories", column.labels, first=first_labels)
    elif isinstance(column, (pd.arrays.IntegerArray, pd.arrays.BooleanArray)):
        kind = "nullable-integer" if isinstance(column, pd.arrays.IntegerArray) else "nullable-boolean"
        yield Group(path, encoding(kind, "0.1.0"))
        yield _array(f"{path}/values", nullable_values(column))
        yield _array(f"{path}/mask", np.asarray(column.isna()))
    elif column.dtype == object:
        yield _texts(path, column)
    else:
        yield _array(path, column)


def _graph(path: str, graph: sparse.csr_matrix) -> Iterator[Node]:
    yield Group(path, encoding("csr_matrix", "0.1.0", shape=list(graph.shape)))
    pointers = np.dtype("<i8" if graph.nnz >= 2**31 else "<i4")
    yield _array(f"{path}/indptr", graph.indptr, pointers, attributes={})
    yield _array(f"{path}/data", graph.data, np.dtype("<f4"), attributes={})
    yield _array(f"{path}/indices", graph.indices, np.dtype("<i4"), attributes={})
