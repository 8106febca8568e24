"""``.h5mu``: several AnnData (modalities) of the same cells in one HDF5 file; one of them is opened."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from cellucid_core.reading.contents import Contents
from cellucid_core.reading.elements import read_arrays, read_elements
from cellucid_core.reading.formats.h5ad import open_hdf5
from cellucid_core.reading.source import Source

#: Modalities that hold gene expression, by the names that mudata's documentation and muon use.
_EXPRESSION = ("rna", "RNA", "gex", "GEX", "Gene Expression")


def read_h5mu(source: Source) -> Contents:
    """Open one modality: the one asked for, else gene expression (``rna`` and its other names), else the first.

    Embeddings and cell columns that belong to all modalities together are added for the cells of this one, except
    where the modality has its own of that name.
    """
    file = open_hdf5(source)
    try:
        return read_modality(file, source)
    except BaseException:
        file.close()
        raise


def read_modality(file: Any, source: Source) -> Contents:
    """Return one modality, as `read_h5mu`, of an open MuData: an HDF5 file or a zarr group."""
    names = [str(name) for name in file["mod"].attrs.get("mod-order", ())]
    names = [name for name in names if name in file["mod"]] or sorted(file["mod"].keys())
    modality = source.choose(names, _EXPRESSION)
    contents = read_elements(file["mod"][modality], source)
    notes = []
    if len(names) > 1:
        others = ", ".join(name for name in names if name != modality)
        notes.append(f"This is the modality {modality}; the file also holds {others}.")
    return replace(
        _with_joint(contents, file, modality, names),
        content_hash=source.part("modality", modality),
        modality=modality,
        modalities=tuple(names),
        notes=tuple(notes),
    )


def _with_joint(contents: Contents, file: Any, modality: str, modalities: list[str]) -> Contents:
    """Add the embeddings and cell columns that the file has for all modalities together."""
    from anndata.io import read_elem

    rows = _rows(contents, file, modality)
    if rows is None:
        return contents
    unreadable = dict(contents.unreadable)
    obsm = dict(contents.obsm)
    joint = read_elem(file["obs"])
    for key, array in read_arrays(file, "obsm", unreadable).items():
        # Under each modality's name mudata keeps which cells that modality has: no embedding.
        if key not in obsm and key not in modalities and len(array) == len(joint):
            obsm[key] = array[rows]
    obs = contents.obs
    own = {str(column) for column in obs.columns}
    for column in map(str, joint.columns):
        prefix, _, bare = column.partition(":")
        if column in own or (prefix in modalities and (prefix != modality or bare in own)):
            continue
        obs = obs.assign(**{column: joint[column].iloc[rows].array})
    return replace(contents, obs=obs, obsm=obsm, unreadable=unreadable)


def _rows(contents: Contents, file: Any, modality: str) -> np.ndarray | None:
    """Return the row of each of the modality's cells among all cells, or None if the file does not tell.

    ``obsmap`` holds for every cell of the file its place in the modality, counted from 1, and 0 if it has none.
    """
    if "obsmap" not in file or modality not in file["obsmap"]:
        return None
    places = np.asarray(file["obsmap"][modality][()]).ravel().astype(np.int64)
    present = np.flatnonzero(places)
    if len(present) != len(contents.obs) or not np.array_equal(
        np.sort(places[present]), np.arange(1, len(present) + 1)
    ):
        return None
    rows = np.empty(len(present), np.int64)
    rows[places[present] - 1] = present
    return rows
