"""A comparison of a signature's cell types with the open dataset's groups of cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cellucid_core.errors import InputError, WorkRefused
from cellucid_core.library.build import scaling
from cellucid_core.library.levels import read_labels
from cellucid_core.library.model import Level
from cellucid_core.library.statistics import type_statistics

if TYPE_CHECKING:
    from cellucid_core.dataset import View

_FEWEST = 10


@dataclass(frozen=True, eq=False)
class Comparison:
    """How alike cell types and groups are.

    Attributes
    ----------
    correlation
        Cell types × groups, Pearson correlation of their means over the shared genes; 0 where means are constant.
    n_genes
        How many genes are shared.
    warnings
        Sentences on the scale of the values.
    """

    correlation: pd.DataFrame
    n_genes: int
    warnings: list[str]


def compare_types(level: Level, view: View, column: str) -> Comparison:
    """Correlate the mean expression of a level's cell types with that of a dataset's groups.

    Parameters
    ----------
    level
        A level of a signature.
    view
        The dataset as mapped; values that are not logged are normalized and logged.
    column
        obs column that groups the cells.

    Raises
    ------
    InputError
        If the column does not group cells.
    WorkRefused
        If there is no matrix, or fewer than ten genes are shared.
    """
    expression = view.expression
    if expression is None:
        raise WorkRefused("This dataset has no expression matrix.", "Choose one on Upload & Preflight.")
    place: dict[str, int] = {}
    for i, gene in enumerate(map(str, view.gene_ids)):
        place.setdefault(gene, i)
    shared = [gene for gene in level.genes if gene in place]
    if len(shared) < _FEWEST:
        raise WorkRefused(
            f"The signature and the dataset share {len(shared):,} genes; a comparison needs {_FEWEST}.",
            "Check that both name genes in the same way (symbols or Ensembl ids).",
        )
    labels = read_labels(view, column)
    if not labels.types:
        raise InputError(f"The column {column!r} has no labels.", "Choose another column.")
    factor, warnings = scaling(view, normalize=True)
    ((means, _),) = type_statistics(
        expression, [(labels.codes, len(labels.types))], factor, genes=[place[gene] for gene in shared]
    )
    table = _correlate(level.mean.loc[shared].to_numpy(), means)
    correlation = pd.DataFrame(table, index=pd.Index(level.cell_types, dtype=object), columns=labels.types)
    return Comparison(correlation, len(shared), warnings)


def _correlate(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the Pearson correlation of each column of one with each of the other; 0 for constant columns."""
    sides = []
    for values in (one, other):
        centred = values - values.mean(axis=0)
        size = np.linalg.norm(centred, axis=0)
        sides.append(np.divide(centred, size, out=np.zeros_like(centred), where=size > 0))
    return np.asarray(sides[0].T @ sides[1])
