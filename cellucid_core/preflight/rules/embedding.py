"""Rules about cells, embeddings and the latent space."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from cellucid_core.dataset import AppliedFix, Mapping, View, embedding_candidates, is_vector_field
from cellucid_core.errors import InputError
from cellucid_core.names import listed
from cellucid_core.preflight.changes import leave_cells_out
from cellucid_core.preflight.compute import MAX_CELLS, compute_pca, compute_umap
from cellucid_core.preflight.finding import Finding, Scope, examples, plural

#: Names of alternatives.
FIRST_COLUMNS, COMPUTE_PCA, LEAVE_OUT = "first-columns", "pca", "leave-out"
#: A coordinate may be a placeholder if it is more than this many median absolute deviations from the median.
_FAR = 100.0
#: Such coordinates are placeholders if the range of the embedding is more than this many times that of the others.
_COLLAPSE = 50.0


def no_cells(view: View, scope: Scope) -> Finding | None:
    """Zero cells."""
    if view.n_cells:
        return None
    left_out = "" if view.dataset.n_cells == 0 else f" All {view.dataset.n_cells:,} were left out."
    return Finding(
        "no-cells",
        "error",
        "There are no cells",
        f"The dataset has no cells, so there is nothing to show or score.{left_out}",
    )


def embedding_missing(view: View, scope: Scope) -> Finding | None:
    """No usable array of 1, 2 or 3 columns."""
    if view.dimensions or not view.n_cells:
        return None
    arrays = [f"{key} {array.shape}" for key, array in view.dataset.obsm.items()]
    have = f" obsm holds {listed(arrays)}." if arrays else " obsm is empty."
    wide = _wider_array(view)
    cut = f"Take the first columns of {wide}"
    alternatives = ((FIRST_COLUMNS, cut),) if wide else ()
    limit = f" (at most {MAX_CELLS:,} cells at a time)"
    if view.mapping.latent is not None:
        fix: str | None = f"Compute a 2D and a 3D UMAP from {view.mapping.latent}{limit}"
    elif view.mapping.matrix is not None:
        fix = f"Compute PCA, neighbours and UMAP{limit}"
    else:
        fix, alternatives = (cut if wide else None), ()
    return Finding(
        "embedding-missing",
        "error",
        "There is no embedding",
        "The viewer draws every cell at a point of a 1D, 2D or 3D embedding (such as UMAP), and the file has no array "
        f"with that many columns.{have}",
        examples=examples(view.dataset.obsm),
        fix=fix,
        alternatives=alternatives,
    )


def fix_embedding_missing(view: View, scope: Scope) -> Mapping:
    """Compute UMAPs with scanpy; with neither latent space nor expression take the first columns of a wider array.

    Raises
    ------
    InputError, NotComputed
        As `compute_umap`; or if there is no wider array.
    """
    if view.mapping.matrix is None and view.mapping.latent is None:
        return choose_embedding_missing(view, scope, "")
    made = compute_umap(view, scope)
    latent = view.mapping.latent or ("X_pca" if "X_pca" in made.arrays else None)
    sentence, code = made.words
    fix = AppliedFix("embedding-missing", sentence, code)
    computed = {**view.mapping.computed, **made.arrays}
    embeddings = {2: "X_umap_2d", 3: "X_umap_3d"}
    return view.mapping.with_fix(fix, embeddings=embeddings, latent=latent, computed=computed)


def choose_embedding_missing(view: View, scope: Scope, choice: str) -> Mapping:
    """Take the first 2 and 3 columns of a wider array as embeddings.

    Raises
    ------
    InputError
        If there is no wider array.
    """
    wide = _wider_array(view)
    if wide is None:
        raise InputError("There is no wider array to take columns of.", "Provide expression or an embedding.")
    array = _array(view, wide)
    made = {f"{wide}_first_{d}": np.asarray(array[:, :d]) for d in (2, 3)}
    code = "\n".join(f"adata.obsm['X_umap_{d}d'] = adata.obsm[{wide!r}][:, :{d}]" for d in (2, 3))
    fix = AppliedFix("embedding-missing", f"Embedding taken from the first columns of {wide}", code, choice)
    embeddings = {made[key].shape[1]: key for key in made}
    return view.mapping.with_fix(fix, embeddings=embeddings, computed={**view.mapping.computed, **made})


def _wider_array(view: View) -> str | None:
    """Return the array to take columns of: the latent space, else the widest, or None."""
    wide = _latent_candidates(view)
    return view.mapping.latent if view.mapping.latent in wide else (wide[0] if wide else None)


def embedding_shape(view: View, scope: Scope) -> Finding | None:
    """A chosen array that does not have as many columns as its dimension."""
    wrong = _misshapen(view)
    if not wrong:
        return None
    return Finding(
        "embedding-shape",
        "error",
        f"{plural(len(wrong), 'embedding has', 'embeddings have')} the wrong shape",
        "; ".join(
            f"{key} is chosen as the {d}D embedding but is {_shape(view, key)}, not {view.dataset.n_cells:,} × {d}"
            for d, key in wrong.items()
        )
        + ". The viewer could not place the cells.",
        count=len(wrong),
        examples=examples(wrong.values()),
        fix="Choose another embedding, or leave this dimension out",
    )


def fix_embedding_shape(view: View, scope: Scope) -> Mapping:
    """Replace each misshapen array by the best one of the right shape, or leave its dimension out."""
    embeddings = dict(view.mapping.embeddings)
    words = []
    for dimension, key in _misshapen(view).items():
        others = [
            other
            for other in embedding_candidates(view.dataset, dimension)
            if other != key and view.dataset.obsm[other].shape == (view.dataset.n_cells, dimension)
        ]
        if others:
            embeddings[dimension] = others[0]
            words.append(f"{others[0]} instead of {key}")
        else:
            del embeddings[dimension]
            words.append(f"{key} left out")
    wrong = list(_misshapen(view).values())
    code = "\n".join(f"del adata.obsm[{key!r}]" for key in wrong)
    fix = AppliedFix("embedding-shape", f"Embedding of the wrong shape: {', '.join(words)}", code)
    return view.mapping.with_fix(fix, embeddings=embeddings)


def rows_misaligned(view: View, scope: Scope) -> Finding | None:
    """An array whose rows are not the dataset's cells."""
    n = view.dataset.n_cells
    rows = {f"obsm['{key}']": view.dataset.obsm[key].shape[0] for key in _chosen_arrays(view)}
    name = view.mapping.matrix
    turned = name is not None and view.dataset.fits_only_turned(name)
    if name is not None and (not turned or "expression-orientation" in view.mapping.overruled):
        rows[name] = view.dataset.matrices[name].shape[0]
    wrong = {what: count for what, count in rows.items() if count != n}
    if not wrong:
        return None
    return Finding(
        "rows-misaligned",
        "error",
        "Rows do not match the cells",
        "; ".join(f"{what} has {count:,} rows for {n:,} cells" for what, count in wrong.items())
        + ". Values would be shown at the wrong cells.",
        count=len(wrong),
        examples=examples(wrong),
    )


