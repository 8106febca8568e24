"""10x ``.h5``: Cell Ranger's feature-barcode matrix, version 2 and 3.

CSC of genes × cells, as it is stored, is CSR of cells × genes, so the matrix is read in blocks from the file. Names of
columns are those of `scanpy.read_10x_h5`, which loads the file whole and is the oracle of the tests.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from cellucid_core.errors import InputError
from cellucid_core.reading.contents import FILTERED, Contents
from cellucid_core.reading.formats.h5ad import open_hdf5
from cellucid_core.reading.matrix import FileMatrix
from cellucid_core.reading.safety import check_written, declared_size, require_memory
from cellucid_core.reading.source import Source

GENE_EXPRESSION = "Gene Expression"


def read_tenx_h5(source: Source) -> Contents:
    """Open the modality asked for, else gene expression, else the first.

    Kinds of features (genes, antibodies, guides, peaks) are the modalities of version 3, genomes those of version 2.

    Raises
    ------
    InputError
        If it is damaged, contradicts itself, or lacks the modality asked for.
    """
    file = open_hdf5(source)
    try:
        return _read(file, source)
    except BaseException:
        file.close()
        raise


def _read(file: Any, source: Source) -> Contents:
    if "matrix" in file and "features" in file["matrix"]:
        group = file["matrix"]
        var = _features(group["features"])
        parts = list(dict.fromkeys(var["feature_types"])) if "feature_types" in var else []
        modality = source.choose(parts, [GENE_EXPRESSION]) if parts else None
        kept = None if modality is None else np.flatnonzero(var["feature_types"].to_numpy() == modality)
        what = "features of other kinds"
    else:
        parts = sorted(name for name in file if hasattr(file[name], "keys") and "barcodes" in file[name])
        modality = source.choose(parts, [])
        group, kept, what = file[modality], None, "genomes"
        var = pd.DataFrame({"gene_ids": _texts(group["genes"])}, index=pd.Index(_texts(group["gene_names"])))
    n_genes, n_cells = (int(size) for size in group["shape"][()])
    barcodes = _texts(group["barcodes"])
    for count, expected, word in ((len(barcodes), n_cells, "barcodes"), (len(var), n_genes, "features")):
        if count != expected:
            raise InputError(
                f"{source.file_name} has {count:,} {word} for a matrix of {expected:,}.", "Copy or download it again."
            )
    notes = []
    if len(parts) > 1:
        notes.append(f"This is {modality}; the file also holds {what}: {', '.join(p for p in parts if p != modality)}.")
    if kept is not None and len(kept) < n_genes:
        var = var.iloc[kept]
    else:
        kept = None
    matrix = FileMatrix("X", group, "csr", (n_cells, len(var)), np.dtype(group["data"].dtype), kept, n_genes)
    return Contents(
        content_hash=source.digest if len(parts) < 2 else source.part("modality", str(modality)),
        obs=pd.DataFrame(_filtered(group, n_cells), index=pd.Index(barcodes, dtype=object)),
        variables={"X": var},
        obsm={},
        graphs={},
        matrices={"X": matrix},
        notes=tuple(notes),
        modality=modality if len(parts) > 1 else None,
        modalities=tuple(parts) if len(parts) > 1 else (),
    )


def _filtered(group: Any, n_cells: int) -> dict[str, np.ndarray]:
    """Return the column that says which barcodes are cells, where the file does (probe matrices)."""
    if "filtered_barcodes" not in group:
        return {}
    told = np.asarray(group["filtered_barcodes"][()])
    if told.shape != (n_cells,) or told.dtype.kind not in "bui":
        return {}
    return {FILTERED: told.astype(bool)}


def _features(group: Any) -> pd.DataFrame:
    names = {"gene_id": "gene_ids", "id": "gene_ids", "feature_type": "feature_types"}
    if "gene_id" in group:  # a probe-barcode matrix
        names["id"] = "probe_ids"
    columns: dict[str, np.ndarray] = {}
    for key in ("gene_id", "id", "feature_type", *sorted(group.keys())):
        # _all_tag_keys lists the names of the other columns: it does not have one value for each feature.
        if key in ("name", "_all_tag_keys") or names.get(key, key) in columns or key not in group:
            continue
        if not hasattr(group[key], "dtype"):  # target_sets, a group that lists features by their places
            continue
        columns[names.get(key, key)] = _texts(group[key])
    return pd.DataFrame(columns, index=pd.Index(_texts(group["name"]), dtype=object))


def _texts(dataset: Any) -> np.ndarray:
    require_memory(declared_size(dataset), "A list of names")
    check_written(dataset, "A list of names")
    values = dataset[()]
    if values.dtype.kind == "b":
        return np.asarray(values)
    return np.array([v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in values], dtype=object)
