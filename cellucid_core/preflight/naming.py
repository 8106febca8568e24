"""Rules about names: what becomes a file, and which gene a name means."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from cellucid_core.dataset import AppliedFix, Mapping, View
from cellucid_core.errors import InputError
from cellucid_core.names import case_collisions, collisions, separate, unique
from cellucid_core.preflight.finding import Finding, Scope, examples, listed, plural


def key_collision(view: View, scope: Scope) -> Finding | None:
    """Two different keys of one folder that would be one file."""
    pairs = _obs_collisions(view) + _gene_collisions(view, scope)
    if not pairs:
        return None
    return Finding(
        "key-collision",
        "error",
        f"{plural(len(pairs), 'pair of names', 'groups of names')} would share one file",
        f"Names become file names, and these become the same: {'; '.join(pairs[:3])}. One would overwrite the other.",
        count=len(pairs),
        examples=examples(pairs),
        fix="Rename the later ones",
    )


def fix_key_collision(view: View, scope: Scope) -> Mapping:
    """Rename the later of colliding names."""
    return _separated(view, "key-collision", fold_case=False)


def key_case_collision(view: View, scope: Scope) -> Finding | None:
    """Names whose files differ only in letter case."""
    groups = list(case_collisions(_obs_names(view)).values())
    groups += list(case_collisions(_chosen_gene_ids(view, scope)).values())
    if not groups:
        return None
    pairs = [" and ".join(group) for group in groups]
    return Finding(
        "key-case-collision",
        "warning",
        f"{plural(len(pairs), 'pair of names differs', 'groups of names differ')} only in letter case",
        f"{'; '.join(pairs[:3])}. macOS and Windows keep them in one file, so they are not exported together until "
        "they are renamed or left out.",
        count=len(pairs),
        examples=examples(pairs),
        fix="Rename the later ones",
    )


def fix_key_case_collision(view: View, scope: Scope) -> Mapping:
    """Rename the later of names that differ only in letter case."""
    return _separated(view, "key-case-collision", fold_case=True)


def gene_id_column(view: View, scope: Scope) -> Finding | None:
    """The chosen gene-id column is missing or has empty ids."""
    if view.mapping.matrix is None:
        return None
    column = view.mapping.gene_id
    choices = ", ".join(["index", *map(str, view.var.columns[:8])])
    if _ids(view) is None:
        return Finding(
            "gene-id-column",
            "error",
            "The gene-id column does not exist",
            f"The gene table has no column {column!r}. It has: {choices}.",
            count=1,
            examples=(column,),
            fix="Use the index instead",
        )
    empty = np.flatnonzero([not str(gene).strip() for gene in view.gene_ids])
    if not len(empty):
        return None
    return Finding(
        "gene-id-column",
        "error",
        f"{plural(len(empty), 'gene has', 'genes have')} no id",
        f"In {column} {plural(len(empty), 'gene')} of {view.n_genes:,} have an empty id and could not be found again. "
        f"Choose another column: {choices}.",
        count=len(empty),
        examples=examples(f"row {row + 1}" for row in empty),
        fix="Use the index instead" if column != "index" else None,
    )


def fix_gene_id_column(view: View, scope: Scope) -> Mapping:
    """Use the index of the gene table.

    Raises
    ------
    InputError
        If the index is what has empty ids.
    """
    if view.mapping.gene_id == "index":
        raise InputError("The gene index has empty ids.", "Give every gene a name in your pipeline.")
    fix = AppliedFix("gene-id-column", f"Gene ids taken from the index instead of {view.mapping.gene_id}")
    return view.mapping.with_fix(fix, gene_id="index", gene_ids=None)


def gene_ids_duplicate(view: View, scope: Scope) -> Finding | None:
    """Gene ids that are not unique."""
    ids = pd.Index(_chosen_gene_ids(view, scope))
    repeated = [gene for gene in ids[ids.duplicated()].unique() if str(gene).strip()]
    if not repeated:
        return None
    return Finding(
        "gene-ids-duplicate",
        "error",
        f"{plural(len(repeated), 'gene id stands', 'gene ids stand')} more than once",
        f"{listed(repeated)}: a name would mean several genes, and their files would overwrite each other.",
        count=len(repeated),
        examples=examples(repeated),
        fix="Make the ids unique by numbering the later ones",
    )


def fix_gene_ids_duplicate(view: View, scope: Scope) -> Mapping:
    """Number the later of equal gene ids."""
    new = np.array(unique(view.gene_ids), dtype=object)
    changed = int((new != view.gene_ids).sum())
    fix = AppliedFix(
        "gene-ids-duplicate", f"{plural(changed, 'gene id')} made unique by a number", "adata.var_names_make_unique()"
    )
    return view.mapping.with_fix(fix, gene_ids=new)


# ---- what the rules share -----------------------------------------------------------------------------------------


def _ids(view: View) -> np.ndarray | None:
    try:
        return view.gene_ids
    except InputError:
        return None


def _obs_names(view: View) -> list[str]:
    return [view.exported_name(key) for key in view.obs_keys]


def _chosen_gene_ids(view: View, scope: Scope) -> list[str]:
    ids = _ids(view)
    if ids is None:
        return []
    return [str(gene) for gene in ids if scope.genes is None or gene in scope.genes]


def _obs_collisions(view: View) -> list[str]:
    return [f"{' and '.join(group)} (obs)" for group in collisions(_obs_names(view)).values()]


def _gene_collisions(view: View, scope: Scope) -> list[str]:
    """Group different gene ids that share a safe key; equal ids are gene-ids-duplicate's."""
    distinct = list(dict.fromkeys(gene for gene in _chosen_gene_ids(view, scope) if gene.strip()))
    return [f"{' and '.join(group)} (genes)" for group in collisions(distinct).values()]


def _separated(view: View, rule: str, *, fold_case: bool) -> Mapping:
    names = _obs_names(view)
    renamed = dict(view.mapping.renamed)
    columns = {}
    for key, old, new in zip(view.obs_keys, names, separate(names, fold_case=fold_case), strict=True):
        if new != old:
            renamed[key] = columns[key] = new
    words = [f"{old} → {new}" for old, new in columns.items()]
    code = [f"adata.obs = adata.obs.rename(columns={columns!r})"] if columns else []
    changes: dict[str, object] = {"renamed": renamed}
    ids = _ids(view)
    if ids is not None:
        distinct = list(dict.fromkeys(ids))
        new_ids = dict(zip(distinct, separate(distinct, fold_case=fold_case), strict=True))
        genes = {old: new for old, new in new_ids.items() if new != old}
        if genes:
            changes["gene_ids"] = np.array([new_ids[gene] for gene in ids], dtype=object)
            words += [f"{old} → {new}" for old, new in genes.items()]
            code.append(f"adata.var = adata.var.rename(index={genes!r})")
    fix = AppliedFix(rule, f"{plural(len(words), 'name')} changed: {listed(words)}", "\n".join(code))
    return replace(view.mapping.with_fix(fix), **changes)  # type: ignore[arg-type]
