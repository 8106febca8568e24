"""What an expression matrix holds, decided from its values: counts, normalized, logged or scaled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import sparse

from cellucid_core.dataset.matrix import FileMatrix

ScaleKind = Literal["counts", "normalized", "TPM", "log", "scaled", "empty", "unknown"]

#: Cells that are looked at; a few hundred decide it, and reading them takes milliseconds.
SAMPLE_CELLS = 256

_BASES = {"e": np.e, "2": 2.0, "10": 10.0}
#: No logged value of real data exceeds this: ln(1e13), and log2 of any count.
_LOG_MAXIMUM = 30.0


@dataclass(frozen=True)
class MatrixScale:
    """What a matrix holds.

    Attributes
    ----------
    kind
        ``counts`` (whole numbers), ``normalized`` (cells sum to one total), ``TPM`` (that total is a million),
        ``log`` (of such values plus one), ``scaled`` (centred, with negative values), ``empty`` or ``unknown``.
    base
        For ``log``: ``e``, ``2`` or ``10`` where the cells' totals tell.
    target_sum
        The total that cells were normalized to, where it can be told.
    """

    kind: ScaleKind
    base: str | None = None
    target_sum: float | None = None

    @property
    def word(self) -> str:
        """One word for a card: "log-normalized", "counts", "TPM"."""
        return {"log": "log-normalized", "empty": "zeros"}.get(self.kind, self.kind)

    @property
    def words(self) -> str:
        """A few words for people: "log-normalized values (base e, 10,000 per cell)"."""
        if self.kind == "log":
            known = [f"base {self.base}"] if self.base else []
            known += [f"{self.target_sum:,.0f} per cell"] if self.target_sum else []
            return "log-normalized values" + (f" ({', '.join(known)})" if known else "")
        if self.kind == "normalized" and self.target_sum:
            return f"normalized ({self.target_sum:,.6g} per cell) but not logged values"
        return {
            "counts": "counts",
            "normalized": "normalized but not logged values",
            "TPM": "TPM (1,000,000 per cell) but not logged values",
            "scaled": "scaled (centred) values",
            "empty": "only zeros",
        }.get(self.kind, "values of an unknown scale")


def matrix_scale(matrix: FileMatrix) -> MatrixScale:
    """Decide what a matrix holds from up to `SAMPLE_CELLS` cells spread over the file.

    Raises
    ------
    InputError
        If the matrix contradicts itself.
    """
    n_cells = matrix.shape[0]
    rows = np.unique(np.linspace(0, max(0, n_cells - 1), min(n_cells, SAMPLE_CELLS)).astype(np.int64))
    return scale_of(matrix.sample_rows(rows))


def scale_of(sample: np.ndarray | sparse.csr_matrix) -> MatrixScale:
    """Decide what values hold.

    Parameters
    ----------
    sample
        Some whole cells, (n_cells, n_genes).
    """
    rows = sparse.csr_matrix(sample) if not isinstance(sample, np.ndarray) else None
    stored = np.asarray(sample if rows is None else rows.data, dtype=np.float64)
    values = stored[np.isfinite(stored) & (stored != 0)]
    if values.size == 0:
        return MatrixScale("empty")
    if values.min() < 0:
        return MatrixScale("scaled")
    if np.array_equal(values, np.rint(values)):
        return MatrixScale("counts")
    dense = np.asarray(sample if rows is None else rows.toarray(), dtype=np.float64)
    dense = np.where(np.isfinite(dense), dense, 0)
    total = _common_total(dense.sum(axis=1))
    if total is not None:
        return MatrixScale("TPM" if abs(total - 1e6) < 1e3 else "normalized", target_sum=total)
    if values.max() > _LOG_MAXIMUM:
        return MatrixScale("normalized")
    for name, base in _BASES.items():
        total = _common_total((base**dense - 1).sum(axis=1))
        if total is not None:
            return MatrixScale("log", base=name, target_sum=total)
    return MatrixScale("log")


def _common_total(totals: np.ndarray) -> float | None:
    """Return the total that (nearly) all cells share, or None: within 1 % for at least 95 % of non-empty cells."""
    totals = totals[totals > 0]
    if len(totals) < 3:
        return None
    middle = float(np.median(totals))
    close = np.abs(totals - middle) <= 0.01 * middle
    return float(f"{middle:.3g}") if close.mean() >= 0.95 else None
