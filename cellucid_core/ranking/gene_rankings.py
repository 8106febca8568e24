"""How variable genes are, and which genes mark a column's groups; for large matrices computed once and kept on disk."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from cellucid_core.dataset import NO_LOGS, READ_AT_ONCE, Derived, derived, log_rule_of
from cellucid_core.errors import InputError
from cellucid_core.ranking.marker_genes import marker_genes
from cellucid_core.ranking.variable_genes import refuse_without_logs, variability

if TYPE_CHECKING:
    from cellucid_core.dataset import Expression, View

#: Called with (genes done, all genes); may raise to cancel.
RankingProgress = Callable[[int, int], None]
#: Part of the key of a kept result, so that results of an older definition are not found. 2: values that are normalized
#: but not logged are logged, and logs to the bases 2 and 10 are recognized.
_DEFINITION = 2


def kept_variability(
    view: View, threads: int = 1, *, report: RankingProgress | None = None, ready_only: bool = False
) -> tuple[np.ndarray, list[str]]:
    """Return what `variability` returns for the flavor ``seurat``; for a large matrix from disk, if it was kept there.

    Parameters
    ----------
    view
        The dataset as mapped.
    threads, report
        As `variability`.
    ready_only
        Whether to raise `NotComputed` rather than read a large matrix.

    Raises
    ------
    InputError
        There is no expression matrix.
    WorkRefused
        The chosen matrix does not hold values on which highly variable genes are defined; the message names the
        matrices that do.
    NotComputed
        The result of a large matrix is not kept, and `ready_only` is set.
    """
    expression, rule = _expression(view), log_rule_of(view)
    if rule.scale.kind in NO_LOGS:
        scales = {name: view.dataset.scale(name) for name in view.dataset.matrices}
        refuse_without_logs(rule, [name for name, scale in scales.items() if scale.kind not in (*NO_LOGS, "empty")])

    def make() -> Derived:
        score, warnings = variability(expression, threads, rule=rule, report=report)
        return Derived({"score": score}, warnings)

    found = _kept(view, expression, ["variability", _DEFINITION], "How variable genes are", make, report, ready_only)
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
    """Return what `marker_genes` returns; for a large matrix from disk, if it was kept there.

    Parameters
    ----------
    view
        The dataset as mapped.
    codes, n_groups, n, threads, report
        As `marker_genes`.
    ready_only
        As `kept_variability`.

    Raises
    ------
    InputError, NotComputed
        As `kept_variability`.
    WorkRefused
        As `marker_genes`.
    """
    expression, rule = _expression(view), log_rule_of(view)

    def make() -> Derived:
        ranked, warnings = marker_genes(expression, codes, n_groups, n, threads, report, rule=rule)
        ends = np.cumsum([len(genes) for genes in ranked], dtype=np.int64)
        return Derived({"genes": np.concatenate([*ranked, np.zeros(0, np.int64)]), "ends": ends}, warnings)

    depends = ["markers", _DEFINITION, n_groups, n, np.asarray(codes, np.int64)]
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
