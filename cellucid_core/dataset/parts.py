"""The parts of a dataset that is read from several files: what is known of each, and their matrices seen as one.

Files are not held open: a part is opened again where its matrix has to be turned or its graph be read.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock
from typing import Any, Literal

import numpy as np

from cellucid_core.dataset.scale import MatrixScale
from cellucid_core.errors import InputError
from cellucid_core.reading import FileMatrix
from cellucid_core.store import JoinedStore, Store, open_store

#: Which genes a joined dataset has: those that all parts have, or all, with 0 where a part lacks one.
Join = Literal["shared", "all"]
#: The column of the ids that cells had in their files, where these repeat.
BARCODE = "barcode"
#: Parts whose matrices are turned at the same time; more would need more memory and be no faster.
_AT_ONCE = 2


@dataclass(frozen=True, eq=False)
class Part:
    """One sample of a dataset.

    Attributes
    ----------
    name
        Of the sample.
    path
        The file it is in.
    content_hash
        As of the dataset that it is alone.
    n_cells, n_genes
        Its cells, and the genes of its first matrix.
    own_genes
        How many of these genes no other part has.
    gene_column
        Which names of its genes it was joined by: ``index`` or a column of its gene table.
    scales
        What each of its matrices holds.
    species, id_kind
        What its gene names tell, None where they do not.
    """

    name: str
    path: Path
    content_hash: str
    n_cells: int
    n_genes: int
    own_genes: int
    gene_column: str
    scales: Mapping[str, MatrixScale]
    species: str | None
    id_kind: str | None


@dataclass(frozen=True, eq=False)
class MatrixPart:
    """One part's share of a matrix.

    Attributes
    ----------
    key
        Of its gene-major store.
    matrix
        Opens the part again and returns the matrix as its file has it.
    columns
        Where each gene of the whole is in it, −1 where it is not; None: the same genes in the same order.
    """

    key: str
    matrix: Callable[[], FileMatrix]
    columns: np.ndarray | None


@dataclass(frozen=True, eq=False)
class JoinedMatrix:
    """A matrix of several parts, cells one part after the other.

    Attributes
    ----------
    name
        As in `FileMatrix`.
    shape
        (n_cells, n_genes) of the whole.
    dtype
        That holds the values of every part.
    parts
        In the order of the cells.
    """

    name: str
    shape: tuple[int, int]
    dtype: np.dtype[Any]
    parts: tuple[MatrixPart, ...] = field(repr=False)

    def store(self, report: Callable[[float], None] | None = None) -> JoinedStore:
        """Return the gene-major stores of all parts as one, building those that nobody has built yet, two at a time.

        Raises
        ------
        InputError
            If a part cannot be turned, or its file was changed.
        """
        shares, left, lock = [0.0] * len(self.parts), Event(), Lock()

        def say(number: int, share: float) -> None:
            if left.is_set():
                raise InputError("The matrix is not wanted any more.", "Open it again.")
            with lock:
                shares[number] = share
                if report is not None:
                    report(sum(shares) / len(shares))

        def build(number: int) -> Store:
            part = self.parts[number]
            return open_store(part.key, self.name, part.matrix, lambda share: say(number, share))

        with ThreadPoolExecutor(min(_AT_ONCE, os.cpu_count() or 1)) as pool:
            try:
                stores = list(pool.map(build, range(len(self.parts))))
            except BaseException:
                left.set()
                raise
        return JoinedStore(stores, [part.columns for part in self.parts], self.shape[1])


def joined_scale(scales: list[tuple[int, MatrixScale]]) -> MatrixScale:
    """Return what a joined matrix holds: what most cells hold, with the base and total that all of these share.

    Parameters
    ----------
    scales
        Cells of each part, and what its matrix holds.
    """
    told = [(n, scale) for n, scale in scales if scale.kind != "empty"] or scales
    cells: dict[str, int] = {}
    for n, scale in told:
        cells[scale.kind] = cells.get(scale.kind, 0) + n
    kind = max(cells, key=lambda kind: cells[kind])
    same = [scale for _, scale in told if scale.kind == kind]
    bases, totals = {scale.base for scale in same}, {scale.target_sum for scale in same}
    return MatrixScale(
        same[0].kind,
        bases.pop() if len(bases) == 1 else None,
        totals.pop() if len(totals) == 1 else None,
        all(scale.of_counts for scale in same),
    )
