"""How variable genes are, and which mark a column's groups: of large matrices computed once for all and kept."""

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

#: Told (genes done, all genes); may raise to cancel.
RankingProgress = Callable[[int, int], None]
#: Part of the name of a kept result: results of another definition are not found again. 2: what is normalized but not
#: logged is logged, and logs to the bases 2 and 10 are known for that.
_DEFINITION = 2


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
    WorkRefused
        If the chosen matrix holds no values that highly variable genes are found on; names those that do.
    NotComputed
        If it is not there and `ready_only`.
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
