"""Rules about columns of the cell table that are not what their type says."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from cellucid_core.dataset import AppliedFix, Mapping, View
from cellucid_core.names import listed
from cellucid_core.preflight.changes import leave_out
from cellucid_core.preflight.finding import Finding, Scope, examples, plural

#: Words in a column's name that say that its numbers are labels.
_LABEL_TEXT = (
    "leiden louvain cluster clusters kmeans phenograph snn res batch batches sample samples donor donors "
    "patient patients subject individual plate lane library replicate celltype celltypes annotation label "
    "labels group clone condition class category id ids "
)
_LABEL_WORDS = frozenset(_LABEL_TEXT.split())
#: Words in a column's name that say that its numbers measure, order or count something.
_NUMBER_TEXT = (
    "n num number count counts total sum mean median age day days time hour hours hpf dpf dpi week weeks "
    "pcw month year years score scores pct percent percentage frac fraction ratio log log1p log10 dose "
    "conc concentration size length width height weight bmi passage row col column x y z coord position "
    "depth density rank order pseudotime dpt stage umi umis ncount nfeature feature features gene genes "
    "read reads mito mt ribo hb hits freq frequency prob probability entropy distance area volume "
    "intensity degree generation "
)
_NUMBER_WORDS = frozenset(_NUMBER_TEXT.split())
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[a-z]+\d+")
#: Whole numbers are labels if there are few different ones and many cells of each; with a label's name, up to the last.
_FEW_LABELS, _CELLS_PER_LABEL = 12, 10
_MOST_LABELS = 1000
#: Text of whole numbers is taken as numbers only if it has more different values than this, for few cells each.
_MANY_NUMBERS, _CELLS_PER_NUMBER = 12, 3
_MISSING_WORDS = frozenset(["", "nan", "na", "n/a", "none", "null", "<na>"])
_ISO_DATE = re.compile(r"^\d{4}[-/]\d{1,2}[-/]\d{1,2}(?:[ T]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?$")


def obs_numeric_labels(view: View, scope: Scope) -> Finding | None:
    """Columns of whole numbers that look like labels."""
    columns = _numeric_label_columns(view)
    if not columns:
        return None
    values = "; ".join(f"{key} has {len(view.label_counts(key)):,} whole numbers" for key in columns[:3])
    return Finding(
        "obs-numeric-labels",
        "warning",
        f"{plural(len(columns), 'column of numbers looks', 'columns of numbers look')} like labels",
        f"{values}. As numbers the viewer colours them by a gradient, and they give no legend, no filter "
        "by group and no cell pages.",
        count=len(columns),
        examples=examples(columns),
        fix="Treat as categories",
    )


def fix_obs_numeric_labels(view: View, scope: Scope) -> Mapping:
    """Treat those columns as categories."""
    columns = _numeric_label_columns(view)
    sentence = f"{plural(len(columns), 'column')} treated as categories: {listed(columns)}"
    code = (
        f"for key in {columns!r}:\n    adata.obs[key] = adata.obs[key].astype('Int64').astype(str).astype('category')"
    )
    kinds = {**view.mapping.kinds, **dict.fromkeys(columns, "categorical")}
    return view.mapping.with_fix(AppliedFix("obs-numeric-labels", sentence, code), kinds=kinds)


def obs_numeric_text(view: View, scope: Scope) -> Finding | None:
    """Columns of text that hold numbers."""
    columns = numeric_text_columns(view)
    if not columns:
        return None
    return Finding(
        "obs-numeric-text",
        "warning",
        f"{plural(len(columns), 'column of text holds', 'columns of text hold')} numbers",
        f"{listed(columns)}: every value reads as a number. As text the viewer makes a category of each value instead "
        "of colouring by a gradient.",
        count=len(columns),
        examples=examples(f"{key}: {', '.join(map(str, view.label_counts(key).index[:3]))}" for key in columns),
        fix="Treat as numbers",
    )


def fix_obs_numeric_text(view: View, scope: Scope) -> Mapping:
    """Treat those columns as numbers."""
    columns = numeric_text_columns(view)
    sentence = f"{plural(len(columns), 'column')} treated as numbers: {listed(columns)}"
    code = (
        "import pandas as pd\n"
        f"for key in {columns!r}:\n    adata.obs[key] = pd.to_numeric(adata.obs[key].astype(str), errors='coerce')"
    )
    replaced = {
        key: pd.to_numeric(source_column(view, key).astype(object), errors="coerce").to_numpy(np.float64)
        for key in columns
    }
    return _replaced(view, AppliedFix("obs-numeric-text", sentence, code), replaced)


def obs_datetime(view: View, scope: Scope) -> Finding | None:
    """Columns of dates, which would become categories."""
    columns = date_columns(view)
    if not columns:
        return None
    return Finding(
        "obs-datetime",
        "warning",
        f"{plural(len(columns), 'column holds', 'columns hold')} dates",
        f"{listed(columns)}: the viewer does not show dates, so each one becomes a category, not in order of time.",
        count=len(columns),
        examples=examples(f"{key}: {', '.join(map(str, view.label_counts(key).index[:2]))}" for key in columns),
        fix="Convert to days since the earliest",
    )


def fix_obs_datetime(view: View, scope: Scope) -> Mapping:
    """Convert dates to days since the earliest of the kept cells."""
    columns = date_columns(view)
    replaced = {}
    for key in columns:
        times = _as_times(source_column(view, key))
        earliest = times.iloc[view.cell_index].min()
        replaced[key] = ((times - earliest) / pd.Timedelta(days=1)).to_numpy(np.float64)
    sentence = f"{plural(len(columns), 'column')} of dates converted to days since the earliest: {listed(columns)}"
    code = (
        "import pandas as pd\n"
        f"for key in {columns!r}:\n"
        "    dates = pd.to_datetime(adata.obs[key].astype(str), utc=True, format='ISO8601', errors='coerce')\n"
        "    adata.obs[key] = (dates - dates.min()) / pd.Timedelta(days=1)"
    )
    return _replaced(view, AppliedFix("obs-datetime", sentence, code), replaced)


def obs_mixed_types(view: View, scope: Scope) -> Finding | None:
    """Columns whose values are of several types."""
    columns = _mixed_columns(view)
    if not columns:
        return None
    words = "; ".join(f"{key} holds {' and '.join(_types(view, key)[:3])}" for key in columns[:3])
    return Finding(
        "obs-mixed-types",
        "warning",
        f"{plural(len(columns), 'column mixes', 'columns mix')} types",
        f"{words}. Values that read the same (1 and '1') become one category, the viewer's order of the categories "
        "means nothing, and anndata refuses to write such a column.",
        count=len(columns),
        examples=examples(columns),
        fix="Convert to text",
    )


def fix_obs_mixed_types(view: View, scope: Scope) -> Mapping:
    """Convert those columns to text; missing values stay missing."""
    columns = _mixed_columns(view)
    replaced = {}
    for key in columns:
        column = source_column(view, key).astype(object)
        replaced[key] = column.where(column.isna(), column.map(str)).to_numpy(dtype=object)
    sentence = f"{plural(len(columns), 'column')} converted to text: {listed(columns)}"
    code = (
        f"for key in {columns!r}:\n    adata.obs[key] = adata.obs[key].map(str, na_action='ignore').astype('category')"
    )
    return _replaced(view, AppliedFix("obs-mixed-types", sentence, code), replaced)


def obs_all_missing(view: View, scope: Scope) -> Finding | None:
    """Columns without a single finite or labelled value."""
    columns = _empty_columns(view)
    if not columns:
        return None
    return Finding(
        "obs-all-missing",
        "warning",
        f"{plural(len(columns), 'column holds', 'columns hold')} no value at all",
        f"{listed(columns)}: every cell is missing, so the viewer would offer a colouring that shows nothing.",
        count=len(columns),
        examples=examples(columns),
        fix="Leave the column out" if len(columns) == 1 else "Leave those columns out",
    )


def fix_obs_all_missing(view: View, scope: Scope) -> Mapping:
    """Leave the columns without a value out."""
    return leave_out(view, _empty_columns(view), "obs-all-missing", "no value")


def obs_not_finite(view: View, scope: Scope) -> Finding | None:
    """Columns of numbers with NaN or Inf, which become the missing marker."""
    empty = set(_empty_columns(view))
    counts = {}
    for key in view.obs_keys:
        if key not in empty and view.kind(key) == "continuous":
            bad = int((~np.isfinite(_numbers(view.obs(key)))).sum())
            if bad:
                counts[key] = bad
    if not counts:
        return None
    words = [f"{key}: {plural(bad, 'cell')}" for key, bad in counts.items()]
    return Finding(
        "obs-not-finite",
        "info",
        f"{plural(len(counts), 'column of numbers has', 'columns of numbers have')} missing or infinite values",
        f"{listed(words)} of {view.n_cells:,} have NaN or an infinite value. They are exported as missing, and the "
        "viewer draws those cells grey.",
        count=sum(counts.values()),
        examples=examples(words),
    )


# ---- what a column holds -------------------------------------------------------------------------------------------


def words_of(name: str) -> set[str]:
    """Split a column's name into lower-case words: "nCount_RNA" → n, count, rna."""
    return {word.lower() for word in _WORDS.findall(name)} | set(re.split(r"[^a-z0-9]+", name.lower()))


