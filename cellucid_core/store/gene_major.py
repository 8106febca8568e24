"""The gene-major store: a matrix turned once, memory-mapped, shared by everybody who opens the same file.

A store is a folder of ``.npy`` files and ``meta.json``. Its name follows from the content of the file that it was made
from, so it never has to be invalidated, and the same file uploaded by two people is turned once. Checksums show whether
a store is damaged; then it is built again.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from cellucid_core.cache import home_folder, is_complete, sealed_folder
from cellucid_core.errors import InputError
from cellucid_core.reading import BLOCK_BYTES, FileMatrix
from cellucid_core.store.build import build_store, forget
from cellucid_core.store.gene_stats import GeneStats, dense_gene_stats, join_stats, sparse_gene_stats

_VERSION = 1


class Store:
    """One matrix, genes in order, on disk.

    Parameters
    ----------
    folder
        A folder that `open_store` completed.

    Attributes
    ----------
    n_cells, n_genes
        Shape of the matrix.
    is_sparse
        Whether it has `indptr`, `indices` and `data`; else it has `values`.
    dtype
        Type of the values: float32, or float64 if that is needed to hold them.
    n_stored
        Number of stored values.
    """

    def __init__(self, folder: Path) -> None:
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        self.folder = folder
        self.n_cells: int = meta["n_cells"]
        self.n_genes: int = meta["n_genes"]
        self.is_sparse: bool = meta["sparse"]
        self.dtype: np.dtype[Any] = np.dtype(meta["dtype"])
        self.n_stored: int = meta["n_stored"]

    def _part(self, name: str) -> np.ndarray:
        path = self.folder / f"{name}.npy"
        empty = self.n_stored == 0 or self.n_cells * self.n_genes == 0
        array: np.ndarray = np.load(path, mmap_mode=None if empty or name == "indptr" else "r")
        return array.view(np.ndarray)  # slicing a memmap is slower than slicing an array

    @cached_property
    def indptr(self) -> np.ndarray:
        """Sparse: where each gene's entries start, int64 (n_genes + 1,)."""
        return self._part("indptr")

    @cached_property
    def indices(self) -> np.ndarray:
        """Sparse: the cell of each entry, ascending within a gene, int32 (n_stored,), memory-mapped."""
        return self._part("indices")

    @cached_property
    def data(self) -> np.ndarray:
        """Sparse: the value of each entry, never 0, (n_stored,), memory-mapped."""
        return self._part("data")

    @cached_property
    def values(self) -> np.ndarray:
        """Dense: all values, (n_genes, n_cells), memory-mapped."""
        return self._part("values")

    @cached_property
    def stats(self) -> GeneStats:
        """Statistics of each gene of the whole matrix, computed when the store was built."""
        with np.load(self.folder / "genes.npz") as arrays:
            return GeneStats(**{name: arrays[name] for name in arrays.files})

    @cached_property
    def cell_total(self) -> np.ndarray:
        """Sum of each cell's finite values, float64 (n_cells,)."""
        total: np.ndarray = np.load(self.folder / "cell_total.npy")
        return total

    @cached_property
    def cell_detected(self) -> np.ndarray:
        """Number of genes above 0 in each cell, int64 (n_cells,)."""
        detected: np.ndarray = np.load(self.folder / "cell_detected.npy")
        return detected

    def gene(self, gene: int) -> tuple[np.ndarray, np.ndarray]:
        """Return what is stored of one gene.

        Returns
        -------
        tuple
            Cells (ascending, int32) and their values. All other cells have 0. A dense store returns all cells.
        """
        if not self.is_sparse:
            return np.arange(self.n_cells, dtype=np.int32), self.values[gene]
        at, end = self.indptr[gene], self.indptr[gene + 1]
        return self.indices[at:end], self.data[at:end]

    def forget(self) -> None:
        """Give back the memory of the mapped files; what was read from them stays readable."""
        parts = (self.__dict__.get(part) for part in ("indices", "data", "values"))
        forget(*(part for part in parts if part is not None))

    def gene_blocks(self) -> Iterator[tuple[int, int]]:
        """Yield (start, stop) of successive runs of genes, each of at most `BLOCK_BYTES` or one gene."""
        if self.is_sparse:
            limit = BLOCK_BYTES // (self.dtype.itemsize + 4)
            start = 0
            while start < self.n_genes:
                stop = int(np.searchsorted(self.indptr, self.indptr[start] + limit, side="right")) - 1
                stop = min(self.n_genes, max(start + 1, stop))
                yield start, stop
                start = stop
        else:
            step = max(1, BLOCK_BYTES // max(1, self.n_cells * self.dtype.itemsize))
            for start in range(0, self.n_genes, step):
                yield start, min(self.n_genes, start + step)


def open_store(
    content_hash: str, name: str, matrix: Callable[[], FileMatrix], report: Callable[[float], None] | None = None
) -> Store:
    """Return the gene-major store of a matrix, and build it if it is not there or damaged.

    If two processes open the same file at once, one builds and the other waits (`cache.sealed_folder`).

    Parameters
    ----------
    content_hash
        Hash of the file that the matrix comes from.
    name
        Name of the matrix.
    matrix
        Returns the matrix; called only if the store has to be built.
    report
        Called with the share that is done while it is built (with 0.0 while another process builds it); it may raise
        to cancel.

    Raises
    ------
    InputError
        As `build.build_store`, or if the disk is full.
    """
    folder = store_folder(content_hash, name)
    say = report or (lambda share: None)
    try:
        sealed_folder(folder, lambda draft: _build(matrix(), draft, say), lambda: say(0.0))
    except OSError as error:
        raise InputError(
            f"The matrix {name} could not be arranged by gene ({os.strerror(error.errno) if error.errno else error}).",
            "Free some disk space, or point CELLUCID_HOME to a larger disk.",
        ) from error
    return Store(folder)


def has_store(content_hash: str, name: str) -> bool:
    """Tell whether the store of a matrix is there, complete and intact."""
    return is_complete(store_folder(content_hash, name))


def store_folder(content_hash: str, name: str) -> Path:
    """Return the folder of the store of a matrix, whether it is there or not."""
    layer = hashlib.sha256(name.encode()).hexdigest()[:16]
    return home_folder("stores") / f"v{_VERSION}-{content_hash[:40]}-{layer}"


def _build(matrix: FileMatrix, draft: Path, report: Callable[[float], None]) -> None:
    meta = build_store(matrix, draft, lambda share: report(0.9 * share))
    (draft / "meta.json").write_text(json.dumps(meta, indent=2), encoding="utf-8")
    cells_done = (draft / "cell_total.npy").exists()
    stats, total, detected = scan(Store(draft), with_cells=not cells_done)
    np.savez(draft / "genes.npz", **vars(stats))
    if not cells_done:
        np.save(draft / "cell_total.npy", total)
        np.save(draft / "cell_detected.npy", detected)
    report(1.0)


def scan(store: Store, *, with_cells: bool = True) -> tuple[GeneStats, np.ndarray, np.ndarray]:
    """Read a store once, in blocks of genes, for its statistics.

    Parameters
    ----------
    with_cells
        Whether the cells of a sparse store are also summed; else their sums and counts are 0.

    Returns
    -------
    tuple
        `GeneStats`; sum of each cell's finite values, float64 (n_cells,); number of genes above 0 in each cell, int64
        (n_cells,).
    """
    total = np.zeros(store.n_cells)
    detected = np.zeros(store.n_cells, np.int64)
    parts = []
    for start, stop in store.gene_blocks():
        if store.is_sparse:
            pointers = store.indptr[start : stop + 1]
            cells = store.indices[pointers[0] : pointers[-1]]
            values = store.data[pointers[0] : pointers[-1]]
            parts.append(sparse_gene_stats(values, pointers - pointers[0], store.n_cells))
            if not with_cells:
                forget(store.indices, store.data)
                continue
            finite = np.isfinite(values)
            weights = values if finite.all() else np.where(finite, values, 0)
            total += np.bincount(cells, weights=weights, minlength=store.n_cells)
            detected += np.bincount(cells[weights > 0], minlength=store.n_cells)
            forget(store.indices, store.data)
        else:
            block = store.values[start:stop]
            parts.append(dense_gene_stats(block))
            finite = np.isfinite(block)
            total += np.where(finite, block, 0).sum(axis=0, dtype=np.float64)
            detected += ((block > 0) & finite).sum(axis=0)
            forget(store.values)
    return join_stats(parts), total, detected
