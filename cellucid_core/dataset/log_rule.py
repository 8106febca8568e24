"""How a matrix' values become natural logs of normalized values, given what `Dataset.scale` decided that they are.

Highly variable genes and marker genes are defined on log-normalized values. For them, values that are not logged are
logged as scanpy's users do: counts after ``scanpy.pp.normalize_total`` (its default, the median depth of the cells),
values that are already normalized, such as TPM, by ``scanpy.pp.log1p`` alone.
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

#: Scales whose values are no logs and cannot sensibly be logged. Dispersions of such values mean nothing.
NO_LOGS: frozenset[ScaleKind] = frozenset(["double-log", "scaled", "log-of-scaled", "signed"])


@dataclass(frozen=True, eq=False)
class LogRule:
    """What to do with a matrix' values to get natural logs of normalized values.

    Attributes
    ----------
    scale
        What the matrix holds.
    factor
        (n_cells,) what each cell's values are multiplied by before log1p is taken; None where the values are used as
        they are: logs, or values that cannot be logged (`NO_LOGS`).
    """

    scale: MatrixScale
    factor: np.ndarray | None = None

    @property
    def base(self) -> float:
        """The base of the logarithm; e where the values do not tell it."""
        return math.e if self.scale.base in (None, "e") else float(self.scale.base or math.e)

    def done(self, what: str) -> list[str]:
        """Return a sentence on what was done to the values to find `what` ("Marker genes") or what is wrong with them.

        Empty for log-normalized values.
        """
        holds = f"The matrix holds {self.scale.words}"
        if self.factor is not None:
            of = "these" if self.scale.kind in ("normalized", "TPM") else "these after normalizing per cell"
            return [f"{holds}: {what} were found on logarithms of {of}."]
        if self.scale.of_counts:
            return [f"{holds}: the depth of cells differs, which distorts {what}. Normalize before logging."]
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
        (n_cells,) sum of each cell; counts are normalized to the median of the sums above 0.
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
