"""The parts of a dataset that is read from several files: what is known of each, and their matrices seen as one.

Files are not kept open: a part is opened again when its matrix or its graph has to be read.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from cellucid_core.configuration import machine_cores
from cellucid_core.dataset.scale import MatrixScale
from cellucid_core.reading import FileMatrix
from cellucid_core.running import Local, Share, executor, on_cluster
from cellucid_core.store import JoinedStore, Store, has_store, open_store, store_folder

#: Which genes a joined dataset has: those that all parts have, or all, with 0 where a part lacks one.
Join = Literal["shared", "all"]
#: Bytes in memory of one part into which a large matrix of one file is cut.
PART_BYTES = 10**9
#: A store's key, the name of its matrix, and a function that opens the file again and returns the matrix.
Wanted: TypeAlias = "tuple[str, str, Callable[[], FileMatrix]]"
#: Parts whose stores are built at the same time; more would need more memory and be no faster.
_AT_ONCE = 2


def barcode_column(sample_column: str) -> str:
    """Return the obs column of a joined dataset that holds the cell ids of the files, where these repeat."""
    return "barcode_" if sample_column == "barcode" else "barcode"


@dataclass(frozen=True, eq=False)
class Part:
    """One sample of a dataset.

    Attributes
    ----------
    name
        Name of the sample.
    path
        The file it is in.
    content_hash
        `Dataset.content_hash` of the sample opened alone.
    n_cells, n_genes
        Numbers of its cells and of the genes of its first matrix.
    own_genes
        How many of these genes no other part has.
    gene_column
        Where the gene names are that it was joined by: ``index`` or a column of its gene table.
    scales
        Matrix → what it holds.
    species, id_kind
        Species and kind of id, told from its gene names; None where these do not tell.
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
        Key of its gene-major store.
    matrix
        Opens the part again and returns its matrix, turned as the dataset is.
    columns
        (n_genes,) the column of the part in which each gene of the whole is, −1 where it has none; None for the same
        genes in the same order.
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
        A type that holds the values of every part.
    parts
        In the order of the cells.
    here
        Whether a part is in this process's memory, so that no cluster can read it.
    """

    name: str
    shape: tuple[int, int]
    dtype: np.dtype[Any]
    parts: tuple[MatrixPart, ...] = field(repr=False)
    here: bool = False

    def store(self, report: Callable[[float], None] | None = None) -> JoinedStore:
        """Return the gene-major stores of all parts as one, building those that are missing (see `built`).

        Raises
        ------
        InputError
            If the matrix of a part cannot be read, or its file was changed.
        """
        stores = built([(part.key, self.name, part.matrix) for part in self.parts], report, here=self.here)
        return JoinedStore(stores, [part.columns for part in self.parts], self.shape[1])


def built(wanted: Sequence[Wanted], report: Share | None = None, *, here: bool = False) -> list[Store]:
    """Return stores in the order given, building missing ones on the cluster, or else here, up to two at a time.

    Parameters
    ----------
    wanted
        What identifies each store, and what builds it.
    report
        Called with the share that is done, 0 … 1; it may raise to cancel.
    here
        Whether only this process can read the matrices, so that a cluster is not used.

    Raises
    ------
    InputError
        If a matrix cannot be read, or the cluster cannot be reached.
    """
    found: dict[int, Store] = {}
    if on_cluster():  # stores that exist need no call to the cluster
        found = {
            number: Store(store_folder(key, name))
            for number, (key, name, _) in enumerate(wanted)
            if has_store(key, name)
        }
    left = [number for number in range(len(wanted)) if number not in found]
    if left:
        at_once = min(_AT_ONCE, machine_cores())
        engine = Local(at_once) if here else executor(at_once)
        for number, folder in engine.map(build, [wanted[n] for n in left], report):
            found[left[number]] = Store(folder)
    return [found[number] for number in range(len(wanted))]


def build(key: str, name: str, matrix: Callable[[], FileMatrix], report: Share) -> Path:
    """Build the store of a matrix where this runs, and return its folder."""
    return open_store(key, name, matrix, report).folder


def row_ranges(key: str, matrix: FileMatrix, reopen: Callable[[], FileMatrix]) -> list[Wanted]:
    """Return a large matrix of one file as parts: ranges of rows of about `PART_BYTES`; empty for fewer than two.

    Parameters
    ----------
    key
        Key of its store.
    matrix
        The matrix; a csc one, whose rows are scattered, and one in memory have no parts.
    reopen
        Opens the file again, also on another machine, and returns the matrix.
    """
    n_cells, n_genes = matrix.shape
    if matrix.layout == "csc" or matrix.digest is not None:
        return []
    if matrix.layout == "csr":
        matrix.check_parts()
        size = matrix.element["indices"].shape[0] * (4 + matrix.dtype.itemsize)
    else:
        size = n_cells * n_genes * matrix.dtype.itemsize
    number = min(-(-size // PART_BYTES), n_cells)
    if number < 2:
        return []
    # Bounds are at whole chunks of the file, so that no chunk is unpacked for two parts.
    chunks = getattr(matrix.element, "chunks", None) if matrix.layout == "dense" else None
    step = chunks[0] if chunks else 1
    bounds = np.unique(np.linspace(0, n_cells, number + 1).astype(np.int64) // step * step)
    bounds[-1] = n_cells
    return [
        (key, f"{matrix.name} rows {start} to {stop}", partial(_rows, reopen, start, stop))
        for start, stop in itertools.pairwise(bounds.tolist())
    ]


def _rows(reopen: Callable[[], FileMatrix], start: int, stop: int) -> FileMatrix:
    return reopen().rows(start, stop)


def joined_scale(scales: list[tuple[int, MatrixScale]]) -> MatrixScale:
    """Return what a joined matrix holds: the kind of most cells, with the base and total that all parts of it share.

    Parameters
    ----------
    scales
        Number of cells of each part, and what its matrix holds.
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
