"""The portable form: every level an AnnData (cell types × genes) in one ``.h5`` or ``.zarr``; or CSV files in a zip.

The file's attribute ``signature`` holds all but the levels as JSON. ``levels/level_1`` … are AnnData groups that can be
read by themselves: X and the layers ``variance`` and ``std``, ``obs["cells"]``, ``var["hvg"]``, ``var["deg"]``.
"""

from __future__ import annotations

import io
import json
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cellucid_core.csv_safety import exact_floats
from cellucid_core.errors import CellucidError, InputError
from cellucid_core.library.model import Level, Signature, make_level, make_signature
from cellucid_core.reading import checked_hdf5
from cellucid_core.reading.safety import check_written, check_zarr, declared_size, guarded_store, require_memory

_KIND = "cellucid-signature"
_VERSION = 1
_MOST_BYTES = 2**30
_TABLES = ("mean", "variance", "std")


def write_h5(signature: Signature, path: Path) -> None:
    """Write an HDF5 file.

    It is made in memory first, because HDF5 crashes the process when it closes a file on a full disk.
    """
    import h5py

    memory = io.BytesIO()
    with h5py.File(memory, "w") as file:
        _write_store(signature, file)
    path.write_bytes(memory.getbuffer())


def write_zarr(signature: Signature, path: Path) -> None:
    """Write a zarr folder."""
    import zarr

    _write_store(signature, zarr.open_group(str(path), mode="w", zarr_format=2))


def _write_store(signature: Signature, store: Any) -> None:
    import anndata

    store.attrs["signature"] = json.dumps(_header(signature), ensure_ascii=False)
    group = store.create_group("levels")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for i, level in enumerate(signature.levels, 1):
            obs = pd.DataFrame(
                {"cells": [_cell_number(n) for n in level.cells.values()]}, index=_texts(level.cell_types)
            )
            hvgs, degs = set(level.hvgs), set(level.degs)
            var = pd.DataFrame(
                {"hvg": [g in hvgs for g in level.genes], "deg": [g in degs for g in level.genes]},
                index=_texts(level.genes),
            )
            adata = anndata.AnnData(
                X=level.mean.to_numpy().T.copy(),
                obs=obs,
                var=var,
                layers={what: getattr(level, what).to_numpy().T.copy() for what in ("variance", "std")},
                uns={"level": level.name} | ({} if level.front is None else {"front": level.front}),
            )
            anndata.io.write_elem(group, f"level_{i}", adata)


def read_h5(path: Path, file_name: str) -> Signature:
    """Read an HDF5 file.

    Raises
    ------
    InputError
        If it is no signature, or is damaged or unsafe.
    """
    try:
        with checked_hdf5(path, file_name) as file:
            return _read_store(file, file_name)
    except CellucidError:
        raise
    except Exception as error:  # h5py and anndata raise many types for broken content
        raise _damaged(file_name, error) from error


def read_zarr(path: Path, file_name: str) -> Signature:
    """Read a zarr folder, or one in a zip.

    Raises
    ------
    InputError
        If it is no signature, or is damaged or unsafe.
    """
    import zarr

    try:
        store = guarded_store(path)
        try:
            group = zarr.open_group(store, mode="r")
            check_zarr(group, file_name)
            return _read_store(group, file_name)
        finally:
            store.close()
    except CellucidError:
        raise
    except Exception as error:  # as above
        raise _damaged(file_name, error) from error


def _read_store(store: Any, where: str) -> Signature:
    import anndata

    text = store.attrs.get("signature")
    if text is None:
        raise InputError(
            f"{where} holds no signature.", "If it is a dataset, open it, and build a signature from its cell types."
        )
    header = _checked(text, where)
    require_memory(declared_size(store["levels"]), where)
    levels = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for i, about in enumerate(header["levels"], 1):
            group = store["levels"][f"level_{i}"]
            for what in ("X", "layers/variance", "layers/std"):
                check_written(group[what], f"The table {what} of {where}")
            adata = anndata.io.read_elem(group)
            genes, types = pd.Index(adata.var_names, dtype=object), pd.Index(adata.obs_names, dtype=object)
            tables = {"mean": adata.X, "variance": adata.layers["variance"], "std": adata.layers["std"]}
            front = adata.uns.get("front")
            levels.append(
                _level(
                    about,
                    [pd.DataFrame(np.asarray(table).T, index=genes, columns=types) for table in tables.values()],
                    [gene for gene, there in zip(genes, adata.var["hvg"], strict=True) if there],
                    [gene for gene, there in zip(genes, adata.var["deg"], strict=True) if there],
                    {kind: None if n < 0 else int(n) for kind, n in zip(types, adata.obs["cells"], strict=True)},
                    None if front is None else np.asarray(front, dtype=np.float64),
                    where,
                )
            )
    return _with_header(header, levels, where)


