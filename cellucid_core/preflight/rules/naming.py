"""Rules about names that become files: of columns and of genes."""

from __future__ import annotations

from typing import Any

import numpy as np

from cellucid_core.dataset import AppliedFix, Mapping, View
from cellucid_core.errors import InputError
from cellucid_core.names import case_collisions, collisions, is_reserved, listed, safe_key, separate
from cellucid_core.preflight.finding import Finding, Scope, examples, plural


def key_collision(view: View, scope: Scope) -> Finding | None:
    """Different names in one folder that would get the same file name."""
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
    groups += list(case_collisions(chosen_gene_ids(view, scope)).values())
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


def key_reserved_name(view: View, scope: Scope) -> Finding | None:
    """A name that Windows keeps for a device."""
    columns = [name for name in _obs_names(view) if is_reserved(name)]
    genes = [gene for gene in dict.fromkeys(chosen_gene_ids(view, scope)) if is_reserved(gene)]
    if not columns and not genes:
        return None
    names = [*columns, *genes]
    return Finding(
        "key-reserved-name",
        "warning",
        f"{plural(len(names), 'name is', 'names are')} reserved by Windows",
        f"Names become file names, and Windows reserves {listed(names)} for devices: on Windows the export could not "
        "be unpacked, and the viewer would not find those values.",
        count=len(names),
        examples=examples(names),
        fix="Rename",
    )


def fix_key_reserved_name(view: View, scope: Scope) -> Mapping:
    """Add a number to the device's name: CON becomes CON-1."""
    names = _obs_names(view)
    ids = known_gene_ids(view)
    new_obs = _unreserved(names)
    new_ids = None if ids is None else _unreserved(list(ids))
    return _renamed(view, "key-reserved-name", new_obs, new_ids)


# ---- what the rules share -----------------------------------------------------------------------------------------


def known_gene_ids(view: View) -> np.ndarray | None:
    """Return the ids of all genes, or None where the chosen column does not exist."""
    try:
        return view.gene_ids
    except InputError:
        return None


def _obs_names(view: View) -> list[str]:
    return [view.exported_name(key) for key in view.obs_keys]


def chosen_gene_ids(view: View, scope: Scope) -> list[str]:
    """Return the ids of the genes that are about to be exported."""
    ids = known_gene_ids(view)
    if ids is None:
        return []
    return [str(gene) for gene in ids if scope.genes is None or gene in scope.genes]


def _obs_collisions(view: View) -> list[str]:
    return [f"{' and '.join(group)} (obs)" for group in collisions(_obs_names(view)).values()]


def _gene_collisions(view: View, scope: Scope) -> list[str]:
    """Return the groups of different gene ids that share a safe key; gene-ids-duplicate reports equal ids."""
    distinct = list(dict.fromkeys(gene for gene in chosen_gene_ids(view, scope) if gene.strip()))
    return [f"{' and '.join(group)} (genes)" for group in collisions(distinct).values()]


def _separated(view: View, rule: str, *, fold_case: bool) -> Mapping:
    names = _obs_names(view)
    ids = known_gene_ids(view)
    new_ids = None
    if ids is not None:
        distinct = list(dict.fromkeys(ids))
        new = dict(zip(distinct, separate(distinct, fold_case=fold_case), strict=True))
        new_ids = [new[gene] for gene in ids]
    return _renamed(view, rule, separate(names, fold_case=fold_case), new_ids)


def _unreserved(names: list[str]) -> list[str]:
    taken = {safe_key(name).casefold() for name in names}
    result = []
    for name in names:
        new, number = name, 0
        device, dot, rest = name.partition(".")
        while is_reserved(new) or (new != name and safe_key(new).casefold() in taken):
            number += 1
            new = f"{device}-{number}{dot}{rest}"
        if new != name:
            taken.add(safe_key(new).casefold())
        result.append(new)
    return result


def _renamed(view: View, rule: str, obs_names: list[str], ids: list[str] | None) -> Mapping:
    """Return the mapping with new names for the chosen columns and for all genes (in order)."""
    renamed = dict(view.mapping.renamed)
    columns = {}
    for key, old, new in zip(view.obs_keys, _obs_names(view), obs_names, strict=True):
        if new != old:
            renamed[key] = columns[key] = new
    words = [f"{old} → {new}" for old, new in columns.items()]
    code = [f"adata.obs = adata.obs.rename(columns={columns!r})"] if columns else []
    changes: dict[str, Any] = {"renamed": renamed} if columns else {}
    if ids is not None:
        genes = {old: new for old, new in zip(view.gene_ids, ids, strict=True) if new != old}
        if genes:
            changes["gene_ids"] = np.array(ids, dtype=object)
            words += [f"{old} → {new}" for old, new in genes.items()]
            code.append(f"adata.var = adata.var.rename(index={genes!r})")
    fix = AppliedFix(rule, f"{plural(len(words), 'name')} changed: {listed(words)}", "\n".join(code))
    return view.mapping.with_fix(fix, **changes)
