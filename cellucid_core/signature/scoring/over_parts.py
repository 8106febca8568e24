"""Scores computed where the matrix is read: in this process for all cells at once, on a cluster part by part."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from cellucid_core.running import Share, executor

if TYPE_CHECKING:
    from cellucid_core.dataset import Expression, ExpressionPart


def over_parts(
    kernel: Callable[..., np.ndarray],
    expression: Expression,
    *arguments: Any,
    progress: Share | None = None,
    **options: Any,
) -> np.ndarray:
    """Return ``kernel(expression, *arguments, progress=…, **options)``, an array whose last axis is the cells.

    Parameters
    ----------
    kernel
        A module-level function, so that it can be sent to a worker. Its result for a cell must depend only on that
        cell's values and on ``expression.stats``, so that it is the same for a part as for all cells.
    """
    parts = expression.parts() if expression.spread else []
    if not parts:
        return kernel(expression, *arguments, progress=progress, **options)
    found = dict(executor().map(_on_part, [(kernel, part, arguments, options) for part in parts], progress))
    return np.concatenate([found[number] for number in range(len(parts))], axis=-1)


def _on_part(
    kernel: Callable[..., np.ndarray],
    part: ExpressionPart,
    arguments: tuple[Any, ...],
    options: dict[str, Any],
    report: Share,
) -> np.ndarray:
    return kernel(part.open(), *arguments, progress=report, **options)