def write_csv_zip(signature: Signature, path: Path) -> None:
    """Write a zip with a CSV file for every table, and ``signature.json``."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("signature.json", json.dumps(_header(signature), ensure_ascii=False, indent=2))
        for i, level in enumerate(signature.levels, 1):
            hvgs, degs = set(level.hvgs), set(level.degs)
            tables = {what: getattr(level, what) for what in _TABLES}
            tables["genes"] = pd.DataFrame(
                {"hvg": [g in hvgs for g in level.genes], "deg": [g in degs for g in level.genes]},
                index=pd.Index(level.genes, name="gene", dtype=object),
            )
            tables["cell_types"] = pd.DataFrame(
                {"cells": [_cell_number(n) for n in level.cells.values()]},
                index=pd.Index(level.cell_types, name="cell_type", dtype=object),
            )
            if level.front is not None:
                tables["front"] = pd.DataFrame(level.front, columns=["correlation", "distance"])
            for what, table in tables.items():
                archive.writestr(f"level_{i}/{what}.csv", table.to_csv(lineterminator="\n"))


def read_csv_zip(path: Path, file_name: str) -> Signature:
    """Read a zip of CSV files as `write_csv_zip` writes it.

    Raises
    ------
    InputError
        If it is no signature, is damaged, or unpacks to too much.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > _MOST_BYTES:
                raise InputError(f"{file_name} holds more than {_MOST_BYTES // 2**20:,} MB.", "Split it by level.")
            if "signature.json" not in archive.namelist():
                raise InputError(f"{file_name} holds no signature.json.", "Choose a zip that was written here.")
            header = _checked(archive.read("signature.json").decode("utf-8"), file_name)
            levels = [_csv_level(archive, i, about, file_name) for i, about in enumerate(header["levels"], 1)]
            return _with_header(header, levels, file_name)
    except CellucidError:
        raise
    except Exception as error:  # zipfile, zlib and pandas raise many types for broken content
        raise _damaged(file_name, error) from error


def _csv_level(archive: zipfile.ZipFile, i: int, about: dict[str, Any], where: str) -> Level:
    def table(what: str) -> pd.DataFrame:
        content = io.BytesIO(archive.read(f"level_{i}/{what}.csv"))
        found: pd.DataFrame = pd.read_csv(content, index_col=0, dtype={0: str}, keep_default_na=False, **exact_floats())
        return found

    genes, types = table("genes"), table("cell_types")
    front = table("front").to_numpy(dtype=np.float64) if f"level_{i}/front.csv" in archive.namelist() else None
    return _level(
        about,
        [table(what) for what in _TABLES],
        genes.index[genes["hvg"].astype(str) == "True"].tolist(),
        genes.index[genes["deg"].astype(str) == "True"].tolist(),
        {str(kind): None if int(n) < 0 else int(n) for kind, n in types["cells"].items()},
        front,
        where,
    )


def _header(signature: Signature) -> dict[str, Any]:
    return {
        "format": _KIND,
        "version": _VERSION,
        "dataset": signature.dataset,
        "source": signature.source,
        "created_at": signature.created_at,
        "record": signature.record,
        "parents": signature.parents,
        "levels": [
            {"name": level.name, "chosen": level.chosen, "unlabelled": level.unlabelled} for level in signature.levels
        ],
    }


def _checked(text: Any, where: str) -> dict[str, Any]:
    header = json.loads(text if isinstance(text, str) else bytes(text))
    if type(header) is not dict or header.get("format") != _KIND or type(header.get("levels")) is not list:
        raise InputError(f"{where} holds no signature.", "Choose a file that was written here.")
    if header.get("version") != _VERSION:
        raise InputError(f"{where} was written by a newer version.", "Update this program.")
    return header


def _level(
    about: dict[str, Any],
    tables: list[pd.DataFrame],
    hvgs: list[str],
    degs: list[str],
    cells: dict[str, int | None],
    front: np.ndarray | None,
    where: str,
) -> Level:
    chosen = about.get("chosen")
    good = front is not None and front.ndim == 2 and front.shape[1] == 2 and bool(np.isfinite(front).all())
    return make_level(
        str(about["name"]),
        *tables,
        hvgs=hvgs,
        degs=degs,
        cells=cells,
        where=where,
        front=front if good else None,
        chosen=chosen if good and type(chosen) is int and 0 <= chosen < len(front) else None,  # type: ignore[arg-type]
        unlabelled=int(about.get("unlabelled") or 0),
    )


def _with_header(header: dict[str, Any], levels: list[Level], where: str) -> Signature:
    record, parents = header.get("record"), header.get("parents")
    return make_signature(
        levels,
        where=where,
        dataset=str(header.get("dataset", "")),
        source=str(header.get("source", "")),
        created_at=str(header.get("created_at", "")),
        record=record if type(record) is dict else {},
        parents=parents if type(parents) is dict else {},
    )


def _cell_number(n: int | None) -> int:
    return -1 if n is None else n


def _texts(names: list[str]) -> Any:
    return pd.Index(np.array(names, dtype=object), dtype=object)


def _damaged(where: str, error: Exception) -> InputError:
    line = (str(error).splitlines() or [type(error).__name__])[0][:120]
    return InputError(f"{where} is damaged or no signature ({line}).", "Copy or download it again.")
