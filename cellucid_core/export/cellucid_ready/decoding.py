"""Decode parts of a Cellucid-ready AnnData: what is shown from here is what the file says."""

from __future__ import annotations

from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pandas as pd

from cellucid_core.errors import InputError
from cellucid_core.export.cellucid_ready.check import opened_ready


class ReadyExport:
    """A Cellucid-ready AnnData whose parts are read when they are asked for. A context manager.

    It answers what `cellucid_core.prepared.decoding.PreparedExport` answers.

    Parameters
    ----------
    path
        ``.h5ad`` or ``.zarr.zip``.

    Raises
    ------
    InputError
        If it cannot be opened; of the methods, if what they read is damaged.
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
        """Of each dimension the array that the file names for it, else a UMAP, else the first one that is so wide."""
        found: dict[int, str] = {}
        try:
            named = self._root["uns/cellucid/defaults"]
        except KeyError:
            named = {}
        arrays = self._root["obsm"]
        for d in (1, 2, 3):
            wide = [key for key in arrays if len(shape := arrays[key].shape) == 2 and shape[1] == d]
            chosen = str(self._element(f"uns/cellucid/defaults/embedding{d}d")) if f"embedding{d}d" in named else ""
            usual = (key for key in (chosen, f"X_umap_{d}d", "X_umap", *wide) if key in wide)
            if wide:
                found[d] = next(usual)
        return found

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Columns of the cell table."""
        return tuple(map(str, self._obs.columns))

    @cached_property
    def groupings(self) -> tuple[str, ...]:
        """Those of them that hold categories."""
        return tuple(key for key in self.columns if isinstance(self._obs[key].dtype, pd.CategoricalDtype))

    @cached_property
    def genes(self) -> tuple[str, ...]:
        """Genes; none if there is no matrix."""
        return tuple(map(str, self._element("var").index)) if "X" in self._root else ()

    def points(self, dimension: int) -> np.ndarray:
        """Return the points of a dimension, float32 (n_cells, dimension)."""
        return np.asarray(self._element(f"obsm/{self._points[dimension]}"), np.float32)

    def column(self, key: str) -> np.ndarray | pd.Categorical:
        """Return a column: numbers, or categories."""
        column = self._obs[key]
        return pd.Categorical(column) if key in self.groupings else column.to_numpy()

    def gene(self, key: str) -> np.ndarray:
        """Return a gene's expression, float32 (n_cells,)."""
        position, matrix = self.genes.index(key), self._root["X"]
        try:
            if not hasattr(matrix, "keys"):  # dense
                return np.asarray(matrix[:, position], np.float32)
            at, end = (int(pointer) for pointer in matrix["indptr"][position : position + 2])
            values = np.zeros(len(self._obs), np.float32)
            values[np.asarray(matrix["indices"][at:end])] = np.asarray(matrix["data"][at:end])
        except Exception as error:  # h5py and zarr raise many types for damaged bytes
            raise self._damaged(error) from error
        return values

    @cached_property
    def _obs(self) -> pd.DataFrame:
        table: pd.DataFrame = self._element("obs")
        return table

    def _element(self, name: str) -> Any:
        from anndata.io import read_elem

        try:
            return read_elem(self._root[name])
        except Exception as error:  # as in `gene`
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> InputError:
        why = (str(error).splitlines() or [repr(error)])[0][:120]
        return InputError(f"The export {Path(self._path).name} is damaged ({why}).", "Export it again.")

    def __enter__(self) -> ReadyExport:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()
