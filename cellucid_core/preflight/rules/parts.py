"""Rules that compare the samples of a dataset that was joined from several files."""

from __future__ import annotations

from dataclasses import replace

from cellucid_core.dataset import LINEAR, AppliedFix, Mapping, Part, View
from cellucid_core.errors import InputError
from cellucid_core.names import listed
from cellucid_core.preflight.changes import matrix_code, take_matrix
from cellucid_core.preflight.compute import MAX_CELLS, compute_umap
from cellucid_core.preflight.finding import Finding, Scope, examples, plural

#: If the samples share a smaller share of the smallest one's genes than this, the finding is a warning.
_FEW_SHARED = 0.5


def parts_scale(view: View, scope: Scope) -> Finding | None:
    """Samples whose values are of different scales."""
    name = view.mapping.matrix
    if name is None or not _differ(view, name):
        return None
    better = _alike(view)
    return Finding(
        "parts-scale",
        "error",
        "The samples' values are of different scales",
        "; ".join(f"{part.name} holds {part.scales[name].words}" for part in view.dataset.parts[:12])
        + ". Genes and scores of one sample cannot be compared with those of another.",
        count=len(view.dataset.parts),
        examples=examples(part.name for part in view.dataset.parts),
        fix=f"Use {better[0]}, which is on one scale in all samples" if better else None,
    )


def fix_parts_scale(view: View, scope: Scope) -> Mapping:
    """Take the first matrix whose values are alike in all samples.

    Raises
    ------
    InputError
        If there is none.
    """
    better = _alike(view)
    if not better:
        raise InputError(
            "No other matrix is on one scale in all samples.", "Leave out samples, or bring all files to one scale."
        )
    fix = AppliedFix("parts-scale", f"Expression taken from {better[0]}", matrix_code(better[0]))
    return take_matrix(view, better[0], fix)


def parts_species(view: View, scope: Scope) -> Finding | None:
    """Samples of different species."""
    told = {part.name: part.species for part in view.dataset.parts if part.species is not None}
    if len(set(told.values())) < 2:
        return None
    return Finding(
        "parts-species",
        "error",
        "The samples are of different species",
        f"{listed([f'{name}: {kind}' for name, kind in told.items()], 12)}, told by the names of their genes. Their "
        "genes cannot be joined by name. Leave out the samples of one species.",
        count=len(told),
        examples=examples(told),
    )


def parts_genes(view: View, scope: Scope) -> Finding | None:
    """How many genes the samples share, and which names they were joined by."""
    parts, name = view.dataset.parts, view.mapping.matrix
    if not parts or name is None:
        return None
    n_genes = view.dataset.matrices[name].shape[1]
    smallest = min(part.n_genes for part in parts)
    kinds = {part.id_kind for part in parts if part.id_kind is not None}
    few = n_genes < _FEW_SHARED * smallest
    alone = [f"{part.name} {part.own_genes:,}" for part in parts if part.own_genes]
    others = [f"{part.name} by {part.gene_column}" for part in parts if part.gene_column != "index"]
    how = "are in all" if view.dataset.join == "shared" else "are in any of"
    words = [f"{plural(n_genes, 'gene')} {how} {plural(len(parts), 'sample')}; the smallest has {smallest:,}."]
    words += [f"Only in one sample: {listed(alone, 8)}."] if alone else []
    words += [f"Joined by other names than the index: {listed(others, 8)}."] if others else []
    words += ["Some samples name genes by symbols, others by ids."] if len(kinds) > 1 else []
    return Finding(
        "parts-genes",
        "warning" if few or len(kinds) > 1 else "info",
        f"The samples share {plural(n_genes, 'gene')}" if few else f"{plural(len(parts), 'sample')} joined",
        " ".join(words),
        count=n_genes,
        examples=examples(part.name for part in parts),
    )


def parts_embedding(view: View, scope: Scope) -> Finding | None:
    """An embedding that was joined from those of separate files."""
    keys = _from_files(view)
    if not view.dataset.parts or not keys:
        return None
    can = view.mapping.matrix is not None
    return Finding(
        "parts-embedding",
        "warning",
        "The samples' embeddings may have been computed apart",
        f"{listed(keys)} was put together from the files of {plural(len(view.dataset.parts), 'sample')}. Unless it was "
        "computed for all of them together, the same place means something else in each.",
        count=len(keys),
        examples=examples(keys),
        fix=f"Compute PCA, neighbours and UMAP of all samples together (at most {MAX_CELLS:,} cells)" if can else None,
    )


def fix_parts_embedding(view: View, scope: Scope) -> Mapping:
    """Compute UMAPs of all samples together with scanpy.

    Raises
    ------
    InputError, NotComputed
        As `compute_umap`.
    """
    made = compute_umap(View(view.dataset, replace(view.mapping, latent=None)), scope)
    sentence, code = made.words
    latent = "X_pca" if "X_pca" in made.arrays else None
    computed = {**view.mapping.computed, **made.arrays}
    fix = AppliedFix("parts-embedding", sentence, code)
    return view.mapping.with_fix(fix, embeddings={2: "X_umap_2d", 3: "X_umap_3d"}, latent=latent, computed=computed)


def _from_files(view: View) -> list[str]:
    return [key for key in view.mapping.embeddings.values() if key not in view.mapping.computed]


def _differ(view: View, matrix: str) -> bool:
    return len({_group(part, matrix) for part in view.dataset.parts} - {""}) > 1


def _group(part: Part, matrix: str) -> str:
    """Return a name that is the same for scales whose values can be compared; "" for a matrix of zeros."""
    kind = part.scales[matrix].kind
    if kind == "empty":
        return ""
    return "counts" if kind in ("counts", "fractional") else "linear" if kind in LINEAR else kind


def _alike(view: View) -> list[str]:
    others = [name for name in view.dataset.matrices if name != view.mapping.matrix and not _differ(view, name)]
    return sorted(others, key=lambda name: view.dataset.scale(name).kind != "log")