def embedding_not_finite(view: View, scope: Scope) -> Finding | None:
    """NaN or Inf among the coordinates."""
    bad = _not_finite(view, _usable(view).values())
    if not bad.any():
        return None
    return Finding(
        "embedding-not-finite",
        "error",
        f"{plural(int(bad.sum()), 'cell has', 'cells have')} no place in the embedding",
        f"Of {view.n_cells:,} cells {int(bad.sum()):,} have NaN or infinite coordinates in "
        f"{_names(view)}. One such cell makes the viewer's picture empty, because the whole embedding is scaled by its "
        "range.",
        count=int(bad.sum()),
        examples=examples(view.cell_ids[bad]),
        fix="Leave those cells out, everywhere",
    )


def fix_embedding_not_finite(view: View, scope: Scope) -> Mapping:
    """Leave the cells without finite coordinates out."""
    keys = list(_usable(view).values())
    return _without(view, _not_finite(view, keys), "embedding-not-finite", "embedding not finite", keys)


def embedding_placeholder(view: View, scope: Scope) -> Finding | None:
    """Coordinates so extreme that the rest collapses to a point."""
    bad = _placeholders(view)
    if not bad.any():
        return None
    return Finding(
        "embedding-placeholder",
        "warning",
        f"{plural(int(bad.sum()), 'cell lies', 'cells lie')} absurdly far away",
        f"Of {view.n_cells:,} cells {int(bad.sum()):,} have coordinates so extreme (placeholders such as 1e20) "
        "that all others would be drawn as one dot.",
        count=int(bad.sum()),
        examples=examples(view.cell_ids[bad]),
        fix="Leave those cells out, everywhere",
    )


def fix_embedding_placeholder(view: View, scope: Scope) -> Mapping:
    """Leave the cells with placeholder coordinates out."""
    rule = "embedding-placeholder"
    return _without(view, _placeholders(view), rule, "placeholder coordinates", list(_usable(view).values()))


