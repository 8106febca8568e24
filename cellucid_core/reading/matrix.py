"""Expression matrices in their files: cells × genes, read in blocks, never whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from scipy import sparse

from cellucid_core.compiled import COMPILED_FROM, compiled
from cellucid_core.errors import InputError

Layout = Literal["dense", "csr", "csc"]

#: Bytes of one block while streaming a matrix; small enough that several fit in any cache of the operating system.
BLOCK_BYTES = 48 * 2**20


@dataclass(frozen=True)
class FileMatrix:
    """One matrix of a file: where it is and how it is laid out.

    Attributes
    ----------
    name
        ``"X"``, ``"raw"`` or the layer's name.
    element
        The h5py or zarr group or array that holds it, or what stands in for one (`Lent`, `TurnedArray`).
    layout
        ``"dense"``, ``"csr"`` (rows are cells) or ``"csc"``.
    shape
        (n_cells, n_genes).
    dtype
        Type of the stored values.
    columns
        Of a csr matrix: the columns of the element that are taken, ascending, or None for all. Transposed (csc), these
        are its rows.
    stored_columns
        With `columns`: how many columns the element has.
    digest
        For matrices of an AnnData in memory: returns the hash of this matrix. None for a matrix of a file.
    first, stored_rows
        For a range of rows (`rows`): its first row in the element, and how many rows the element has.
    """

    name: str
    element: Any
    layout: Layout
    shape: tuple[int, int]
    dtype: np.dtype[Any]
    columns: np.ndarray | None = None
    stored_columns: int = 0
    digest: Callable[[], str] | None = None
    first: int = 0
    stored_rows: int | None = None

    def rows(self, start: int, stop: int) -> FileMatrix:
        """Return the rows start…stop as a matrix (dense and csr only)."""
        return replace(
            self,
            shape=(stop - start, self.shape[1]),
            first=self.first + start,
            stored_rows=self.shape[0] if self.stored_rows is None else self.stored_rows,
        )

    @property
    def _minor(self) -> int:
        """Length of the axis that indices run along."""
        if self.columns is not None:
            return self.stored_columns
        return self.shape[0] if self.layout == "csc" else self.shape[1]

    def indptr(self) -> np.ndarray:
        """Return where each row (csr) or column (csc) begins among the entries, (n + 1,) int64, checked.

        Raises
        ------
        InputError
            If the pointers do not fit the matrix or its stored entries.
        """
        self.check_parts()
        pointers = self.stored("indptr", slice(None)).astype(np.int64)
        rows = self.shape[0] if self.stored_rows is None else self.stored_rows
        major = rows if self.layout == "csr" else self.shape[1]
        stored = self.element["indices"].shape[0]
        sound = (
            pointers.shape == (major + 1,)
            and pointers[0] == 0
            and pointers[-1] == stored == self.element["data"].shape[0]
            and bool(np.all(np.diff(pointers) >= 0))
        )
        if not sound:
            raise self.damaged("its row pointers do not fit its entries")
        return pointers if self.stored_rows is None else pointers[self.first : self.first + self.shape[0] + 1]

    def check_parts(self) -> None:
        """Check that the parts of a sparse matrix are 1D arrays: pointers and indices of integers, data of numbers.

        Raises
        ------
        InputError
            If they are not.
        """
        for part, kinds in (("indptr", "iu"), ("indices", "iu"), ("data", "biuf")):
            try:
                array = self.element[part]
                fits = len(array.shape) == 1 and np.dtype(array.dtype).kind in kinds
            except (KeyError, AttributeError, TypeError, OSError):  # missing, or a group
                fits = False
            if not fits:
                raise self.damaged(f"its {part} are not as a sparse matrix has them")

    def stored(self, part: str | None, *selections: Any) -> np.ndarray:
        """Return stored values: selections of a dense matrix (part None), or of one part of a sparse one.

        Several selections are concatenated.

        Raises
        ------
        InputError
            If it cannot be read; h5py, zarr and the archives beneath them raise many types for damaged bytes.
        """
        try:
            array = self.element if part is None else self.element[part]
            found = [np.asarray(array[selection]) for selection in selections]
            return found[0] if len(found) == 1 else np.concatenate(found)
        except Exception as error:
            why = (str(error).splitlines() or [repr(error)])[0][:120]
            raise self.damaged(f"it cannot be read ({why})") from error

    def damaged(self, why: str) -> InputError:
        """Return the error for a matrix that contradicts itself."""
        return InputError(
            f"The matrix {self.name} is damaged: {why}.",
            "Write the file again from your pipeline, then open it.",
        )

    def major_blocks(self, pointers: np.ndarray) -> Iterator[tuple[int, int]]:
        """Yield (start, stop) of rows (csr) or columns (csc) with about `BLOCK_BYTES` of entries each."""
        entry = self.dtype.itemsize + self.element["indices"].dtype.itemsize
        limit = max(1, BLOCK_BYTES // entry)
        start, n = 0, len(pointers) - 1
        while start < n:
            stop = int(np.searchsorted(pointers, pointers[start] + limit, side="right")) - 1
            stop = min(n, max(start + 1, stop))
            yield start, stop
            start = stop

    def read_indices(self, pointers: np.ndarray, start: int, stop: int) -> np.ndarray:
        """Return the indices of the entries of rows (csr) or columns (csc) start…stop, checked to be in range.

        Raises
        ------
        InputError
            If one is out of range, or they cannot be read.
        """
        return self._indices(slice(int(pointers[start]), int(pointers[stop])))

    def _indices(self, *places: slice) -> np.ndarray:
        indices = self.stored("indices", *places)
        if len(indices) and (int(indices.min()) < 0 or int(indices.max()) >= self._minor):
            raise self._outside()
        return indices

    def _outside(self) -> InputError:
        return self.damaged(f"an entry lies outside its {self.shape[0]:,} × {self.shape[1]:,}")

    def count_by_column(self, pointers: np.ndarray, start: int, stop: int) -> np.ndarray:
        """Return how many entries rows start…stop of a csr matrix store in each column, (n_genes,) int64.

        Raises
        ------
        InputError
            As `read_indices`.
        """
        size = int(pointers[stop]) - int(pointers[start])
        if size < COMPILED_FROM:
            counts = np.bincount(self.read_indices(pointers, start, stop), minlength=self._minor)
        else:
            counts = np.zeros(self._minor, np.int64)
            indices = self.stored("indices", slice(int(pointers[start]), int(pointers[stop])))
            if not compiled(count_into)(indices, counts):
                raise self._outside()
        return counts if self.columns is None else counts[self.columns]

    def read_major(self, pointers: np.ndarray, start: int, stop: int) -> sparse.csr_matrix:
        """Return rows (csr) or, transposed, columns (csc) start…stop.

        Returns
        -------
        scipy.sparse.csr_matrix
            (stop − start, n_genes) for csr, (stop − start, n_cells) for csc; indices are sorted, entries that repeat
            are summed, stored zeros are left out.

        Raises
        ------
        InputError
            As `read_indices`.
        """
        return self._read_runs(pointers, [(start, stop)])

    def _read_runs(self, pointers: np.ndarray, runs: Sequence[tuple[int, int]]) -> sparse.csr_matrix:
        """Return several stretches of rows or columns one after the other, as `read_major` returns one."""
        places = [slice(int(pointers[start]), int(pointers[stop])) for start, stop in runs]
        sizes = np.concatenate([[0], *(np.diff(pointers[start : stop + 1]) for start, stop in runs)])
        block = sparse.csr_matrix(
            (self.stored("data", *places), self._indices(*places), np.cumsum(sizes)),
            shape=(len(sizes) - 1, self._minor),
        )
        if self.columns is not None:
            block = block[:, self.columns]
        if not block.has_canonical_format:
            block.sum_duplicates()
        if np.count_nonzero(block.data) != block.nnz:
            block.eliminate_zeros()
        return block

    def dense_blocks(self) -> Iterator[tuple[int, int]]:
        """Yield (start, stop) of rows of a dense matrix, about `BLOCK_BYTES` each, in whole chunks of the file."""
        row_bytes = max(1, self.shape[1] * self.dtype.itemsize)
        rows = max(1, BLOCK_BYTES // row_bytes)
        chunks = getattr(self.element, "chunks", None)
        if chunks and rows > chunks[0]:
            rows -= rows % chunks[0]
        for start in range(0, self.shape[0], rows):
            yield start, min(self.shape[0], start + rows)

    def read_dense(self, start: int, stop: int) -> np.ndarray:
        """Return rows start…stop of a dense matrix, (stop − start, n_genes), with the stored type."""
        return self.stored(None, slice(self.first + start, self.first + stop))

    def sample_rows(self, rows: np.ndarray) -> sparse.csr_matrix | np.ndarray:
        """Return a few whole cells, for judging what kind of values a matrix holds.

        Parameters
        ----------
        rows
            Ascending cell positions.

        Returns
        -------
        scipy.sparse.csr_matrix or numpy.ndarray
            (len(rows), n_genes), dense as the matrix is dense, with the stored type.
        """
        if self.layout == "dense":
            return self.stored(None, (rows if len(rows) else slice(0), slice(None)))
        pointers = self.indptr()
        if self.layout == "csr":
            if not len(rows):
                return sparse.csr_matrix((0, self.shape[1]), dtype=self.dtype)
            runs = np.split(rows, np.flatnonzero(np.diff(rows) != 1) + 1)  # adjacent rows are read together
            return self._read_runs(pointers, [(int(run[0]), int(run[-1]) + 1) for run in runs])
        columns = [self.read_major(pointers, start, stop)[:, rows] for start, stop in self.major_blocks(pointers)]
        if not columns:
            return sparse.csr_matrix((len(rows), 0), dtype=self.dtype)
        return sparse.csr_matrix(sparse.vstack(columns, format="csr").T)


def count_into(indices: np.ndarray, counts: np.ndarray) -> bool:
    """Count how often each index occurs; return False, with counts half done, if one is out of range.

    Written to be `compiled`.

    Parameters
    ----------
    indices
        Integers.
    counts
        int64; each occurrence adds 1 to it in place.
    """
    size = len(counts)
    for index in indices:
        if index < 0 or index >= size:
            return False
        counts[index] += 1
    return True


def exact_float(dtype: np.dtype[Any], blocks: Iterator[np.ndarray]) -> np.dtype[Any]:
    """Return float32 if it holds every value exactly, else float64.

    Parameters
    ----------
    dtype
        The stored type.
    blocks
        All stored values; read only where the type alone does not decide.
    """
    if dtype.kind == "b" or (dtype.kind in "iu" and dtype.itemsize <= 2):
        return np.dtype(np.float32)
    if dtype.kind == "f" and dtype.itemsize <= 4:
        return np.dtype(np.float32)
    for values in blocks:
        wide = np.asarray(values, dtype=np.float64)
        with np.errstate(over="ignore"):
            narrow = wide.astype(np.float32).astype(np.float64)
        if not np.array_equal(wide, narrow, equal_nan=True):
            return np.dtype(np.float64)
    return np.dtype(np.float32)
