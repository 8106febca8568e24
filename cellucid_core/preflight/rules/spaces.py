"""The rule about names that begin or end with a space, which nobody sees and because of which names do not match."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from cellucid_core.dataset import AppliedFix, Mapping, View
from cellucid_core.names import listed
from cellucid_core.preflight.finding import Finding, Scope, examples, plural
from cellucid_core.preflight.rules.naming import known_gene_ids
from cellucid_core.preflight.rules.obs_kinds import source_column


def names_spaces(view: View, scope: Scope) -> Finding | None:
    """Gene ids, cell ids or categories with spaces around them."""
    genes, cells, columns = _spaced_genes(view), _spaced(view.cell_ids), _spaced_columns(view)
    words = [plural(len(genes), "gene id")] if genes else []
    words += [plural(len(cells), "cell id")] if cells else []
    words += [f"{plural(len(labels), 'category', 'categories')} of {key}" for key, labels in columns.items()]
    if not words:
        return None
    names = [*genes, *cells, *(label for labels in columns.values() for label in labels)]
    return Finding(
        "names-spaces",
        "warning",
        f"{plural(len(names), 'name begins or ends', 'names begin or end')} with a space",
        f"{listed(words, 6)}. Nobody sees these spaces, but gene lists do not find such genes, tables do not join such "
        "cells, and 'B' and 'B ' are two categories.",
        count=len(names),
        examples=examples(map(repr, names)),
        fix="Remove the spaces",
    )


def fix_names_spaces(view: View, scope: Scope) -> Mapping:
    """Strip gene ids, cell ids and categories; ids that become equal are left to the rules about repeated ids."""
    changes: dict[str, Any] = {}
    words, code = [], []
    if genes := _spaced_genes(view):
        changes["gene_ids"] = np.array([str(gene).strip() for gene in view.gene_ids], dtype=object)
        words.append(plural(len(genes), "gene id"))
        code.append("adata.var_names = adata.var_names.str.strip()")
    if cells := _spaced(view.cell_ids):
        given = view.mapping.cell_ids
        old = view.dataset.obs.index if given is None else given
        changes["cell_ids"] = np.array([str(cell).strip() for cell in old], dtype=object)
        words.append(plural(len(cells), "cell id"))
        code.append("adata.obs_names = adata.obs_names.str.strip()")
    replaced = {}
    for key, labels in _spaced_columns(view).items():
        column = source_column(view, key)
        stripped = column.astype(object).map(lambda label: label.strip() if isinstance(label, str) else label)
        replaced[key] = stripped.to_numpy(dtype=object)
        words.append(f"{plural(len(labels), 'category', 'categories')} of {key}")
        code.append(f"adata.obs[{key!r}] = adata.obs[{key!r}].astype(object).str.strip().astype('category')")
    if replaced:
        changes["obs_replaced"] = {**view.mapping.obs_replaced, **replaced}
    fix = AppliedFix("names-spaces", f"Spaces around names removed: {listed(words, 6)}", "\n".join(code))
    return view.mapping.with_fix(fix, **changes)


def _spaced(names: Any) -> list[str]:
    return [name for name in map(str, names) if name != name.strip() and name.strip()]


def _spaced_genes(view: View) -> list[str]:
    ids = known_gene_ids(view) if view.mapping.matrix is not None else None
    return [] if ids is None else _spaced(ids)


def _spaced_columns(view: View) -> dict[str, list[str]]:
    """Return the categorical columns that have labels with spaces around them → these labels."""
    found = {}
    for key in view.obs_keys:
        if view.kind(key) != "categorical":
            continue
        column = source_column(view, key)
        labels = column.cat.categories if isinstance(column.dtype, pd.CategoricalDtype) else column.dropna().unique()
        if spaced := _spaced(label for label in labels if isinstance(label, str)):
            found[key] = spaced
    return found
