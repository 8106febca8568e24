"""Rules about the expression matrix."""

from __future__ import annotations

import numpy as np

from cellucid_core.dataset import LINEAR, NO_LOGS, AppliedFix, LogRule, Mapping, View, log_rule_of
from cellucid_core.errors import InputError
from cellucid_core.names import listed
from cellucid_core.preflight.changes import keep_genes, leave_cells_out, matrix_code, take_matrix
from cellucid_core.preflight.finding import Finding, Scope, examples, plural
from cellucid_core.preflight.rules.naming import chosen_gene_ids, known_gene_ids
from cellucid_core.ranking import kept_variability, most_variable
from cellucid_core.reading import FILTERED

_BROKEN = ("double-log", "log-of-scaled")
#: A cell with fewer detected genes than the first number is an empty droplet, if at least so many genes were measured
#: (the whole transcriptome) in more than so many cells (shallow spatial data have fewer spots).
_DROPLET_GENES, _TRANSCRIPTOME, _MANY_DROPLETS = 100, 5000, 50_000
#: With fewer detected genes than this it is one in any number of cells.
_SURELY_EMPTY_GENES = 25
#: In panels of fewer genes the limit is this; if more than this share of the cells is empty, nobody filtered them.
_EMPTY_GENES, _EMPTY_SHARE = 10, 0.5
#: From here on an export is worth a warning: more genes than an annotation has; more bytes than free hosting takes.
_MANY_FILES, _MANY_BYTES = 65_000, 1e9
#: How many genes `fix_expression_size` keeps.
N_VARIABLE = 2000


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
    """A gene table whose rows do not match the matrix' columns."""
    name = view.mapping.matrix
    if name is None:
        return None
    columns, rows = view.dataset.matrices[name].shape[1], len(view.dataset.variables[name])
    if columns == rows or (
        view.dataset.fits_only_turned(name) and "expression-orientation" not in view.mapping.overruled
    ):
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
    """What each matrix holds, and which one is right for which task."""
    if view.mapping.matrix is None:
        return None
    scales = {name: view.dataset.scale(name) for name in view.dataset.matrices}
    chosen = scales[view.mapping.matrix]
    held = "; ".join(f"{name} holds {scale.words}" for name, scale in scales.items())
    better = _logged_matrices(view)
    if chosen.kind == "log" and not chosen.of_counts:
        advice = "Log-normalized values are right for colouring genes in the viewer and for signature scores."
    elif better:
        advice = f"Colouring genes and signature scores want log-normalized values: choose {better[0]}."
    elif chosen.kind in LINEAR or chosen.of_counts:
        advice = (
            "Colouring genes in the viewer and signature scores are better on log-normalized values (normalize_total, "
            "log1p)."
        )
    else:
        advice = "Colouring genes in the viewer and signature scores are meant for log-normalized values."
    counts = [name for name, scale in scales.items() if scale.kind == "counts"]
    if counts:
        advice += f" Methods that need counts (scVI, pseudobulk tests) want {listed(counts)}."
    return Finding(
        "expression-scale",
        "info",
        f"{view.mapping.matrix} holds {chosen.words}",
        f"{held}. {advice}",
        count=len(scales),
        examples=examples(f"{name}: {scale.words}" for name, scale in scales.items()),
        fix=f"Use {better[0]}" if better and chosen.kind != "log" else None,
        alternatives=tuple((name, f"Use {name}") for name in scales if name != view.mapping.matrix),
    )


def fix_expression_scale(view: View, scope: Scope) -> Mapping:
    """Take the first log-normalized matrix.

    Raises
    ------
    InputError
        If there is none.
    """
    better = _logged_matrices(view)
    if not better:
        raise InputError("No other matrix holds log-normalized values.", "Keep the one that is chosen.")
    return _use(view, "expression-scale", better[0], "")


def choose_expression_scale(view: View, scope: Scope, name: str) -> Mapping:
    """Take a named matrix."""
    return _use(view, "expression-scale", name, name)


