"""Rules about vector fields (RNA velocity and the like)."""

from __future__ import annotations

import re

import numpy as np

from cellucid_core.dataset import AppliedFix, Mapping, View
from cellucid_core.names import case_collisions, listed, safe_key, separate
from cellucid_core.preflight.finding import Finding, Scope, examples, plural

_DIMENSION = re.compile(r"^(.*)_([123])d$")


def vector_shape(view: View, scope: Scope) -> Finding | None:
    """Fields whose rows are not the cells, or that have other than 1, 2 or 3 columns, or than their key says."""
    wrong = _misshapen(view)
    if not wrong:
        return None
    shapes = "; ".join(f"{key} is {' × '.join(f'{size:,}' for size in _array(view, key).shape)}" for key in wrong[:3])
    return Finding(
        "vector-shape",
        "error",
        f"{plural(len(wrong), 'vector field has', 'vector fields have')} the wrong shape",
        f"{shapes}. A field needs {view.dataset.n_cells:,} rows and 1, 2 or 3 columns, as its key says; the viewer "
        "could not draw its arrows.",
        count=len(wrong),
        examples=examples(wrong),
        fix=_leave_out_words(wrong),
    )


def fix_vector_shape(view: View, scope: Scope) -> Mapping:
    """Leave the misshapen fields out."""
    return _leave_out(view, _misshapen(view), "vector-shape", "wrong shape")


def vector_id(view: View, scope: Scope) -> Finding | None:
    """A field id that is not a safe key, or differs from another only in letter case."""
    new = _renames(view)
    if not new:
        return None
    words = [f"{old} → {name}" for old, name in new.items()]
    return Finding(
        "vector-id",
        "error",
        f"{plural(len(new), 'vector field has', 'vector fields have')} an id that cannot be a file name",
        f"{listed(list(new))}: the viewer finds a field by its id, which is its file name too, so it may only hold "
        "letters, digits, '.', '_' and '-'.",
        count=len(new),
        examples=examples(words),
        fix="Rename",
    )


def fix_vector_id(view: View, scope: Scope) -> Mapping:
    """Rename the fields to their safe keys."""
    new = _renames(view)
    words = [f"{old} → {name}" for old, name in new.items()]
    code = "\n".join(f"adata.obsm[{name!r}] = adata.obsm.pop({old!r})" for old, name in new.items())
    fix = AppliedFix("vector-id", f"{plural(len(new), 'vector field')} renamed: {listed(words)}", code)
    return view.mapping.with_fix(fix, vectors_renamed={**view.mapping.vectors_renamed, **new})


def vector_without_points(view: View, scope: Scope) -> Finding | None:
    """Fields of a dimension that has no embedding."""
    lonely = _lonely(view)
    if not lonely:
        return None
    words = [f"{key} is {_dimension(view, key)}D" for key in lonely]
    have = ", ".join(f"{dimension}D" for dimension in view.dimensions) or "none"
    return Finding(
        "vector-without-points",
        "warning",
        f"{plural(len(lonely), 'vector field has', 'vector fields have')} no points",
        f"{listed(words)}, and the chosen embeddings are {have}. The viewer draws arrows at points, so this field "
        "would be left out.",
        count=len(lonely),
        examples=examples(lonely),
        fix=_leave_out_words(lonely),
    )


def fix_vector_without_points(view: View, scope: Scope) -> Mapping:
    """Leave the fields out whose dimension has no embedding."""
    return _leave_out(view, _lonely(view), "vector-without-points", "no points of that dimension")


# ---- what the rules share -----------------------------------------------------------------------------------------


def _array(view: View, key: str) -> np.ndarray:
    return view.mapping.computed[key] if key in view.mapping.computed else view.dataset.obsm[key]


def _dimension(view: View, key: str) -> int:
    match, array = _DIMENSION.match(key), _array(view, key)
    return int(match[2]) if match else (array.shape[1] if array.ndim == 2 else 1)


def _misshapen(view: View) -> list[str]:
    wrong = []
    for key in view.mapping.vectors:
        array = _array(view, key)
        columns = array.shape[1] if array.ndim == 2 else 1
        fits = array.ndim in (1, 2) and len(array) == view.dataset.n_cells and columns in (1, 2, 3)
        if not fits or columns != _dimension(view, key):
            wrong.append(key)
    return wrong


def _lonely(view: View) -> list[str]:
    wrong = set(_misshapen(view))
    return [
        k
        for k in view.mapping.vectors
        if k not in wrong and view.dimensions and _dimension(view, k) not in view.dimensions
    ]


def _renames(view: View) -> dict[str, str]:
    """Return obsm key → new key, where a field's id must change; all dimensions of a field are renamed together."""
    names = {key: view.mapping.vectors_renamed.get(key, key) for key in view.mapping.vectors}
    parts = {key: _DIMENSION.match(name) for key, name in names.items()}
    ids = {key: match[1] if (match := parts[key]) else names[key] for key in names}
    fields = list(dict.fromkeys(ids.values()))
    if all(safe_key(field) == field for field in fields) and not case_collisions(fields):
        return {}
    # The first of names that clash stays: the field that the viewer shows by default, then others on the UMAP.
    fields.sort(key=lambda field: (field != "velocity_umap", not field.endswith("_umap")))
    new = dict(zip(fields, separate([safe_key(field) for field in fields], fold_case=True), strict=True))
    renamed = {key: new[ids[key]] + (f"_{match[2]}d" if (match := parts[key]) else "") for key in names}
    return {key: name for key, name in renamed.items() if name != names[key]}


def _leave_out_words(keys: list[str]) -> str:
    return "Leave the field out" if len(keys) == 1 else "Leave those fields out"


def _leave_out(view: View, keys: list[str], rule: str, why: str) -> Mapping:
    kept = tuple(key for key in view.mapping.vectors if key not in keys)
    sentence = f"{plural(len(keys), 'vector field')} left out: {listed(keys)} ({why})"
    code = "\n".join(f"del adata.obsm[{key!r}]" for key in keys)
    return view.mapping.with_fix(AppliedFix(rule, sentence, code), vectors=kept)
