"""How a matrix' values become natural logs of normalized values: follows from what `Dataset.scale` decided.

Highly variable genes and marker genes are defined on log-normalized values. What is not logged is logged for them as
scanpy's users do: counts after ``scanpy.pp.normalize_total`` (its default, the median depth of the cells), values that
are normalized already, TPM among them, by ``scanpy.pp.log1p`` alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cellucid_core.dataset.scale import LINEAR, MatrixScale, ScaleKind
from cellucid_core.errors import InputError

if TYPE_CHECKING:
    from cellucid_core.dataset.view import View

#: What is neither logs nor becomes logs by logging it. Dispersions of such values mean nothing.
NO_LOGS: frozenset[ScaleKind] = frozenset(["double-log", "scaled", "log-of-scaled", "signed"])


@dataclass(frozen=True, eq=False)
class LogRule:
    """What to do with a matrix' values to get natural logs of normalized values.

    Attributes
    ----------
    scale
        What the matrix holds.
    factor
        (n_cells,) what a cell's values are multiplied by before log1p is taken; None: they are logs, or are to be taken
        as they are (`NO_LOGS`).
    """

    scale: MatrixScale
    factor: np.ndarray | None = None

    @property
    def base(self) -> float:
        """The base of values that are logs; e where they do not tell it."""
        return math.e if self.scale.base in (None, "e") else float(self.scale.base or math.e)

    def done(self, what: str) -> list[str]:
        """Say what was done to the values to find `what` ("Marker genes"), or what is wrong with them; else nothing."""
        holds = f"The matrix holds {self.scale.words}"
        if self.factor is not None:
            of = "these" if self.scale.kind in ("normalized", "TPM") else "these after normalizing per cell"
            return [f"{holds}: {what} were found on logarithms of {of}."]
        if self.scale.of_counts:
            return [f"{holds}: cells' depths differ, and with them {what}. Normalize before logging."]
        if self.scale.kind in NO_LOGS:
            return [f"{holds}: {what} were found on them as they are; they are meant for log-normalized values."]
        return []


def log_rule(scale: MatrixScale, cell_total: np.ndarray) -> LogRule:
    """Return how values of a scale become natural logs of normalized values.

    Parameters
    ----------
    scale
        What the matrix holds, from `Dataset.scale`.
    cell_total
        (n_cells,) each cell's sum, by which counts are brought to the median of the cells that have any.
    """
    if scale.kind not in LINEAR:
        return LogRule(scale)
    if scale.kind in ("normalized", "TPM"):
        return LogRule(scale, np.ones(len(cell_total)))
    with np.errstate(divide="ignore"):
        middle = np.median(cell_total[cell_total > 0]) if (cell_total > 0).any() else 0.0
        return LogRule(scale, np.where(cell_total > 0, middle / cell_total, 0.0))


def log_rule_of(view: View) -> LogRule:
    """Return how the values of a view's matrix become natural logs of normalized values.

    Raises
    ------
    InputError
        If there is no expression, or it cannot be read.
    """
    if view.expression is None or view.mapping.matrix is None:
        raise InputError("The dataset has no expression matrix.", "Choose one in the mapping.")
    return log_rule(view.dataset.scale(view.mapping.matrix), view.expression.cell_total)
