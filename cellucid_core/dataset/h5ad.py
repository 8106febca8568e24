"""Read an ``.h5ad`` file element by element, so that one broken element does not hide the others.

Every element goes through anndata's own element reader. Matrices and graphs stay in the file until they are needed.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Mapping as MappingABC
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from cellucid_core.dataset.content import content_hash, require_hdf5
from cellucid_core.dataset.home import home_folder
from cellucid_core.dataset.matrix import FileMatrix, Layout
from cellucid_core.dataset.model import Dataset, Graph
from cellucid_core.errors import CellucidError, InputError
from cellucid_core.names import safe_key

_MEND = "Write it again with adata.write_h5ad('file.h5ad') and open that file."


def read_h5ad(path: Path) -> Dataset:
    """Open an AnnData file.

    Parameters
    ----------
    path
        The ``.h5ad`` file; it is never changed.

    Returns
    -------
    Dataset
        With obs, var and obsm in memory, matrices and graphs left in the file.

    Raises
    ------
    InputError
        If the file is not HDF5, cut off, not an AnnData, or its cell table cannot be read.
    """
    import h5py

    require_hdf5(path)
    digest = content_hash(path)
    try:
        file = h5py.File(path, "r", locking="best-effort")
    except OSError as error:
        raise InputError(
            f"{path.name} is damaged or was cut off while it was copied.",
            "Copy or download it again, then open it.",
        ) from error
    try:
        if _is_old_layout(file):
            file.close()
            file = h5py.File(_rewritten(path, digest), "r", locking="best-effort")
        return _dataset(file, path, digest)
    except CellucidError:
        file.close()
        raise
    except Exception as error:
        # h5py and anndata raise many types for broken content; to the user they are one thing.
        file.close()
        raise InputError(f"{path.name} cannot be read as AnnData ({_first_line(error)}).", _MEND) from error


def _dataset(file: Any, path: Path, digest: str) -> Dataset:
    from anndata.io import read_elem

    for table in ("obs", "var"):
        if table not in file:
            raise InputError(f"{path.name} is an HDF5 file but not an AnnData: it has no {table} table.", _MEND)
    obs, var = _table(file["obs"], "obs"), _table(file["var"], "var")
    matrices, variables = _matrices(file, var)
    obsm: dict[str, np.ndarray] = {}
    unreadable: dict[str, str] = {}
    for key in file.get("obsm", ()):
        try:
            obsm[key] = _as_array(read_elem(file["obsm"][key]))
        except Exception as error:  # a broken element is reported, the others still serve
            unreadable[f"obsm['{key}']"] = _first_line(error)
    varm: dict[str, np.ndarray] = {}
    for key in file.get("varm", ()):
        try:
            varm[key] = _as_array(read_elem(file["varm"][key]))
        except Exception as error:  # only a transposed dataset has a use for it
            unreadable[f"varm['{key}']"] = _first_line(error)
    graphs: dict[str, Graph] = {}
    for key in file.get("obsp", ()):
        element = file["obsp"][key]
        graphs[key] = Graph(key, _shape(element), partial(_read_graph, element))
    return Dataset(
        id=safe_key(path.stem),
        name=path.stem,
        path=path,
        content_hash=digest,
        obs=obs,
        variables=variables,
        obsm=obsm,
        graphs=graphs,
        matrices=matrices,
        unreadable=unreadable,
        varm=varm,
    )


def _matrices(file: Any, var: pd.DataFrame) -> tuple[dict[str, FileMatrix], dict[str, pd.DataFrame]]:
    """Return every matrix of the file and the gene table that goes with it."""
    elements = {}
    variables = {}
    if "X" in file and _encoding(file["X"]) != "null":
        elements["X"], variables["X"] = file["X"], var
    if "raw" in file and "X" in file["raw"]:
        elements["raw"] = file["raw"]["X"]
        variables["raw"] = _table(file["raw"]["var"], "raw.var") if "var" in file["raw"] else var
    for layer in file.get("layers", ()):
        elements[layer], variables[layer] = file["layers"][layer], var
    return {name: _file_matrix(name, element) for name, element in elements.items()}, variables


def _file_matrix(name: str, element: Any) -> FileMatrix:
    shape = _shape(element)
    if len(shape) != 2:
        raise InputError(
            f"The matrix {name} has {len(shape)} dimensions.",
            "Expression must be cells × genes; write it again as such.",
        )
    layouts: dict[str, Layout] = {"csr_matrix": "csr", "csc_matrix": "csc"}
    kind = _encoding(element)
    stored = element["data"] if kind in layouts else element
    return FileMatrix(name, element, layouts.get(kind, "dense"), (shape[0], shape[1]), np.dtype(stored.dtype))


def _encoding(element: Any) -> str:
    return str(element.attrs.get("encoding-type", ""))


def _shape(element: Any) -> tuple[int, ...]:
    shape = element.attrs["shape"] if "shape" in element.attrs else getattr(element, "shape", ())
    return tuple(int(size) for size in shape)


def _table(element: Any, what: str) -> pd.DataFrame:
    from anndata.io import read_elem

    table = read_elem(element)
    if not isinstance(table, pd.DataFrame):
        raise InputError(f"{what} is not a table.", _MEND)
    table.index = table.index.astype(str)
    return table


def _as_array(value: Any) -> np.ndarray:
    """Return an obsm element as a numeric array of as many dimensions as it has.

    Raises
    ------
    TypeError
        If it does not hold numbers.
    """
    if isinstance(value, pd.DataFrame):
        value = value.to_numpy()
    elif hasattr(value, "toarray"):  # sparse, of whichever kind
        value = value.toarray()
    elif isinstance(value, MappingABC):
        raise TypeError("a group of arrays, not an array")
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{array.dtype} values, not numbers")
    return array


def _read_graph(element: Any) -> sparse.csr_matrix:
    from anndata.io import read_elem

    value = read_elem(element)
    return sparse.csr_matrix(value.to_numpy() if isinstance(value, pd.DataFrame) else value)


def _is_old_layout(file: Any) -> bool:
    """Tell whether the file was written before anndata 0.7 (tables as compound data sets)."""
    import h5py

    return any(isinstance(file.get(name), h5py.Dataset) for name in ("obs", "var", "raw.var"))


def _rewritten(path: Path, digest: str) -> Path:
    """Return a copy of an old file in today's layout, made once per content by anndata itself."""
    import anndata

    target = home_folder("rewritten") / f"{digest[:40]}.h5ad"
    if not target.exists():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            adata = anndata.read_h5ad(path)
            # Nothing here reads uns, and old files keep things there that today's writer refuses.
            adata.uns.clear()
            write_atomically(adata, target)
    return target


def write_atomically(adata: Any, target: Path) -> None:
    """Write an AnnData so that the target is either complete or absent."""
    handle, draft = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    os.close(handle)
    try:
        adata.write_h5ad(draft)
        Path(draft).replace(target)
    finally:
        Path(draft).unlink(missing_ok=True)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
