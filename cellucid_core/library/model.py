"""A signature: per level of the cell-type hierarchy, mean and variance of each gene in each cell type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from cellucid_core.errors import InputError

_MOST_LEVELS = 64
_MOST_TYPES = 10_000
_MANY = 5


@dataclass(frozen=True, eq=False)
class Level:
    """One level of a signature.

    Attributes
    ----------
    name
        Usually the obs column that it was built from.
    mean, variance, std
        Genes × cell types, float64, of log-normalized expression over the cells of each type (ddof 0).
    hvgs, degs
        Highly variable genes, and those of them that tell the cell types apart (AutoGeneS); in the order of the genes.
    cells
        Cell type → number of cells, None where a file does not say.
    front
        (n, 2) Pareto front of the marker search, correlation and distance (`MarkerSearch.front`), or None.
    chosen
        Which point of the front the DEGs are, or None.
    unlabelled
        How many cells had no label and were left out.
    """

    name: str
    mean: pd.DataFrame
    variance: pd.DataFrame
    std: pd.DataFrame
    hvgs: list[str] = field(default_factory=list)
    degs: list[str] = field(default_factory=list)
    cells: dict[str, int | None] = field(default_factory=dict)
    front: np.ndarray | None = None
    chosen: int | None = None
    unlabelled: int = 0

    @property
    def genes(self) -> list[str]:
        """All genes, in order."""
        return [str(gene) for gene in self.mean.index]

    @property
    def cell_types(self) -> list[str]:
        """All cell types, in order."""
        return [str(name) for name in self.mean.columns]

    def summary(self) -> dict[str, Any]:
        """Return the level as the command line's JSON shows it."""
        return {
            "level": self.name,
            "cell_types": dict(self.cells),
            "genes": len(self.mean),
            "hvgs": len(self.hvgs),
            "degs": len(self.degs),
        }


