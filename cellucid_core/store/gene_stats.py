"""Statistics of each gene of a matrix from one pass over its values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cellucid_core.compiled import COMPILED_FROM, compiled


@dataclass(frozen=True)
class GeneStats:
    """Statistics of each gene of a matrix; every array has one value per gene, (n_genes,).

    Attributes
    ----------
    n_nonzero : int64
        Number of cells with a finite value other than 0.
    n_not_finite : int64
        Number of cells with NaN or an infinity.
    minimum, maximum : float64
        Over the finite values, absent entries (0) included; NaN if no value is finite.
    total, square_total : float64
        Sum of the finite values and of their squares.
    """

    n_nonzero: np.ndarray
    n_not_finite: np.ndarray
    minimum: np.ndarray
    maximum: np.ndarray
    total: np.ndarray
    square_total: np.ndarray

    def mean(self, n_cells: int) -> np.ndarray:
        """Return each gene's mean over its finite values, float64 (n_genes,); NaN where there are none."""
        valid = (n_cells - self.n_not_finite).astype(np.float64)
        mean: np.ndarray = np.divide(self.total, valid, out=np.full(len(valid), np.nan), where=valid > 0)
        return mean


def join_stats(parts: list[GeneStats]) -> GeneStats:
    """Return the statistics of successive blocks of genes as one."""
    if not parts:
        return sparse_gene_stats(np.zeros(0), np.zeros(1, np.int64), 0)
    return GeneStats(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in vars(parts[0])})


def missing_gene_stats(n_genes: int) -> GeneStats:
    """Return the statistics of genes that are 0 in every cell: all 0."""
    counts, values = np.zeros(n_genes, np.int64), np.zeros(n_genes)
    return GeneStats(counts, counts, values, values, values, values)


def sum_stats(one: GeneStats, other: GeneStats) -> GeneStats:
    """Return the statistics of the same genes over the cells of both parts."""
    return GeneStats(
        n_nonzero=one.n_nonzero + other.n_nonzero,
        n_not_finite=one.n_not_finite + other.n_not_finite,
        minimum=np.fmin(one.minimum, other.minimum),  # fmin and fmax ignore the NaN of a part without finite values
        maximum=np.fmax(one.maximum, other.maximum),
        total=one.total + other.total,
        square_total=one.square_total + other.square_total,
    )


def sparse_gene_stats(values: np.ndarray, pointers: np.ndarray, n_cells: int) -> GeneStats:
    """Return the statistics of a block of genes in CSC parts.

    Parameters
    ----------
    values
        Stored values, none of them 0, (n_stored,).
    pointers
        Where each gene's values start, (n_genes + 1,) int64, from 0.
    n_cells
        Number of cells of the matrix; absent entries count as 0.
    """
    n_genes = len(pointers) - 1
    n_bad = np.zeros(n_genes, np.int64)
    minimum, maximum = np.full(n_genes, np.inf), np.full(n_genes, -np.inf)
    total, square_total = np.zeros(n_genes), np.zeros(n_genes)
    gather = compiled(gather_stats) if len(values) >= COMPILED_FROM else _gather_few
    gather(values, pointers, n_bad, minimum, maximum, total, square_total)
    counts = np.diff(pointers)
    absent = counts < n_cells
    minimum[absent] = np.minimum(minimum[absent], 0)
    maximum[absent] = np.maximum(maximum[absent], 0)
    nothing = n_bad == n_cells
    minimum[nothing] = maximum[nothing] = np.nan
    return GeneStats(counts - n_bad, n_bad, minimum, maximum, total, square_total)


def gather_stats(
    values: np.ndarray,
    pointers: np.ndarray,
    n_bad: np.ndarray,
    minimum: np.ndarray,
    maximum: np.ndarray,
    total: np.ndarray,
    square_total: np.ndarray,
) -> None:
    """Compute the statistics of stored values in one pass (to be `compiled`).

    `values` and `pointers` are as in `sparse_gene_stats`; the other arrays, (n_genes,), are written to. Without finite
    values the minimum is inf and the maximum −inf.
    """
    for gene in range(len(pointers) - 1):
        bad, low, high, some, squares = 0, np.inf, -np.inf, 0.0, 0.0
        for k in range(pointers[gene], pointers[gene + 1]):
            value = np.float64(values[k])
            if np.isfinite(value):
                low, high = min(low, value), max(high, value)
                some += value
                squares += value * value
            else:
                bad += 1
        n_bad[gene], minimum[gene], maximum[gene], total[gene], square_total[gene] = bad, low, high, some, squares


def _gather_few(
    values: np.ndarray,
    pointers: np.ndarray,
    n_bad: np.ndarray,
    minimum: np.ndarray,
    maximum: np.ndarray,
    total: np.ndarray,
    square_total: np.ndarray,
) -> None:
    """Do what `gather_stats` does, in numpy, into arrays that hold its results for genes without values."""
    some = np.diff(pointers) > 0
    if not some.any():
        return
    starts = pointers[:-1][some]
    finite = np.isfinite(values)
    wide = values.astype(np.float64)
    terms = np.where(finite, wide, 0)
    n_bad[some] = np.add.reduceat((~finite).astype(np.int64), starts)
    minimum[some] = np.minimum.reduceat(np.where(finite, wide, np.inf), starts)
    maximum[some] = np.maximum.reduceat(np.where(finite, wide, -np.inf), starts)
    with np.errstate(over="ignore"):  # sums of the largest floats are infinite, as in the compiled loop
        total[some] = np.add.reduceat(terms, starts)
        square_total[some] = np.add.reduceat(terms * terms, starts)


def dense_gene_stats(block: np.ndarray) -> GeneStats:
    """Return the statistics of a dense block, (n_genes, n_cells)."""
    finite = np.isfinite(block)
    wide = np.where(finite, block, 0).astype(np.float64)
    nothing = ~finite.any(axis=1)
    minimum = np.where(finite, block, np.inf).min(axis=1, initial=np.inf).astype(np.float64)
    maximum = np.where(finite, block, -np.inf).max(axis=1, initial=-np.inf).astype(np.float64)
    minimum[nothing] = maximum[nothing] = np.nan
    return GeneStats(
        n_nonzero=np.count_nonzero(wide, axis=1).astype(np.int64),
        n_not_finite=(~finite).sum(axis=1).astype(np.int64),
        minimum=minimum,
        maximum=maximum,
        total=wide.sum(axis=1),
        square_total=np.einsum("ij,ij->i", wide, wide),
    )
