"""A 10x matrix folder: ``matrix.mtx``, ``barcodes.tsv``, ``features.tsv`` or ``genes.tsv``, each also gzipped.

As `scanpy.read_10x_mtx` reads them, but also where another tool wrote them: plain files of version 3 (STARsolo), names
with a prefix (GEO), one column only, cells × genes.
"""

from __future__ import annotations

import csv
import warnings
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cellucid_core.cache import scratch_folder
from cellucid_core.errors import InputError
from cellucid_core.reading.archives import unpack_folder
from cellucid_core.reading.contents import Contents
from cellucid_core.reading.formats.matrix_market import check_header, require_text
from cellucid_core.reading.formats.tenx_h5 import GENE_EXPRESSION
from cellucid_core.reading.rewriting import read_rewritten, write_adata
from cellucid_core.reading.source import Source

_MATRIX = "matrix.mtx"
_BARCODES = ("barcodes.tsv", "barcodes.txt", "cells.tsv")
_FEATURES = ("features.tsv", "genes.tsv", "features.txt", "genes.txt")
#: What the columns of the features hold; the second, the symbols, become the index.
_NAMED = {0: "gene_ids", 2: "feature_types"}


def read_tenx_matrix(source: Source) -> Contents:
    """Open a folder, or a zip of one, rewriting it once; kinds of features are modalities."""
    if source.path.is_dir():
        return _read(source, source.path)
    with scratch_folder() as folder:
        unpack_folder(source.path, source.inside, folder, source.file_name)
        return _read(source, folder)


def _read(source: Source, folder: Path) -> Contents:
    matrix, barcodes_file, features_file = _find(folder, source.file_name)
    var = _features(features_file, source.file_name)
    parts = list(dict.fromkeys(var["feature_types"])) if "feature_types" in var else []
    modality = source.choose(parts, [GENE_EXPRESSION]) if parts else None
    several = len(parts) > 1
    kept = var["feature_types"].to_numpy() == modality if several else None

    def write(target: Path) -> Iterable[str]:
        return _write(source, target, matrix, barcodes_file, var, kept)

    contents = read_rewritten(source, source.part("modality", str(modality)) if several else source.digest, write)
    if not several:
        return contents
    others = ", ".join(part for part in parts if part != modality)
    note = f"This is {modality}; the file also holds features of other kinds: {others}."
    return replace(contents, modality=modality, modalities=tuple(parts), notes=(*contents.notes, note))


def _find(folder: Path, file_name: str) -> tuple[Path, Path, Path]:
    names = sorted(
        path.name
        for path in folder.iterdir()
        if path.is_file() and not path.is_symlink() and not path.name.startswith(".")
    )
    matrices = [name for name in names if name.lower().removesuffix(".gz").endswith(_MATRIX)]
    if len(matrices) != 1:
        raise InputError(
            f"{file_name} holds {len(matrices)} matrices ({', '.join(matrices[:4])}).",
            "Put each sample into a folder of its own.",
        )
    prefix = matrices[0].lower().removesuffix(".gz").removesuffix(_MATRIX)
    found = []
    for wanted in (_BARCODES, _FEATURES):
        candidates = {name.lower().removesuffix(".gz"): name for name in names}
        match = next((candidates[prefix + name] for name in wanted if prefix + name in candidates), None)
        if match is None:
            raise InputError(
                f"{file_name} has {matrices[0]} but no {' or '.join(wanted[:2])} beside it.",
                "A 10x matrix folder needs matrix.mtx, barcodes.tsv and features.tsv (or genes.tsv).",
            )
        found.append(folder / match)
    return folder / matrices[0], found[0], found[1]


def _rows(path: Path, file_name: str) -> pd.DataFrame:
    require_text(path, file_name)
    try:
        return pd.read_csv(
            path, sep="\t", header=None, dtype=str, keep_default_na=False, quoting=csv.QUOTE_NONE, encoding="utf-8"
        )
    except pd.errors.EmptyDataError:
        raise InputError(f"{path.name} of {file_name} is empty.", "Copy or download it again.") from None
    except Exception as error:
        raise InputError(
            f"{path.name} of {file_name} is not a table that can be read ({str(error).strip()[:120]}).",
            "Copy or download it again.",
        ) from error


def _features(path: Path, file_name: str) -> pd.DataFrame:
    rows = _rows(path, file_name)
    symbols = rows[1] if rows.shape[1] > 1 else rows[0]
    columns = {name: rows[at].to_numpy() for at, name in _NAMED.items() if at < rows.shape[1]}
    return pd.DataFrame(columns, index=pd.Index(symbols.to_numpy(), dtype=object))


def _write(
    source: Source, target: Path, matrix: Path, barcodes_file: Path, var: pd.DataFrame, kept: np.ndarray | None
) -> Iterable[str]:
    import anndata
    from scipy import sparse
    from scipy.io import mmread

    barcodes = _rows(barcodes_file, source.file_name)[0].to_numpy()
    check_header(matrix, f"{matrix.name} of {source.file_name}", (len(var), len(barcodes)))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # which class it will return; ours is said below
            counts: Any = mmread(matrix)
    except Exception as error:  # scipy raises many types for broken content
        raise InputError(
            f"{matrix.name} of {source.file_name} is damaged or was cut off ({str(error).strip()[:120]}).",
            "Copy or download it again, then open it.",
        ) from error
    counts = sparse.coo_matrix(counts) if sparse.issparse(counts) else counts
    notes = []
    if counts.shape == (len(var), len(barcodes)):
        counts = counts.T
        if counts.shape[0] == counts.shape[1]:
            notes.append("The matrix has as many genes as cells: its rows were taken as genes, as 10x writes them.")
    elif counts.shape == (len(barcodes), len(var)):
        notes.append("The matrix was read as cells × genes, because only so it fits its barcodes and features.")
    else:
        raise InputError(
            f"The matrix of {source.file_name} is {counts.shape[0]:,} × {counts.shape[1]:,}, but there are "
            f"{len(var):,} features and {len(barcodes):,} barcodes.",
            "The three files are of different samples, or one is cut off: copy or download them again.",
        )
    counts = sparse.csr_matrix(counts)
    if kept is not None:
        counts, var = counts[:, kept], var.loc[kept]
    obs = pd.DataFrame(index=pd.Index(barcodes, dtype=object))
    write_adata(anndata.AnnData(counts, obs=obs, var=var), target)
    return notes
