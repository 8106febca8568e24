"""CSV and TSV: cells × genes or the reverse, told apart by the names in it, streamed once into an ``.h5ad``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

from cellucid_core.errors import InputError
from cellucid_core.reading.contents import Contents
from cellucid_core.reading.formats.orientation import Axis, rows_are
from cellucid_core.reading.formats.text_table import Layout, pieces, read_layout
from cellucid_core.reading.rewriting import GrowingFile, as_categories, read_rewritten
from cellucid_core.reading.source import Source


def read_table(source: Source) -> Contents:
    """Open a table of expression values.

    Text columns become annotations of the rows: cell types in a table of cells × genes, symbols in one of
    genes × cells. Where no name tells what the rows are, they are taken for cells, as AnnData has them.

    Raises
    ------
    InputError
        If it is no table, or has no column of numbers.
    """
    layout = read_layout(source.path, source.file_name)
    numeric = _numeric(layout)
    if not numeric:
        raise InputError(
            f"{source.file_name} has no column of numbers.",
            "A table of expression has one column per gene (or cell). Cell annotations go along as cell metadata.",
        )
    known = frozenset() if source.cell_metadata is None else frozenset(source.cell_metadata.index)
    told = rows_are(layout.sample, numeric, layout.corner or "", known)
    axis: Axis = told or "cells"
    note = f"Read as {'cells × genes' if axis == 'cells' else 'genes × cells'}" + (
        ", told by the names of its rows and columns."
        if told
        else "; the names do not tell which. Transpose the table if this is wrong."
    )

    def write(target: Path) -> Iterable[str]:
        return [note, *_write(source, layout, axis, target)]

    return read_rewritten(source, source.part("rows are", axis, note), write)


def _numeric(layout: Layout) -> list[str]:
    texts = set(layout.text_columns)
    return [name for at, name in enumerate(layout.columns) if at not in texts]


def _write(source: Source, layout: Layout, axis: Axis, target: Path) -> list[str]:
    """Stream the values; the row names are only known at the end, so obs and var are written last."""
    import anndata

    columns = _numeric(layout)
    names: list[str] = []
    texts: list[pd.DataFrame] = []
    with GrowingFile(target, anndata.AnnData()) as file:
        for row_names, annotations, values in pieces(source.path, layout, source.file_name):
            start = sum(map(len, texts))
            names += row_names if row_names is not None else [f"{_ONE[axis]}_{start + i}" for i in range(len(values))]
            texts.append(annotations)
            block = sparse.csr_matrix(values)
            file.append(block if axis == "cells" else sparse.csc_matrix(block.T))
        annotations = pd.concat(texts, ignore_index=True)
        annotations.columns = pd.Index([layout.columns[int(at)] for at in annotations.columns])
        annotations.index = pd.Index(np.array(names, dtype=object))
        annotations = as_categories(annotations.loc[:, ~annotations.columns.duplicated()])
        annotations.columns.name = None
        other = pd.DataFrame(index=pd.Index(np.array(columns, dtype=object)))
        obs, var = (annotations, other) if axis == "cells" else (other, annotations)
        file.replace("obs", obs)
        file.replace("var", var)
    notes = []
    if layout.corner is None:
        notes.append(f"The table names no {axis}: they are called {_ONE[axis]}_0, {_ONE[axis]}_1 …")
    if len(annotations.columns):
        shown = ", ".join(map(str, annotations.columns[:6]))
        notes.append(f"Columns that hold texts were taken as annotations of the {axis}: {shown}.")
    return notes


_ONE: dict[Axis, str] = {"cells": "cell", "genes": "gene"}
