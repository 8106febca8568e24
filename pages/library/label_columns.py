"""The columns of the open dataset that name cell types or other groups."""

from __future__ import annotations

from cellucid_core.dataset import View
from cellucid_core.errors import CellucidError
from cellucid_core.library import read_labels
from pages.widgets.remembered import remembered


def label_columns(view: View) -> list[str]:
    """Return the obs columns that split the cells into at least two groups."""
    return remembered("label columns", (view.dataset.content_hash, view.mapping.digest()), lambda: _columns(view))


def _columns(view: View) -> list[str]:
    columns = []
    for key in map(str, view.dataset.obs.columns):
        try:
            if len(read_labels(view, key).types) > 1:
                columns.append(key)
        except CellucidError:
            continue
    return columns
