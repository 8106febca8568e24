"""A dataset: the tables in memory, the matrices on disk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

from cellucid_core.dataset.content import turned_hash
from cellucid_core.dataset.matrix import FileMatrix
from cellucid_core.dataset.scale import MatrixScale, matrix_scale
from cellucid_core.dataset.store import Store, open_store
from cellucid_core.dataset.turned import Turn, turn


@dataclass(frozen=True)
class Graph:
    """A cell × cell matrix that stays in the file until it is read.

    Attributes
    ----------
    key
        Its name in ``obsp``.
    shape
        As the file declares it.
    read
        Returns it as `scipy.sparse.csr_matrix`.
    """

    key: str
    shape: tuple[int, ...]
    read: Callable[[], sparse.csr_matrix]


@dataclass(frozen=True)
class JoinedTable:
    """A file of cell metadata whose columns joined a dataset's cell table.

    Attributes
    ----------
    path
        The file.
    columns
        Its columns behind the cell ids, in order.
    separator, decimal, encoding
        As `pandas.read_csv` takes them.
    """

    path: Path
    columns: tuple[str, ...]
    separator: str
    decimal: str
    encoding: str


@dataclass(frozen=True, eq=False)
class Dataset:
    """One opened file.

    Attributes
    ----------
    id
        Safe key made from the file name; the default id of an export.
    name
        For people.
    path
        The file it was read from.
    content_hash
        `content.content_hash` of the file; with a chosen modality or cell metadata, a hash of these too. Equal for
        equal data.
    obs
        One row per cell; the index holds the cell ids.
    variables
        Matrix name → gene table; one row per gene of that matrix.
    obsm
        Name → array, whatever its shape: preflight judges it.
    graphs
        Cell × cell matrices of ``obsp``.
    matrices
        ``"X"``, ``"raw"`` and layers, as the file keeps them.
    unreadable
        Elements that could not be read → why.
    notes
        What the user should know about how the file was read, one sentence each.
    modality, modalities
        The part that was opened, and all parts, where a file holds several (RNA and ATAC; genes and antibodies).
    varm
        Name → array with a row for each gene; obsm of a dataset that turns out to be transposed.
    turn
        How this differs from the file: see `turned`.
    source
        The dataset as the file has it, where this one is turned.
    scales
        What each matrix holds, as far as anyone asked (`scale`).
    joined
        The file of cell metadata that the user gave beside it.
    """

    id: str
    name: str
    path: Path
    content_hash: str
    obs: pd.DataFrame
    variables: dict[str, pd.DataFrame]
    obsm: dict[str, np.ndarray]
    graphs: dict[str, Graph]
    matrices: dict[str, FileMatrix]
    unreadable: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    modality: str | None = None
    modalities: tuple[str, ...] = ()
    varm: dict[str, np.ndarray] = field(default_factory=dict)
    turn: Turn = ""
    source: Dataset | None = None
    scales: dict[str, tuple[FileMatrix, MatrixScale]] = field(default_factory=dict, repr=False)
    joined: JoinedTable | None = None

    def __repr__(self) -> str:
        return f"<Dataset {self.name!r}: {self.n_cells:,} cells, matrices: {', '.join(self.matrices) or 'none'}>"

    @property
    def n_cells(self) -> int:
        """Number of cells, by the obs table."""
        return len(self.obs)

    def store(self, matrix: str, report: Callable[[float], None] | None = None) -> Store:
        """Return the gene-major store of a matrix, building it on first use.

        Raises
        ------
        InputError
            If the matrix cannot be turned.
        """
        found = self.matrices[matrix]
        key = self.content_hash if found.digest is None else found.digest()
        if self.source is not None and found is not self.source.matrices[matrix]:
            key = turned_hash(key)
        return open_store(key, found, report)

    def scale(self, matrix: str) -> MatrixScale:
        """Return what a matrix holds, decided once per dataset.

        Raises
        ------
        InputError
            If the matrix contradicts itself.
        """
        known = self.scales.get(matrix)
        if known is None or known[0] is not self.matrices[matrix]:
            known = (self.matrices[matrix], matrix_scale(self.matrices[matrix]))
            self.scales[matrix] = known
        return known[1]

    def turned(self, how: Turn) -> Dataset:
        """Return this dataset turned as asked (``""``: as the file has it), whatever it is now."""
        if how == self.turn:
            return self
        origin = self.source or self
        return turn(origin, how) if how else origin
