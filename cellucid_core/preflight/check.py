"""Run all rules in one pass, and apply fixes."""

from __future__ import annotations

from collections.abc import Iterable

from cellucid_core.dataset import AppliedFix, Dataset, Mapping, View
from cellucid_core.dataset.scale import matrix_scale
from cellucid_core.errors import InputError
from cellucid_core.preflight import embedding, expression, graph, naming, obs
from cellucid_core.preflight.finding import Report, Rule, Scope


def _use_logged_matrix(view: View, scope: Scope) -> Mapping:
    current = view.mapping.matrix
    logged = [name for name, matrix in view.dataset.matrices.items() if matrix_scale(matrix).kind == "log"]
    if current in logged or not logged:
        raise InputError("No other matrix holds log-normalized values.", "Keep the one that is chosen.")
    fix = AppliedFix("expression-scale", f"Expression taken from {logged[0]} instead of {current}")
    return view.mapping.with_fix(fix, matrix=logged[0], gene_ids=None, genes_kept=None)


RULES: tuple[Rule, ...] = (
    Rule("no-cells", embedding.no_cells),
    Rule("rows-misaligned", embedding.rows_misaligned),
    Rule("embedding-missing", embedding.embedding_missing, embedding.fix_embedding_missing),
    Rule("embedding-shape", embedding.embedding_shape, embedding.fix_embedding_shape),
    Rule("embedding-not-finite", embedding.embedding_not_finite, embedding.fix_embedding_not_finite),
    Rule("embedding-placeholder", embedding.embedding_placeholder, embedding.fix_embedding_placeholder),
    Rule("embedding-collapsed", embedding.embedding_collapsed),
    Rule("latent-missing", embedding.latent_missing, embedding.fix_latent_missing),
    Rule("latent-not-finite", embedding.latent_not_finite, embedding.fix_latent_not_finite),
    Rule("cell-ids-duplicate", obs.cell_ids_duplicate),
    Rule("obs-category-count", obs.obs_category_count, obs.fix_obs_category_count),
    Rule("obs-one-value-per-cell", obs.obs_one_value_per_cell, obs.fix_obs_one_value_per_cell),
    Rule("key-collision", naming.key_collision, naming.fix_key_collision),
    Rule("key-case-collision", naming.key_case_collision, naming.fix_key_case_collision),
    Rule("expression-missing", expression.expression_missing),
    Rule("var-length", expression.var_length),
    Rule("gene-id-column", naming.gene_id_column, naming.fix_gene_id_column),
    Rule("gene-ids-duplicate", naming.gene_ids_duplicate, naming.fix_gene_ids_duplicate),
    Rule("expression-not-finite", expression.expression_not_finite),
    Rule("expression-scale", expression.expression_scale, _use_logged_matrix),
    Rule("connectivity-shape", graph.connectivity_shape, graph.fix_connectivity_shape),
)
"""Every rule of this version, in the order in which they are checked and, within a severity, shown."""

_ORDER = {"error": 0, "warning": 1, "info": 2}


def preflight(view: View, scope: Scope | None = None) -> Report:
    """Check everything and return all that is wrong, never stopping at the first.

    Parameters
    ----------
    view
        The dataset as the user's choices and fixes leave it.
    scope
        What is about to be exported, where that matters.

    Raises
    ------
    InputError
        If the matrix in the file is damaged, so that nothing about it can be told.
    """
    findings = [rule.check(view, scope or Scope()) for rule in RULES]
    found = [finding for finding in findings if finding is not None]
    return Report(tuple(sorted(found, key=lambda finding: _ORDER[finding.severity])))


def apply_fixes(dataset: Dataset, mapping: Mapping, rules: Iterable[str], scope: Scope | None = None) -> Mapping:
    """Apply the fixes of some rules, in order; a rule that finds nothing changes nothing.

    Undoing a fix is applying the others again to the mapping from before.

    Raises
    ------
    InputError
        If a rule does not exist, has no fix, or its fix cannot be computed.
    """
    by_id = {rule.id: rule for rule in RULES}
    for name in rules:
        rule = by_id.get(name)
        if rule is None:
            raise InputError(f"There is no preflight rule {name!r}.", f"The rules are: {', '.join(by_id)}.")
        if rule.fix is None:
            raise InputError(f"{name} has no automatic fix.", "Run preflight to see what it found, and mend the file.")
        view = View(dataset, mapping)
        finding = rule.check(view, scope or Scope())
        if finding is None:
            continue
        if finding.fix is None:
            raise InputError(f"{finding.title}: nothing here can mend that automatically.", finding.detail)
        mapping = rule.fix(view, scope or Scope())
    return mapping
