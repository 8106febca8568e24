"""Which columns of the open dataset name cell types or other groups."""

from __future__ import annotations

from cellucid_core.dataset import View
from cellucid_core.errors import CellucidError
from cellucid_core.library import read_labels


def label_columns(view: View) -> list[str]:
    """Return the columns that group the cells into at least two groups."""
    columns = []
    for key in map(str, view.dataset.obs.columns):
        try:
            if len(read_labels(view, key).types) > 1:
                columns.append(key)
        except CellucidError:
            continue
    return columns
