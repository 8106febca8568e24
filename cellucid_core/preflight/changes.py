"""What several fixes do to a mapping: leave out cells, genes or columns, or take another matrix."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cellucid_core.dataset import AppliedFix, Mapping, View
from cellucid_core.errors import InputError
from cellucid_core.names import listed
from cellucid_core.preflight.finding import plural


def leave_out(view: View, columns: list[str], rule: str, why: str) -> Mapping:
    """Return the view's mapping without some columns of the cell table."""
    kept = tuple(key for key in view.obs_keys if key not in columns)
    sentence = f"{plural(len(columns), 'column')} left out: {listed(columns)} ({why})"
    code = f"adata.obs = adata.obs.drop(columns={columns!r})"
    return view.mapping.with_fix(AppliedFix(rule, sentence, code), obs_keys=kept)


def leave_cells_out(view: View, bad: np.ndarray, fix: AppliedFix) -> Mapping:
    """Return the view's mapping without some cells.

    Parameters
    ----------
    bad
        (n_cells,) bool: which cells of the view are left out.
    """
    out = np.union1d(view.mapping.cells_out, view.cell_index[bad]).astype(np.int64)
    return view.mapping.with_fix(fix, cells_out=out)


def keep_genes(view: View, keep: np.ndarray, fix: AppliedFix) -> Mapping:
    """Return the view's mapping with some of its genes.

    Parameters
    ----------
    keep
        (n_genes,) bool: which genes of the view are kept.
    """
    mapping = view.mapping
    source = np.arange(view.n_genes, dtype=np.int64) if mapping.genes_kept is None else mapping.genes_kept
    ids = None if mapping.gene_ids is None else mapping.gene_ids[keep]
    return mapping.with_fix(fix, genes_kept=source[keep], gene_ids=ids)


def take_matrix(view: View, name: str, fix: AppliedFix) -> Mapping:
    """Return the view's mapping with another matrix; fixes of genes are dropped if its genes are not the same.

    Raises
    ------
    InputError
        If there is no such matrix.
    """
    tables, mapping = view.dataset.variables, view.mapping
    if name not in tables:
        raise InputError(f"The dataset has no matrix {name!r}.", f"It has: {', '.join(tables)}.")
    column = mapping.gene_id if mapping.gene_id in tables[name].columns else "index"
    same = mapping.matrix is not None and tables[name].index.equals(tables[mapping.matrix].index)
    if same and column == mapping.gene_id:
        return mapping.with_fix(fix, matrix=name)
    still = tuple(old for old in mapping.fixes if not _is_of_genes(old))
    changed = replace(mapping, fixes=still, gene_ids=None, genes_kept=None, gene_id=column)
    return changed.with_fix(fix, matrix=name)


def _is_of_genes(fix: AppliedFix) -> bool:
    return fix.only_genes or (fix.overruled and fix.rule.startswith("gene-"))


def matrix_code(name: str) -> str:
    """Return the line of Python that makes a matrix the X of ``adata``."""
    if name == "raw":
        return "adata = adata.raw.to_adata()"
    return "# adata.X is used as it is" if name == "X" else f"adata.X = adata.layers[{name!r}].copy()"
