"""Files of several gene sets other than GMT: GMX, GRP, CELLxGENE's CSV, long and wide tables, workbooks, JSON."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cellucid_core.errors import InputError
from cellucid_core.genes.gene_file import WEIGHT_WORDS, finite_number, is_gene_heading, split_rows
from cellucid_core.genes.known_names import known_names
from cellucid_core.genes.naming_conventions import is_stable_id
from cellucid_core.names import listed

#: Name, genes, weights or None, description.
RawSet = tuple[str, list[str], "list[float] | None", str]
#: Sets, and what was left out, one sentence each.
RawSets = tuple[list[RawSet], list[str]]
_SET_WORDS = re.compile(
    r"(gene_?)?(set|signature|pathway|term|module|program)s?(_?name)?|gs_name|source|collection_name|gene_?set_?id"
)
_DESCRIPTION_WORDS = frozenset(("gene_set_description", "description", "gs_description"))
#: How many fields of a column are looked at to decide what it holds.
_SOME = 200
#: How many characters a note shows of an entry that is no gene.
_MOST_SHOWN = 30


def json_sets(text: str, name: str) -> RawSets:
    """Read sets from JSON: MSigDB's format, names → lists or → genes and weights, a list of sets, or one list of genes.

    Entries that are none of these are left out; notes name them.

    Raises
    ------
    InputError
        The text is not JSON, or holds no genes in any of these forms.
    """
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{name} is not valid JSON.", 'Write it as {"name": ["GENE", …]}.') from error
    title = Path(name).stem
    odd: list[str] = []
    if isinstance(content, dict) and isinstance(_genes_of(content), list):
        content = [content]
    if isinstance(content, list) and content and all(isinstance(one, dict) for one in content):
        found = [_json_set(str(one.get("name") or one.get("standardName") or f"{title}-{i}"), one, odd)
                 for i, one in enumerate(content, 1)]  # fmt: skip
    elif isinstance(content, list) or (isinstance(content, dict) and content and all(map(_number, content.values()))):
        found = [_json_set(title, content, odd)]
    elif isinstance(content, dict):
        found = [_json_set(key, value, odd) for key, value in content.items()]
    else:
        found = []
    sets = [one for one in found if one is not None]
    if not any(genes for _, genes, _, _ in sets):
        raise InputError(f"{name} holds no sets of genes.", 'Write it as {"name": ["GENE", …]}.')
    return sets, [f"Left out, since these are no genes: {listed(odd)}."] if odd else []


def _genes_of(content: dict[str, Any]) -> Any:
    keys = ("geneSymbols", "genes", "gene_symbols", "symbols", "members")
    return next((content[key] for key in keys if key in content), None)


def _json_set(name: str, value: Any, odd: list[str]) -> RawSet | None:
    """Return one set, None if the value is none; add to `odd` what in it is no gene."""
    description = ""
    if isinstance(value, dict):
        genes = _genes_of(value)
        if genes is None and value and all(map(_number, value.values())):
            return name, [str(gene) for gene in value], [float(weight) for weight in value.values()], ""
        description = str(value.get("description") or value.get("exactSource") or "")
        value = genes if genes is not None else value
    if not isinstance(value, list):
        odd.append(_shown(name, value))
        return None
    named = [isinstance(gene, str | int) and not isinstance(gene, bool) for gene in value]
    odd += [_shown(name, gene) for gene, is_name in zip(value, named, strict=True) if not is_name]
    genes = [str(gene).strip() for gene, is_name in zip(value, named, strict=True) if is_name]
    return name, [gene for gene in genes if gene], None, description


def _shown(name: str, value: object) -> str:
    text = "[…]" if isinstance(value, list) else "{…}" if isinstance(value, dict) else json.dumps(value)
    return f"{name} ({text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN] + '…'})"


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(float(value))


def gmx_sets(text: str) -> RawSets:
    """Read a GMX file: one column per set, with its name, a description and its genes; a note tells of nameless."""
    lines = [line.split("\t") for line in text.split("\n") if line.strip()]
    return _columns([[field.strip().strip('"') for field in line] for line in lines], descriptions=True)


def grp_sets(text: str, name: str) -> list[RawSet]:
    """Read a GRP file: one gene per line; MSigDB writes the set's name and a description before the genes."""
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    title, description = Path(name).stem, ""
    if len(lines) > 1 and not lines[0].startswith("#") and lines[1].startswith((">", "#")):
        title, description, lines = lines[0], lines[1].lstrip("># "), lines[2:]
    return [(title, [line for line in lines if not line.startswith(("#", ">"))], None, description)]