def expression_double_log(view: View, scope: Scope) -> Finding | None:
    """Values that were logged twice, or logged after scaling."""
    name = view.mapping.matrix
    if name is None or view.dataset.scale(name).kind not in _BROKEN:
        return None
    others = _unbroken_matrices(view)
    found = view.dataset.scale(name).words
    return Finding(
        "expression-double-log",
        "warning",
        f"{name} holds {found}",
        f"{name} holds {found}. In the viewer high and low genes look nearly alike, and scores and differences between "
        "groups come out too small.",
        count=view.n_genes,
        examples=(name,),
        fix=f"Use {others[0]} ({view.dataset.scale(others[0]).words})" if others else None,
        alternatives=tuple((other, f"Use {other} ({view.dataset.scale(other).words})") for other in others[1:]),
    )


def fix_expression_double_log(view: View, scope: Scope) -> Mapping:
    """Take the best other matrix: logged, else normalized, else counts, else scaled or signed.

    Raises
    ------
    InputError
        If there is none.
    """
    others = _unbroken_matrices(view)
    if not others:
        raise InputError(
            "There is no other matrix.", "Log the values once in your pipeline (np.expm1 takes one log back)."
        )
    return _use(view, "expression-double-log", others[0], "")


def choose_expression_double_log(view: View, scope: Scope, name: str) -> Mapping:
    """Take a named matrix."""
    return _use(view, "expression-double-log", name, name)


def expression_not_finite(view: View, scope: Scope) -> Finding | None:
    """NaN or Inf among the values."""
    expression = view.expression if is_readable(view) else None
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


def cells_unfiltered(view: View, scope: Scope) -> Finding | None:
    """Barcodes that the file says are no cells, or else most cells nearly empty: an unfiltered droplet matrix."""
    if (told := _not_cells(view)) is not None:
        return Finding(
            "cells-unfiltered",
            "warning",
            f"{plural(int(told.sum()), 'barcode is', 'barcodes are')} not cells",
            f"The file holds all {view.n_cells:,} barcodes and says ({FILTERED}) that the pipeline took "
            f"{int((~told).sum()):,} of them for cells. The others would fill the picture and every comparison.",
            count=int(told.sum()),
            examples=examples(view.cell_ids[np.flatnonzero(told)[:10]]),
            fix="Leave out barcodes that are not cells",
        )
    limit = _empty_limit(view)
    if limit is None or view.expression is None:
        return None
    bad = view.expression.cell_detected < limit
    return Finding(
        "cells-unfiltered",
        "warning",
        f"{bad.mean():.0%} of the cells are nearly empty",
        f"Of {view.n_cells:,} cells {int(bad.sum()):,} have fewer than {limit:,} detected genes: this looks "
        "like an unfiltered droplet matrix. The viewer would be full of empty droplets, and they would dominate every "
        "comparison.",
        count=int(bad.sum()),
        examples=examples(view.cell_ids[np.flatnonzero(bad)[:10]]),
        fix=f"Leave out cells with fewer than {limit:,} detected genes",
    )


def fix_cells_unfiltered(view: View, scope: Scope) -> Mapping:
    """Leave out the barcodes that the file says are no cells, else the cells with too few detected genes."""
    if (told := _not_cells(view)) is not None:
        sentence = f"{plural(int(told.sum()), 'barcode')} left out: not cells"
        return leave_cells_out(
            view, told, AppliedFix("cells-unfiltered", sentence, f"adata = adata[adata.obs[{FILTERED!r}]].copy()")
        )
    limit = _empty_limit(view)
    assert limit is not None
    assert view.expression is not None
    bad = view.expression.cell_detected < limit
    sentence = f"{plural(int(bad.sum()), 'cell')} left out: fewer than {limit:,} detected genes"
    fix = AppliedFix("cells-unfiltered", sentence, f"sc.pp.filter_cells(adata, min_genes={limit})")
    return leave_cells_out(view, bad, fix)


def _not_cells(view: View) -> np.ndarray | None:
    """Return which barcodes the file says are no cells, (n_cells,) bool; None unless it names some, but not all."""
    if FILTERED not in view.dataset.obs or view.dataset.obs[FILTERED].dtype != bool:
        return None
    told: np.ndarray = ~view.dataset.obs[FILTERED].to_numpy()[view.cell_index]
    return told if told.any() and not told.all() else None


