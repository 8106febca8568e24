"""Read an AnnData element by element from an open HDF5 or zarr group, so that one broken element does not hide others.

Every element goes through anndata's own element reader, which knows both kinds of group. Matrices and graphs stay in
the file until they are needed.
"""

from __future__ import annotations

from collections.abc import Mapping as MappingABC
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from cellucid_core.errors import InputError
from cellucid_core.reading.contents import Contents, Graph
from cellucid_core.reading.matrix import FileMatrix, Layout
from cellucid_core.reading.safety import check_written, declared_size, require_memory
from cellucid_core.reading.source import Source

FIX = "Write it again with adata.write_h5ad('file.h5ad') and open that file."


def read_elements(group: Any, source: Source) -> Contents:
    """Return the AnnData that a group holds.

    Parameters
    ----------
    group
        An open `h5py.Group` or `zarr.Group` with ``obs`` and ``var`` in the layout of anndata 0.7 or later.
    source
        The file that the group is in.

    Returns
    -------
    Contents
        With obs, var, obsm and varm in memory; matrices and graphs stay in the group, which must stay open.

    Raises
    ------
    InputError
        If it is no AnnData, its cell or gene table cannot be read, or X is not a matrix of numbers.
    """
    for table in ("obs", "var"):
        if table not in group:
            raise InputError(f"{source.file_name} is not an AnnData: it has no {table} table.", FIX)
    obs, var = _table(group["obs"], "obs"), _table(group["var"], "var")
    unreadable: dict[str, str] = {}
    matrices, variables = _matrices(group, var, unreadable)
    obsm, varm = read_arrays(group, "obsm", unreadable), read_arrays(group, "varm", unreadable)
    graphs: dict[str, Graph] = {}
    for key in _keys(group, "obsp"):
        element = group["obsp"][key]
        graphs[key] = Graph(key, _shape(element), partial(_read_graph, element))
    return Contents(
        content_hash=source.digest,
        obs=obs,
        variables=variables,
        obsm=obsm,
        graphs=graphs,
        matrices=matrices,
        unreadable=unreadable,
        varm=varm,
    )


def read_arrays(group: Any, section: str, unreadable: dict[str, str]) -> dict[str, np.ndarray]:
    """Return the numeric arrays of ``obsm`` or ``varm``; what cannot be read goes to `unreadable`, with the reason."""
    from anndata.io import read_elem

    arrays = {}
    for key in _keys(group, section):
        try:
            require_memory(declared_size(group[section][key]), f"{section}['{key}']")
            check_written(group[section][key], f"{section}['{key}']")
            array = as_array(read_elem(group[section][key]))
            if array.ndim == 0:
                raise InputError("It is one value, not an array.", "Write the file again from your pipeline.")
            arrays[key] = array
        except Exception as error:  # a broken element is reported, the others still serve
            unreadable[f"{section}['{key}']"] = first_line(error)
    return arrays


def is_old_layout(group: Any) -> bool:
    """Tell whether a group was written before anndata 0.7 (tables as compound data sets)."""
    return any(name in group and not hasattr(group[name], "keys") for name in ("obs", "var", "raw.var"))


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, at most 160 characters, or its type."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:160]


def _keys(group: Any, section: str) -> list[str]:
    if section not in group:
        return []
    member = group[section]
    return sorted(member.keys()) if hasattr(member, "keys") else []


def _matrices(
    group: Any, var: pd.DataFrame, unreadable: dict[str, str]
) -> tuple[dict[str, FileMatrix], dict[str, pd.DataFrame]]:
    """Return every matrix of the group and the gene table that goes with it."""
    matrices, variables = {}, {}
    if "X" in group and _encoding(group["X"]) != "null":
        matrices["X"], variables["X"] = _file_matrix("X", group["X"]), var
    if "raw" in group and hasattr(group["raw"], "keys") and "X" in group["raw"]:
        try:
            raw_var = _table(group["raw"]["var"], "raw.var") if "var" in group["raw"] else var
            matrices["raw"], variables["raw"] = _file_matrix("raw", group["raw"]["X"]), raw_var
        except Exception as error:
            unreadable["raw"] = first_line(error)
    for layer in _keys(group, "layers"):
        try:
            matrices[layer], variables[layer] = _file_matrix(layer, group["layers"][layer]), var
        except Exception as error:
            unreadable[f"layers['{layer}']"] = first_line(error)
    return matrices, variables


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
    if np.dtype(stored.dtype).kind not in "biuf":
        raise InputError(
            f"The matrix {name} holds {stored.dtype} values, not numbers.",
            "Store expression as numbers, or choose another matrix.",
        )
    check_written(stored, f"The matrix {name}")
    return FileMatrix(name, element, layouts.get(kind, "dense"), (shape[0], shape[1]), np.dtype(stored.dtype))


def _encoding(element: Any) -> str:
    return str(element.attrs.get("encoding-type", ""))


def _shape(element: Any) -> tuple[int, ...]:
    shape = element.attrs["shape"] if "shape" in element.attrs else getattr(element, "shape", ())
    return tuple(int(size) for size in shape)


def _table(element: Any, what: str) -> pd.DataFrame:
    from anndata.io import read_elem

    require_memory(declared_size(element), f"The table {what}")
    table = read_elem(element)
    if not isinstance(table, pd.DataFrame):
        raise InputError(f"{what} is not a table.", FIX)
    for number, column in enumerate(table.columns):  # names may repeat
        values = table.iloc[:1, number]
        if values.dtype == object and any(hasattr(one, "shape") and np.ndim(one) for one in values):
            raise InputError(f"The column {column} of {what} holds matrices.", FIX)
    table.index = table.index.astype(str)
    return table


def as_array(value: Any) -> np.ndarray:
    """Return an obsm element (an array, a table or a sparse matrix) as a dense numeric array of the same shape.

    Raises
    ------
    TypeError
        If it does not hold numbers.
    ValueError
        If it is a sparse matrix that contradicts itself.
    InputError
        If a sparse matrix would take too much memory as a dense array.
    """
    if isinstance(value, pd.DataFrame):
        value = value.to_numpy()
    elif hasattr(value, "toarray"):  # sparse, of whichever kind
        _check_sparse(value)
        require_memory(float(value.shape[0]) * value.shape[1] * value.dtype.itemsize, "A sparse array, filled up,")
        value = value.toarray()
    elif isinstance(value, MappingABC):
        raise TypeError("a group of arrays, not an array")
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{array.dtype} values, not numbers")
    return array


def _read_graph(element: Any) -> sparse.csr_matrix:
    from anndata.io import read_elem

    require_memory(declared_size(element), "The graph")
    try:
        value = read_elem(element)
        if sparse.issparse(value):
            _check_sparse(value)
        return sparse.csr_matrix(value.to_numpy() if isinstance(value, pd.DataFrame) else value)
    except Exception as error:
        raise InputError(f"The neighbour graph cannot be read ({first_line(error)}).", FIX) from error


def _check_sparse(value: Any) -> None:
    """Check all indices: what scipy computes with one that is out of range is undefined.

    Raises
    ------
    ValueError
        If the matrix contradicts itself.
    """
    value.check_format(full_check=True)