@dataclass(frozen=True, eq=False)
class Signature:
    """All levels that were built from one dataset.

    Attributes
    ----------
    dataset, source, created_at
        What it was built from, where that comes from, and when (ISO 8601); empty where a file does not say.
    levels
        From the broadest to the most detailed.
    record
        How it was built: content hash, matrix, columns, settings, warnings, versions; empty where a file does not say.
    parents
        Level → cell type → the cell type of the level above that holds it (`levels.nesting`).
    notes
        Sentences on what the reader of a file noticed.
    """

    dataset: str
    levels: list[Level]
    source: str = ""
    created_at: str = ""
    record: dict[str, Any] = field(default_factory=dict)
    parents: dict[str, dict[str, str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def level(self, name: str) -> Level:
        """Return a level by its name.

        Raises
        ------
        InputError
            If there is no level of that name.
        """
        for level in self.levels:
            if level.name == name:
                return level
        names = ", ".join(level.name for level in self.levels)
        raise InputError(f"The signature has no level {name!r}.", f"It has: {names}.")


def make_level(
    name: str,
    mean: pd.DataFrame,
    variance: pd.DataFrame,
    std: pd.DataFrame | None,
    *,
    hvgs: Sequence[Any] = (),
    degs: Sequence[Any] = (),
    cells: Mapping[Any, Any] | None = None,
    where: str,
    **more: Any,
) -> Level:
    """Return a level after checking all that it is made of.

    Parameters
    ----------
    name
        Name of the level.
    mean, variance, std
        Genes × cell types; rows and columns of the others are brought into the order of `mean`. Without `std` it is the
        square root of the variance.
    hvgs, degs
        Gene names, which are brought into the order of the genes.
    cells
        Cell type → number of cells.
    where
        The file, for messages.
    **more
        Other attributes of `Level`.

    Raises
    ------
    InputError
        For texts in place of numbers, missing or infinite values, negative variances, names that repeat or are empty,
        tables that do not fit together, and genes or cell types that the tables do not have.
    """
    if std is None and _numeric(variance):
        std = variance.clip(lower=0) ** 0.5
    tables = {"mean": mean, "variance": variance, "std": variance if std is None else std}
    tables = {what: _numbers(table, f"{where}, {name}: {what}") for what, table in tables.items()}
    first = tables["mean"]
    if first.shape[0] == 0 or first.shape[1] == 0:
        raise InputError(f"{where} has no {'genes' if first.shape[0] == 0 else 'cell types'} in {name}.", _FIX)
    if first.shape[1] > _MOST_TYPES:
        raise InputError(
            f"{where} has {first.shape[1]:,} cell types in {name}.", "Are genes and cell types swapped? " + _FIX
        )
    for what, table in tables.items():
        if set(table.index) != set(first.index) or set(table.columns) != set(first.columns):
            raise InputError(f"In {where}, {name}, {what} has other genes or cell types than the means.", _FIX)
        tables[what] = table.loc[first.index, first.columns]
        if what != "mean" and bool((table.to_numpy() < 0).any()):
            raise InputError(f"In {where}, {name}, {what} has values below 0.", _FIX)
    place = {gene: i for i, gene in enumerate(first.index)}
    lists = {}
    for what, genes in (("hvgs", hvgs), ("degs", degs)):
        wanted = {str(gene) for gene in genes}
        unknown = sorted(wanted - set(place))
        if unknown:
            raise InputError(
                f"In {where}, {name}, {len(unknown):,} of the {what.upper()[:-1]}s are not among the genes: "
                f"{', '.join(unknown[:_MANY])}.",
                _FIX,
            )
        lists[what] = sorted(wanted, key=place.__getitem__)
    counted = {str(key): _count(value, where) for key, value in (cells or {}).items()}
    unknown = sorted(set(counted) - set(first.columns))
    if unknown:
        raise InputError(f"In {where}, {name}, there are no means for: {', '.join(unknown[:_MANY])}.", _FIX)
    return Level(
        name,
        tables["mean"],
        tables["variance"],
        tables["std"],
        hvgs=lists["hvgs"],
        degs=lists["degs"],
        cells={kind: counted.get(kind) for kind in first.columns},
        **more,
    )


def make_signature(levels: list[Level], *, where: str, **more: Any) -> Signature:
    """Return a signature of levels; `more` are other attributes of `Signature`, and `where` is the file, for messages.

    Raises
    ------
    InputError
        If there is no level, there are far too many, or two have the same name.
    """
    names = [level.name for level in levels]
    if not levels or len(levels) > _MOST_LEVELS:
        raise InputError(f"{where} has {len(levels):,} levels.", f"A signature has 1 to {_MOST_LEVELS}.")
    if len(set(names)) < len(names):
        raise InputError(f"Two levels of {where} have one name.", "Rename one.")
    return Signature(levels=levels, **more)


_FIX = "Fix the table where it was made, then read it again."


def _numeric(table: pd.DataFrame) -> bool:
    return all(pd.api.types.is_numeric_dtype(dtype) for dtype in table.dtypes)


def _numbers(table: pd.DataFrame, where: str) -> pd.DataFrame:
    """Return a table as float64 with unique text names; raises an `InputError` if it cannot be one."""
    for axis, what in ((table.index, "gene"), (table.columns, "cell type")):
        names = pd.Series([None if pd.isna(name) else str(name) for name in axis], dtype=object)
        if names.isna().any() or (names == "").any():
            raise InputError(f"{where} has a {what} without a name.", _FIX)
        twice = names[names.duplicated()].unique()
        if len(twice):
            examples = ", ".join(twice[:_MANY])
            raise InputError(f"{where} has {len(twice):,} {what}s that occur more than once: {examples}.", _FIX)
    columns = {}
    for i, name in enumerate(table.columns):
        column = table.iloc[:, i]
        numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
        texts = np.isnan(numbers) & column.notna().to_numpy()
        if texts.any():
            at = int(np.flatnonzero(texts)[0])
            raise InputError(
                f"{where} has a text where a number belongs: {str(column.iloc[at])[:40]!r} for {table.index[at]} in "
                f"{name}.",
                _FIX,
            )
        if not np.isfinite(numbers).all():
            at = int(np.flatnonzero(~np.isfinite(numbers))[0])
            count = int((~np.isfinite(numbers)).sum())
            raise InputError(
                f"{where} has {count:,} missing or infinite values in {name}, the first for {table.index[at]}.", _FIX
            )
        columns[i] = numbers
    result = pd.DataFrame(columns, index=pd.Index([str(g) for g in table.index], dtype=object, name="gene"))
    result.columns = pd.Index([str(c) for c in table.columns], dtype=object, name=None)
    return result


def _count(value: Any, where: str) -> int | None:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return None
    try:
        whole = int(value)
    except (TypeError, ValueError, OverflowError):
        whole = -1
    if whole < 0 or whole != value:
        raise InputError(f"{where} says that a cell type has {str(value)[:20]!r} cells.", _FIX)
    return whole
