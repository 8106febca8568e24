"""``.zarr``: AnnData or MuData in a folder of chunks, or in a zip of one, which is read without unpacking."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cellucid_core.errors import InputError
from cellucid_core.reading.contents import Contents
from cellucid_core.reading.elements import is_old_layout, read_elements
from cellucid_core.reading.formats.h5mu import read_modality
from cellucid_core.reading.rewriting import read_rewritten, write_adata
from cellucid_core.reading.safety import check_zarr, declared_size, guarded_store, require_memory
from cellucid_core.reading.source import Source


def read_zarr(source: Source) -> Contents:
    """Open an AnnData in zarr format 2 or 3, or one modality of a MuData.

    Raises
    ------
    InputError
        If it is another zarr store (SpatialData), or `check_zarr` refuses it.
    """
    import zarr

    group: Any = zarr.open_group(guarded_store(source.path), mode="r", path=source.inside.rstrip("/"))
    check_zarr(group, source.file_name)
    names = set(group.keys())
    if "tables" in names and "obs" not in names:
        tables = ", ".join(sorted(group["tables"].keys())) or "none"
        raise InputError(
            f"{source.file_name} is a SpatialData store (tables: {tables}).",
            "In Python: spatialdata.read_zarr('file.zarr').tables['table'].write_h5ad('file.h5ad'), then open that.",
        )
    if "mod" in names:
        return read_modality(group, source)
    if "obs" not in names:
        listed = ", ".join(sorted(names)[:6]) or "nothing"
        raise InputError(
            f"{source.file_name} is a zarr store but not an AnnData: it holds {listed}.",
            "Write it with adata.write_zarr('file.zarr') and open that folder or a zip of it.",
        )
    if not is_old_layout(group):
        return read_elements(group, source)

    require_memory(declared_size(group), f"{source.file_name}, in its old layout,")

    def write(target: Path) -> Iterable[str]:
        import anndata

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            write_adata(anndata.io.read_zarr(group), target)
        return ()

    return read_rewritten(source, source.digest, write)