def embedding_collapsed(view: View, scope: Scope) -> Finding | None:
    """All points of an embedding are identical."""
    flat = []
    for key in _usable(view).values():
        coordinates = view.obsm(key)
        finite = coordinates[np.isfinite(coordinates).all(axis=1)]
        if len(finite) > 1 and float(np.ptp(finite, axis=0).max()) < 1e-8:
            flat.append(key)
    if not flat:
        return None
    return Finding(
        "embedding-collapsed",
        "warning",
        "All cells lie on one point",
        f"Every cell has the same coordinates in {listed(flat)}, so the viewer shows a single dot.",
        count=len(flat),
        examples=examples(flat),
    )


def latent_missing(view: View, scope: Scope) -> Finding | None:
    """No latent space, so that an embedding is used in its place."""
    if view.mapping.latent is not None or not view.dimensions or not view.n_cells:
        return None
    stand_in = view.mapping.embeddings[view.dimensions[-1]]
    arrays = _latent_candidates(view)
    compute = f"Compute a PCA (at most {MAX_CELLS:,} cells at a time)" if view.mapping.matrix else None
    alternatives = [(key, f"Take {key} as the latent space") for key in arrays[1:]]
    if arrays and compute:
        alternatives.append((COMPUTE_PCA, compute))
    return Finding(
        "latent-missing",
        "warning",
        "There is no latent space",
        f"The viewer marks outlier cells by their distance in a latent space such as X_pca. There is none, so "
        f"{stand_in} stands in, and distances in an embedding say less.",
        count=view.n_cells,
        examples=examples(arrays),
        fix=f"Take {arrays[0]} as the latent space" if arrays else compute,
        alternatives=tuple(alternatives),
    )


def fix_latent_missing(view: View, scope: Scope) -> Mapping:
    """Take the widest array of obsm; where there is none, compute a PCA with scanpy."""
    arrays = _latent_candidates(view)
    return choose_latent_missing(view, scope, arrays[0] if arrays else COMPUTE_PCA)


def choose_latent_missing(view: View, scope: Scope, choice: str) -> Mapping:
    """Take a named obsm array, or compute a PCA (``pca``); raises as `compute_pca`, or if there is no such array."""
    if choice != COMPUTE_PCA:
        return _take_latent(view, "latent-missing", choice)
    made = compute_pca(view, scope)
    sentence, code = made.words
    fix = AppliedFix("latent-missing", sentence, code, choice)
    return view.mapping.with_fix(fix, latent="X_pca", computed={**view.mapping.computed, **made.arrays})


def latent_not_finite(view: View, scope: Scope) -> Finding | None:
    """NaN or Inf in the latent space."""
    bad = _latent_not_finite(view)
    if not bad.any():
        return None
    arrays, leave_out = _latent_candidates(view), "Leave those cells out, everywhere"
    return Finding(
        "latent-not-finite",
        "error",
        f"{plural(int(bad.sum()), 'cell has', 'cells have')} no place in the latent space",
        f"Of {view.n_cells:,} cells {int(bad.sum()):,} have NaN or infinite values in {view.mapping.latent}, "
        "so the viewer's outlier marks would be wrong for whole categories.",
        count=int(bad.sum()),
        examples=examples(view.cell_ids[bad]),
        fix=f"Take {arrays[0]} instead" if arrays else leave_out,
        alternatives=tuple((key, f"Take {key} instead") for key in arrays[1:])
        + (((LEAVE_OUT, leave_out),) if arrays else ()),
    )


def fix_latent_not_finite(view: View, scope: Scope) -> Mapping:
    """Take another array that is finite; where there is none, leave the cells without finite values out."""
    arrays = _latent_candidates(view)
    return choose_latent_not_finite(view, scope, arrays[0] if arrays else LEAVE_OUT)


def choose_latent_not_finite(view: View, scope: Scope, choice: str) -> Mapping:
    """Take a named obsm array, or leave the cells out whose values are not finite (``leave-out``)."""
    if choice != LEAVE_OUT:
        return _take_latent(view, "latent-not-finite", choice)
    keys = [view.mapping.latent] if view.mapping.latent else []
    return _without(view, _latent_not_finite(view), "latent-not-finite", "latent space not finite", keys, choice)


def _take_latent(view: View, rule: str, key: str) -> Mapping:
    if key not in view.dataset.obsm and key not in view.mapping.computed:
        raise InputError(
            f"The dataset has no obsm array {key!r}.", f"It has: {', '.join(view.dataset.obsm) or 'none'}."
        )
    instead = f" instead of {view.mapping.latent}" if view.mapping.latent else ""
    sentence, code = f"Latent space taken from {key}{instead}", f"adata.obsm['X_pca'] = adata.obsm[{key!r}]"
    return view.mapping.with_fix(AppliedFix(rule, sentence, code, key), latent=key)


