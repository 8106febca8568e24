"""Rules about the cell table."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cellucid_core.dataset import AppliedFix, Mapping, View
from cellucid_core.names import listed, unique
from cellucid_core.preflight.changes import leave_out
from cellucid_core.preflight.finding import Finding, Scope, examples, plural
from cellucid_core.preflight.rules.obs_kinds import date_columns, numeric_text_columns

#: The most categories a uint8 and a uint16 code can tell apart beside the missing marker (``compact_v1``).
MAX_UINT8, MAX_CATEGORIES = 254, 65_534
#: A text column is "one value per cell" from this share of distinct values, if it labels at least so many cells.
_DISTINCT_SHARE, _DISTINCT_CELLS = 0.9, 10


def cell_ids_duplicate(view: View, scope: Scope) -> Finding | None:
    """Cell ids that occur more than once, so that tables cannot be joined by them."""
    index = pd.Index(view.cell_ids)
    repeated = index[index.duplicated()].unique()
    if not len(repeated):
        return None
    return Finding(
        "cell-ids-duplicate",
        "warning",
        f"{plural(len(repeated), 'cell id stands', 'cell ids stand')} more than once",
        "Exports stay valid, but rows of a CSV of scores can no longer be joined to cells by their id; the column "
        "cell_index tells them apart.",
        count=len(repeated),
        examples=examples(repeated),
        fix="Number the later ones",
    )


def fix_cell_ids_duplicate(view: View, scope: Scope) -> Mapping:
    """Number the later of equal cell ids, also of cells that are left out."""
    given = view.mapping.cell_ids
    old = np.asarray(view.dataset.obs.index, dtype=object) if given is None else given
    new = np.array(unique(old), dtype=object)
    changed = int((new != old).sum())
    fix = AppliedFix(
        "cell-ids-duplicate", f"{plural(changed, 'cell id')} made unique by a number", "adata.obs_names_make_unique()"
    )
    return view.mapping.with_fix(fix, cell_ids=new)


def obs_category_count(view: View, scope: Scope) -> Finding | None:
    """Columns with more categories than the exported codes can tell apart."""
    limit = MAX_UINT8 if scope.categorical_dtype == "uint8" else MAX_CATEGORIES
    counts = {key: n for key in view.obs_keys if (n := _n_categories(view, key)) > limit}
    if not counts:
        return None
    worst = "; ".join(f"{key} has {count:,}" for key, count in list(counts.items())[:3])
    return Finding(
        "obs-category-count",
        "error",
        f"{plural(len(counts), 'column has', 'columns have')} too many categories",
        f"{worst}. At most {limit:,} can be told apart"
        f"{' with 8-bit codes' if limit == MAX_UINT8 else ''}, and no legend could show them.",
        count=len(counts),
        examples=examples(counts),
        fix="Leave the column out" if len(counts) == 1 else "Leave those columns out",
    )


def fix_obs_category_count(view: View, scope: Scope) -> Mapping:
    """Leave the columns with too many categories out."""
    limit = MAX_UINT8 if scope.categorical_dtype == "uint8" else MAX_CATEGORIES
    columns = [key for key in view.obs_keys if _n_categories(view, key) > limit]
    return leave_out(view, columns, "obs-category-count", "too many categories")


def obs_one_value_per_cell(view: View, scope: Scope) -> Finding | None:
    """Text columns in which nearly every cell has a value of its own."""
    columns = _one_value_columns(view)
    if not columns:
        return None
    return Finding(
        "obs-one-value-per-cell",
        "warning",
        f"{plural(len(columns), 'column names', 'columns name')} nearly every cell",
        f"{listed(columns)}: almost every cell has a value of its own. As categories they cannot be coloured or "
        "compared, they make the export large, and they may identify people or samples.",
        count=len(columns),
        examples=examples(columns),
        fix="Leave the column out" if len(columns) == 1 else "Leave those columns out",
    )


def fix_obs_one_value_per_cell(view: View, scope: Scope) -> Mapping:
    """Leave those columns out."""
    return leave_out(view, _one_value_columns(view), "obs-one-value-per-cell", "a value for each cell")


def _n_categories(view: View, key: str) -> int:
    if view.kind(key) != "categorical":
        return 0
    series = view.obs(key)
    if isinstance(series.dtype, pd.CategoricalDtype):
        return len(series.cat.categories)
    return len(view.label_counts(key))


def _one_value_columns(view: View) -> list[str]:
    claimed = {*numeric_text_columns(view), *date_columns(view)}
    columns = []
    for key in view.obs_keys:
        if key in claimed or view.kind(key) != "categorical":
            continue
        series = view.obs(key)
        if isinstance(series.dtype, pd.CategoricalDtype):
            if pd.api.types.is_numeric_dtype(series.cat.categories.dtype):
                continue
        elif not (pd.api.types.is_object_dtype(series.dtype) or pd.api.types.is_string_dtype(series.dtype)):
            continue
        counts = view.label_counts(key)
        labelled = int(counts.sum())
        if labelled >= _DISTINCT_CELLS and len(counts) >= _DISTINCT_SHARE * labelled:
            columns.append(key)
    return columns
