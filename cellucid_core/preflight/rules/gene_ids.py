"""Rules about which gene an id means: missing, repeated, of another kind, damaged, of several species."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd

from cellucid_core.dataset import AppliedFix, Mapping, View, gene_ids
from cellucid_core.errors import InputError
from cellucid_core.genes import (
    SYMBOL_COLUMNS,
    id_kind,
    is_spreadsheet_damage,
    look_like_genes,
    species,
    undamaged,
)
from cellucid_core.names import listed, unique
from cellucid_core.preflight.changes import keep_genes
from cellucid_core.preflight.finding import Finding, Scope, examples, plural
from cellucid_core.preflight.rules.expression import is_readable
from cellucid_core.preflight.rules.naming import chosen_gene_ids, known_gene_ids

INDEX = "index"
MOST_EXPRESSED = "most-expressed"


def gene_id_column(view: View, scope: Scope) -> Finding | None:
    """A chosen gene-id column that does not exist or has empty ids."""
    if view.mapping.matrix is None:
        return None
    column = view.mapping.gene_id
    choices = ", ".join([INDEX, *map(str, view.var.columns[:8])])
    others = _sound_columns(view)
    alternatives = tuple((other, f"Take gene ids from {other}") for other in others)
    consequence = "Genes could not be searched for or exported by name."
    if known_gene_ids(view) is None:
        return Finding(
            "gene-id-column",
            "error",
            "The gene-id column does not exist",
            f"The gene table has no column {column!r}. {consequence} It has: {choices}.",
            count=1,
            examples=(column,),
            fix=f"Take gene ids from {others[0]} instead" if others else None,
            alternatives=alternatives,
        )
    empty = np.flatnonzero([not str(gene).strip() for gene in view.gene_ids])
    if not len(empty):
        return None
    names = view.var.index.astype(str)
    return Finding(
        "gene-id-column",
        "error",
        f"{plural(len(empty), 'gene has', 'genes have')} no id",
        f"In {column} {plural(len(empty), 'gene')} of {view.n_genes:,} have an empty id. {consequence} "
        f"Choose another column: {choices}.",
        count=len(empty),
        examples=examples(names[int(row)] if names[int(row)].strip() else f"row {row + 1}" for row in empty),
        fix=f"Take gene ids from {others[0]} instead" if others else None,
        alternatives=alternatives,
    )


def fix_gene_id_column(view: View, scope: Scope) -> Mapping:
    """Use the index of the gene table, or the first column that has an id for every gene.

    Raises
    ------
    InputError
        If no column has one.
    """
    others = _sound_columns(view)
    if not others:
        raise InputError("No column of the gene table has an id for every gene.", "Name all genes in your pipeline.")
    return choose_gene_id_column(view, scope, others[0])


def choose_gene_id_column(view: View, scope: Scope, column: str) -> Mapping:
    """Take gene ids from a named column; raises an `InputError` if there is none of that name."""
    return _switched(view, "gene-id-column", column)


def gene_ids_duplicate(view: View, scope: Scope) -> Finding | None:
    """Gene ids that are not unique."""
    ids = pd.Index(chosen_gene_ids(view, scope))
    repeated = [gene for gene in ids[ids.duplicated()].unique() if str(gene).strip()]
    if not repeated:
        return None
    alternatives = [(MOST_EXPRESSED, "Keep of each id the gene with the highest total")] if is_readable(view) else []
    alternatives += [(c, f"Take gene ids from {c}") for c in _sound_columns(view) if _all_unique(view, c)]
    return Finding(
        "gene-ids-duplicate",
        "error",
        f"{plural(len(repeated), 'gene id stands', 'gene ids stand')} more than once",
        f"{listed(repeated)}: in the viewer a name would mean several genes, and their files would overwrite each "
        "other.",
        count=len(repeated),
        examples=examples(repeated),
        fix="Make the ids unique by numbering the later ones",
        alternatives=tuple(alternatives),
    )


def fix_gene_ids_duplicate(view: View, scope: Scope) -> Mapping:
    """Number the later of equal gene ids."""
    new = np.array(unique(view.gene_ids), dtype=object)
    changed = int((new != view.gene_ids).sum())
    fix = AppliedFix(
        "gene-ids-duplicate", f"{plural(changed, 'gene id')} made unique by a number", "adata.var_names_make_unique()"
    )
    return view.mapping.with_fix(fix, gene_ids=new)


def choose_gene_ids_duplicate(view: View, scope: Scope, choice: str) -> Mapping:
    """Keep the most expressed gene of each id, or take ids from a named column.

    Raises
    ------
    InputError
        If there is no expression to compare, or no such column.
    """
    if choice != MOST_EXPRESSED:
        return _switched(view, "gene-ids-duplicate", choice)
    expression = view.expression
    if expression is None:
        raise InputError("There is no expression to compare genes by.", "Make the ids unique instead.")
    table = pd.DataFrame({"id": view.gene_ids, "total": expression.stats.total})
    best = table.sort_values("total", ascending=False, kind="stable").drop_duplicates("id").index
    keep = np.zeros(len(table), dtype=bool)
    keep[best] = True
    n_out = int((~keep).sum())
    sentence = f"{plural(n_out, 'gene')} left out: another of the same id is more expressed"
    code = (
        "import numpy as np\ntotal = np.asarray(adata.X.sum(axis=0)).ravel()\n"
        "first = ~adata.var_names[np.argsort(-total, kind='stable')].duplicated()\n"
        "adata = adata[:, np.sort(np.argsort(-total, kind='stable')[first])].copy()"
    )
    return keep_genes(view, keep, AppliedFix("gene-ids-duplicate", sentence, code, choice))


def gene_ids_unlike(view: View, scope: Scope) -> Finding | None:
    """Genes named by ids of a database although the gene table also has symbols."""
    column = _symbol_column(view)
    if column is None:
        return None
    kind = id_kind(view.gene_ids)
    name = {"ensembl": "Ensembl", "entrez": "Entrez"}[str(kind)]
    symbols = gene_ids(view.var, column)
    return Finding(
        "gene-ids-unlike",
        "info",
        f"Genes are named by {name} ids, and {column} holds symbols",
        f"{view.mapping.gene_id} holds ids such as {view.gene_ids[0]}, {column} {listed(list(symbols[:3]))}. "
        "In the viewer genes are searched for by what is exported, and signatures are mostly written in symbols.",
        count=view.n_genes,
        examples=examples(f"{old} is {new}" for old, new in zip(view.gene_ids, symbols, strict=True)),
        fix=f"Take gene ids from {column}",
    )


def fix_gene_ids_unlike(view: View, scope: Scope) -> Mapping:
    """Take the symbols; genes without one keep their id."""
    column = str(_symbol_column(view))
    symbols, old = gene_ids(view.var, column), view.gene_ids
    filled = np.array([new if new.strip() else gene for new, gene in zip(symbols, old, strict=True)], dtype=object)
    mapping = _switched(view, "gene-ids-unlike", column)
    if (filled == symbols).all():
        return mapping
    return replace(mapping, gene_ids=filled)


def gene_names_excel(view: View, scope: Scope) -> Finding | None:
    """Gene names that a spreadsheet turned into dates or numbers."""
    damaged = [gene for gene in chosen_gene_ids(view, scope) if is_spreadsheet_damage(gene)]
    if not damaged:
        return None
    repairs = _repairs(view)
    sure = [f"{old} is {new}" for old, new in repairs.items()]
    unknown = (
        f" {plural(len(damaged) - len(repairs), 'name')} may mean several genes." if len(damaged) > len(repairs) else ""
    )
    return Finding(
        "gene-names-excel",
        "warning",
        f"{plural(len(damaged), 'gene name was', 'gene names were')} damaged by a spreadsheet",
        f"{listed(damaged)}: a spreadsheet took gene names for dates or numbers. In the viewer nobody finds these "
        f"genes by their name, and signatures miss them.{unknown}",
        count=len(damaged),
        examples=examples([*sure, *(gene for gene in damaged if gene not in repairs)]),
        fix=f"Rename {plural(len(repairs), 'gene')} that can only be one: {listed(sure)}" if repairs else None,
    )


def fix_gene_names_excel(view: View, scope: Scope) -> Mapping:
    """Rename the damaged names that can mean only one gene."""
    repairs = _repairs(view)
    new = np.array([repairs.get(gene, gene) for gene in view.gene_ids], dtype=object)
    words = [f"{old} → {name}" for old, name in repairs.items()]
    code = f"adata.var = adata.var.rename(index={repairs!r})"
    fix = AppliedFix("gene-names-excel", f"{plural(len(words), 'gene')} renamed: {listed(words)}", code)
    return view.mapping.with_fix(fix, gene_ids=new)


def gene_species_mixed(view: View, scope: Scope) -> Finding | None:
    """Genes of more than one species."""
    if known_gene_ids(view) is None:
        return None
    found = species(view.gene_ids)
    total = sum(found.values())
    # A few genes, such as a transgene or spike-ins, are no second species.
    kinds = {kind: n for kind, n in found.items() if n >= max(2, 0.02 * total) or n >= 200}
    if len(kinds) < 2:
        return None
    words = [f"{kind}: {plural(n, 'gene')}" for kind, n in kinds.items()]
    return Finding(
        "gene-species-mixed",
        "info",
        f"Genes of {plural(len(kinds), 'species', 'species')}: {listed(list(kinds))}",
        f"{'; '.join(words)}. The viewer lists them together, and a signature finds only the genes of the species "
        "whose spelling it uses.",
        count=len(kinds),
        examples=examples(words),
    )


# ---- what the rules share -----------------------------------------------------------------------------------------


def _candidates(view: View) -> list[str]:
    """Return the index and the columns of text of the gene table, except the chosen one."""
    columns = [INDEX]
    for name in map(str, view.var.columns):
        column = view.var[name]
        values = column.cat.categories if isinstance(column.dtype, pd.CategoricalDtype) else column
        if pd.api.types.is_object_dtype(values.dtype) or pd.api.types.is_string_dtype(values.dtype):
            columns.append(name)
    return [name for name in columns if name != view.mapping.gene_id]


def _sound_columns(view: View) -> list[str]:
    """Return the index and other columns that have an id for every gene and at least 90 % different ones."""
    sound = []
    for name in _candidates(view):
        ids = gene_ids(view.var, name)
        if all(gene.strip() for gene in ids) and len(set(ids)) >= 0.9 * len(ids):
            sound.append(name)
    return sound


def _all_unique(view: View, column: str) -> bool:
    return bool(pd.Index(gene_ids(view.var, column)).is_unique)


def _symbol_column(view: View) -> str | None:
    """Return the column that holds symbols, if the chosen ids are those of a database."""
    ids = known_gene_ids(view)
    if ids is None or id_kind(ids) in (None, "symbol"):
        return None
    rank = {name: place for place, name in enumerate(SYMBOL_COLUMNS)}
    found = []
    for name in _candidates(view):
        values = gene_ids(view.var, name)
        given = [value for value in values if value.strip()]
        if len(given) < 0.5 * len(values) or len(set(given)) < 0.5 * len(given) or id_kind(given) != "symbol":
            continue
        if name.lower() in rank or look_like_genes(given):
            found.append(name)
    return min(found, key=lambda name: rank.get(name.lower(), len(rank)), default=None)


def _switched(view: View, rule: str, column: str) -> Mapping:
    if column != INDEX and column not in view.var.columns:
        raise InputError(
            f"The gene table has no column {column!r}.", f"It has: {', '.join(map(str, view.var.columns))}."
        )
    choice = "" if rule == "gene-ids-unlike" else column
    sentence = f"Gene ids taken from {'the index' if column == INDEX else column} instead of {view.mapping.gene_id}"
    code = (
        "# adata.var_names are used as they are"
        if column == INDEX
        else f"adata.var_names = adata.var[{column!r}].astype(str)"
    )
    # The names that this fix repaired are not used any more.
    still = tuple(fix for fix in view.mapping.fixes if fix.rule != "gene-names-excel")
    fix = AppliedFix(rule, sentence, code, choice)
    return replace(view.mapping, fixes=still).with_fix(fix, gene_id=column, gene_ids=None)


def _repairs(view: View) -> dict[str, str]:
    """Return damaged name → the gene it must have been, where that name is free."""
    names = [str(gene) for gene in view.gene_ids]
    others = frozenset(names)
    repairs = {gene: new for gene in names if is_spreadsheet_damage(gene) and (new := undamaged(gene, others))}
    wanted = Counter(repairs.values())
    repeated = set(pd.Index(names)[pd.Index(names).duplicated()])
    return {old: new for old, new in repairs.items() if wanted[new] == 1 and new not in others and old not in repeated}
