"""A Cellucid prepared export, zip or folder, written here or by cellucid 0.0.9, opened to be inspected and scored.

Genes and numbers are decoded, so they are exact within half a quantization step. What an export does not keep is lost:
cell ids, exact zeros of genes that also have values below 0, the coordinates' scale, the graph's weights.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from cellucid_core.errors import InputError
from cellucid_core.prepared import (
    Categories,
    DamagedError,
    ExportFiles,
    Graph,
    Structure,
    decode_array,
    decode_categories,
    decode_numbers,
    open_export,
    read_structure,
)
from cellucid_core.reading.contents import Contents
from cellucid_core.reading.rewriting import GrowingFile, read_rewritten
from cellucid_core.reading.safety import require_disk, require_memory
from cellucid_core.reading.source import Source

#: Bytes of decoded genes that are held in memory before they are written.
_BLOCK_BYTES = 64 * 2**20
_AGAIN = "Copy or download the export again, or export it again."


def read_prepared_export(source: Source) -> Contents:
    """Open a prepared export; it is rewritten once as ``.h5ad``."""
    return read_rewritten(source, source.digest, lambda target: _write(source, target))


def _write(source: Source, target: Path) -> Iterable[str]:
    files = open_export(source.path)
    try:
        structure = read_structure(files)
        if not structure.n_cells:
            reasons = " ".join(structure.problems[:2])
            raise InputError(f"{source.file_name} is not a prepared export that can be read: {reasons}", _AGAIN)
        _require_files(structure, files, source)
        n = float(structure.n_cells)
        width = 100 + 8 * len(structure.columns) + 12 * (len(structure.points) + len(structure.vectors))
        require_memory(n * width + 16.0 * (structure.graph.n_edges if structure.graph else 0), source.file_name)
        require_disk(n * 4 * len(structure.genes), target.parent, source.file_name)
        tables = _tables(structure, files)
        with GrowingFile(target, tables) as file:
            for block in _gene_blocks(structure, files):
                file.append(block)
        return _notes(structure)
    except DamagedError as error:
        raise InputError(f"The export {source.file_name} is damaged: {error}.", _AGAIN) from error
    finally:
        files.close()


def _require_files(structure: Structure, files: ExportFiles, source: Source) -> None:
    missing = sorted(structure.files - files.names)
    if missing:
        raise InputError(f"{source.file_name} lacks {len(missing):,} of its files ({', '.join(missing[:3])}).", _AGAIN)


def _notes(structure: Structure) -> list[str]:
    notes = ["A prepared export keeps no cell ids: cells are called cell_0, cell_1 …"]
    bits = structure.genes[0].bits if structure.genes else None
    if bits:
        notes.append(f"Gene values were decoded from {bits} bits: exact within half a step of each gene's range.")
    notes += [f"The export is not as it should be. {problem}" for problem in structure.problems[:5]]
    return notes


def _tables(structure: Structure, files: ExportFiles) -> Any:
    import anndata

    n = structure.n_cells
    columns: dict[str, Any] = {}
    for column in structure.columns:
        if isinstance(column, Categories):
            columns[column.key] = decode_categories(column, files, n)
        else:
            columns[column.key] = decode_numbers(column, files, n)
    obs = pd.DataFrame(columns, index=pd.Index([f"cell_{i}" for i in range(n)], dtype=object))
    obsm = {f"X_umap_{d}d": decode_array(files, name, n * d).reshape(n, d) for d, name in structure.points.items()}
    for (field, d), name in structure.vectors.items():
        obsm[f"{field}_{d}d"] = decode_array(files, name, n * d).reshape(n, d)
    obsp = {} if structure.graph is None else {"connectivities": _graph(structure.graph, files, n)}
    var = pd.DataFrame(index=pd.Index([gene.key for gene in structure.genes], dtype=object))
    return anndata.AnnData(obs=obs, var=var, obsm=obsm, obsp=obsp, shape=None)


def _graph(spec: Graph, files: ExportFiles, n: int) -> sparse.csr_matrix:
    ends = [
        decode_array(files, name, spec.n_edges, spec.dtype).astype(np.int64)
        for name in (spec.sources, spec.destinations)
    ]
    if any(len(end) and int(end.max()) >= n for end in ends):
        raise DamagedError("connectivity/edges: an edge leads to a cell that is not there")
    half = sparse.csr_matrix((np.ones(spec.n_edges, np.float32), (ends[0], ends[1])), shape=(n, n))
    return sparse.csr_matrix(half.maximum(half.T))


def _gene_blocks(structure: Structure, files: ExportFiles) -> Iterable[sparse.csc_matrix]:
    n = structure.n_cells
    step = max(1, _BLOCK_BYTES // (4 * n))
    for start in range(0, len(structure.genes), step):
        genes = structure.genes[start : start + step]
        yield sparse.csc_matrix(np.column_stack([decode_numbers(gene, files, n) for gene in genes]))
