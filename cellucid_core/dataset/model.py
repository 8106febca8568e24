"""A dataset: the tables in memory, the matrices on disk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from cellucid_core.cache import turned_hash
from cellucid_core.dataset.scale import MatrixScale, matrix_scale
from cellucid_core.dataset.transposed import Turn, turned_matrix
from cellucid_core.reading import Contents, FileMatrix
from cellucid_core.store import Store, open_store


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


@dataclass(frozen=True, eq=False, kw_only=True)
class Dataset(Contents):
    """One opened file: its contents, and what it is called.

    Attributes
    ----------
    id
        Safe key made from the file name; the default id of an export.
    name
        For people.
    path
        The file it was read from.
    turn
        How this differs from the file: see `transposed`.
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
    turn: Turn = ""
    source: Dataset | None = None
    scales: dict[str, tuple[FileMatrix, MatrixScale]] = field(default_factory=dict, repr=False)
    joined: JoinedTable | None = None

    def __repr__(self) -> str:
        return f"<Dataset {self.name}: {self.n_cells:,} cells, matrices {', '.join(self.matrices) or 'none'}>"

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
        if how == "all":
            return origin._transposed()
        return origin._with_matrices_transposed() if how == "matrix" else origin

    def fits_only_turned(self, matrix: str) -> bool:
        """Tell whether a matrix has a row for each gene and a column for each cell, and not the reverse."""
        shape, tables = self.matrices[matrix].shape, (self.n_cells, len(self.variables[matrix]))
        return shape != tables and shape == tables[::-1]

    def _with_matrices_transposed(self) -> Dataset:
        """Keep the tables, and transpose the matrices that fit them only transposed."""
        matrices = {
            name: turned_matrix(matrix) if self.fits_only_turned(name) else matrix
            for name, matrix in self.matrices.items()
        }
        return replace(self, matrices=matrices, turn="matrix", source=self, scales={})

    def _transposed(self) -> Dataset:
        """Take the rows as genes: the gene table becomes the cell table and the reverse, and varm takes obsm's place.

        Matrices with other genes than the first (raw) and cell graphs have no place any more.
        """
        first = next(iter(self.matrices), None)
        cells = self.variables[first] if first is not None else self.obs.iloc[:0]
        fitting = [name for name, table in self.variables.items() if table.index.equals(cells.index)]
        return replace(
            self,
            obs=cells,
            variables=dict.fromkeys(fitting, self.obs),
            matrices={name: turned_matrix(self.matrices[name]) for name in fitting},
            obsm=dict(self.varm),
            varm=dict(self.obsm),
            graphs={},
            turn="all",
            source=self,
            scales={},
        )
