"""Read a Cellucid-ready AnnData back: does the viewer accept it, and do its values equal the source's.

Tables and small arrays go through anndata's own reader. X is read some genes at a time.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from cellucid_core.errors import CellucidError, InputError
from cellucid_core.export.cellucid_ready.columns import Categories, Column, stored
from cellucid_core.export.cellucid_ready.elements import Elements, elements, gene_names
from cellucid_core.export.cellucid_ready.expression import Dense, Sparse
from cellucid_core.export.result import MAX_PROBLEMS, VerifyReport
from cellucid_core.export.settings import ExportSettings
from cellucid_core.names import unique

if TYPE_CHECKING:
    from cellucid_core.dataset import View

_HDF5 = b"\x89HDF\r\n\x1a\n"
_ZARR = (".zgroup", ".zmetadata", "zarr.json")
#: Number of values of X that are read at a time.
_BLOCK = 2**22
_Report = Callable[[int, int], None]


def is_ready(path: str | Path) -> bool:
    """Tell whether a file is HDF5 or a zip of a zarr store, which `check_ready` can check.

    Raises
    ------
    InputError
        If the file exists but cannot be opened.
    """
    place = Path(path)
    try:
        if not place.is_file():
            return False
        with place.open("rb") as file:
            if file.read(len(_HDF5)) == _HDF5:
                return True
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}).", "Check the path and its permissions.") from None
    try:
        with zipfile.ZipFile(place) as archive:
            return any(name in _ZARR for name in archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return False


def check_ready(
    path: str | Path, view: View | None = None, wanted: Elements | None = None, *, progress: _Report | None = None
) -> VerifyReport:
    """Check a file, alone or against its source.

    Alone: it opens as AnnData; X is gene-major and finite, the entries of a sparse X are sorted and not 0; embeddings
    are float32 and finite; the graph fits the cells; the record of the dataset is there. Against a view, every column,
    array, edge and value is also compared.

    Parameters
    ----------
    path
        ``.h5ad`` or ``.zarr.zip``.
    view
        What it was exported from. That the export left something out is not a problem.
    wanted
        Exactly what must be in it; needs `view`.
    progress
        Called with (done, total): stored values of a sparse X, or genes of a dense one.

    Returns
    -------
    VerifyReport
        ``max_error_steps`` is 0.0 with a view, since nothing is quantized.

    Raises
    ------
    InputError
        If the file is of another format, or cannot be opened.
    """
    check = _Check(view, wanted, progress or (lambda done, total: None))
    with opened_ready(path) as (root, n_files):
        check.run(root)
    shown = check.problems[:MAX_PROBLEMS]
    if more := len(check.problems) - len(shown):
        shown.append(f"… and {more:,} more problems.")
    return VerifyReport(not check.problems, tuple(shown), n_files, check.n_arrays, None if view is None else 0.0)


@contextmanager
def opened_ready(path: str | Path) -> Iterator[tuple[Any, int]]:
    """Yield the root group and the number of files (of entries, in a zip).

    Raises
    ------
    InputError
        If the file is of another format, or an error of reading it leaves the context.
    """
    import h5py
    import zarr

    if not is_ready(path):
        raise InputError(f"{path} is not a Cellucid export.", "Name an .h5ad, a .zarr.zip, a zip or a folder of one.")
    try:
        if not zipfile.is_zipfile(path):
            with h5py.File(path, "r", locking=False) as file:  # its writer may hold a lock
                yield file, 1
            return
        with zipfile.ZipFile(path) as archive:
            n_files = len(archive.infolist())
        store = zarr.storage.ZipStore(path, mode="r")
        try:
            yield zarr.open_group(store, mode="r"), n_files
        finally:
            store.close()
    except CellucidError:
        raise
    except (OSError, ValueError, KeyError, RuntimeError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} cannot be read ({_first_line(error)}).", "Export the dataset again.") from None


class _Check:
    def __init__(self, view: View | None, wanted: Elements | None, report: _Report) -> None:
        self.problems: list[str] = []
        self.n_arrays = 0
        self._view, self._wanted, self._report = view, wanted, report
        self._exact = wanted is not None

    def run(self, root: Any) -> None:
        """Check everything; what is wrong is added to `problems`."""
        if stored_kind(root) != "anndata":
            self.problems.append("It is not an AnnData (its root does not say so).")
            return
        self._uns(root)
        obs, var = self._table(root, "obs"), self._table(root, "var")
        if obs is None or var is None:
            return
        if self._view is not None and self._wanted is None:
            self._wanted = self._expected(obs, var)
        wanted = self._wanted
        if wanted is not None:
            self._compare_table("obs", obs, wanted.cell_ids, wanted.obs)
            self._compare_table("var", var, wanted.gene_ids, wanted.var)
        self._obsm(root, len(obs), wanted)
        self._graph(root, len(obs), wanted)
        self._matrix(root, (len(obs), len(var)), wanted)

    def _expected(self, obs: pd.DataFrame, var: pd.DataFrame) -> Elements | None:
        """Return what the view holds, with the genes that are in the file; None if it does not fit the file."""
        view = self._view
        assert view is not None
        if len(obs) != view.n_cells:
            self.problems.append(f"The file has {len(obs):,} cells, the source has {view.n_cells:,}.")
            return None
        place = {name: position for position, name in enumerate(unique(gene_names(view)))}
        unknown = [name for name in var.index if name not in place]
        if unknown:
            self.problems.append(f"The source has no gene {unknown[0]} ({len(unknown):,} of {len(var):,} are unknown).")
            return None
        positions = np.array([place[name] for name in var.index], np.int64)
        try:
            return elements(view, ExportSettings(dataset_id="any", name="any"), positions)
        except CellucidError as error:
            self.problems.append(f"The source could not be exported like this: {error.what}")
            return None

    # ---- the parts -------------------------------------------------------------------------------------------------

    def _element(self, root: Any, path: str) -> Any:
        from anndata.io import read_elem

        try:
            if path not in root:
                self.problems.append(f"{path} is missing.")
                return None
            self.n_arrays += 1
            return read_elem(root[path])
        except Exception as error:  # h5py, zarr and anndata raise many types for damaged files
            self.problems.append(f"{path} cannot be read ({_first_line(error)}).")
            return None

    def _uns(self, root: Any) -> None:
        uns = self._element(root, "uns")
        if not isinstance(uns, Mapping):
            return
        record = uns.get("cellucid")
        if not isinstance(uns.get("title"), str):
            self.problems.append("uns['title'] is missing.")
        if not isinstance(record, Mapping):
            self.problems.append("uns['cellucid'] is missing.")
            return
        for key in ("id", "name"):
            if not isinstance(record.get(key), str) or not record[key]:
                self.problems.append(f"uns['cellucid'][{key!r}] is missing.")
        if record.get("schema") != 1:
            self.problems.append("uns['cellucid']['schema'] is not 1.")
        if self._exact and self._wanted is not None and not _same(uns, self._wanted.uns):
            self.problems.append("uns differs from what was to be written.")

    def _table(self, root: Any, name: str) -> pd.DataFrame | None:
        table = self._element(root, name)
        if table is None:
            return None
        if not isinstance(table, pd.DataFrame):
            self.problems.append(f"{name} is not a table.")
            return None
        if not table.index.is_unique:
            self.problems.append(f"Row names of {name} occur more than once.")
        return table

    def _compare_table(self, name: str, table: pd.DataFrame, ids: np.ndarray, columns: Mapping[str, Column]) -> None:
        if not np.array_equal(table.index.to_numpy(dtype=object), ids):
            self.problems.append(f"Row names of {name} differ from the source.")
        if self._exact and list(table.columns) != list(columns):
            self.problems.append(f"{name} has other columns than were to be written.")
        for key in table.columns:
            if key not in columns:
                self.problems.append(f"The source has no {name} column {key!r}.")
            elif not _same_column(stored(table[key]).column, columns[key]):
                self.problems.append(f"The {name} column {key!r} differs from the source.")

    def _obsm(self, root: Any, n_cells: int, wanted: Elements | None) -> None:
        keys = list(root["obsm"]) if "obsm" in root else []
        if not keys:
            self.problems.append("There is no embedding.")
        if wanted is not None and self._exact and set(keys) != set(wanted.obsm):
            self.problems.append("obsm has other arrays than were to be written.")
        for key in keys:
            array = self._element(root, f"obsm/{key}")
            if not isinstance(array, np.ndarray):
                if array is not None:
                    self.problems.append(f"obsm[{key!r}] is not an array.")
                continue
            if array.dtype != np.float32 or array.ndim != 2 or len(array) != n_cells:
                self.problems.append(f"obsm[{key!r}] is not a float32 array with a row for each cell.")
            elif not np.isfinite(array).all():
                self.problems.append(f"obsm[{key!r}] has values that are not finite.")
            elif wanted is not None and key not in wanted.obsm:
                self.problems.append(f"The source has no obsm[{key!r}].")
            elif wanted is not None and not np.array_equal(array, wanted.obsm[key].astype(np.float32)):
                self.problems.append(f"obsm[{key!r}] differs from the source.")

    def _graph(self, root: Any, n_cells: int, wanted: Elements | None) -> None:
        if "obsp" not in root or "connectivities" not in root["obsp"]:
            if self._exact and wanted is not None and wanted.graph is not None:
                self.problems.append("The graph is missing.")
            return
        graph = self._element(root, "obsp/connectivities")
        if graph is None:
            return
        if getattr(graph, "shape", None) != (n_cells, n_cells) or not sparse.issparse(graph):
            self.problems.append("The graph is not a sparse matrix of cells × cells.")
            return
        if wanted is None:
            return
        if wanted.graph is None:
            self.problems.append("The source has no graph.")
        elif not all(
            np.array_equal(getattr(graph, part), getattr(wanted.graph, part)) for part in ("indptr", "indices", "data")
        ):
            self.problems.append("The graph differs from the source.")

    # ---- X ---------------------------------------------------------------------------------------------------------

    def _matrix(self, root: Any, shape: tuple[int, int], wanted: Elements | None) -> None:
        if "X" not in root:
            if wanted is not None and wanted.matrix is not None:
                self.problems.append("X is missing.")
            return
        source = None if wanted is None else wanted.matrix
        if wanted is not None and source is None:
            self.problems.append("The source has no expression.")
            return
        try:
            matrix, kind = root["X"], stored_kind(root["X"])
            if kind == "csc_matrix":
                self._sparse(matrix, shape, source)
            elif kind == "array":
                self._dense(matrix, shape, source)
            else:
                self.problems.append(f"X is stored as {kind or 'something else'}, not by genes (csc_matrix or array).")
        except Exception as error:  # as in _element
            self.problems.append(f"X cannot be read ({_first_line(error)}).")

    def _sparse(self, group: Any, shape: tuple[int, int], source: Sparse | Dense | None) -> None:
        data, indices, indptr = group["data"], group["indices"], np.asarray(group["indptr"][...], np.int64)
        self.n_arrays += 3
        if tuple(int(extent) for extent in group.attrs["shape"]) != shape:
            self.problems.append("X does not have the shape of the tables.")
            return
        if len(indptr) != shape[1] + 1 or indptr[0] != 0 or (np.diff(indptr) < 0).any() or indptr[-1] != data.shape[0]:
            self.problems.append("The pointers of X do not fit its values.")
            return
        if data.shape != indices.shape or data.dtype not in (np.float32, np.float64):
            self.problems.append("The values of X are not float32, or not as many as its indices.")
            return
        if isinstance(source, Dense):
            self.problems.append("X is sparse, the source is dense.")
            return
        start = 0
        while start < shape[1]:
            # At least one gene; more while they stay within the block.
            stop = max(start + 1, int(np.searchsorted(indptr, indptr[start] + _BLOCK, side="right")) - 1)
            at, end = int(indptr[start]), int(indptr[stop])
            values, cells = np.asarray(data[at:end]), np.asarray(indices[at:end])
            if not self._entries_are_sound(values, cells, indptr[start : stop + 1] - at, shape[0]):
                return
            for gene in range(start, stop if source is not None else start):
                part = slice(int(indptr[gene]) - at, int(indptr[gene + 1]) - at)
                wanted_cells, wanted = source.gene(gene)  # type: ignore[union-attr]
                if not (np.array_equal(cells[part], wanted_cells) and np.array_equal(values[part], wanted)):
                    self.problems.append(f"Gene {gene + 1:,} of X differs from the source.")
                    return
            if source is not None:
                source.expression.forget()
            start = stop
            self._report(int(indptr[start]), int(indptr[-1]))

    def _entries_are_sound(self, values: np.ndarray, cells: np.ndarray, ends: np.ndarray, n_cells: int) -> bool:
        if not len(values):
            return True
        if not np.isfinite(values).all() or not values.all():
            self.problems.append("X has stored values that are 0 or not finite.")
            return False
        rising = np.diff(cells) > 0
        inner = ends[(ends > 0) & (ends < len(cells))]
        rising[inner - 1] = True  # a new gene begins
        if int(cells.min()) < 0 or int(cells.max()) >= n_cells or not rising.all():
            self.problems.append("X has cells that are out of range, or not in order within a gene.")
            return False
        return True

    def _dense(self, array: Any, shape: tuple[int, int], source: Sparse | Dense | None) -> None:
        self.n_arrays += 1
        if tuple(array.shape) != shape or array.dtype not in (np.float32, np.float64):
            self.problems.append("X is not float32, or does not have the shape of the tables.")
            return
        if isinstance(source, Sparse):
            self.problems.append("X is dense, the source is sparse.")
            return
        width = int(array.chunks[1]) if array.chunks else 1
        width *= max(1, _BLOCK // max(1, width * shape[0]))
        for start in range(0, shape[1], width):
            stop = min(shape[1], start + width)
            values = np.asarray(array[:, start:stop])
            if not np.isfinite(values).all():
                self.problems.append("X has values that are not finite.")
                return
            if source is not None:
                wanted = source.expression.block(source.positions[start:stop]).astype(values.dtype).T
                if not np.array_equal(values, wanted):
                    self.problems.append(f"X differs from the source in genes {start + 1:,} to {stop:,}.")
                    return
                source.expression.forget()
            self._report(stop, shape[1])


def stored_kind(element: Any) -> str:
    """Return the AnnData encoding type of a group or array of a file; an empty text if it has none."""
    kind = element.attrs.get("encoding-type", "")
    return kind if isinstance(kind, str) else ""


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:200]


def _same_column(one: Column, other: Column) -> bool:
    if type(one) is not type(other) or len(one) != len(other):
        return False
    if isinstance(one, Categories) and isinstance(other, Categories):
        return (
            one.ordered == other.ordered
            and np.array_equal(one.codes, other.codes)
            and np.array_equal(one.labels, other.labels)
        )
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
    return one.dtype == other.dtype and bool(pd.Series(one).equals(pd.Series(other)))  # type: ignore[union-attr]


def _same(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, Mapping):
        return (
            isinstance(found, Mapping)
            and set(found) == set(wanted)
            and all(_same(found[key], item) for key, item in wanted.items())
        )
    if isinstance(wanted, np.ndarray):
        return bool(np.array_equal(found, wanted, equal_nan=wanted.dtype.kind == "f"))
    return bool(found == wanted)
