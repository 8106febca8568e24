"""What an expression matrix holds, decided from its values: counts, normalized, logged or scaled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import sparse

from cellucid_core.dataset.count_detection import INVERSES, counts_behind
from cellucid_core.reading import FileMatrix

ScaleKind = Literal[
    "counts", "fractional", "normalized", "TPM", "log", "double-log", "scaled", "log-of-scaled", "signed", "empty"
]

#: Most cells that are looked at; a few hundred decide it, and reading them takes milliseconds.
SAMPLE_CELLS = 256
#: Most genes of those cells whose means and spreads are computed.
_SAMPLE_GENES = 500

#: No logged value of real data exceeds this: it is ln of 1e13, log2 of 1e9.
_LOG_MAXIMUM = 30.0
#: Scales whose values are not logged: counts have to be normalized and logged, normalized values only logged.
LINEAR: frozenset[ScaleKind] = frozenset(["counts", "fractional", "normalized", "TPM"])


@dataclass(frozen=True)
class MatrixScale:
    """What a matrix holds.

    Attributes
    ----------
    kind
        ``counts`` (whole numbers), ``fractional`` (estimated or corrected counts), ``normalized`` (counts times one
        factor per cell), ``TPM`` (cells sum to a million, not from whole counts), ``log`` (of such values plus one),
        ``double-log``, ``scaled`` (genes with mean 0 and spread 1), ``log-of-scaled``, ``signed`` (other values below
        0: residuals, batch-corrected, centred) or ``empty``.
    base
        For logs: ``e``, ``2`` or ``10``, or None where the values do not tell.
    target_sum
        The total per cell that values were normalized to, or None where it cannot be told.
    of_counts
        For ``log``: whether the logged values are counts that were not normalized.
    """

    kind: ScaleKind
    base: str | None = None
    target_sum: float | None = None
    of_counts: bool = False

    @property
    def word(self) -> str:
        """One word for a card: "log-normalized", "counts", "TPM"."""
        if self.kind == "log":
            return "logged counts" if self.of_counts else "log-normalized"
        return {
            "empty": "zeros",
            "double-log": "logged twice",
            "log-of-scaled": "logged after scaling",
            "fractional": "estimated counts",
            "signed": "centred",
        }.get(self.kind, self.kind)

    @property
    def words(self) -> str:
        """A few words for people: "log-normalized values (base e, 10,000 per cell)"."""
        known = [f"base {self.base}"] if self.base else []
        known += [f"{self.target_sum:,.6g} per cell"] if self.target_sum else []
        inside = f" ({', '.join(known)})" if known else ""
        if self.kind == "log":
            return (
                f"logged counts that were not normalized{inside}"
                if self.of_counts
                else f"log-normalized values{inside}"
            )
        if self.kind == "normalized":
            return f"normalized{inside} but not logged values"
        return {
            "counts": "counts",
            "fractional": "estimated or corrected counts (not whole numbers)",
            "TPM": "TPM (1,000,000 per cell) but not logged values",
            "double-log": "values that were logged twice",
            "scaled": "scaled (centred) values",
            "log-of-scaled": "values that were logged after scaling",
            "signed": "values below zero (residuals, batch-corrected or centred)",
            "empty": "only zeros",
        }[self.kind]


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
    """Decide what the values of some cells are.

    Counts times one factor per cell, logged or not, are recognised by undoing the log: each cell's values are then
    whole multiples of one unit (`counts_behind`). Where that fails (TPM), equal totals of the cells tell.

    Parameters
    ----------
    sample
        Some whole cells, (n_cells, n_genes).
    """
    half = sample.dtype == np.float16
    # Copied, since eliminating zeros would otherwise change the indices of the sample.
    rows = sparse.csr_matrix(sample, dtype=np.float64, copy=True)
    rows.data = np.where(np.isfinite(rows.data), rows.data, 0)
    lost = rows.nnz - np.count_nonzero(rows.data)
    rows.eliminate_zeros()
    values = rows.data
    if values.size == 0:
        return MatrixScale("empty")
    if values.min() < 0:
        return _signed(sample, rows)
    nearest = np.rint(values)
    whole = (np.abs(values - nearest) <= 1e-3) & (nearest > 0)
    if whole.mean() >= (0.999 if lost == 0 else 0.99):
        return MatrixScale("counts")
    found = counts_behind(rows, half_precision=half)
    if found is not None:
        total = _common_total(found.totals)
        if found.transform == "linear":
            return MatrixScale("normalized", target_sum=total)
        if found.transform in ("ee", "22"):
            return MatrixScale("double-log", found.transform[0], total)
        return MatrixScale("log", found.transform, total, of_counts=total is None and found.unit_share > 0.95)
    for name in ("linear", "e", "2", "10", "ee", "22"):
        with np.errstate(over="ignore"):
            undone = INVERSES[name](values)
        total = _common_total(np.bincount(_row_of(rows), weights=undone, minlength=rows.shape[0]))
        if total is None:
            continue
        if name == "linear":
            return MatrixScale("TPM" if abs(total - 1e6) < 1e4 else "normalized", target_sum=total)
        return MatrixScale(
            "double-log" if len(name) == 2 and name != "10" else "log", name[0] if name != "10" else name, total
        )
    return MatrixScale("fractional" if values.max() > _LOG_MAXIMUM else "log")


def _row_of(rows: sparse.csr_matrix) -> np.ndarray:
    return np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))


def _signed(sample: np.ndarray | sparse.csr_matrix, rows: sparse.csr_matrix) -> MatrixScale:
    """Tell scaled values from logged scaled ones and from other values below 0, by the means and spreads of genes."""
    columns = np.unique(np.linspace(0, rows.shape[1] - 1, min(rows.shape[1], _SAMPLE_GENES)).astype(np.int64))
    if isinstance(sample, np.ndarray):
        block = np.asarray(sample[:, columns], dtype=np.float64)
    else:
        block = sparse.csc_matrix(sample[:, columns], dtype=np.float64).toarray()
    # log1p turns scaled values below −1 into NaN; only genes without NaN are compared.
    block = block[:, np.isfinite(block).all(axis=0)]
    block = block[:, np.ptp(block, axis=0) > 0] if block.size else block
    if block.size == 0:
        return MatrixScale("signed")
    if _is_scaled(block):
        return MatrixScale("scaled")
    if block.min() > -_LOG_MAXIMUM and block.max() < _LOG_MAXIMUM and _is_scaled(np.expm1(block), tight=True):
        return MatrixScale("log-of-scaled")
    return MatrixScale("signed")


def _is_scaled(block: np.ndarray, *, tight: bool = False) -> bool:
    """Tell whether the median gene has mean 0 and standard deviation 1, as far as a sample of cells can show."""
    # Means of a sample of n cells scatter by 1/√n around 0.
    slack = max(0.1, 1.5 / np.sqrt(len(block)))
    off_centre = float(np.median(np.abs(block.mean(axis=0))))
    spread = float(np.median(block.std(axis=0)))
    low, high = (0.75, 1.25) if tight else (0.6, 1.3)
    return off_centre < slack and low < spread < high


def _common_total(totals: np.ndarray) -> float | None:
    """Return the median total if at least 95 % of the non-empty cells are within 1 % of it, else None."""
    totals = totals[np.isfinite(totals) & (totals > 0)]
    if len(totals) < 3:
        return None
    middle = float(np.median(totals))
    close = np.abs(totals - middle) <= 0.01 * middle
    return float(f"{middle:.3g}") if close.mean() >= 0.95 else None