def _numeric_label_columns(view: View) -> list[str]:
    found = []
    for key in view.obs_keys:
        if view.kind(key) != "continuous" or not view.n_cells or key in view.mapping.obs_replaced:
            continue
        values = _numbers(view.obs(key))
        values = values[np.isfinite(values)]
        if not len(values) or not np.array_equal(values, np.rint(values)):
            continue
        n = len(np.unique(values))
        words = words_of(key)
        if n < 2 or words & _NUMBER_WORDS or n * 2 > len(values):
            continue
        few = n <= _FEW_LABELS and len(values) >= _CELLS_PER_LABEL * n
        if few or (words & _LABEL_WORDS and n <= _MOST_LABELS):
            found.append(key)
    return found


def numeric_text_columns(view: View) -> list[str]:
    """Return the chosen columns of text that hold numbers, without labels that are digits (clusters "0", "1")."""
    return [key for key in view.obs_keys if _is_text(view, key) and _holds_numbers(view, key)]


def _holds_numbers(view: View, key: str) -> bool:
    counts = view.label_counts(key)
    labels = _labels_that(_reads_as_number, counts)
    if labels is None or _inferred(view, key) in ("mixed", "mixed-integer", "boolean"):
        return False
    values = np.array([float(label) for label in labels])
    words = words_of(key)
    whole = np.array_equal(values, np.rint(values))
    if not whole:
        return len(labels) > _MANY_NUMBERS or bool(words & _NUMBER_WORDS and not words & _LABEL_WORDS)
    if words & _LABEL_WORDS or len(labels) <= _MANY_NUMBERS:
        return False
    if words & _NUMBER_WORDS:
        return True
    ordered = np.sort(values)
    clusters = np.array_equal(ordered, np.arange(ordered[0], ordered[0] + len(ordered)))
    cells = int(counts.sum())
    if clusters or len(labels) == cells:  # numbered groups, or a number that names each cell
        return False
    return len(labels) * _CELLS_PER_NUMBER > cells


