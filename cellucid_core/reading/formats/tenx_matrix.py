"""A 10x matrix folder: ``matrix.mtx``, ``barcodes.tsv``, ``features.tsv`` or ``genes.tsv``, each also gzipped.

Read as `scanpy.read_10x_mtx` does, and also where another tool wrote them: version 3 without gzip (STARsolo), names
with a prefix (GEO), features of one column, matrices of cells × genes.
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
from cellucid_core.reading.formats.matrix_market import check_header, open_entries, require_text
from cellucid_core.reading.formats.tenx_h5 import GENE_EXPRESSION
from cellucid_core.reading.rewriting import as_categories, read_rewritten, write_adata
from cellucid_core.reading.source import Source

_MATRIX = "matrix.mtx"
_BARCODES = ("barcodes.tsv", "barcodes.txt", "cells.tsv", "barcodes.csv")
_FEATURES = ("features.tsv", "genes.tsv", "features.txt", "genes.txt", "features.csv")
#: Symbols in a file of their own, beside the ids, as kallisto writes them.
_SYMBOLS = "symbols.tsv"
#: What alevin-fry adds to the names of unspliced and ambiguous counts of a gene.
_UNSPLICED, _AMBIGUOUS = "-U", "-A"
#: Names of the columns of ``features.tsv``; its second column, the symbols, becomes the index.
_NAMED = {0: "gene_ids", 2: "feature_types"}


def read_tenx_matrix(source: Source) -> Contents:
    """Open a folder, or a zip of one; it is rewritten once as ``.h5ad``. Kinds of features are modalities.

    Raises
    ------
    InputError
        If a file is missing, damaged or does not fit the others, or the modality asked for is not there.
    """
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


def _is_csv(path: Path) -> bool:
    return path.name.lower().removesuffix(".gz").endswith(".csv")


def _rows(path: Path, file_name: str) -> pd.DataFrame:
    """Read a list: without a header and separated by tabs, or a CSV with a header (as Parse writes them)."""
    require_text(path, file_name)
    try:
        if _is_csv(path):
            return pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
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
    if _is_csv(path):
        named = {"gene_id": "gene_ids", "genome": "genome"}
        symbol = next((name for name in ("gene_name", "gene_symbol", "symbol") if name in rows), rows.columns[0])
        columns = {new: rows[old].to_numpy() for old, new in named.items() if old in rows and old != symbol}
        return pd.DataFrame(columns, index=pd.Index(rows[symbol].to_numpy(dtype=object), dtype=object))
    apart = next((path.parent / name for name in (_SYMBOLS, f"{_SYMBOLS}.gz") if (path.parent / name).exists()), None)
    if apart is not None and rows.shape[1] == 1:
        other = _rows(apart, file_name)
        if len(other) == len(rows):
            rows[1] = other[0]
    symbols = rows[1] if rows.shape[1] > 1 else rows[0]
    columns = {name: rows[at].to_numpy() for at, name in _NAMED.items() if at < rows.shape[1]}
    return pd.DataFrame(columns, index=pd.Index(symbols.to_numpy(), dtype=object))


def _numbers(column: pd.Series) -> pd.Series:
    try:
        return pd.Series(pd.to_numeric(column))
    except (ValueError, TypeError):
        return column


def _alevin_thirds(var: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Return the columns of the spliced, unspliced and ambiguous counts of each gene; None for other matrices.

    Source: alevin-fry's USA mode, whose ``quants_mat_cols.txt`` names each gene three times: plain, with -U, with -A.
    """
    names = var.index.to_numpy(dtype=object)
    if len(names) < 3 or len(names) % 3:
        return None
    place = {name: at for at, name in enumerate(names)}
    genes = [name for name in names if f"{name}{_UNSPLICED}" in place and f"{name}{_AMBIGUOUS}" in place]
    if 3 * len(genes) != len(names):
        return None
    spliced, unspliced, ambiguous = (
        np.array([place[f"{gene}{end}"] for gene in genes]) for end in ("", _UNSPLICED, _AMBIGUOUS)
    )
    return spliced, unspliced, ambiguous


def _write(
    source: Source, target: Path, matrix: Path, barcodes_file: Path, var: pd.DataFrame, kept: np.ndarray | None
) -> Iterable[str]:
    import anndata
    from scipy import sparse
    from scipy.io import mmread

    cells = _rows(barcodes_file, source.file_name)
    barcodes = cells.iloc[:, 0].to_numpy()
    check_header(matrix, f"{matrix.name} of {source.file_name}", (len(var), len(barcodes)))
    try:
        with warnings.catch_warnings(), open_entries(matrix) as entries:
            warnings.simplefilter("ignore", DeprecationWarning)  # about the class it will return; it is converted below
            counts: Any = mmread(entries)
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
        notes.append("The matrix was read as cells × genes, because it fits its barcodes and features only this way.")
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
    if _is_csv(barcodes_file):
        obs = as_categories(cells.iloc[:, 1:].apply(_numbers)).set_axis(obs.index, axis=0)
    if (thirds := _alevin_thirds(var)) is not None:
        spliced, unspliced, ambiguous = (counts[:, places] for places in thirds)
        adata = anndata.AnnData(sparse.csr_matrix(spliced + ambiguous), obs=obs, var=var.iloc[thirds[0]])
        adata.layers["unspliced"] = sparse.csr_matrix(unspliced)
        write_adata(adata, target)
        return [*notes, "X holds spliced and ambiguous counts together; unspliced ones are a layer."]
    write_adata(anndata.AnnData(counts, obs=obs, var=var), target)
    return notes
