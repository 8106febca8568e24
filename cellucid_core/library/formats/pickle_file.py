"""Pickles: a dict of levels, a table with Statescope's columns or a dict of these; read without running anything."""

from __future__ import annotations

import gzip
import io
import pickle
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cellucid_core.errors import InputError
from cellucid_core.library.formats.inert import MAX_BYTES, Made, read_inert
from cellucid_core.library.formats.rebuild import Rebuild
from cellucid_core.library.formats.statescope import level_of_table, looks_like_statescope
from cellucid_core.library.model import Level, Signature, make_level, make_signature

_TABLES = ("mean", "variance", "std")


def read_pickle(path: Path, file_name: str) -> Signature:
    """Read a pickle, gzipped or not; nothing in it is ever run.

    Raises
    ------
    InputError
        If it is damaged, names anything that tables do not need, or holds no signature.
    """
    value = read_inert(_content(path, file_name), file_name)
    rebuild = Rebuild(file_name)
    try:
        return _signature(value, rebuild, file_name)
    except (ValueError, TypeError, OverflowError, RecursionError, KeyError, IndexError, AttributeError) as error:
        raise rebuild.wrong("its tables do not fit together") from error


def _content(path: Path, file_name: str) -> bytes:
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if data[:2] != b"\x1f\x8b":
        return data
    try:
        with gzip.open(io.BytesIO(data)) as file:
            return file.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{file_name} is a damaged gzip file.", "Copy or download it again.") from error


def _signature(value: Any, rebuild: Rebuild, where: str) -> Signature:
    name = Path(where).stem
    if rebuild.is_frame(value):
        return make_signature([level_of_table(rebuild.frame(value), name, where)], where=where, dataset=name)
    if type(value) is not dict or not value:
        raise InputError(f"{where} holds no signature.", _EXPECTED)
    if "levels" in value:
        levels = value["levels"]
        if type(levels) is not dict:
            raise InputError(f"The levels of {where} are not a dict.", _EXPECTED)
        return make_signature(
            [_level(str(key), level, rebuild, where) for key, level in levels.items()],
            where=where,
            dataset=_text(value, "dataset", rebuild) or name,
            source=_text(value, "source", rebuild),
            created_at=_text(value, "created_at", rebuild),
        )
    frames = {str(key): rebuild.frame(item) for key, item in value.items() if rebuild.is_frame(item)}
    if not frames:
        raise InputError(f"{where} holds no tables.", _EXPECTED)
    if "mean" in frames:  # one level, without its name
        return make_signature([_level(name, value, rebuild, where)], where=where, dataset=name)
    if not all(looks_like_statescope(frame.columns) for frame in frames.values()):
        raise InputError(f"{where} holds tables, but none with the columns of a signature.", _EXPECTED)
    return make_signature(
        [level_of_table(frame, key, f"{where}, {key}") for key, frame in frames.items()], where=where, dataset=name
    )


def _level(name: str, value: Any, rebuild: Rebuild, where: str) -> Level:
    if rebuild.is_frame(value):
        return level_of_table(rebuild.frame(value), name, f"{where}, {name}")
    if type(value) is not dict:
        raise InputError(f"The level {name} of {where} is not a dict.", _EXPECTED)
    missing = [key for key in ("mean", "variance") if not rebuild.is_frame(value.get(key))]
    if missing:
        raise InputError(f"The level {name} of {where} has no table {' and no table '.join(missing)}.", _EXPECTED)
    mean, variance = rebuild.frame(value["mean"]), rebuild.frame(value["variance"])
    std = rebuild.frame(value["std"]) if rebuild.is_frame(value.get("std")) else None
    genes = rebuild.names(value["genes"]) if value.get("genes") is not None else []
    if genes and [str(gene) for gene in genes] != [str(gene) for gene in mean.index]:
        numbered = list(mean.index) == list(range(len(mean)))
        if len(genes) != len(mean) or not (numbered or set(map(str, genes)) == set(map(str, mean.index))):
            raise InputError(f"The level {name} of {where} lists other genes than its tables have.", _EXPECTED)
        if numbered:  # tables without names: the list gives them
            labels = pd.Index([str(gene) for gene in genes], dtype=object)
            mean, variance = mean.set_axis(labels), variance.set_axis(labels)
            std = None if std is None else std.set_axis(labels)
    return make_level(
        name,
        mean,
        variance,
        std,
        hvgs=rebuild.names(value["hvgs"]) if value.get("hvgs") is not None else (),
        degs=rebuild.names(value["degs"]) if value.get("degs") is not None else (),
        cells=_cells(value.get("cell_types"), rebuild),
        where=where,
    )


def _cells(value: Any, rebuild: Rebuild) -> dict[str, Any]:
    """Return cell type → number of cells, from a dict, a Series or a plain list (None as numbers)."""
    if value is None:
        return {}
    if type(value) is dict:
        return {str(key): rebuild.scalar(count) for key, count in value.items()}
    if type(value) is Made and value.name == "Series":
        return {str(key): count for key, count in rebuild.series(value).items()}
    return {str(name): None for name in rebuild.names(value)}


def _text(value: dict[Any, Any], key: str, rebuild: Rebuild) -> str:
    found = value.get(key)
    return "" if found is None else str(rebuild.scalar(found))


_EXPECTED = (
    "A signature is a dict with dataset, source, created_at and levels, or a table with the columns Gene, IsMarker, "
    "scExp_<type> and scVar_<type>."
)


def write_pickle(signature: Signature, path: Path) -> None:
    """Write the dict that `read_pickle` reads, with pickle protocol 4 and types of pandas and numpy only."""
    levels = {}
    for level in signature.levels:
        tables = {what: _portable(getattr(level, what)) for what in _TABLES}
        levels[level.name] = {
            **tables,
            "genes": level.genes,
            "hvgs": list(level.hvgs),
            "degs": list(level.degs),
            "cell_types": dict(level.cells),
        }
    content = {
        "dataset": signature.dataset,
        "source": signature.source,
        "created_at": signature.created_at,
        "levels": levels,
    }
    with path.open("wb") as file:
        pickle.dump(content, file, protocol=4)


def _portable(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose names are plain objects: pandas 2 cannot read the arrow strings of pandas 3."""
    made = pd.DataFrame(np.ascontiguousarray(table.to_numpy(dtype=np.float64)))
    made.index = pd.Index(np.array(list(table.index), dtype=object), dtype=object)
    made.columns = pd.Index(np.array(list(table.columns), dtype=object), dtype=object)
    return made
