"""P-values adjusted for how many tests were made."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from cellucid_core.errors import InputError
from cellucid_core.signature.statistics.result import Adjustment, TestResult, floored


def adjust(results: Sequence[TestResult], how: Adjustment = "bh") -> list[TestResult]:
    """Adjust the p-values of tests that belong together; tests without one stay as they are and are not counted.

    Parameters
    ----------
    results
        Tests of one family.
    how
        ``bh``: Benjamini & Hochberg (1995), false discovery rate. ``holm``: Holm (1979), family-wise error.

    Raises
    ------
    InputError
        The adjustment is unknown.
    """
    logs = {i: r.log10_p for i, r in enumerate(results) if r.log10_p is not None}
    found = dict(zip(logs, _adjusted_logs(list(logs.values()), how), strict=True))
    return [replace(r, p_adjusted=floored(10.0 ** found[i])) if i in found else r for i, r in enumerate(results)]


def adjusted(p_values: Sequence[float], how: Adjustment = "bh") -> list[float]:
    """Adjust p-values that belong together, each above 0, as `adjust` does."""
    return [floored(10.0**log) for log in _adjusted_logs([math.log10(p) for p in p_values], how)]


def _adjusted_logs(logs: list[float], how: Adjustment) -> list[float]:
    if how not in ("bh", "holm"):
        raise InputError(f"There is no adjustment {how!r}.", "Choose bh (Benjamini–Hochberg) or holm.")
    order = sorted(range(len(logs)), key=lambda i: logs[i])
    m = len(order)
    found = [0.0] * m
    if how == "bh":
        running = 0.0
        for rank in range(m, 0, -1):
            i = order[rank - 1]
            running = min(running, logs[i] + math.log10(m / rank))
            found[i] = running
    else:
        running = -math.inf
        for rank, i in enumerate(order):
            running = max(running, logs[i] + math.log10(m - rank))
            found[i] = min(running, 0.0)
    return found
