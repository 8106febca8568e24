"""Read the stores of several parts as one: a gene is put together when it is asked for, and no matrix is copied."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property, reduce
from pathlib import Path
from typing import Any

import numpy as np

from cellucid_core.cache import bytes_hash, home_folder, is_complete, sealed_folder
from cellucid_core.running import Share, executor
from cellucid_core.store.gene_major import Store
from cellucid_core.store.gene_stats import GeneStats, missing_gene_stats, sum_stats


class JoinedStore:
    """The cells of several stores, one store after the other, with the genes that were chosen of each.

    It has the properties and methods of `Store` that read genes and sums. It is sparse if a part is sparse or lacks a
    gene.

    Parameters
    ----------
    stores
        One per part.
    columns
        For each part the position in it of each gene of the whole, (n_genes,), −1 if the part lacks it; None if the
        part has the genes of the whole in their order.
    n_genes
        Number of genes of the whole.
    """

    def __init__(self, stores: Sequence[Store], columns: Sequence[np.ndarray | None], n_genes: int) -> None:
        self._stores, self._columns = tuple(stores), tuple(columns)
        self.n_genes = n_genes
        self._starts = np.concatenate([[0], np.cumsum([store.n_cells for store in stores])]).astype(np.int64)
        self.n_cells = int(self._starts[-1])
        lacking = any(columns is not None and (columns < 0).any() for columns in columns)
        self.is_sparse = lacking or any(store.is_sparse for store in stores)
        self.dtype: np.dtype[Any] = np.result_type(np.float32, *(store.dtype for store in stores))
        self.n_stored = sum(store.n_stored for store in stores)

    def gene(self, gene: int) -> tuple[np.ndarray, np.ndarray]:
        """Return what is stored of one gene; see `Store.gene`."""
        parts = []
        for store, columns, start in zip(self._stores, self._columns, self._starts, strict=False):
            at = gene if columns is None else int(columns[gene])
            if at < 0:
                continue
            cells, values = store.gene(at)
            if self.is_sparse and not store.is_sparse:
                stored = np.flatnonzero(values).astype(np.int32)  # NaN counts as stored
                cells, values = stored, values[stored]
            parts.append((cells + np.int32(start) if start else cells, values))
        if not parts:
            return np.zeros(0, np.int32), np.zeros(0, self.dtype)
        if len(parts) == 1:
            return parts[0][0], parts[0][1].astype(self.dtype, copy=False)
        cells, values = zip(*parts, strict=True)
        return np.concatenate(cells), np.concatenate(values, dtype=self.dtype)

    @property
    def parts(self) -> list[tuple[Store, np.ndarray | None, int]]:
        """Of each part: its store, its `columns`, and the position of its first cell."""
        return list(zip(self._stores, self._columns, self._starts.tolist(), strict=False))

    def forget(self) -> None:
        """Give back the memory of the mapped files; what was read from them stays readable."""
        for store in self._stores:
            store.forget()

    @cached_property
    def stats(self) -> GeneStats:
        """Statistics of each gene over all parts; in a part that lacks a gene, all cells have 0."""
        found = []
        for store, columns in zip(self._stores, self._columns, strict=True):
            if store.n_cells == 0:
                continue
            arrays = vars(store.stats)
            if columns is not None:
                there = columns >= 0
                # A part without genes has no values to index.
                arrays = vars(missing_gene_stats(1)) if store.n_genes == 0 else arrays
                arrays = {
                    name: np.where(there, values[columns], np.zeros(1, values.dtype)) for name, values in arrays.items()
                }
            found.append(GeneStats(**arrays))
        return reduce(sum_stats, found) if found else missing_gene_stats(self.n_genes)

    @property
    def cell_total(self) -> np.ndarray:
        """Sum of each cell's finite values over the genes of the whole, float64 (n_cells,)."""
        return self._per_cell[0]

    @property
    def cell_detected(self) -> np.ndarray:
        """Number of genes of the whole above 0 in each cell, int64 (n_cells,)."""
        return self._per_cell[1]

    @cached_property
    def _per_cell(self) -> tuple[np.ndarray, np.ndarray]:
        folders = [_sums_of(store, columns) for store, columns in zip(self._stores, self._columns, strict=True)]
        missing = [
            (store.folder, columns, folder)
            for store, columns, folder in zip(self._stores, self._columns, folders, strict=True)
            if folder != store.folder and not is_complete(folder)
        ]
        for _ in executor().map(_sum_cells, missing):
            pass
        for folder in folders:
            with suppress(OSError):
                os.utime(folder)  # shows `serving.starting.sweep` that it is in use
        totals, detected = (
            [np.load(folder / f"{name}.npy") for folder in folders] for name in ("cell_total", "cell_detected")
        )
        return np.concatenate([np.zeros(0), *totals]), np.concatenate([np.zeros(0, np.int64), *detected])


def _sums_of(store: Store, columns: np.ndarray | None) -> Path:
    """Return the folder of a part's cell sums over its chosen genes: the store itself if these are all its genes."""
    if columns is None:
        return store.folder
    taken = _taken(columns)
    if len(taken) == store.n_genes:
        return store.folder
    return home_folder("stores") / f"{store.folder.name}-{bytes_hash(taken.tobytes())[:16]}"


def _taken(columns: np.ndarray) -> np.ndarray:
    return np.sort(columns[columns >= 0]).astype(np.int64)


def _sum_cells(part: Path, columns: np.ndarray, folder: Path, report: Share) -> None:
    """Sum a part's cells over its chosen genes, here or on a worker, and keep the sums in a folder."""
    store, taken = Store(part), _taken(columns)

    def build(draft: Path) -> None:
        total, detected = np.zeros(store.n_cells), np.zeros(store.n_cells, np.int64)
        for count, gene in enumerate(taken):
            cells, values = store.gene(int(gene))
            finite = np.isfinite(values)
            if not finite.all():
                cells, values = cells[finite], values[finite]
            total[cells] += values
            detected[cells] += values > 0
            if count % 256 == 255:
                report(count / len(taken))
                store.forget()
        np.save(draft / "cell_total.npy", total)
        np.save(draft / "cell_detected.npy", detected)

    sealed_folder(folder, build)