def _reads_as_number(label: str) -> bool:
    try:
        return "_" not in label and np.isfinite(float(label))
    except ValueError:
        return False


def date_columns(view: View) -> list[str]:
    """Return the chosen columns that hold dates, of a type of dates or as text (2024-05-31)."""
    found = []
    for key in view.obs_keys:
        if view.kind(key) != "categorical":
            continue
        if _holds_times(view.obs(key)):
            found.append(key)
        elif _is_text(view, key):
            labels = _labels_that(lambda label: bool(_ISO_DATE.match(label)), view.label_counts(key))
            if labels is not None and _as_times(pd.Series(labels)).notna().all():
                found.append(key)
    return found


def _labels_that(hold: Callable[[str], bool], counts: pd.Series) -> list[str] | None:
    """Return the labels without words for "missing", or None if there are fewer than two or `hold` refuses one."""
    labels = []
    for label in map(str, counts.index):
        label = label.strip()
        if label.lower() in _MISSING_WORDS:
            continue
        if not hold(label):
            return None
        labels.append(label)
    return labels if len(labels) > 1 else None


def _holds_times(series: pd.Series) -> bool:
    dtype = series.cat.categories.dtype if isinstance(series.dtype, pd.CategoricalDtype) else series.dtype
    if pd.api.types.is_datetime64_any_dtype(dtype):
        return bool(series.notna().any())
    values = series.cat.categories if isinstance(series.dtype, pd.CategoricalDtype) else series
    return dtype.kind == "O" and pd.api.types.infer_dtype(values, skipna=True) in ("datetime", "date", "datetime64")


