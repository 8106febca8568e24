"""The list of all rules, and one pass over it."""

from __future__ import annotations

from dataclasses import replace

from cellucid_core.dataset import View
from cellucid_core.errors import WorkRefused
from cellucid_core.preflight.finding import PreflightReport, Rule, Scope
from cellucid_core.preflight.rules import (
    embedding,
    expression,
    gene_ids,
    graph,
    naming,
    obs,
    obs_kinds,
    orientation,
    parts,
    spaces,
    vectors,
)

RULES: tuple[Rule, ...] = (
    Rule("no-cells", embedding.no_cells),
    Rule(
        "expression-orientation",
        orientation.expression_orientation,
        orientation.fix_expression_orientation,
        safe=True,
        guess=True,
    ),
    Rule("parts-scale", parts.parts_scale, parts.fix_parts_scale, safe=True, guess=True),
    Rule("parts-species", parts.parts_species, guess=True),
    Rule("parts-genes", parts.parts_genes),
    Rule("parts-embedding", parts.parts_embedding, parts.fix_parts_embedding, guess=True),
    Rule("rows-misaligned", embedding.rows_misaligned),
    Rule(
        "embedding-missing",
        embedding.embedding_missing,
        embedding.fix_embedding_missing,
        embedding.choose_embedding_missing,
        safe=True,
    ),
    Rule("embedding-shape", embedding.embedding_shape, embedding.fix_embedding_shape, safe=True),
    Rule("embedding-not-finite", embedding.embedding_not_finite, embedding.fix_embedding_not_finite, safe=True),
    Rule(
        "embedding-placeholder",
        embedding.embedding_placeholder,
        embedding.fix_embedding_placeholder,
        safe=True,
        guess=True,
    ),
    Rule("embedding-collapsed", embedding.embedding_collapsed),
    Rule("latent-missing", embedding.latent_missing, embedding.fix_latent_missing, embedding.choose_latent_missing),
    Rule(
        "latent-not-finite",
        embedding.latent_not_finite,
        embedding.fix_latent_not_finite,
        embedding.choose_latent_not_finite,
        safe=True,
    ),
    Rule("names-spaces", spaces.names_spaces, spaces.fix_names_spaces, safe=True),
    Rule("cell-ids-duplicate", obs.cell_ids_duplicate, obs.fix_cell_ids_duplicate, safe=True),
    Rule("obs-category-count", obs.obs_category_count, obs.fix_obs_category_count, safe=True),
    Rule("obs-one-value-per-cell", obs.obs_one_value_per_cell, obs.fix_obs_one_value_per_cell, safe=True, guess=True),
    Rule("obs-numeric-labels", obs_kinds.obs_numeric_labels, obs_kinds.fix_obs_numeric_labels, safe=True, guess=True),
    Rule("obs-numeric-text", obs_kinds.obs_numeric_text, obs_kinds.fix_obs_numeric_text, safe=True, guess=True),
    Rule("obs-datetime", obs_kinds.obs_datetime, obs_kinds.fix_obs_datetime, safe=True, guess=True),
    Rule("obs-mixed-types", obs_kinds.obs_mixed_types, obs_kinds.fix_obs_mixed_types, safe=True),
    Rule("obs-all-missing", obs_kinds.obs_all_missing, obs_kinds.fix_obs_all_missing, safe=True),
    Rule("obs-not-finite", obs_kinds.obs_not_finite),
    Rule("expression-missing", expression.expression_missing),
    Rule("var-length", expression.var_length),
    Rule(
        "gene-id-column",
        gene_ids.gene_id_column,
        gene_ids.fix_gene_id_column,
        gene_ids.choose_gene_id_column,
        safe=True,
    ),
    Rule("gene-ids-unlike", gene_ids.gene_ids_unlike, gene_ids.fix_gene_ids_unlike, guess=True),
    Rule("gene-names-excel", gene_ids.gene_names_excel, gene_ids.fix_gene_names_excel, safe=True, guess=True),
    Rule(
        "gene-ids-duplicate",
        gene_ids.gene_ids_duplicate,
        gene_ids.fix_gene_ids_duplicate,
        gene_ids.choose_gene_ids_duplicate,
        safe=True,
    ),
    Rule("key-collision", naming.key_collision, naming.fix_key_collision, safe=True),
    Rule("key-case-collision", naming.key_case_collision, naming.fix_key_case_collision, safe=True),
    Rule("key-reserved-name", naming.key_reserved_name, naming.fix_key_reserved_name, safe=True),
    Rule("gene-species-mixed", gene_ids.gene_species_mixed, guess=True),
    Rule("expression-not-finite", expression.expression_not_finite),
    Rule(
        "expression-scale",
        expression.expression_scale,
        expression.fix_expression_scale,
        expression.choose_expression_scale,
    ),
    Rule(
        "expression-double-log",
        expression.expression_double_log,
        expression.fix_expression_double_log,
        expression.choose_expression_double_log,
        safe=True,
        guess=True,
    ),
    Rule("cells-unfiltered", expression.cells_unfiltered, expression.fix_cells_unfiltered, guess=True),
    Rule("genes-all-zero", expression.genes_all_zero, expression.fix_genes_all_zero),
    Rule("expression-size", expression.expression_size, expression.fix_expression_size),
    Rule("connectivity-shape", graph.connectivity_shape, graph.fix_connectivity_shape, safe=True),
    Rule("connectivity-values", graph.connectivity_values),
    Rule("vector-shape", vectors.vector_shape, vectors.fix_vector_shape, safe=True),
    Rule("vector-id", vectors.vector_id, vectors.fix_vector_id, safe=True),
    Rule("vector-without-points", vectors.vector_without_points, vectors.fix_vector_without_points, safe=True),
)
"""Every rule, in the order in which they are checked and fixed and, within a severity, shown."""

