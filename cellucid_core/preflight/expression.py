"""Rules about the expression matrix."""

from __future__ import annotations

import numpy as np

from cellucid_core.dataset import View
from cellucid_core.dataset.scale import matrix_scale
from cellucid_core.preflight.finding import Finding, Scope, examples, listed, plural


def expression_missing(view: View, scope: Scope) -> Finding | None:
    """No matrix."""
    if view.mapping.matrix is not None:
        return None
    return Finding(
        "expression-missing",
        "info",
        "There is no expression matrix",
        "Cells and their metadata can be exported; genes and gene signatures are not available.",
    )


def var_length(view: View, scope: Scope) -> Finding | None:
    """The gene table's rows do not match the matrix' columns."""
    name = view.mapping.matrix
    if name is None:
        return None
    columns, rows = view.dataset.matrices[name].shape[1], len(view.dataset.variables[name])
    if columns == rows:
        return None
    return Finding(
        "var-length",
        "error",
        "The gene table does not fit the matrix",
        f"The matrix {name} has {columns:,} columns and the gene table {rows:,} rows, so genes would show other genes' "
        "values.",
        count=abs(columns - rows),
    )


def expression_scale(view: View, scope: Scope) -> Finding | None:
    """What each matrix holds, and which one each task wants."""
    if view.mapping.matrix is None:
        return None
    scales = {name: matrix_scale(matrix) for name, matrix in view.dataset.matrices.items()}
    chosen = scales[view.mapping.matrix]
    held = "; ".join(f"{name} holds {scale.words}" for name, scale in scales.items())
    logged = [name for name, scale in scales.items() if scale.kind == "log"]
    better = [name for name in logged if name != view.mapping.matrix]
    if chosen.kind == "log":
        advice = "Log-normalized values are right for colouring genes and for signature scores."
    elif better:
        advice = f"Colouring genes and signature scores want log-normalized values: choose {better[0]}."
    elif chosen.kind in ("counts", "normalized", "TPM"):
        advice = "Colouring genes and signature scores are better on log-normalized values (normalize_total, log1p)."
    else:
        advice = "Colouring genes and signature scores are meant for log-normalized values."
    return Finding(
        "expression-scale",
        "info",
        f"{view.mapping.matrix} holds {chosen.words}",
        f"{held}. {advice}",
        count=len(scales),
        examples=examples(f"{name}: {scale.words}" for name, scale in scales.items()),
        fix=f"Use {better[0]}" if better and chosen.kind != "log" else None,
    )


def expression_not_finite(view: View, scope: Scope) -> Finding | None:
    """NaN or Inf among the values."""
    expression = view.expression if _readable(view) else None
    if expression is None:
        return None
    bad = expression.stats.n_not_finite
    genes = np.flatnonzero(bad)
    if not len(genes):
        return None
    worst = genes[np.argsort(-bad[genes], kind="stable")]
    names = [str(view.var.index[gene]) for gene in worst[:10]]
    return Finding(
        "expression-not-finite",
        "warning",
        f"{plural(int(bad.sum()), 'expression value is', 'expression values are')} not finite",
        f"{plural(int(bad.sum()), 'value')} in {plural(len(genes), 'gene')} are NaN or infinite, most in "
        f"{listed(names)}. They are exported as missing and left out of scores.",
        count=int(bad.sum()),
        examples=examples(names),
    )


def _readable(view: View) -> bool:
    """Whether the matrix fits the tables; rows-misaligned and var-length say so where it does not."""
    name = view.mapping.matrix
    if name is None:
        return False
    return view.dataset.matrices[name].shape == (view.dataset.n_cells, len(view.dataset.variables[name]))
