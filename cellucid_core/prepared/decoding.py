"""Decode an export's arrays as the viewer does."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pandas as pd

from cellucid_core.errors import InputError
from cellucid_core.prepared.containers import DamagedError, ExportFiles, open_export
from cellucid_core.prepared.encoding import dequantize
from cellucid_core.prepared.reading import read_array
from cellucid_core.prepared.structure import Categories, Numbers, read_structure


def decode_array(files: ExportFiles, name: str, count: int, dtype: Any = "<f4") -> np.ndarray:
    """Return a whole array, (count,); raises `DamagedError`, naming the file, if it is damaged or of another length."""
    kind = np.dtype(dtype)
    try:
        return np.concatenate([np.zeros(0, kind), *read_array(files, name, count, kind)])
    except DamagedError as error:
        raise DamagedError(f"{name}: {error}") from None


def decode_numbers(spec: Numbers, files: ExportFiles, n: int) -> np.ndarray:
    """Return a vector of numbers as float32, (n,), NaN where a value is missing; raises `DamagedError`."""
    codes = decode_array(files, spec.file, n, spec.dtype)
    if spec.bits is None:
        return codes
    return dequantize(codes, spec.low, spec.high, spec.bits).astype(np.float32)


def decode_categories(spec: Categories, files: ExportFiles, n: int) -> pd.Categorical:
    """Return a column of categories, (n,); raises `DamagedError`, also for codes without a category."""
    codes = decode_array(files, spec.file, n, spec.dtype).astype(np.int64)
    codes[codes == spec.missing] = -1
    if len(codes) and int(codes.max()) >= len(spec.labels):
        raise DamagedError(f"{spec.file}: it has codes beyond its {len(spec.labels):,} categories")
    labels = pd.Index(spec.labels, dtype=object)
    if labels.has_duplicates:  # pandas needs unique categories: equal names become one
        unique = labels.unique()
        codes = np.append(unique.get_indexer(labels), -1)[codes]
        labels = unique
    return pd.Categorical.from_codes(codes, categories=labels)


class PreparedExport:
    """A prepared export whose arrays are decoded when they are asked for. A context manager.

    Parameters
    ----------
    path
        A zip or a folder.

    Raises
    ------
    InputError
        If it is no export that can be read; by every method that decodes, if a file is damaged.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = path
        self._files = open_export(path)
        self._structure = read_structure(self._files)

    @property
    def dimensions(self) -> tuple[int, ...]:
        """Dimensions that have points, ascending."""
        return tuple(sorted(self._structure.points))

    @cached_property
    def columns(self) -> dict[str, Numbers | Categories]:
        """Columns of the cell table, by name."""
        return {column.key: column for column in self._structure.columns}

    @property
    def groupings(self) -> tuple[str, ...]:
        """Names of the columns that hold categories."""
        return tuple(key for key, column in self.columns.items() if isinstance(column, Categories))

    @cached_property
    def genes(self) -> dict[str, Numbers]:
        """Genes, by id."""
        return {gene.key: gene for gene in self._structure.genes}

    def points(self, dimension: int) -> np.ndarray:
        """Return the points of a dimension, (n_cells, dimension) float32, as the export scaled them: −1 … 1."""
        n = self._structure.n_cells
        try:
            return decode_array(self._files, self._structure.points[dimension], n * dimension).reshape(n, dimension)
        except DamagedError as error:
            raise self._damaged(error) from error

    def column(self, key: str) -> np.ndarray | pd.Categorical:
        """Return a column, (n_cells,): float32, or categories."""
        spec = self.columns[key]
        try:
            if isinstance(spec, Categories):
                return decode_categories(spec, self._files, self._structure.n_cells)
            return decode_numbers(spec, self._files, self._structure.n_cells)
        except DamagedError as error:
            raise self._damaged(error) from error

    def gene(self, key: str) -> np.ndarray:
        """Return a gene's expression, (n_cells,) float32."""
        try:
            return decode_numbers(self.genes[key], self._files, self._structure.n_cells)
        except DamagedError as error:
            raise self._damaged(error) from error

    def _damaged(self, error: DamagedError) -> InputError:
        return InputError(f"The export {Path(self._path).name} is damaged: {error}.", "Export it again.")

    def __enter__(self) -> PreparedExport:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._files.close()