def _latent_candidates(view: View) -> list[str]:
    """Return keys of arrays that can be a latent space, widest first: finite, more than 3 columns, no vector field."""
    found = []
    for key in {**view.dataset.obsm, **view.mapping.computed}:
        array = _array(view, key)
        if array.ndim != 2 or array.shape[1] <= 3 or len(array) != view.dataset.n_cells or is_vector_field(key):
            continue
        if key.startswith(("X_umap", "X_tsne")):  # an embedding of the wrong shape is not a latent space
            continue
        # Where there is no embedding, the latent space itself is an array to cut one from.
        other = key != view.mapping.latent or not view.dimensions
        if other and np.isfinite(view.obsm(key)).all():
            found.append(key)
    return sorted(found, key=lambda key: -_array(view, key).shape[1])


# ---- what the rules share -----------------------------------------------------------------------------------------


def _shape(view: View, key: str) -> str:
    return " × ".join(f"{size:,}" for size in _array(view, key).shape)


def _array(view: View, key: str) -> np.ndarray:
    return view.mapping.computed[key] if key in view.mapping.computed else view.dataset.obsm[key]


def _misshapen(view: View) -> dict[int, str]:
    return {
        dimension: key
        for dimension, key in view.mapping.embeddings.items()
        if _array(view, key).ndim != 2 or _array(view, key).shape[1] != dimension
    }


def _usable(view: View) -> dict[int, str]:
    """Return the chosen embeddings whose shape is right, by dimension."""
    wrong = _misshapen(view)
    n = view.dataset.n_cells
    return {d: k for d, k in view.mapping.embeddings.items() if d not in wrong and _array(view, k).shape[0] == n}


def _chosen_arrays(view: View) -> list[str]:
    keys = [*view.mapping.embeddings.values(), *([view.mapping.latent] if view.mapping.latent else [])]
    return [key for key in dict.fromkeys(keys) if key in view.dataset.obsm]


def _names(view: View) -> str:
    return " or ".join(_usable(view).values())


def _not_finite(view: View, keys: Iterable[str]) -> np.ndarray:
    bad = np.zeros(view.n_cells, dtype=bool)
    for key in keys:
        array = view.obsm(key)
        bad |= ~np.isfinite(array).all(axis=tuple(range(1, array.ndim)))
    return bad


def _latent_not_finite(view: View) -> np.ndarray:
    key = view.mapping.latent
    if key is None or _array(view, key).shape[0] != view.dataset.n_cells:
        return np.zeros(view.n_cells, dtype=bool)
    return _not_finite(view, [key])


def _placeholders(view: View) -> np.ndarray:
    """Mark cells whose coordinates squeeze all others into a corner.

    Distances from the median are compared with the median absolute deviation, which stays the same if up to half of the
    cells are placeholders; the largest one of all axes is used, because the viewer scales all axes alike.
    """
    bad = np.zeros(view.n_cells, dtype=bool)
    for key in _usable(view).values():
        array = view.obsm(key).astype(np.float64)
        finite = np.isfinite(array).all(axis=1)
        if finite.sum() < 3:
            continue
        points = array[finite]
        distance = np.abs(points - np.median(points, axis=0))
        spread = float(np.median(distance, axis=0).max())
        far = (distance > _FAR * max(spread, float(np.finfo(np.float32).tiny))).any(axis=1)
        if not far.any() or far.all():
            continue
        rest = float(np.ptp(points[~far], axis=0).max())
        whole = float(np.ptp(points, axis=0).max())
        if whole > _COLLAPSE * rest and (rest > 0 or whole > 1e6):
            bad[np.flatnonzero(finite)[far]] = True
    return bad


def _without(view: View, bad: np.ndarray, rule: str, why: str, keys: list[str], choice: str = "") -> Mapping:
    sentence = f"{plural(int(bad.sum()), 'cell')} left out: {why}"
    code = "\n".join(
        [
            "import numpy as np",
            "keep = np.ones(adata.n_obs, dtype=bool)",
            *(f"keep &= np.isfinite(adata.obsm[{key!r}]).all(axis=1)" for key in keys),
            *(
                [f"keep &= (np.abs(adata.obsm[{key!r}]) < 1e6).all(axis=1)" for key in keys]
                if "placeholder" in rule
                else []
            ),
            "adata = adata[keep].copy()",
        ]
    )
    return leave_cells_out(view, bad, AppliedFix(rule, sentence, code, choice))
