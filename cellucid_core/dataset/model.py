"""A dataset: the tables in memory, the matrices on disk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import cast

from cellucid_core.cache import turned_hash
from cellucid_core.dataset.parts import Join, JoinedMatrix, Part, built, row_ranges
from cellucid_core.dataset.scale import MatrixScale, matrix_scale
from cellucid_core.dataset.transposed import Turn, turned_matrix
from cellucid_core.reading import Contents, FileMatrix
from cellucid_core.running import on_cluster
from cellucid_core.store import JoinedStore, Store, has_store, open_store


@dataclass(frozen=True)
class JoinedTable:
    """A file of cell metadata whose columns joined a dataset's cell table.

    Attributes
    ----------
    path
        The file.
    columns
        Its columns after the cell ids, in order.
    separator, decimal, encoding, compression
        As `pandas.read_csv` takes them.
    above
        How many lines are above the first line of values.
    """

    path: Path
    columns: tuple[str, ...]
    separator: str
    decimal: str
    encoding: str
    above: int
    compression: str | None


@dataclass(frozen=True, eq=False, kw_only=True)
class Dataset(Contents):
    """One opened file, or several joined: its contents, and what it is called.

    Attributes
    ----------
    id
        Safe key made from the file name; the default id of an export.
    name
        Name shown to the user.
    path
        The file it was read from.
    turn
        How this differs from the file: see `transposed`.
    source
        The dataset as the file has it, where this one is turned.
    scales
        Matrix → the matrix and what it holds, filled by `scale` on first use.
    joined
        The file of cell metadata that the user gave beside it.
    parts
        The samples that were joined; empty for one file.
    sample_column
        With `parts`: the column of the cell table that says which of them a cell is of.
    join
        With `parts`: which genes were taken.
    rejoin
        With `parts`: joins them again, each turned as asked.
    reopen
        Without `parts`: opens the file again, without the turn, also on another machine; None where the data are only
        in this process.
    """

    id: str
    name: str
    path: Path
    turn: Turn = ""
    source: Dataset | None = None
    matrices: dict[str, FileMatrix | JoinedMatrix]  # type: ignore[assignment]
    scales: dict[str, tuple[FileMatrix | JoinedMatrix, MatrixScale]] = field(default_factory=dict, repr=False)
    joined: JoinedTable | None = None
    parts: tuple[Part, ...] = ()
    sample_column: str = ""
    join: Join = "shared"
    rejoin: Callable[[Turn], Dataset] | None = field(default=None, repr=False)
    reopen: Callable[[], Dataset] | None = field(default=None, repr=False)

    def __repr__(self) -> str:
        return f"<Dataset {self.name}: {self.n_cells:,} cells, matrices {', '.join(self.matrices) or 'none'}>"

    @property
    def n_cells(self) -> int:
        """Number of cells, by the obs table."""
        return len(self.obs)

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files that it is read from."""
        return tuple(dict.fromkeys(part.path for part in self.parts)) or (self.path,)

    def store_key(self, matrix: str) -> str:
        """Return the hash under which the store of a matrix is kept: of the content, and whether it is turned."""
        found = self.matrices[matrix]
        digest = None if isinstance(found, JoinedMatrix) else found.digest
        key = self.content_hash if digest is None else digest()
        turned = self.source is not None and found is not self.source.matrices[matrix]
        return turned_hash(key) if turned else key

    def store(self, matrix: str, report: Callable[[float], None] | None = None) -> Store | JoinedStore:
        """Return the gene-major store of a matrix, building it on first use.

        Parameters
        ----------
        matrix
            Key of `matrices`.
        report
            Called with the share that is built, 0 … 1; it may raise to cancel.

        Raises
        ------
        InputError
            If the matrix cannot be read or rewritten.
        """
        found = self.matrices[matrix]
        if isinstance(found, JoinedMatrix):
            return found.store(report)
        key = self.store_key(matrix)
        if on_cluster() and self.reopen is not None and not has_store(key, matrix):
            ranges = row_ranges(key, found, partial(_reopened, self.reopen, self.turn, matrix))
            if ranges:
                return JoinedStore(built(ranges, report), [None] * len(ranges), found.shape[1])
        return open_store(key, matrix, lambda: found, report)

    def scale(self, matrix: str) -> MatrixScale:
        """Return what a matrix holds; decided on first use.

        Raises
        ------
        InputError
            If the matrix contradicts itself.
        """
        known = self.scales.get(matrix)
        if known is None or known[0] is not self.matrices[matrix]:
            found = self.matrices[matrix]
            if isinstance(found, JoinedMatrix):  # its scale is decided when it is joined
                raise KeyError(matrix)
            known = (found, matrix_scale(found))
            self.scales[matrix] = known
        return known[1]

    def turned(self, how: Turn) -> Dataset:
        """Return this dataset turned as asked (``""``: as the file has it), however it is turned now."""
        if how == self.turn:
            return self
        origin = self.source or self
        if origin.rejoin is not None:
            return (
                origin
                if how == origin.turn
                else replace(origin.rejoin(how), id=self.id, path=self.path, source=origin, joined=self.joined)
            )
        if how == "all":
            return origin._transposed()
        return origin._with_matrices_transposed() if how == "matrix" else origin

    def fits_only_turned(self, matrix: str) -> bool:
        """Tell whether a matrix has a row for each gene and a column for each cell, and not the reverse."""
        shape, tables = self.matrices[matrix].shape, (self.n_cells, len(self.variables[matrix]))
        return shape != tables and shape == tables[::-1]

    def _with_matrices_transposed(self) -> Dataset:
        """Keep the tables, and transpose the matrices that fit them only transposed."""
        matrices: dict[str, FileMatrix | JoinedMatrix] = {
            name: turned_matrix(matrix) if self.fits_only_turned(name) else matrix
            for name, matrix in self._file_matrices().items()
        }
        return replace(self, matrices=matrices, turn="matrix", source=self, scales={})

    def _file_matrices(self) -> dict[str, FileMatrix]:
        return {name: matrix for name, matrix in self.matrices.items() if isinstance(matrix, FileMatrix)}

    def _transposed(self) -> Dataset:
        """Swap cells and genes: the gene table becomes the cell table and the reverse; varm and obsm are swapped.

        Matrices with other genes than the first (raw) and graphs of cells are left out.
        """
        first = next(iter(self.matrices), None)
        cells = self.variables[first] if first is not None else self.obs.iloc[:0]
        fitting = [name for name, table in self.variables.items() if table.index.equals(cells.index)]
        return replace(
            self,
            obs=cells,
            variables=dict.fromkeys(fitting, self.obs),
            matrices={name: turned_matrix(matrix) for name, matrix in self._file_matrices().items() if name in fitting},
            obsm=dict(self.varm),
            varm=dict(self.obsm),
            graphs={},
            turn="all",
            source=self,
            scales={},
        )


def _reopened(reopen: Callable[[], Dataset], turn: Turn, matrix: str) -> FileMatrix:
    return cast(FileMatrix, reopen().turned(turn).matrices[matrix])