def table_sets(text: str) -> RawSets | None:
    """Read a table of several sets, long or wide; None for a table of one set or a list."""
    lines = ["" if line.startswith("#") else line for line in text.split("\n")]
    rows, _ = split_rows(lines)
    return sets_of_rows([row for _, row in rows])


def sets_of_rows(rows: list[list[str]]) -> RawSets | None:
    """Read the rows of a table of several sets; None if they are not such a table.

    A long table has a set and a gene per row, a wide one a column per set. A long table's rows without a set, a gene
    or, where there are weights, a finite weight are left out; a note names them.
    """
    width = max(map(len, rows), default=0)
    if len(rows) < 2 or width < 2:
        return None
    rows = [row + [""] * (width - len(row)) for row in rows]
    head = [re.sub(r"[\s._-]+", "_", field.lower()) for field in rows[0]]
    genes = [at for at, field in enumerate(head) if field != "gene_description" and is_gene_heading(field)]
    names = [at for at, field in enumerate(head) if _SET_WORDS.fullmatch(field)]
    if names and "source" in head and "target" in head:
        genes = [head.index("target")]
    if names and genes and names[0] != genes[0]:
        weight = next((at for at, field in enumerate(head) if field in WEIGHT_WORDS), None)
        said = next((at for at, field in enumerate(head) if field in _DESCRIPTION_WORDS), None)
        return _long(rows[1:], names[0], genes[0], weight, said)
    if genes or names:
        return None
    if all(rows[0][at] and _mostly(rows[1:], at, _is_gene) and not _is_gene(rows[0][at]) for at in range(width)):
        return _columns(rows, descriptions=False)
    first = [row[0] for row in rows]
    repeats = len(set(first)) < len(first) and all(row[0] and row[1] for row in rows)
    if width <= 3 and repeats and _mostly(rows, 1, _is_gene) and not _mostly(rows, 0, _is_gene):
        weight = 2 if width == 3 and _mostly(rows, 2, lambda field: finite_number(field) is not None) else None
        return _long(rows, 0, 1, weight, None)
    return None


def _is_gene(field: str) -> bool:
    return is_stable_id(field) or known_names().is_gene(field)


def _mostly(rows: list[list[str]], at: int, holds: Callable[[str], bool]) -> bool:
    some = [row[at] for row in rows if row[at]][:_SOME]
    return bool(some) and 2 * sum(map(holds, some)) > len(some)


def _long(rows: list[list[str]], name: int, gene: int, weight: int | None, said: int | None) -> RawSets:
    sets: dict[str, RawSet] = {}
    odd: list[str] = []
    for row in rows:
        value = None if weight is None else finite_number(row[weight])
        if not row[name] or not row[gene] or (weight is not None and value is None):
            if any(row):
                fields = [row[name] or "no set", row[gene] or "no gene"]
                odd.append(f"({', '.join(fields if weight is None else [*fields, row[weight] or 'no weight'])})")
            continue
        if row[name] not in sets:
            sets[row[name]] = (row[name], [], None if weight is None else [], "" if said is None else row[said])
        _, genes, weights, _ = sets[row[name]]
        genes.append(row[gene])
        if weights is not None and value is not None:
            weights.append(value)
    lacks = "no set or no gene" if weight is None else "no set, no gene, or no finite weight"
    rows_are = "Row" if len(odd) == 1 else "Rows"
    return list(sets.values()), [f"{rows_are} {listed(odd)} left out: {lacks}."] if odd else []


def _columns(rows: list[list[str]], *, descriptions: bool) -> RawSets:
    start = 1 + descriptions
    width = max(map(len, rows), default=0)
    nameless = [
        at + 1 for at in range(width)
        if not "".join(rows[0][at : at + 1]) and any("".join(row[at : at + 1]) for row in rows[start:])
    ]  # fmt: skip
    columns = "Column" if len(nameless) == 1 else "Columns"
    notes = [f"{columns} {listed(nameless)} left out: no name of a set."] if nameless else []
    sets: list[RawSet] = [
        (title, [row[at] for row in rows[start:] if at < len(row) and row[at]], None,
         rows[1][at] if descriptions and len(rows) > 1 and at < len(rows[1]) else "")
        for at, title in enumerate(rows[0]) if title
    ]  # fmt: skip
    return sets, notes
