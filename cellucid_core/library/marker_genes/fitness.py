"""The two objectives, for a whole population at once."""

from __future__ import annotations

import numpy as np

#: Most bytes of the table of products of pairs of cell types; a larger one is made piece by piece for every evaluation.
_TABLE_BYTES = 192 * 2**20
#: A sum of squares about the mean below this share of the sum of squares is a rounding error: the values are constant.
_CONSTANT = 1e-12


class Fitness:
    """Correlation and distance of centroids over selections of genes.

    Both follow from sums over the selected genes: with S_i the sum of type i's means, S_ij the sum of the products of
    types i and j, and k genes, the covariance is S_ij − S_i·S_j / k and the squared distance S_ii + S_jj − 2·S_ij. So
    one product of the 0/1 selections with a table of products per gene scores all individuals.

    Parameters
    ----------
    centroids
        (n_types, n_genes) mean of each gene in each cell type, finite.
    """

    def __init__(self, centroids: np.ndarray) -> None:
        X = np.ascontiguousarray(centroids, dtype=np.float64)
        self._X = X
        self.n_types, self.n_genes = X.shape
        self._one, self._other = np.triu_indices(self.n_types, 1)
        self._singles = np.concatenate([X, X * X]).T.copy()
        per_pair = 8 * max(1, self.n_genes)
        self._step = max(1, _TABLE_BYTES // per_pair)
        whole = len(self._one) <= self._step
        self._table = np.concatenate([self._singles, self._pairs(0, len(self._one))], axis=1) if whole else None

    def _pairs(self, start: int, stop: int) -> np.ndarray:
        return np.asarray((self._X[self._one[start:stop]] * self._X[self._other[start:stop]]).T)

    def __call__(self, masks: np.ndarray) -> np.ndarray:
        """Return both objectives of every individual.

        Parameters
        ----------
        masks
            (n, n_genes), 1 where a gene is selected.

        Returns
        -------
        numpy.ndarray
            (n, 2) float64: the sum over pairs of cell types of the absolute Pearson correlation (0 with a type whose
            selected genes are all equal), and of the Euclidean distance.
        """
        masks = np.asarray(masks, dtype=np.float64)
        n = self.n_types
        k = masks.sum(axis=1, keepdims=True)
        sums = masks @ (self._singles if self._table is None else self._table)
        total, squares = sums[:, :n], sums[:, n : 2 * n]
        with np.errstate(divide="ignore", invalid="ignore"):
            variance = squares - total * total / k
            # 0 for constant values, whose correlation with anything counts as 0.
            scale = np.where(variance > _CONSTANT * squares, 1 / np.sqrt(variance), 0.0)
        result = np.zeros((len(masks), 2))
        for start in range(0, len(self._one), self._step):
            one, other = self._one[start : start + self._step], self._other[start : start + self._step]
            by_piece = self._table is None
            products = masks @ self._pairs(start, start + self._step) if by_piece else sums[:, 2 * n :]
            with np.errstate(divide="ignore", invalid="ignore"):
                covariance = products - total[:, one] * total[:, other] / k
            result[:, 0] += np.abs(covariance * scale[:, one] * scale[:, other]).sum(axis=1)
            squared = squares[:, one] + squares[:, other] - 2 * products
            result[:, 1] += np.sqrt(np.maximum(squared, 0.0)).sum(axis=1)
        return result