_ORDER = {"error": 0, "warning": 1, "info": 2}


def preflight(view: View, scope: Scope | None = None) -> PreflightReport:
    """Check every rule that was not overruled and return all findings.

    Parameters
    ----------
    view
        The dataset as the user's choices and fixes leave it.
    scope
        What is about to be exported; by default all genes, with the default settings.

    Raises
    ------
    InputError
        If the matrix in the file is damaged, so that it cannot be checked.
    """
    found = []
    for rule in RULES:
        if rule.id in view.mapping.overruled:
            continue
        finding = rule.check(view, scope or Scope())
        if finding is not None:
            found.append(replace(finding, overrulable=rule.guess))
    return PreflightReport(tuple(sorted(found, key=lambda finding: _ORDER[finding.severity])))


def require_ready(view: View, scope: Scope | None = None, *, keys_are_files: bool = True) -> None:
    """Refuse an export that preflight blocks.

    Parameters
    ----------
    keys_are_files
        Whether names of columns and genes become file names; in an AnnData they do not.

    Raises
    ------
    WorkRefused
        If findings block it: names them and their fixes; its details hold all findings.
    """
    report = preflight(view, scope)
    # Names that differ only in letter case are a warning, but an export must not write them to one file. In an AnnData
    # gene names are no file names, and its writer checks the columns itself.
    names = ("key-collision", "key-case-collision")
    errors = [f for f in (*report.of("error"), *report.of("warning")) if f.severity == "error" or f.rule == names[1]]
    errors = [f for f in errors if keys_are_files or f.rule not in names]
    if not errors:
        return
    reasons = " ".join(f"[{finding.rule}] {finding.title}." for finding in errors)
    fixable = [f"--fix {finding.rule}" for finding in errors if finding.fix]
    raise WorkRefused(
        f"Preflight blocks the export: {reasons}",
        f"Apply {' '.join(fixable)}, or fix the file." if fixable else "Fix the file; preflight says what is wrong.",
        details={"status": "blocked", "findings": [finding.to_json() for finding in report.findings]},
    )
