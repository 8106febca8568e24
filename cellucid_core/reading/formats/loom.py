"""``.loom``: genes × cells in HDF5, read by anndata and loompy and rewritten once."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from cellucid_core.errors import InputError
from cellucid_core.reading.contents import Contents
from cellucid_core.reading.formats.h5ad import open_hdf5
from cellucid_core.reading.rewriting import read_rewritten, write_adata
from cellucid_core.reading.safety import declared_size, require_memory
from cellucid_core.reading.source import Source

#: Attributes that hold ids, best first: loom's own conventions, then what other writers use.
_CELLS = ("CellID", "obs_names", "cell_names", "cell_id", "Barcode", "barcode", "barcodes")
_GENES = ("Gene", "var_names", "gene_names", "gene_name", "GeneName", "gene", "Accession")
#: Embedding → pairs of column attributes that may hold it, best first.
_EMBEDDINGS = {
    "X_umap": [("_UMAP1", "_UMAP2"), ("UMAP_1", "UMAP_2"), ("umap_1", "umap_2"), ("UMAP1", "UMAP2")],
    "X_tsne": [("_tSNE1", "_tSNE2"), ("tSNE_1", "tSNE_2"), ("_X", "_Y"), ("_tSNE_1", "_tSNE_2")],
    "X_pca": [("_PC1", "_PC2")],
}


def read_loom(source: Source) -> Contents:
    """Open a loom file (format 2 or 3)."""
    return read_rewritten(source, source.digest, lambda target: _write(source, target))


def _write(source: Source, target: Path) -> Iterable[str]:
    import anndata

    with open_hdf5(source) as file:
        columns, rows = (set(file[axis].keys()) for axis in ("col_attrs", "row_attrs"))
        shape, dtype = file["matrix"].shape, file["matrix"].dtype
        require_memory(declared_size(file), source.file_name)
        lengths = {
            f"{axis}/{name}": (file[axis][name].shape[:1], n)
            for axis, n in zip(("row_attrs", "col_attrs"), shape, strict=False)
            for name in file[axis]
        }
    if len(shape) != 2:
        raise InputError(
            f"The matrix of {source.file_name} has {len(shape)} dimensions.", "Write it again with loompy."
        )
    if wrong := [name for name, (length, n) in lengths.items() if length != (n,)]:
        raise InputError(
            f"{source.file_name} is damaged: {wrong[0]} does not have one value for each "
            f"{'gene' if wrong[0].startswith('row') else 'cell'}.",
            "Write it again with loompy.",
        )
    cell, gene = (next((n for n in names if n in found), None) for names, found in ((_CELLS, columns), (_GENES, rows)))
    notes = []
    if cell is None:
        notes.append("The file names no cells: they are called cell_0, cell_1 …")
    if gene is None:
        notes.append("The file names no genes: they are called gene_0, gene_1 …")
    mapping = {}
    for name, pairs in _EMBEDDINGS.items():
        pair = next((pair for pair in pairs if set(pair) <= columns), None)
        if pair is not None and name not in columns:
            mapping[name] = pair
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            adata = anndata.io.read_loom(
                source.path,
                X_name="",
                obs_names=cell or "",
                var_names=gene or "",
                obsm_mapping=mapping,
                dtype=dtype.name,
                validate=False,
            )
    except ImportError as error:
        raise InputError("Loom files need the package loompy.", "Install it: pip install loompy") from error
    for axis, named, word in (("obs", cell, "cell"), ("var", gene, "gene")):
        names = getattr(adata, f"{axis}_names")
        setattr(
            adata, f"{axis}_names", [str(n) for n in names] if named else [f"{word}_{i}" for i in range(len(names))]
        )
    for table in (adata.obs, adata.var):
        for column in list(table.columns):
            if np.asarray(table[column]).dtype.kind == "V":  # compound values, such as SCope's embeddings
                del table[column]
                notes.append(f"The column {column} holds compound values and was left out.")
    write_adata(adata, target)
    return notes
