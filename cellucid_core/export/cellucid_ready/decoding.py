"""Read parts of a Cellucid-ready AnnData, to show what was really written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pandas as pd

from cellucid_core.errors import CellucidError, InputError
from cellucid_core.export.cellucid_ready.check import opened_ready, stored_kind


class ReadyExport:
    """A Cellucid-ready AnnData whose parts are read when they are asked for. A context manager.

    It has the properties and methods of `cellucid_core.prepared.decoding.PreparedExport`.

    Parameters
    ----------
    path
        ``.h5ad`` or ``.zarr.zip``.

    Raises
    ------
    InputError
        If it cannot be opened; properties and methods raise it if what they read is damaged.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = path
        self._open = ExitStack()
        self._root, _ = self._open.enter_context(opened_ready(path))

    @cached_property
    def dimensions(self) -> tuple[int, ...]:
        """Dimensions that have points, ascending."""
        return tuple(sorted(self._points))

    @cached_property
    def _points(self) -> dict[int, str]:
        """Dimension → obsm key: the array that the file names, else a UMAP, else the first of that many columns."""
        found: dict[int, str] = {}
        with self._damage_told():
            named = self._root.get("uns/cellucid/defaults", {})
            arrays = self._root["obsm"]
            for d in (1, 2, 3):
                wide = [key for key in arrays if len(shape := arrays[key].shape) == 2 and shape[1] == d]
                chosen = str(self._element(f"uns/cellucid/defaults/embedding{d}d")) if f"embedding{d}d" in named else ""
                if wide:
                    found[d] = next(key for key in (chosen, f"X_umap_{d}d", "X_umap", *wide) if key in wide)
        return found

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns of the cell table."""
        with self._damage_told():
            return tuple(map(str, self._root["obs"].attrs["column-order"]))

    @cached_property
    def groupings(self) -> tuple[str, ...]:
        """Names of the columns that hold categories."""
        with self._damage_told():
            obs = self._root["obs"]
            return tuple(key for key in self.columns if stored_kind(obs[key]) == "categorical")

    @cached_property
    def genes(self) -> tuple[str, ...]:
        """Row names of the gene table; none if there is no matrix."""
        with self._damage_told():
            return tuple(self._element(f"var/{self._root['var'].attrs['_index']}")) if "X" in self._root else ()

    def points(self, dimension: int) -> np.ndarray:
        """Return the points of a dimension, float32 (n_cells, dimension)."""
        return np.asarray(self._element(f"obsm/{self._points[dimension]}"), np.float32)

    def column(self, key: str) -> np.ndarray | pd.Categorical:
        """Return a column of the cell table: numbers or categories, (n_cells,)."""
        column = self._element(f"obs/{key}")
        return column if isinstance(column, pd.Categorical) else np.asarray(column)

    def gene(self, key: str) -> np.ndarray:
        """Return a gene's expression, float32 (n_cells,); `key` is one of `genes`."""
        position = self.genes.index(key)
        with self._damage_told():
            matrix = self._root["X"]
            if stored_kind(matrix) == "array":
                return np.asarray(matrix[:, position], np.float32)
            at, end = (int(pointer) for pointer in matrix["indptr"][position : position + 2])
            values = np.zeros(int(matrix.attrs["shape"][0]), np.float32)
            values[np.asarray(matrix["indices"][at:end])] = np.asarray(matrix["data"][at:end])
            return values

    def _element(self, name: str) -> Any:
        from anndata.io import read_elem

        with self._damage_told():
            return read_elem(self._root[name])

    @contextmanager
    def _damage_told(self) -> Iterator[None]:
        try:
            yield
        except CellucidError:
            raise
        except Exception as error:  # h5py, zarr and anndata raise many types for damaged bytes
            why = (str(error).splitlines() or [repr(error)])[0][:120]
            raise InputError(f"The export {Path(self._path).name} is damaged ({why}).", "Export it again.") from error

    def __enter__(self) -> ReadyExport:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()
