"""One expression matrix as the user sees it: only the cells and genes that are kept, genes in the user's order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from cellucid_core.dataset.gene_by_gene import over_genes
from cellucid_core.running import on_cluster
from cellucid_core.store import GeneStats, JoinedStore, Store, dense_gene_stats, missing_gene_stats, sparse_gene_stats


class Expression:
    """Whole genes of a gene-major `Store` (or of several, joined), narrowed to the cells and genes that are kept.

    Parameters
    ----------
    store
        The matrix on disk.
    cells
        Rows of the source that are kept, ascending, or None for all.
    genes
        Columns of the source that are kept, in the order of this matrix, or None for all.
    """

    def __init__(
        self, store: Store | JoinedStore, cells: np.ndarray | None = None, genes: np.ndarray | None = None
    ) -> None:
        self._store = store
        self._cells = cells
        self._genes = genes
        self._known: dict[str, np.ndarray] = {}

    @property
    def n_cells(self) -> int:
        """Number of cells kept."""
        return self._store.n_cells if self._cells is None else len(self._cells)

    @property
    def n_genes(self) -> int:
        """Number of genes kept."""
        return self._store.n_genes if self._genes is None else len(self._genes)

    @property
    def n_stored(self) -> int:
        """Number of values on disk, also those of cells and genes that are left out: what reading all of them costs."""
        return self._store.n_stored if self.is_sparse else self._store.n_cells * self._store.n_genes

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32, or float64 where float32 would not be exact."""
        return self._store.dtype

    @property
    def is_sparse(self) -> bool:
        """Whether zeros are left out on disk."""
        return self._store.is_sparse

    @cached_property
    def _place(self) -> np.ndarray | None:
        """Position of each cell of the source among the kept ones, −1 if left out; None if all are kept."""
        if self._cells is None:
            return None
        place = np.full(self._store.n_cells, -1, np.int32)
        place[self._cells] = np.arange(len(self._cells), dtype=np.int32)
        return place

    def _source_gene(self, position: int) -> int:
        if not 0 <= position < self.n_genes:
            raise IndexError(f"gene {position} of {self.n_genes}")
        return position if self._genes is None else int(self._genes[position])

    def gene_stored(self, position: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the stored values of one gene.

        Returns
        -------
        tuple
            Cells (ascending, int32) and their values. Cells that are not listed have 0; a dense store lists all.
        """
        cells, values = self._store.gene(self._source_gene(position))
        if self._place is None or self._cells is None:
            return cells, values
        if not self.is_sparse:
            return np.arange(self.n_cells, dtype=np.int32), values[self._cells]
        cells = self._place[cells]
        kept = cells >= 0
        return cells[kept], values[kept]

    def gene(self, position: int) -> np.ndarray:
        """Return one gene's value in every cell, (n_cells,)."""
        if not self.is_sparse:
            return self.gene_stored(position)[1]
        values = np.zeros(self.n_cells, self.dtype)
        cells, stored = self.gene_stored(position)
        values[cells] = stored
        return values

    def block(self, positions: Sequence[int] | np.ndarray) -> np.ndarray:
        """Return several genes in every cell, (len(positions), n_cells), C order."""
        block = np.zeros((len(positions), self.n_cells), self.dtype)
        for row, position in enumerate(positions):
            if self.is_sparse:
                cells, stored = self.gene_stored(int(position))
                block[row, cells] = stored
            else:
                block[row] = self.gene_stored(int(position))[1]
        return block

    @property
    def own_stats(self) -> GeneStats:
        """Statistics over the cells of this matrix, also where `stats` are over the whole that it is a part of."""
        return self.stats

    def gene_major(self) -> GeneMajor | None:
        """Return the arrays of the store, for loops over many genes; None for a dense or joined one, or some cells."""
        store = self._store
        if self._cells is not None or isinstance(store, JoinedStore) or not store.is_sparse:
            return None
        return GeneMajor(store.indptr, store.indices, store.data, self._genes)

    def once(self, what: str, compute: Callable[[], np.ndarray]) -> np.ndarray:
        """Return a result that is kept under a name as long as this object, computing it the first time."""
        if what not in self._known:
            self._known[what] = compute()
        return self._known[what]

    @property
    def spread(self) -> bool:
        """Whether a cluster is configured and the matrix lies in several parts, so that the cluster computes on it."""
        return on_cluster() and isinstance(self._store, JoinedStore) and len(self._store.parts) > 1

    def parts(self) -> list[ExpressionPart]:
        """Return what another machine needs to compute on one part, for each part that has kept cells."""
        if not isinstance(self._store, JoinedStore):
            return []
        parts = []
        for store, columns, start in self._store.parts:
            cells, n = None, store.n_cells
            if self._cells is not None:
                first, last = np.searchsorted(self._cells, [start, start + store.n_cells])
                cells, n = self._cells[first:last] - start, int(last - first)
            if n:
                parts.append(
                    ExpressionPart(str(store.folder), columns, self._store.n_genes, cells, self._genes, self.stats)
                )
        return parts

    def save(self, path: Path) -> None:
        """Write where the parts of a `spread` matrix lie and which cells and genes are kept, for `read`; no values."""
        assert isinstance(self._store, JoinedStore)
        columns = {f"columns{i}": columns for i, (_, columns, _) in enumerate(self._store.parts) if columns is not None}
        kept = {"cells": self._cells, "genes": self._genes}
        arrays: dict[str, Any] = columns | {name: array for name, array in kept.items() if array is not None}
        folders = [str(store.folder) for store, _, _ in self._store.parts]
        np.savez(path, folders=folders, n_genes=self._store.n_genes, **arrays)

    @classmethod
    def read(cls, path: Path) -> Expression:
        """Return the matrix that `save` has written; its stores must still exist."""
        with np.load(path) as found:
            stores = [Store(Path(folder)) for folder in found["folders"].tolist()]
            columns = [found.get(f"columns{i}") for i in range(len(stores))]
            store = JoinedStore(stores, columns, int(found["n_genes"]))
            return cls(store, found.get("cells"), found.get("genes"))

    def forget(self) -> None:
        """Give back the memory of genes that were read; code that reads all genes calls this now and then."""
        self._store.forget()

    @cached_property
    def stats(self) -> GeneStats:
        """Statistics of each gene over the kept cells."""
        if self._cells is None:
            whole = self._store.stats
            if self._genes is None:
                return whole
            return GeneStats(**{name: values[self._genes] for name, values in vars(whole).items()})
        found = np.zeros((self.n_genes, len(fields(GeneStats))))
        for block, values in over_genes(_gene_stats, self):
            found[block] = values
        kept = zip(vars(missing_gene_stats(0)).items(), found.T, strict=True)
        return GeneStats(**{name: values.astype(like.dtype) for (name, like), values in kept})

    @property
    def cell_total(self) -> np.ndarray:
        """Sum of each cell's finite values over all genes of the source matrix, (n_cells,) float64."""
        total = self._store.cell_total
        return total if self._cells is None else total[self._cells]

    @property
    def cell_detected(self) -> np.ndarray:
        """Genes above 0 in each cell, over all genes of the source matrix, (n_cells,) int64."""
        detected = self._store.cell_detected
        return detected if self._cells is None else detected[self._cells]


def _gene_stats(expression: Expression, position: int) -> list[float]:
    """Return one gene's `GeneStats`; counts of cells are exact as float64."""
    _, values = expression.gene_stored(position)
    if expression.is_sparse:
        stats = sparse_gene_stats(values, np.array([0, len(values)]), expression.n_cells)
    else:
        stats = dense_gene_stats(values[None, :])
    return [float(value[0]) for value in vars(stats).values()]


@dataclass(frozen=True, eq=False)
class GeneMajor:
    """The memory-mapped CSC arrays of a store (rows are cells), and the columns that are kept (None: all)."""

    indptr: np.ndarray
    indices: np.ndarray
    data: np.ndarray
    kept: np.ndarray | None

    def genes(self, positions: np.ndarray) -> np.ndarray:
        """Return the columns of kept genes in the arrays, int64."""
        return np.asarray(positions if self.kept is None else self.kept[positions], dtype=np.int64)


@dataclass(frozen=True, eq=False)
class ExpressionPart:
    """The kept cells of one part, as plain values that can be sent to another machine.

    Attributes
    ----------
    folder
        Folder of the part's store.
    columns, n_genes
        The column of the part in which each of the whole's `n_genes` is, see `JoinedStore`.
    cells, genes
        What is kept: cells of the part, genes of the whole; None for all.
    stats
        Statistics over the whole, by which methods choose genes.
    """

    folder: str
    columns: np.ndarray | None
    n_genes: int
    cells: np.ndarray | None
    genes: np.ndarray | None
    stats: GeneStats

    def open(self) -> Expression:
        """Return the part's matrix, whose `stats` are those of the whole."""
        store = JoinedStore([Store(Path(self.folder))], [self.columns], self.n_genes)
        return _OfWhole(store, self.cells, self.genes, self.stats)


class _OfWhole(Expression):
    """The cells of a part, with the gene statistics of the whole."""

    def __init__(
        self, store: JoinedStore, cells: np.ndarray | None, genes: np.ndarray | None, stats: GeneStats
    ) -> None:
        super().__init__(store, cells, genes)
        self._whole = stats

    @property
    def stats(self) -> GeneStats:
        """Statistics of each gene over the cells of the whole."""
        return self._whole

    @cached_property
    def own_stats(self) -> GeneStats:
        """See `Expression.own_stats`."""
        return Expression(self._store, self._cells, self._genes).stats
