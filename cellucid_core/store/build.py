"""Build the gene-major store of one matrix by streaming it in blocks.

Files usually keep the values of a cell together, but everything the product does reads whole genes. A sparse matrix is
stored as the three parts of a CSC matrix, a dense one as its transpose, each in a plain ``.npy`` file that is
memory-mapped afterwards. Memory is bounded by the size of a block, not of the matrix.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap
from scipy import sparse

from cellucid_core.compiled import COMPILED_FROM, compiled
from cellucid_core.errors import InputError
from cellucid_core.reading import FileMatrix, count_into, exact_float
from cellucid_core.reading.safety import require_disk, require_memory

#: Called with the share that is done, 0 to 1; may raise to give up.
BuildShare = Callable[[float], None]

#: Entries that, together with their sorted copy, fit into a processor's cache.
_AT_ONCE = 2**16


def build_store(matrix: FileMatrix, folder: Path, report: BuildShare) -> dict[str, object]:
    """Write the gene-major parts of a matrix into an empty folder.

    Parameters
    ----------
    matrix
        The matrix of the file.
    folder
        Where the parts go: ``indptr.npy`` (int64), ``indices.npy`` (int32) and ``data.npy`` for a sparse matrix,
        ``values.npy`` (genes × cells) for a dense one. For a CSR matrix also ``cell_total.npy`` and
        ``cell_detected.npy``, as `gene_major.scan` computes them.
    report
        Called with the share that is done.

    Returns
    -------
    dict
        What `gene_major.Store` needs: ``n_cells``, ``n_genes``, ``sparse``, ``dtype``, ``n_stored``.

    Raises
    ------
    InputError
        If the matrix does not hold numbers, is damaged, or needs more memory or disk than there is.
    """
    if matrix.dtype.kind not in "biuf":
        raise InputError(
            f"The matrix {matrix.name} holds {matrix.dtype} values, not numbers.",
            "Store expression as numbers, or choose another matrix.",
        )
    if matrix.shape[0] >= 2**31:
        raise InputError(
            f"The matrix has {matrix.shape[0]:,} cells.",
            "At most 2,147,483,647 cells can be opened at a time.",
        )
    _require_room(matrix, folder)
    if matrix.layout == "dense":
        return _build_dense(matrix, folder, report)
    if matrix.layout == "csr":
        return _build_from_rows(matrix, folder, report)
    return _build_from_columns(matrix, folder, report)


def _require_room(matrix: FileMatrix, folder: Path) -> None:
    """Refuse a matrix whose declared shape or number of entries would fill the memory or the disk."""
    n_cells, n_genes = matrix.shape
    what = f"The matrix {matrix.name} ({n_cells:,} × {n_genes:,})"
    # Bytes held per cell and per gene while the matrix is read: pointers, sums, counts.
    require_memory((n_cells + n_genes) * 64.0, what)
    value = max(4, matrix.dtype.itemsize)
    if matrix.layout == "dense":
        require_memory(max(n_cells, n_genes) * float(value), what)
        require_disk(n_cells * n_genes * float(value), folder, what)
        return
    matrix.check_parts()
    require_memory(8.0 * matrix.element["indptr"].shape[0], what)
    share = n_cells / matrix.stored_rows if matrix.stored_rows else 1.0
    require_disk(matrix.element["indices"].shape[0] * share * (4.0 + value), folder, what)


def _meta(matrix: FileMatrix, *, sparse: bool, dtype: np.dtype, n_stored: int) -> dict[str, object]:
    return {
        "n_cells": matrix.shape[0],
        "n_genes": matrix.shape[1],
        "sparse": sparse,
        "dtype": dtype.name,
        "n_stored": n_stored,
    }


def _build_dense(matrix: FileMatrix, folder: Path, report: BuildShare) -> dict[str, object]:
    n_cells, n_genes = matrix.shape
    dtype = exact_float(matrix.dtype, (matrix.read_dense(a, b) for a, b in matrix.dense_blocks()))
    if n_cells == 0 or n_genes == 0:
        np.save(folder / "values.npy", np.zeros((n_genes, n_cells), dtype))
        return _meta(matrix, sparse=False, dtype=dtype, n_stored=0)
    values = open_memmap(folder / "values.npy", mode="w+", dtype=dtype, shape=(n_genes, n_cells))
    for start, stop in matrix.dense_blocks():
        values[:, start:stop] = matrix.read_dense(start, stop).T
        forget(values)
        report(stop / n_cells)
    values.flush()
    return _meta(matrix, sparse=False, dtype=dtype, n_stored=n_cells * n_genes)


def _value_blocks(matrix: FileMatrix, pointers: np.ndarray) -> Iterator[np.ndarray]:
    step, last = 4 * 2**20, int(pointers[-1])
    for start in range(int(pointers[0]), last, step):
        yield matrix.stored("data", slice(start, min(start + step, last)))


def _build_from_rows(matrix: FileMatrix, folder: Path, report: BuildShare) -> dict[str, object]:
    """Turn rows into columns: count the entries of each gene first, then put every block in its place."""
    n_genes = matrix.shape[1]
    pointers = matrix.indptr()
    blocks = list(matrix.major_blocks(pointers))
    dtype = exact_float(matrix.dtype, _value_blocks(matrix, pointers))

    def count(block: tuple[int, int]) -> np.ndarray:
        return matrix.count_by_column(pointers, *block)

    reserved = np.zeros(n_genes, np.int64)
    with ThreadPoolExecutor(2) as counters:
        for done, counts in enumerate(counters.map(count, blocks), 1):
            reserved += counts
            report(0.3 * done / len(blocks))
    first = np.concatenate([[0], np.cumsum(reserved)])
    indices, data = _sparse_parts(folder, int(first[-1]), dtype)

    filled = first[:-1].copy()
    total, detected = np.zeros(matrix.shape[0]), np.zeros(matrix.shape[0], np.int64)
    place = _place_halves if len(indices) >= COMPILED_FROM else _place_block

    def read(start: int, stop: int) -> sparse.csr_matrix:
        return matrix.read_major(pointers, start, stop)

    for done, ((start, stop), block) in enumerate(zip(blocks, _one_ahead(read, blocks), strict=True), 1):
        # Cells are summed here, where their entries are together; in the store they are spread over all of it.
        sums = total[start:stop], detected[start:stop]
        # Slicing a memmap is slower than slicing an array.
        parts = indices.view(np.ndarray), data.view(np.ndarray)
        place(block, start, filled, parts, sums)
        forget(indices, data)
        report(0.3 + 0.7 * done / len(blocks))

    counts = filled - first[:-1]
    if not np.array_equal(counts, reserved):
        # Stored zeros were dropped and repeated entries summed, which left gaps.
        indices, data = _close_gaps(folder, indices, data, first, counts)
    np.save(folder / "indptr.npy", np.concatenate([[0], np.cumsum(counts)]))
    np.save(folder / "cell_total.npy", total)
    np.save(folder / "cell_detected.npy", detected)
    _flush(indices, data)
    return _meta(matrix, sparse=True, dtype=dtype, n_stored=int(counts.sum()))


def _one_ahead(
    read: Callable[[int, int], sparse.csr_matrix], blocks: Iterable[tuple[int, int]]
) -> Iterator[sparse.csr_matrix]:
    """Yield what `read` returns for each block, and read the next block while the present one is used."""
    with ThreadPoolExecutor(1) as reader:
        following = None
        for block in blocks:
            current, following = following, reader.submit(read, *block)
            if current is not None:
                yield current.result()
        if following is not None:
            yield following.result()


def _place_halves(
    block: sparse.csr_matrix,
    start: int,
    filled: np.ndarray,
    parts: tuple[np.ndarray, ...],
    sums: tuple[np.ndarray, ...],
) -> None:
    """Do what `place_rows` does, compiled and on two threads; the second writes behind where the first will end."""
    place, pointers = compiled(place_rows), block.indptr
    middle = int(np.searchsorted(pointers, pointers[-1] // 2))
    behind = np.zeros(len(filled), np.int64)
    compiled(count_into)(block.indices[: pointers[middle]], behind)
    behind += filled
    entries, rest = (block.indices, block.data), [part[middle:] for part in sums]
    with ThreadPoolExecutor(1) as other:
        half = other.submit(place, pointers[middle:], *entries, start + middle, behind, *parts, *rest)
        place(pointers[: middle + 1], *entries, start, filled, *parts, *sums)
        half.result()
    filled[:] = behind


def place_rows(
    indptr: np.ndarray,
    genes: np.ndarray,
    values: np.ndarray,
    start: int,
    filled: np.ndarray,
    indices: np.ndarray,
    data: np.ndarray,
    total: np.ndarray,
    detected: np.ndarray,
) -> None:
    """Append the entries of a block of cells to each gene (to be `compiled`).

    Parameters
    ----------
    indptr, genes, values
        The parts of the block as a CSR matrix.
    start
        Position of its first cell in the matrix.
    filled
        Where each gene's next entry goes, (n_genes,); updated.
    indices, data
        The parts of the store, written to.
    total, detected
        Written to, one value for each cell of the block: the sum of its finite values, and how many are above 0.
    """
    # A few rows at a time are sorted by gene in the processor's cache; then each gene's run is copied at once. Placing
    # entries one by one would touch another page of memory for each.
    n_genes, stop = len(filled), 0
    at = np.empty(n_genes + 1, np.int64)
    while stop < len(indptr) - 1:
        begin, stop = stop, stop + 1
        while stop < len(indptr) - 1 and indptr[stop + 1] - indptr[begin] <= _AT_ONCE:
            stop += 1
        offset, size = indptr[begin], indptr[stop] - indptr[begin]
        few_cells, few_values = np.empty(size, np.int32), np.empty(size, values.dtype)
        at[:] = 0
        for k in range(offset, offset + size):
            at[genes[k] + 1] += 1
        for gene in range(n_genes):
            at[gene + 1] += at[gene]
        for row in range(begin, stop):
            row_sum, row_detected = 0.0, 0
            for k in range(indptr[row], indptr[row + 1]):
                value, place = values[k], at[genes[k]]
                at[genes[k]] = place + 1
                few_cells[place], few_values[place] = start + row, value
                if np.isfinite(value):
                    row_sum += value
                    row_detected += value > 0
            total[row], detected[row] = row_sum, row_detected
        run = 0  # `at` now holds where each gene's run ends
        for gene in range(n_genes):
            for k in range(run, at[gene]):
                indices[filled[gene] + k - run], data[filled[gene] + k - run] = few_cells[k], few_values[k]
            filled[gene] += at[gene] - run
            run = at[gene]


def _place_block(
    block: sparse.csr_matrix,
    start: int,
    filled: np.ndarray,
    parts: tuple[np.ndarray, ...],
    sums: tuple[np.ndarray, ...],
) -> None:
    """Do what `place_rows` does, in numpy."""
    n_cells, genes, values = block.shape[0], block.indices, block.data
    (indices, data), (total, detected) = parts, sums
    cells = np.repeat(np.arange(n_cells), np.diff(block.indptr))
    finite = np.isfinite(values)
    total += np.bincount(cells[finite], values[finite], n_cells)
    detected += np.bincount(cells[finite & (values > 0)], minlength=n_cells)
    order = np.argsort(genes, kind="stable")
    counts = np.bincount(genes, minlength=len(filled))
    target = np.repeat(filled - np.cumsum(counts) + counts, counts) + np.arange(len(genes))
    indices[target] = start + cells[order]
    data[target] = values[order]
    filled += counts


def _build_from_columns(matrix: FileMatrix, folder: Path, report: BuildShare) -> dict[str, object]:
    n_genes = matrix.shape[1]
    pointers = matrix.indptr()
    dtype = exact_float(matrix.dtype, _value_blocks(matrix, pointers))
    indices, data = _sparse_parts(folder, int(pointers[-1]), dtype)
    counts = np.zeros(n_genes, np.int64)
    for start, stop in matrix.major_blocks(pointers):
        block = matrix.read_major(pointers, start, stop)
        at, end = int(pointers[start]), int(pointers[start]) + block.nnz
        counts[start:stop] = np.diff(block.indptr)
        # A block is written where the file has it; gaps can only follow the last gene of a block.
        indices[at:end] = block.indices
        data[at:end] = block.data
        forget(indices, data)
        report(stop / n_genes)
    if int(counts.sum()) != int(pointers[-1]):
        first = np.zeros(n_genes + 1, np.int64)
        for start, stop in matrix.major_blocks(pointers):
            first[start:stop] = int(pointers[start]) + np.concatenate([[0], np.cumsum(counts[start : stop - 1])])
        indices, data = _close_gaps(folder, indices, data, first, counts)
    np.save(folder / "indptr.npy", np.concatenate([[0], np.cumsum(counts)]))
    _flush(indices, data)
    return _meta(matrix, sparse=True, dtype=dtype, n_stored=int(counts.sum()))


def _sparse_parts(folder: Path, n_stored: int, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    parts = []
    for name, kind in (("indices", np.dtype(np.int32)), ("data", dtype)):
        path = folder / f"{name}.npy"
        if n_stored == 0:  # an empty file cannot be mapped
            np.save(path, np.zeros(0, kind))
            parts.append(np.zeros(0, kind))
        else:
            parts.append(open_memmap(path, mode="w+", dtype=kind, shape=(n_stored,)))
    return parts[0], parts[1]


def _close_gaps(
    folder: Path, indices: np.ndarray, data: np.ndarray, first: np.ndarray, counts: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    packed = folder / "packed"
    packed.mkdir()
    total = int(counts.sum())
    new_indices, new_data = _sparse_parts(packed, total, data.dtype)
    at = 0
    for gene in np.flatnonzero(counts):
        source, size = int(first[gene]), int(counts[gene])
        new_indices[at : at + size] = indices[source : source + size]
        new_data[at : at + size] = data[source : source + size]
        at += size
    _flush(new_indices, new_data)
    for name in ("indices.npy", "data.npy"):
        (packed / name).replace(folder / name)
    packed.rmdir()
    return new_indices, new_data


def forget(*arrays: np.ndarray) -> None:
    """Give the memory of mapped arrays back to the system; their content stays in the file.

    Otherwise a process that writes or reads a whole store appears to use as much memory as the store is large, and in a
    container with a memory limit this counts.
    """
    for array in arrays:
        base: object = array
        while isinstance(base, np.ndarray):
            base = base.base
        if isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
            base.madvise(mmap.MADV_DONTNEED)


def _flush(*arrays: np.ndarray) -> None:
    for array in arrays:
        if isinstance(array, np.memmap):
            array.flush()
