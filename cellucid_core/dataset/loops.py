"""Have the compiled loops that build a store ready before they are needed.

Loading them takes a third of a second, compiling them the first time some seconds. Each is run on next to nothing, of
the types that most files have; other types are loaded when they are needed.
"""

from __future__ import annotations

import numpy as np

from cellucid_core.compiled import compiled
from cellucid_core.dataset.build import _place_rows
from cellucid_core.dataset.gene_stats import _gather
from cellucid_core.dataset.matrix import count_into


def load_loops() -> None:
    """Load the loops, compiling what was never compiled here."""
    rows, pointers = np.array([0, 1], np.int32), np.array([0, 1])
    cells, values, filled, sums = np.zeros(1, np.int32), np.ones(1, np.float32), np.zeros(1, np.int64), np.zeros(1)
    compiled(count_into)(cells, filled)
    compiled(_place_rows)(rows, cells, values, 0, np.zeros(1, np.int64), cells.copy(), values.copy(), sums, filled)
    values.setflags(write=False)  # as a store on the disk is
    compiled(_gather)(values, pointers, filled, sums, sums.copy(), sums.copy(), sums.copy())
