"""Mean and variance of each gene in each cell type, of several levels in one pass over the gene-major store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from cellucid_core.dataset import over_genes

if TYPE_CHECKING:
    from cellucid_core.dataset import Expression


def type_statistics(
    expression: Expression,
    levels: Sequence[tuple[np.ndarray, int]],
    factor: np.ndarray | None = None,
    progress: Callable[[int, int], None] | None = None,
    *,
    genes: Sequence[int] | np.ndarray | None = None,
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return means and variances of every gene in every cell type.

    Cells with the same labels in all levels form a group, whose squares are summed about the group's mean, so that
    nothing is lost to cancellation; groups are then combined into types (Chan, Golub & LeVeque 1979, "Updating formulae
    and a pairwise algorithm for computing sample variances").

    Parameters
    ----------
    expression
        The matrix, which is read gene by gene.
    levels
        For each level the (n_cells,) position of each cell's type (−1: left out), and the number of types.
    factor
        (n_cells,) what values are multiplied by before log1p is taken of them; None for values that are logs already.
    progress
        Called with (genes done, all genes); it may raise to cancel.
    genes
        Positions of the genes to read, in the order of the result; None for all.

    Returns
    -------
    list of tuple
        For each level mean and variance (ddof 0), each (n_genes, n_types) float64. Values that are not finite are left
        out; a gene without a finite value in a type has 0.
    """
    groups, n_cells_of = _groups([codes for codes, _ in levels])
    members = np.array([_members(groups, codes, len(n_cells_of)) for codes, _ in levels])
    n_types = [n for _, n in levels]
    n_genes = expression.n_genes if genes is None else len(genes)
    both = np.zeros((n_genes, 2 * sum(n_types)))
    for block, found in over_genes(
        _of_types,
        expression,
        groups,
        n_cells_of,
        factor,
        members,
        n_types,
        genes=genes,
        report=progress,
    ):
        both[block] = found
    each = np.split(both, np.cumsum(np.repeat(n_types, 2))[:-1], axis=1)
    return list(zip(each[::2], each[1::2], strict=True))


def _of_types(
    expression: Expression,
    gene: int,
    groups: np.ndarray,
    n_cells_of: np.ndarray,
    factor: np.ndarray | None,
    members: np.ndarray,
    n_types: Sequence[int],
) -> np.ndarray:
    """Return one gene's means and variances in the types of each level, concatenated."""
    count, mean, squares = _gene(expression, gene, groups, n_cells_of, factor)
    levels = zip(members, n_types, strict=True)
    return np.concatenate([values for level in levels for values in _together(count, mean, squares, *level)])


def _groups(codes: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Number the combinations of labels that cells have, and count their cells."""
    groups = np.zeros(len(codes[0]), np.int64)
    for labels in codes:
        # Numbered again after each level, so that many levels never overflow.
        _, groups = np.unique(groups * (int(labels.max(initial=-1)) + 2) + labels + 1, return_inverse=True)
    return groups.astype(np.intp), np.bincount(groups).astype(np.float64)


def _members(groups: np.ndarray, codes: np.ndarray, n_groups: int) -> np.ndarray:
    """Return the type that each group belongs to in one level, counted from 1, 0 for none."""
    member = np.zeros(n_groups, np.int64)
    member[groups] = codes + 1
    return member


def _gene(
    expression: Expression, gene: int, groups: np.ndarray, n_cells_of: np.ndarray, factor: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return cells, mean and sum of squares about the mean of one gene in each group."""
    n = len(n_cells_of)
    if expression.is_sparse:
        cells, stored = expression.gene_stored(gene)
        of, weights = groups[cells], None if factor is None else factor[cells]
    else:
        stored, of, weights = expression.gene(gene), groups, factor
    values = stored.astype(np.float64)
    if weights is not None:
        values = np.log1p(values * weights)
    finite = np.isfinite(values)
    count = n_cells_of
    if not finite.all():
        count = n_cells_of - np.bincount(of[~finite], minlength=n)
        of, values = of[finite], values[finite]
    some = np.maximum(count, 1)
    mean = np.bincount(of, weights=values, minlength=n) / some
    values -= mean[of]
    squares = np.bincount(of, weights=values * values, minlength=n)
    if expression.is_sparse:
        squares += (count - np.bincount(of, minlength=n)) * mean * mean
    return count, mean, squares


def _together(
    count: np.ndarray, mean: np.ndarray, squares: np.ndarray, member: np.ndarray, n_types: int
) -> tuple[np.ndarray, np.ndarray]:
    """Combine groups into types and return the types' means and variances; groups without a type are left out."""
    total = np.maximum(np.bincount(member, weights=count, minlength=n_types + 1), 1)
    means = np.bincount(member, weights=count * mean, minlength=n_types + 1) / total
    about = squares + count * np.square(mean - means[member])
    return means[1:], np.bincount(member, weights=about, minlength=n_types + 1)[1:] / total[1:]
