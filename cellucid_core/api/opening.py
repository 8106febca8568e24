"""``cc.open`` and ``cc.write_demo``: how a dataset gets into a notebook."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from cellucid_core.dataset import Dataset, Kind, View, choose, default_mapping, open_dataset
from cellucid_core.dataset import write_demo as write_demo_file
from cellucid_core.errors import InputError

if TYPE_CHECKING:
    from anndata import AnnData

    #: What every function of the API takes as a dataset.
    Source: TypeAlias = str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | AnnData | Dataset | View


def open(
    source: Source,
    *,
    name: str | None = None,
    modality: str | None = None,
    cell_metadata: str | Path | None = None,
    embeddings: Mapping[int, str] | None = None,
    latent: str | None = None,
    matrix: str | None = None,
    gene_id: str | None = None,
    connectivities: str | None = None,
    vectors: Literal["auto", "none"] = "auto",
    obs_keys: Sequence[str] | None = None,
    kinds: Mapping[str, Kind] | None = None,
) -> View:
    """Open a dataset, and say what is taken from it as what.

    Parameters
    ----------
    source
        A file or folder of any supported format, ``"demo"``, or an AnnData in memory (whole, a view, or backed). An
        AnnData is not changed; open it again after you have changed it.
    name
        What to call it; by default as the file is called.
    modality
        Which part, where a file holds several: a modality of ``.h5mu``, a kind of feature (or genome) of 10x files.
    cell_metadata
        A CSV or TSV of cell annotations, cell ids in its first column, that joins the cell table.
    embeddings
        Dimension → key of obsm, for instance ``{2: "X_umap"}``; by default the usual names are found.
    latent, connectivities
        Keys of obsm and obsp, or ``"none"``.
    matrix
        ``"X"``, ``"raw"`` or a layer; by default the first of these that is there.
    gene_id
        ``"index"`` or a column of ``var``.
    vectors
        ``"none"`` leaves all vector fields out.
    obs_keys
        The obs columns that go along; by default all.
    kinds
        obs column → ``"categorical"`` or ``"continuous"``, where its type says otherwise.

    Returns
    -------
    View
        The dataset as it will be checked, exported and scored. `View.choose` changes the choices later.

    Raises
    ------
    InputError
        If it cannot be opened, or something is named that it does not have.

    Examples
    --------
    >>> open("demo", matrix="scaled").n_cells
    700
    """
    view = as_view(source, name=name, modality=modality, cell_metadata=cell_metadata)
    mapping = choose(
        view.dataset,
        view.mapping,
        embeddings=embeddings,
        latent=latent,
        matrix=matrix,
        gene_id=gene_id,
        connectivities=connectivities,
        vectors=vectors,
        obs_keys=obs_keys,
        kinds=kinds,
    )
    return View(view.dataset, mapping)


def as_view(
    source: Source,
    *,
    name: str | None = None,
    modality: str | None = None,
    cell_metadata: str | Path | None = None,
) -> View:
    """Return the view of a dataset in any of the forms that the API takes.

    Raises
    ------
    InputError
        If it cannot be opened.
    """
    if isinstance(source, View | Dataset) and (name or modality or cell_metadata):
        raise InputError("This dataset is open already.", "Give name, modality and cell_metadata when it is opened.")
    if isinstance(source, View):
        return source
    if isinstance(source, Dataset):
        return View(source, default_mapping(source))
    if isinstance(source, list | tuple):
        if len(source) != 1:
            raise InputError(
                f"{len(source)} files cannot be opened as one dataset yet.",
                "Open one at a time, or put them together: anndata.concat([…]).",
            )
        source = source[0]
    # Anything else that is no dataset is told by name.
    dataset = open_dataset(source, name, modality=modality, cell_metadata=cell_metadata)
    return View(dataset, default_mapping(dataset))


def write_demo(path: str | os.PathLike[str] = "demo.h5ad") -> Path:
    """Write the demo dataset, 700 blood cells, as an ``.h5ad`` file.

    Parameters
    ----------
    path
        Where to; what is there is replaced.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InputError
        If it cannot be written.
    """
    target = Path(path)
    if target.suffix != ".h5ad":
        raise InputError(f"{target.name} does not end in .h5ad.", "Name the file demo.h5ad, for example.")
    if not target.parent.is_dir():
        raise InputError(f"There is no folder {target.parent}.", "Make it first, or name another file.")
    return write_demo_file(target)
