"""The nearest neighbours of many cells, found with faiss, where measuring all distances would take hours.

Compared at 1,000,000 × 50 on two processors (15 neighbours, recall on 500 cells): faiss' inverted lists 0.96 in 140 s,
its HNSW 0.94 in 123 s. At 100,000 × 50: inverted lists 0.98 in 3.4 s, HNSW of faiss 0.99 in 5.1 s, of hnswlib 6.0 s, of
usearch 7.1 s, pynndescent 0.96 in 37 s. Inverted lists give the same neighbours in every run.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin

#: Cells whose neighbours are searched at a time.
_AT_ONCE = 2**15
#: Cells per list from which its centre is learned.
_LEARNED_FROM = 64


class NearestCells(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # sklearn has no types
    """Approximate nearest neighbours, as a transformer that `scanpy.pp.neighbors` takes.

    The inverted file of faiss (Jégou, Douze, Schmid 2011): the n cells are put into 4 √n lists around centres, but at
    most n / 40, and a cell is compared with those of the nearest ∛n / 3 lists, but at least 16.

    Parameters
    ----------
    n_neighbors
        How many neighbours of a cell, the cell itself included.
    report
        Called with the share that is done, 0 … 1; it may raise to cancel.
    """

    def __init__(self, n_neighbors: int = 15, report: Callable[[float], None] | None = None) -> None:
        self.n_neighbors = n_neighbors
        self.report = report

    def fit(self, X: np.ndarray, y: object = None) -> NearestCells:
        """Learn the centres and put the cells into the lists.

        Parameters
        ----------
        X
            (n_cells, n_dimensions), finite.
        """
        import faiss

        cells = np.ascontiguousarray(X, np.float32)
        n, dimensions = cells.shape
        n_lists = max(1, min(int(4 * np.sqrt(n)), n // 40))
        self._centres = faiss.IndexFlatL2(dimensions)  # kept here, since the index only points to it
        self._index = faiss.IndexIVFFlat(self._centres, dimensions, n_lists)
        self._index.cp.seed = 0
        self._index.cp.max_points_per_centroid = _LEARNED_FROM
        self._index.train(cells)
        self._say(0.1)
        self._index.add(cells)
        self._index.nprobe = max(16, round(n ** (1 / 3) / 3))
        return self

    def transform(self, X: np.ndarray) -> sparse.csr_matrix:
        """Return the distances from cells to their nearest ones; `X` is what `fit` was given.

        Returns
        -------
        scipy.sparse.csr_matrix
            (n_cells, n_cells) float32, `n_neighbors` entries a row: the cell itself (0), then nearest first.
        """
        import faiss

        cells = np.ascontiguousarray(X, np.float32)
        n, k = len(cells), min(self.n_neighbors, len(cells))
        everywhere = faiss.SearchParametersIVF(nprobe=self._index.nlist)  # type: ignore[call-arg]
        near, squares = np.empty((n, k), np.int64), np.empty((n, k), np.float32)
        for start in range(0, n, _AT_ONCE):
            block = slice(start, start + _AT_ONCE)
            squares[block], near[block] = self._index.search(cells[block], k)
            few = start + np.flatnonzero((near[block] < 0).any(axis=1))  # the lists searched held too few cells
            if len(few):
                squares[few], near[few] = self._index.search(cells[few], k, params=everywhere)
            self._say(0.1 + 0.9 * min(1, (start + _AT_ONCE) / n))
        _itself_first(near, squares)
        distances = np.sqrt(np.maximum(squares, 0, out=squares), out=squares)
        return sparse.csr_matrix((distances.ravel(), near.ravel(), np.arange(0, n * k + 1, k)), shape=(n, n))

    def _say(self, share: float) -> None:
        if self.report is not None:
            self.report(share)


def _itself_first(near: np.ndarray, squares: np.ndarray) -> None:
    """Put each cell first among its own neighbours, where cells at the same place may precede it or push it out."""
    rows = np.arange(len(near))
    own = near == rows[:, None]
    at = np.where(own.any(axis=1), own.argmax(axis=1), near.shape[1] - 1)
    near[rows, at], squares[rows, at] = near[:, 0], squares[:, 0]
    near[:, 0], squares[:, 0] = rows, 0