def genes_all_zero(view: View, scope: Scope) -> Finding | None:
    """Genes that are 0 in every cell."""
    empty = _zero_genes(view, scope)
    if empty is None or not empty.any() or view.n_cells < 2:
        return None
    names = view.var.index.astype(str) if known_gene_ids(view) is None else view.gene_ids
    return Finding(
        "genes-all-zero",
        "info",
        f"{plural(int(empty.sum()), 'gene is', 'genes are')} 0 in every cell",
        f"{plural(int(empty.sum()), 'gene')} of {view.n_genes:,} have no value in any cell. Each is a file that shows "
        "nothing in the viewer.",
        count=int(empty.sum()),
        examples=examples(names[np.flatnonzero(empty)[:10]]),
        fix="Leave them out",
    )


def fix_genes_all_zero(view: View, scope: Scope) -> Mapping:
    """Leave the genes out that are 0 in every cell."""
    empty = _zero_genes(view, scope)
    assert empty is not None
    sentence = f"{plural(int(empty.sum()), 'gene')} left out: 0 in every cell"
    return keep_genes(view, ~empty, AppliedFix("genes-all-zero", sentence, "sc.pp.filter_genes(adata, min_cells=1)"))


def expression_size(view: View, scope: Scope) -> Finding | None:
    """An export that would write very many files or bytes for its genes."""
    expression = view.expression if is_readable(view) else None
    if expression is None or not view.n_cells or not view.n_genes:
        return None
    n_files, n_bytes = _export_size(view, scope)
    if n_files < _MANY_FILES and n_bytes < _MANY_BYTES:
        return None
    ranked = view.dataset.scale(str(view.mapping.matrix)).kind not in NO_LOGS
    which = "highly variable genes" if ranked else "a list of genes"
    smaller = [f"take {which} ({N_VARIABLE:,} make {n_bytes * N_VARIABLE / max(1, n_files) / 1e9:.1f} GB)"]
    smaller += ["use 8 bits"] if scope.var_bits != 8 else []
    smaller += ["use gzip"] if scope.compression == 0 else []
    bits = "float32" if scope.var_bits is None else f"{scope.var_bits} bits"
    return Finding(
        "expression-size",
        "warning",
        f"The genes will be {n_files:,} files and about {n_bytes / 1e9:.1f} GB",
        f"{n_files:,} genes in {view.n_cells:,} cells at {bits} {'with' if scope.compression else 'without'} gzip. "
        f"Free hosting (GitHub Pages) takes about 1 GB, and the viewer loads {n_bytes / n_files / 1e6:.1f} MB for each "
        f"gene. To make it smaller: {', '.join(smaller)}.",
        count=n_files,
        examples=examples(chosen_gene_ids(view, scope)),
        fix=f"Keep the {N_VARIABLE:,} most variable genes" if ranked and view.n_genes > N_VARIABLE else None,
    )


def fix_expression_size(view: View, scope: Scope) -> Mapping:
    """Keep the most variable genes (scanpy's ``seurat`` flavor); raises as `kept_variability`."""
    what = "Finding highly variable genes"
    score, _ = kept_variability(
        view, report=lambda done, total: scope.say(what, done / total), ready_only=scope.ready_only
    )
    positions, _ = most_variable(score, N_VARIABLE)
    keep = np.zeros(view.n_genes, dtype=bool)
    keep[positions] = True
    sentence = f"{plural(view.n_genes - len(positions), 'gene')} left out: not among the {N_VARIABLE:,} most variable"
    code = "\n".join(_variable_code(log_rule_of(view)))
    return keep_genes(view, keep, AppliedFix("expression-size", sentence, code))


# ---- what the rules share -----------------------------------------------------------------------------------------


def _use(view: View, rule: str, name: str, choice: str) -> Mapping:
    sentence = f"Expression taken from {name} instead of {view.mapping.matrix}"
    return take_matrix(view, name, AppliedFix(rule, sentence, matrix_code(name), choice))


