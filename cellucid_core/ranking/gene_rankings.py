"""How variable genes are, and which mark a column's groups: of large matrices computed once for all and kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from cellucid_core.dataset import READ_AT_ONCE, Derived, derived
from cellucid_core.errors import InputError
from cellucid_core.ranking.marker_genes import marker_genes
from cellucid_core.ranking.variable_genes import variability

if TYPE_CHECKING:
    from cellucid_core.dataset import Expression, View

#: Told (genes done, all genes); may raise to cancel.
RankingProgress = Callable[[int, int], None]


def kept_variability(
    view: View, threads: int = 1, *, report: RankingProgress | None = None, ready_only: bool = False
) -> tuple[np.ndarray, list[str]]:
    """Return how variable each gene is and warnings, as `variability`, from the disk where it was asked for before.

    Parameters
    ----------
    view
        The dataset.
    threads, report
        As `variability`.
    ready_only
        Whether a large matrix is not to be read for it here and now.

    Raises
    ------
    InputError
        If there is no expression.
    NotComputed
        If it is not there and `ready_only`.
    """
    expression = _expression(view)

    def make() -> Derived:
        score, warnings = variability(expression, threads, report=report)
        return Derived({"score": score}, warnings)

    found = _kept(view, expression, ["variability"], "How variable genes are", make, report, ready_only)
    return found.arrays["score"], list(found.words)


def kept_markers(
    view: View,
    codes: np.ndarray,
    n_groups: int,
    n: int,
    threads: int = 1,
    *,
    report: RankingProgress | None = None,
    ready_only: bool = False,
) -> tuple[list[np.ndarray], list[str]]:
    """Return the genes that mark groups best and warnings, as `marker_genes`, from the disk as `kept_variability`.

    Parameters
    ----------
    view
        The dataset.
    codes, n_groups, n, threads, report
        As `marker_genes`.
    ready_only
        As `kept_variability`.

    Raises
    ------
    InputError, NotComputed
        As `kept_variability`.
    WorkRefused
        If fewer than two groups could be compared.
    """
    expression = _expression(view)

    def make() -> Derived:
        ranked, warnings = marker_genes(expression, codes, n_groups, n, threads, report)
        ends = np.cumsum([len(genes) for genes in ranked], dtype=np.int64)
        return Derived({"genes": np.concatenate([*ranked, np.zeros(0, np.int64)]), "ends": ends}, warnings)

    depends = ["markers", n_groups, n, np.asarray(codes, np.int64)]
    found = _kept(view, expression, depends, "Marker genes", make, report, ready_only)
    return np.split(found.arrays["genes"], found.arrays["ends"][:-1]), list(found.words)


def _expression(view: View) -> Expression:
    if view.expression is None:
        raise InputError("The dataset has no expression matrix.", "Choose one in the mapping.")
    return view.expression


def _kept(
    view: View,
    expression: Expression,
    depends: list[object],
    what: str,
    make: Callable[[], Derived],
    report: RankingProgress | None,
    ready_only: bool,
) -> Derived:
    if expression.n_stored < READ_AT_ONCE:
        return make()

    def waiting() -> None:
        if report is not None:
            report(0, max(1, expression.n_genes))

    return derived(view.key_of(*depends), what, make, ready_only=ready_only, waiting=waiting)
