"""An AnnData in memory: never copied as a whole, never changed.

Tables and embeddings are copied when it is opened; matrices are read when they are needed, and it is an error if they
have changed by then. Matrices of a backed AnnData that is open only for reading stay on disk.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np
import pandas as pd
from scipy import sparse

from cellucid_core.cache import content_hash
from cellucid_core.errors import InputError
from cellucid_core.reading.contents import Contents, Graph
from cellucid_core.reading.elements import as_array, first_line
from cellucid_core.reading.matrix import FileMatrix, Layout

if TYPE_CHECKING:
    from anndata import AnnData

_LAYOUTS: dict[str, Layout] = {"csr": "csr", "csc": "csc"}


class Lent:
    """The caller's array, read like one in a file: every read returns a copy, so the caller's array cannot be changed.

    Parameters
    ----------
    array
        Of one or two dimensions.
    """

    def __init__(self, array: np.ndarray) -> None:
        self._array = array
        self.shape: tuple[int, ...] = array.shape
        self.dtype = array.dtype

    def __getitem__(self, key: Any) -> np.ndarray:
        return np.array(self._array[key], copy=True)

    def feed(self, state: Any) -> None:
        """Add the values to a hash."""
        _feed(state, self._array)


def is_adata(data: Any) -> TypeGuard[AnnData]:
    """Tell whether something is an AnnData, without importing anndata for it."""
    return any(
        kind.__module__.partition(".")[0] == "anndata" and kind.__name__ == "AnnData" for kind in type(data).mro()
    )


def read_adata(adata: AnnData) -> Contents:
    """Return what an AnnData holds.

    Parameters
    ----------
    adata
        Whole or a view, in memory or backed, with matrices that are dense or sparse.

    Returns
    -------
    Contents
        As of the same AnnData in an ``.h5ad`` file, apart from the hash.

    Raises
    ------
    InputError
        If a matrix is of a kind that cannot be read (dask, GPU, masked).
    """
    unreadable: dict[str, str] = {}
    var = _table(adata.var)
    elements: dict[str, tuple[Any, pd.DataFrame]] = {}
    if adata.X is not None:
        elements["X"] = adata.X, var
    if adata.raw is not None:
        elements["raw"] = adata.raw.X, _table(adata.raw.var)
    elements |= {
        str(key): (adata.layers[key], var) for key in sorted(adata.layers, key=str) if key is not None
    }  # None is X, since 0.13
    matrices = {key: _matrix(key, element) for key, (element, _) in elements.items()}
    obs = _table(adata.obs)
    obsm, varm = (_arrays(section, what, unreadable) for section, what in ((adata.obsm, "obsm"), (adata.varm, "varm")))
    graphs = {str(key): _graph(str(key), adata.obsp[key]) for key in sorted(adata.obsp, key=str)}

    state = _hasher()
    for table in (obs, var, *(table for _, table in elements.values() if table is not var)):
        _feed_table(state, table)
    for key, array in (*obsm.items(), *varm.items()):
        _feed(state, key, array)
    for key in graphs:
        _feed(state, key, *_parts(adata.obsp[key]))
    for key, matrix in matrices.items():
        if matrix.digest is not None:
            known = matrix.digest()
            _feed(state, key, known)
            matrices[key] = replace(matrix, digest=partial(_unchanged, key, known, matrix.digest))
    return Contents(
        content_hash=state.hexdigest(),
        obs=obs,
        variables={key: table for key, (_, table) in elements.items()},
        obsm=obsm,
        graphs=graphs,
        matrices=matrices,
        unreadable=unreadable,
        varm=varm,
    )


def _table(table: pd.DataFrame) -> pd.DataFrame:
    """Return a copy of a table as anndata would write it: repeated texts are categories, names are text."""
    from anndata import AnnData

    made = pd.DataFrame(table, copy=True)
    made.columns = pd.Index([str(column) for column in made.columns])
    made.index = made.index.astype(str)
    if made.columns.is_unique:
        AnnData().strings_to_categoricals(made)
    return made


def _arrays(section: Mapping[str, Any], what: str, unreadable: dict[str, str]) -> dict[str, np.ndarray]:
    arrays = {}
    for key in sorted(section, key=str):
        try:
            value = section[key]
            # The array of a view of an AnnData also calls itself sparse.
            plain = np.asarray(value) if isinstance(value, np.ndarray) else value
            arrays[str(key)] = np.array(as_array(plain), copy=True)
        except Exception as error:  # as in a file, a broken array does not hide the others
            unreadable[f"{what}['{key}']"] = first_line(error)
    return arrays


def _matrix(name: str, element: Any) -> FileMatrix:
    """Return a matrix where it is: in memory, or in the file of a backed AnnData."""
    found = _on_disk(name, element)
    if found is not None:
        return found
    if isinstance(element, pd.DataFrame):
        element = element.to_numpy()
    if not sparse.issparse(element) and not isinstance(element, np.ndarray):
        raise InputError(
            f"The matrix {name} is a {type(element).__module__.partition('.')[0]} {type(element).__name__}.",
            "Bring it into memory first: adata = adata.to_memory(), or adata.X.get() from a GPU.",
        )
    if isinstance(element, np.ma.MaskedArray):
        raise InputError(f"The matrix {name} is a masked array.", "Fill it first: adata.X = adata.X.filled(0).")
    if sparse.issparse(element):
        kept = element if element.format in _LAYOUTS else element.tocsr()
        parts = {part: Lent(np.asarray(getattr(kept, part))) for part in ("indptr", "indices", "data")}
        lent: Any = parts
        layout, dtype = _LAYOUTS[kept.format], np.dtype(kept.dtype)
    else:
        lent = Lent(np.asarray(element))
        parts, layout, dtype = {"values": lent}, "dense", np.dtype(element.dtype)
    shape = (int(element.shape[0]), int(element.shape[1]))
    return FileMatrix(name, lent, layout, shape, dtype, digest=partial(_digest, layout, shape, parts))


def _on_disk(name: str, element: Any) -> FileMatrix | None:
    """Return a matrix of a backed AnnData: left on disk if its file is open only for reading, else as in memory.

    None for anything that is not on disk.
    """
    import h5py
    from anndata.abc import CSCDataset, CSRDataset

    # Another version of anndata may keep this under another name; reading it into memory always works.
    stored = getattr(element, "_group", None) or getattr(element, "group", None) or element
    if isinstance(element, CSRDataset | CSCDataset) and isinstance(stored, h5py.Group):
        layout: Layout = "csr" if isinstance(element, CSRDataset) else "csc"
        dtype = np.dtype(stored["data"].dtype)
    elif isinstance(element, h5py.Dataset):
        layout, dtype = "dense", np.dtype(element.dtype)
    else:
        return None
    file = stored.file
    if file.mode != "r":
        whole = element.to_memory() if layout != "dense" else element[()]
        return _matrix(name, whole)
    shape = (int(element.shape[0]), int(element.shape[1]))
    path, place = Path(str(file.filename)), str(stored.name)
    return FileMatrix(name, stored, layout, shape, dtype, digest=lambda: f"{content_hash(path)} {place}")


def _digest(layout: Layout, shape: tuple[int, int], parts: Mapping[str, Lent]) -> str:
    state = _hasher()
    _feed(state, layout, json.dumps(shape))
    for part in parts.values():
        part.feed(state)
    digest: str = state.hexdigest()
    return digest


def _unchanged(name: str, known: str, digest: Callable[[], str]) -> str:
    """Return the hash that a matrix had when it was opened, after checking that its values are still the same."""
    if digest() != known:
        raise InputError(
            f"The matrix {name} of the AnnData has changed since it was opened.", "Open it again: cc.open(adata)."
        )
    return known


def _graph(key: str, element: Any) -> Graph:
    read: Callable[[], sparse.csr_matrix] = partial(_read_graph, element)
    return Graph(key, tuple(int(size) for size in element.shape), read)


def _read_graph(element: Any) -> sparse.csr_matrix:
    try:
        return sparse.csr_matrix(element, copy=True)
    except Exception as error:
        raise InputError(
            f"The neighbour graph cannot be read ({first_line(error)}).", "Compute it with scanpy.pp.neighbors."
        ) from error


def _parts(element: Any) -> Iterable[np.ndarray]:
    if sparse.issparse(element):
        kept = element if element.format in _LAYOUTS else element.tocsr()
        return kept.indptr, kept.indices, kept.data
    return (np.asarray(element),)


def _hasher() -> Any:
    from blake3 import blake3

    return blake3(max_threads=blake3.AUTO)


def _feed_table(state: Any, table: pd.DataFrame) -> None:
    _feed(state, *map(str, table.columns), table.index.to_numpy(dtype=object))
    for at in range(table.shape[1]):
        values = table.iloc[:, at]
        if isinstance(values.dtype, pd.CategoricalDtype):
            _feed(state, str(values.dtype.ordered), values.cat.categories.to_numpy(dtype=object))
            _feed(state, values.cat.codes.to_numpy())
        elif isinstance(values.dtype, np.dtype):
            _feed(state, values.to_numpy())
        else:
            _feed(state, str(values.dtype), values.to_numpy(dtype=object))


def _feed(state: Any, *items: str | np.ndarray) -> None:
    """Add words and arrays to a hash, each with its length, so that no two lists give the same bytes."""
    for item in items:
        if isinstance(item, str):
            array: np.ndarray = np.frombuffer(item.encode("utf-8", "surrogatepass"), np.uint8)
        elif item.dtype.kind == "O":
            words = [f"{type(value).__name__}:{value}" for value in item.ravel()]
            array = np.frombuffer(json.dumps(words).encode(), np.uint8)
        else:
            array = np.ascontiguousarray(item)
        state.update(f"\0{array.dtype} {item.shape if isinstance(item, np.ndarray) else len(item)}\0".encode())
        if array.size:
            state.update(array.reshape(-1).view(np.uint8))
