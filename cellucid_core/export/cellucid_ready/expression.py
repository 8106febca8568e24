"""X, gene by gene from the store: compressed sparse columns, or a dense matrix where the source is dense.

Only a few genes are held at a time, and the memory of the store's mapped files is given back regularly.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from cellucid_core.errors import WorkRefused

if TYPE_CHECKING:
    from cellucid_core.dataset import Expression, View

#: Above this, float32 no longer holds every whole number.
_EXACT = 2**24
#: Bytes read from the store after which its memory is given back.
_RELEASE = 64 * 2**20


@dataclass(frozen=True)
class Sparse:
    """A sparse X.

    Attributes
    ----------
    expression
        The matrix that it is taken from.
    positions
        Positions of the genes in the matrix, in order, (n_genes,).
    dtype
        As stored: float32, or float64 for counts that float32 cannot hold.
    """

    expression: Expression
    positions: np.ndarray
    dtype: np.dtype[Any]

    @property
    def shape(self) -> tuple[int, int]:
        """Cells × genes."""
        return self.expression.n_cells, len(self.positions)

    @cached_property
    def indptr(self) -> np.ndarray:
        """Where each gene's entries begin, and the end, (n_genes + 1,); int32, or int64 from 2³¹ entries on."""
        ends = np.concatenate([[0], np.cumsum([len(self.gene(index)[0]) for index in range(len(self.positions))])])
        return ends.astype(np.int64 if ends[-1] >= 2**31 else np.int32)

    @property
    def n_stored(self) -> int:
        """Number of stored entries."""
        return int(self.indptr[-1])

    def gene(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the cells (ascending, int32) and the values of a gene, without zeros."""
        cells, values = self.expression.gene_stored(int(self.positions[index]))
        if values.dtype == self.dtype:
            return cells, values  # a store keeps no zeros
        with np.errstate(over="ignore", under="ignore"):
            narrow = values.astype(self.dtype)
        kept = narrow != 0  # the smallest float64 values become 0
        return (cells, narrow) if kept.all() else (cells[kept], narrow[kept])

    def blocks(self, name: str, size: int) -> Iterator[tuple[tuple[int, ...], np.ndarray]]:
        """Yield ``"indices"`` or ``"data"`` in chunks of `size` values.

        Raises
        ------
        WorkRefused
            If a value is not finite in `dtype`.
        """
        part = 0 if name == "indices" else 1
        held: list[np.ndarray] = []
        place = n_held = n_read = 0
        for index in range(len(self.positions)):
            piece, at = self.gene(index)[part], 0
            while n_held + len(piece) - at >= size:
                end = at + size - n_held
                yield (place,), _checked(np.concatenate([*held, piece[at:end]]))
                held, n_held, at, place = [], 0, end, place + 1
            if at < len(piece):
                held.append(piece[at:].copy())
                n_held += len(piece) - at
            n_read += piece.nbytes
            if n_read > _RELEASE:
                self.expression.forget()
                n_read = 0
        if n_held:
            yield (place,), _checked(np.concatenate(held))


@dataclass(frozen=True)
class Dense:
    """A dense X; the attributes are those of `Sparse`."""

    expression: Expression
    positions: np.ndarray
    dtype: np.dtype[Any]

    @property
    def shape(self) -> tuple[int, int]:
        """Cells × genes."""
        return self.expression.n_cells, len(self.positions)

    def blocks(self, chunks: tuple[int, int]) -> Iterator[tuple[tuple[int, ...], np.ndarray]]:
        """Yield chunks of (cells, genes), all cells of some genes before the next genes; raises as `Sparse.blocks`."""
        height, width = chunks
        n_read = 0
        for column, start in enumerate(range(0, len(self.positions), width)):
            with np.errstate(over="ignore", under="ignore"):
                genes = self.expression.block(self.positions[start : start + width]).astype(self.dtype, copy=False)
            _checked(genes)
            for row, first in enumerate(range(0, self.expression.n_cells, height)):
                yield (row, column), genes[:, first : first + height].T
            n_read += genes.nbytes
            if n_read > _RELEASE:
                self.expression.forget()
                n_read = 0


def matrix(view: View, positions: np.ndarray) -> Sparse | Dense | None:
    """Return X of some genes, or None if the view has no expression.

    Raises
    ------
    WorkRefused
        If a value is not finite. Of a view on some of the cells, only `blocks` finds out.
    """
    expression = view.expression
    if expression is None:
        return None
    if view.all_cells:  # for some cells the statistics would take a pass over the matrix; `blocks` checks anyway
        bad = expression.stats.n_not_finite[positions]
        if bad.any():
            gene = view.gene_ids[positions[int(np.argmax(bad > 0))]]
            raise _not_finite(f"{int(bad.sum()):,} values in {int((bad > 0).sum()):,} genes, {gene} for one")
    kind = Sparse if expression.is_sparse else Dense
    return kind(expression, positions, _dtype(view, expression, positions))


def _dtype(view: View, expression: Expression, positions: np.ndarray) -> np.dtype[Any]:
    """Return float32, or float64 if all values are whole numbers and one exceeds `_EXACT` (cellucid's rule)."""
    narrow = np.dtype("<f4")
    source = view.dataset.matrices[view.mapping.matrix or "X"].dtype
    if (source.kind == "f" and source.itemsize <= 4) or source.itemsize < 4 or not len(positions):
        return narrow
    stats = expression.stats
    largest = np.maximum(np.abs(stats.minimum[positions]), np.abs(stats.maximum[positions]))
    if not np.nanmax(largest, initial=0) > _EXACT:
        return narrow
    for position in positions:
        values = expression.gene_stored(int(position))[1]
        if not np.array_equal(values, np.floor(values)):
            return narrow
    return np.dtype("<f8")


def _checked(values: np.ndarray) -> np.ndarray:
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise _not_finite("a value that is not finite, or too large for float32")
    return values


def _not_finite(what: str) -> WorkRefused:
    return WorkRefused(
        f"Today's viewer cannot show expression values that are NaN, infinite or beyond float32 ({what}).",
        "Leave those genes or cells out, choose another matrix, or export the format compact, which marks them.",
    )