def _as_times(column: pd.Series) -> pd.Series:
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    if not pd.api.types.is_datetime64_any_dtype(column.dtype):
        column = column.astype(object).where(column.notna(), None)
        column = column.map(lambda value: str(value).strip().replace("/", "-"), na_action="ignore")
        return pd.to_datetime(column, utc=True, format="ISO8601", errors="coerce")
    return pd.to_datetime(column, utc=True, errors="coerce")


def _is_text(view: View, key: str) -> bool:
    """Tell whether a column's values, or its categories, are text or objects."""
    if view.kind(key) != "categorical" or not view.n_cells:
        return False
    series = view.obs(key)
    dtype = series.cat.categories.dtype if isinstance(series.dtype, pd.CategoricalDtype) else series.dtype
    return pd.api.types.is_object_dtype(dtype) or pd.api.types.is_string_dtype(dtype)


def _inferred(view: View, key: str) -> str:
    series = view.obs(key)
    values = series.cat.categories if isinstance(series.dtype, pd.CategoricalDtype) else series
    return str(pd.api.types.infer_dtype(values, skipna=True)) if values.dtype == object else ""


def _mixed_columns(view: View) -> list[str]:
    return [
        key
        for key in view.obs_keys
        if view.kind(key) == "categorical" and _inferred(view, key) in ("mixed", "mixed-integer")
    ]


def _types(view: View, key: str) -> list[str]:
    series = view.obs(key)
    values: Any = series.cat.categories if isinstance(series.dtype, pd.CategoricalDtype) else series.dropna()
    words = {"str": "text", "int": "whole numbers", "float": "numbers", "bool": "truth values"}
    names = pd.Series([type(value).__name__ for value in values]).value_counts().index
    return [words.get(name, name) for name in names]


def _empty_columns(view: View) -> list[str]:
    if not view.n_cells:
        return []
    found = []
    for key in view.obs_keys:
        if view.kind(key) == "continuous":
            empty = not np.isfinite(_numbers(view.obs(key))).any()
        else:
            empty = not any(str(label).strip() for label in view.label_counts(key).index)
        if empty:
            found.append(key)
    return found


def _numbers(series: pd.Series) -> np.ndarray:
    if series.dtype.kind == "c":  # complex numbers are export's to refuse
        return np.zeros(len(series))
    values: np.ndarray = pd.to_numeric(series, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    return values


def source_column(view: View, key: str) -> pd.Series:
    """Return a column, as fixes have replaced it, for all cells of the source."""
    if key in view.mapping.obs_replaced:
        return pd.Series(view.mapping.obs_replaced[key], index=view.dataset.obs.index, name=key)
    column = view.dataset.obs[key]
    return column.iloc[:, 0] if isinstance(column, pd.DataFrame) else column


def _replaced(view: View, fix: AppliedFix, columns: dict[str, np.ndarray]) -> Mapping:
    kinds = {key: kind for key, kind in view.mapping.kinds.items() if key not in columns}
    return view.mapping.with_fix(fix, kinds=kinds, obs_replaced={**view.mapping.obs_replaced, **columns})
