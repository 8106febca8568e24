"""Scores that compare the signature's genes with all genes of the cell, in closed form from sums: z-score and ULM.

As PyPI ``decoupler`` 2 computes them, leaving out genes that are 0 in every cell.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from cellucid_core.compiled import compiled
from cellucid_core.genes import GeneMatch
from cellucid_core.signature.scoring.linear import weighted_sums

if TYPE_CHECKING:
    from cellucid_core.dataset import Expression

#: Sums, sums of squares, number of genes; see `cell_moments`.
Moments: TypeAlias = "tuple[np.ndarray, np.ndarray, int]"
_GENES_AT_ONCE = 256
#: What keeps the t-value of a perfect fit finite, as in decoupler.
_LEAST = 2.2e-16


def cell_moments(expression: Expression, progress: Callable[[float], None] | None = None) -> Moments:
    """Return each cell's sum and sum of squares over all genes, and how many genes are not 0 in every cell.

    Returns
    -------
    tuple
        (n_cells,) float64 sums and sums of squares, values that are not finite counting as 0; int number of genes.
    """
    kernel, n = compiled(_add), expression.n_genes
    halves = [(np.zeros(expression.n_cells), np.zeros(expression.n_cells)) for _ in range(2)]

    def work(half: int, some: list[tuple[np.ndarray, np.ndarray]]) -> None:
        for cells, values in some[half::2]:
            kernel(cells, values, *halves[half])

    with ThreadPoolExecutor(2) as pool:
        for first in range(0, n, _GENES_AT_ONCE):
            some = [expression.gene_stored(gene) for gene in range(first, min(n, first + _GENES_AT_ONCE))]
            list(pool.map(work, (0, 1), (some, some)))
            if progress is not None:
                progress(first / n)
    total, squares = (halves[0][k] + halves[1][k] for k in range(2))
    return total, squares, int(np.count_nonzero(expression.stats.n_nonzero))


def _add(cells: np.ndarray, values: np.ndarray, total: np.ndarray, squares: np.ndarray) -> None:
    """Add a gene's values to its cells' sums (to be `compiled`)."""
    for k in range(len(cells)):
        value = np.float64(values[k])
        if np.isfinite(value):
            total[cells[k]] += value
            squares[cells[k]] += value * value


def whole_cell_many(
    expression: Expression,
    matches: Sequence[GeneMatch],
    method: str,
    *,
    moments: Moments | None = None,
    progress: Callable[[float], None] | None = None,
) -> np.ndarray:
    """Score cells by several signatures.

    Parameters
    ----------
    expression
        The chosen matrix. Values that are not finite count as 0.
    matches
        The genes as found, with weights and signs: w is a gene's weight, below 0 where it counts against the signature.
    method
        ``zscore``: (Σwx/Σ|w| − the cell's mean) √n / its SD (ddof 1), with n the number of genes whose w is not 0 (the
        z-score of KSEA, Casado et al. 2013, 10.1126/scisignal.2003573; decoupler's flavour "RoKAI"). ``ulm``: the
        t-value of the slope of x on w over all genes, where w is 0 for genes outside the signature (Badia-i-Mompel et
        al. 2022, 10.1093/bioadv/vbac016).
    moments
        From `cell_moments`, where they are known.
    progress
        Called with the done share, 0 to 1.

    Returns
    -------
    numpy.ndarray
        (signatures, n_cells) float64; NaN in a cell whose genes are all equal. All NaN if every gene of the signature
        is 0 in all cells, or if fewer than three genes of the dataset are not.
    """
    report = progress or (lambda share: None)
    total, squares, n = moments or cell_moments(expression, lambda share: report(0.7 * share))
    there = expression.stats.n_nonzero > 0
    positions, weights = [], []
    for match in matches:
        kept = there[match.positions]
        positions.append(match.positions[kept])
        weights.append((match.weights * match.signs)[kept])
    sums, _ = weighted_sums(expression, positions, weights, progress=lambda share: report(0.7 + 0.3 * share))
    mean = total / max(n, 1)
    spread = squares - n * mean**2  # Σ(x − mean)²
    spread[spread <= 1e-12 * squares] = np.nan
    scores = np.full((len(matches), expression.n_cells), np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        for row, (w, found) in enumerate(zip(weights, sums, strict=True)):
            if not len(w) or n < 3:
                continue
            if method == "zscore":
                size = np.sqrt(np.count_nonzero(w))
                scores[row] = (found / np.abs(w).sum() - mean) * size / np.sqrt(spread / (n - 1))
                continue
            r = (found - w.sum() * mean) / np.sqrt(spread * ((w**2).sum() - w.sum() ** 2 / n))
            scores[row] = r * np.sqrt((n - 2) / ((1 - r + _LEAST) * (1 + r + _LEAST)))
    return scores