def _variable_code(rule: LogRule) -> list[str]:
    """Return the scanpy lines that keep the most variable genes, logging values for it as the rule says."""
    if rule.factor is None:
        base = [f'adata.uns["log1p"] = {{"base": {rule.scale.base}}}'] if rule.scale.base in ("2", "10") else []
        return [
            *base,
            f"sc.pp.highly_variable_genes(adata, n_top_genes={N_VARIABLE})",
            "adata = adata[:, adata.var.highly_variable].copy()",
        ]
    normalized = rule.scale.kind in ("normalized", "TPM")
    return [
        f"logged = sc.pp.log1p({'adata' if normalized else 'sc.pp.normalize_total(adata, copy=True)'}, copy=True)",
        f"sc.pp.highly_variable_genes(logged, n_top_genes={N_VARIABLE})",
        "adata = adata[:, logged.var.highly_variable].copy()",
    ]


def _logged_matrices(view: View) -> list[str]:
    scales = {name: view.dataset.scale(name) for name in view.dataset.matrices if name != view.mapping.matrix}
    return [name for name, scale in scales.items() if scale.kind == "log" and not scale.of_counts]


def _unbroken_matrices(view: View) -> list[str]:
    rank = {"log": 0, "normalized": 1, "TPM": 1, "counts": 2, "fractional": 2, "scaled": 3, "signed": 3}
    kinds = {name: view.dataset.scale(name).kind for name in view.dataset.matrices if name != view.mapping.matrix}
    return sorted((name for name, kind in kinds.items() if kind in rank), key=lambda name: rank[kinds[name]])


def _empty_limit(view: View) -> int | None:
    """Return the limit of detected genes below which more than half of the cells are, if other cells are far above it.

    Panels of few genes and shallow spatial data have few genes in every cell; in unfiltered droplets the best cells
    have at least five times the limit. None if it is no unfiltered matrix.
    """
    expression = view.expression if is_readable(view) else None
    if expression is None or not view.n_cells or expression.n_genes < _EMPTY_GENES:
        return None
    detected = expression.cell_detected
    if view.dataset.scale(str(view.mapping.matrix)).kind in ("scaled", "signed", "log-of-scaled"):
        return None
    best = float(np.quantile(detected, 0.995))
    whole_transcriptome = view.dataset.matrices[str(view.mapping.matrix)].shape[1] >= _TRANSCRIPTOME
    limits = [_EMPTY_GENES]
    if whole_transcriptome:
        limits = [*([_DROPLET_GENES] if view.n_cells > _MANY_DROPLETS else []), _SURELY_EMPTY_GENES]
    for limit in limits:
        if best >= 5 * limit and (detected < limit).mean() > _EMPTY_SHARE:
            return limit
    return None


def _zero_genes(view: View, scope: Scope) -> np.ndarray | None:
    expression = view.expression if is_readable(view) else None
    if expression is None:
        return None
    stats = expression.stats
    empty: np.ndarray = (stats.n_nonzero == 0) & (stats.n_not_finite == 0)
    if scope.genes is not None and known_gene_ids(view) is not None:
        empty &= np.array([gene in scope.genes for gene in view.gene_ids], dtype=bool)
    return empty


def _export_size(view: View, scope: Scope) -> tuple[int, float]:
    """Return the number of gene files and an estimate of their bytes."""
    assert view.expression is not None
    n_genes = view.n_genes
    if scope.n_genes is not None:
        n_files = min(n_genes, scope.n_genes)
    else:
        n_files = n_genes if scope.genes is None else len(chosen_gene_ids(view, scope))
    width = 4 if scope.var_bits is None else scope.var_bits // 8
    raw = float(n_files) * view.n_cells * width
    if not scope.compression:
        return n_files, raw
    # An estimate of gzip: the places of nonzero values cost their entropy, each value three quarters of its width.
    share = np.clip(view.expression.stats.n_nonzero / max(1, view.n_cells), 1e-6, 1 - 1e-6)
    places = -(share * np.log2(share) + (1 - share) * np.log2(1 - share)) / 8
    per_cell = np.minimum(1.2 * places + 0.75 * width * share, width)
    return n_files, float(per_cell.mean()) * n_files * view.n_cells


def is_readable(view: View) -> bool:
    """Tell whether there is a matrix that fits the tables; if not, rows-misaligned or var-length report it."""
    name = view.mapping.matrix
    if name is None:
        return False
    return view.dataset.matrices[name].shape == (view.dataset.n_cells, len(view.dataset.variables[name]))
