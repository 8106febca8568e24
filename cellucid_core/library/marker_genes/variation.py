"""Make new individuals from old ones, all with the same number of genes, a whole generation at once."""

from __future__ import annotations

import numpy as np


def random_masks(n: int, n_genes: int, n_selected: int, rng: np.random.Generator) -> np.ndarray:
    """Return (n, n_genes) bool selections of `n_selected` random genes each."""
    masks = np.zeros((n, n_genes), dtype=bool)
    masks[:, :n_selected] = True
    shuffled: np.ndarray = rng.permuted(masks, axis=1)
    return shuffled


def cross(one: np.ndarray, other: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Mate individuals in pairs.

    A child has the genes that both parents selected, and a random half of those that only one of them selected.
    (``autogenes`` takes the first genes of the parents' union in the order of the matrix, which favours genes for their
    place.)

    Parameters
    ----------
    one, other
        (n, n_genes) bool, all rows with the same number of genes.

    Returns
    -------
    numpy.ndarray
        (n, n_genes) bool, with the same number of genes in each row.
    """
    # Both parents have the same number of genes, so half of those that only one selected complete the shared ones.
    child: np.ndarray = one & other
    rows, genes = np.nonzero(one ^ other)
    shuffled = np.argsort(rows + rng.random(len(rows)), kind="stable")
    per_row = np.bincount(rows, minlength=len(one))
    place = np.arange(len(rows)) - np.repeat(np.cumsum(per_row) - per_row, per_row)
    taken = shuffled[place < np.repeat(per_row // 2, per_row)]
    child[rows[taken], genes[taken]] = True
    return child


def mutate(masks: np.ndarray, swaps: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Replace a few selected genes by ones that were not selected.

    Parameters
    ----------
    masks
        (n, n_genes) bool; every row selects at least one gene and leaves at least one out, or has 0 swaps.
    swaps
        (n,) how many genes to replace in each row.

    Returns
    -------
    numpy.ndarray
        (n, n_genes) bool, as many genes in each row as before.
    """
    result = masks.copy()
    # One swap at a time: there are rarely more than a few, and a gene that was just put in may be taken out again.
    for done in range(int(swaps.max(initial=0))):
        rows = np.flatnonzero(swaps > done)
        out = _random_gene(result, rows, True, rng)
        into = _random_gene(result, rows, False, rng)
        result[rows, out] = False
        result[rows, into] = True
    return result


def _random_gene(masks: np.ndarray, rows: np.ndarray, selected: bool, rng: np.random.Generator) -> np.ndarray:
    """Return for each row a random gene that is (or is not) selected."""
    fits = masks[rows] == selected
    nth = rng.integers(0, fits.sum(axis=1))
    genes: np.ndarray = np.argmax(np.cumsum(fits, axis=1, dtype=np.int32) > nth[:, None], axis=1)
    return genes
