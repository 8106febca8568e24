"""Statescope's table: one level, tab-separated; for each gene whether it is a DEG, its means, its variances plus 0.01.

Columns: ``Gene``, ``IsMarker``, then ``scExp_<type>`` and ``scVar_<type>`` for every cell type.
"""

from __future__ import annotations

import csv
import io
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cellucid_core.errors import InputError
from cellucid_core.library.model import Level, Signature, make_level, make_signature
from cellucid_core.reading.formats import open_unpacked, read_layout

#: What Statescope adds to variances, so that none is 0.
OFFSET = 0.01
_EXP, _VAR = "scExp_", "scVar_"
_MISSING = frozenset(["", "NA", "N/A", "null", "None"])
_TRUE, _FALSE = frozenset(["true", "1", "1.0", "yes"]), frozenset(["false", "0", "0.0", "no"])


def read_statescope(path: Path, file_name: str) -> Signature:
    """Read a table with Statescope's columns as a signature of one level.

    Raises
    ------
    InputError
        If it is no such table, or its values make no sense.
    """
    layout = read_layout(path, file_name)  # also raises a good message for what is no table
    table = _table(path, layout.encoding, layout.separator, file_name)
    level = level_of_table(table, Path(file_name).stem, file_name)
    name = Path(file_name).name.removesuffix(".gz").rsplit(".", 1)[0]
    return make_signature([level], where=file_name, dataset=name, notes=list(_notes(table, level)))


def _table(path: Path, encoding: str, separator: str, file_name: str) -> pd.DataFrame:
    """Read the lines: exact numbers in the columns of means and variances, text in all others."""
    rows: list[list[str]] = []
    try:
        with open_unpacked(path) as raw, io.TextIOWrapper(raw, encoding=encoding) as text:
            for number, row in enumerate(csv.reader(text, delimiter=separator), 1):
                if rows and len(row) != len(rows[0]):
                    if not row:
                        continue
                    raise InputError(
                        f"{file_name} has {len(row):,} fields in line {number:,} and {len(rows[0]):,} in its header.",
                        "The file is cut off or damaged there: write it again.",
                    )
                rows.append(row)
    except (ValueError, OSError, EOFError, csv.Error, zlib.error) as error:
        raise InputError(
            f"{file_name} cannot be read as a table ({str(error).strip()[:120]}).", "Copy or download it again."
        ) from error
    columns = {}
    for at, name in enumerate(rows[0]):
        texts = [row[at] for row in rows[1:]]
        columns[at] = pd.Series(_numbers(texts) if name.startswith((_EXP, _VAR)) else texts, dtype=object)
    return pd.DataFrame(columns).set_axis(pd.Index(rows[0], dtype=object), axis=1)


def _numbers(texts: list[str]) -> list[Any]:
    """Return the number of each text, NaN if it stands for a missing value, or the text itself if it is no number."""
    values: list[Any] = []
    for text in texts:
        try:
            values.append(float(text))
        except ValueError:
            values.append(np.nan if text.strip() in _MISSING else text)
    return values


def looks_like_statescope(columns: Any) -> bool:
    """Tell whether any column of a table is named like one of Statescope's means or variances."""
    return any(str(name).startswith((_EXP, _VAR)) for name in columns)


def level_of_table(table: pd.DataFrame, name: str, where: str) -> Level:
    """Return the level that a table with Statescope's columns holds.

    `OFFSET` is subtracted from the variances if none is below it.

    Raises
    ------
    InputError
        If columns are missing or repeat, or values make no sense.
    """
    header = [str(column) for column in table.columns]
    table = table.set_axis(pd.Index(header, dtype=object), axis=1)
    doubled = next((column for column in header if header.count(column) > 1), None) if len(header) < 50_000 else None
    if doubled is not None:
        raise InputError(f"{where} has two columns named {doubled}.", "Remove one.")
    if "Gene" in header:
        table = table.set_index("Gene")
    elif isinstance(table.index, pd.RangeIndex) or table.index.dtype.kind in "iuf":
        raise InputError(f"{where} has no column Gene.", "Name the column that holds the gene names Gene.")
    types = [column.removeprefix(_EXP) for column in header if column.startswith(_EXP)]
    with_variance = {column.removeprefix(_VAR) for column in header if column.startswith(_VAR)}
    if not types:
        raise InputError(
            f"{where} has no columns {_EXP}… with the means of the cell types.",
            f"Statescope's tables have {_EXP}<type> and {_VAR}<type> for each cell type.",
        )
    for missing, prefix in ((set(types) - with_variance, _VAR), (with_variance - set(types), _EXP)):
        if missing:
            names = ", ".join(sorted(prefix + kind for kind in missing)[:5])
            raise InputError(f"{where} has no {names}.", "Each cell type needs its means and its variances.")
    if "IsMarker" not in header:
        raise InputError(
            f"{where} has no column IsMarker, which says which genes are markers.",
            "Add it with True and False; all False if no genes were chosen.",
        )
    marked = table["IsMarker"].astype(str).str.strip().str.lower()
    odd = ~marked.isin(_TRUE | _FALSE)
    if odd.any():
        raise InputError(
            f"{where} has {str(table['IsMarker'][odd].iloc[0])[:20]!r} in IsMarker, which is neither True nor False.",
            "Write True or False.",
        )
    mean = table[[_EXP + kind for kind in types]].set_axis(pd.Index(types, dtype=object), axis=1)
    variance = table[[_VAR + kind for kind in types]].set_axis(pd.Index(types, dtype=object), axis=1)
    try:
        variance = variance.astype(np.float64)
        if float(variance.to_numpy().min(initial=np.inf)) >= OFFSET:
            # Rounding can leave a value slightly below 0.
            variance = (variance - OFFSET).clip(lower=0)
    except (ValueError, TypeError):
        pass  # `make_level` says which value is no number
    degs = [gene for gene, is_marker in zip(table.index, marked.isin(_TRUE), strict=True) if is_marker]
    return make_level(name, mean, variance, None, degs=degs, where=where)


def _notes(table: pd.DataFrame, level: Level) -> list[str]:
    notes = ["The file does not say how many cells each type had, nor which genes were highly variable."]
    if float(table[[_VAR + kind for kind in level.cell_types]].to_numpy(dtype=np.float64).min()) >= OFFSET:
        notes.append(f"{OFFSET} was taken off the variances, which Statescope's tables have added.")
    notes.append("The producer may have chosen fitted variances or deviations; the file does not tell.")
    return notes


def write_statescope(level: Level, path: Path) -> None:
    """Write a level; means read back exactly, variances up to the rounding of adding `OFFSET` and subtracting it.

    Raises
    ------
    InputError
        If a name holds a tab, a line end or a quotation mark.
    """
    for name in (*level.genes, *level.cell_types):
        if any(letter in name for letter in '\t\r\n"'):
            raise InputError(f"{name!r} cannot stand in a tab-separated table.", "Write .pickle or .h5 instead.")
    degs = set(level.degs)
    genes = level.genes
    table = pd.concat(
        [
            pd.DataFrame({"Gene": genes, "IsMarker": [gene in degs for gene in genes]}),
            level.mean.add_prefix(_EXP).reset_index(drop=True),
            (level.variance + OFFSET).add_prefix(_VAR).reset_index(drop=True),
        ],
        axis=1,
    )
    table.to_csv(path, sep="\t", index=False, lineterminator="\n", encoding="utf-8")
