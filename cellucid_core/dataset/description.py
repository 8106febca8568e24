"""A dataset in a few words, for a terminal and for a notebook."""

from __future__ import annotations

from collections.abc import Mapping as MappingABC
from html import escape
from typing import TYPE_CHECKING

from cellucid_core.errors import CellucidError
from cellucid_core.names import listed

if TYPE_CHECKING:
    from cellucid_core.dataset.view import View

_MOST = 8


def describe(view: View) -> dict[str, str]:
    """Return what a view holds and what is taken as what, a few words each."""
    mapping, dataset = view.mapping, view.dataset
    left_out = dataset.n_cells - view.n_cells
    facts = {"cells": f"{view.n_cells:,}" + (f" ({left_out:,} left out)" if left_out else "")}
    if mapping.matrix is None:
        facts["genes"] = "none"
    else:
        named = "" if mapping.gene_id == "index" else f", named by {mapping.gene_id}"
        facts["genes"] = f"{view.n_genes:,}{named}"
        facts["matrix"] = f"{mapping.matrix} ({_holds(view, mapping.matrix)})"
        if others := [name for name in dataset.matrices if name != mapping.matrix]:
            facts["matrix"] += f"; there are also {_some(others)}"
    facts["embeddings"] = ", ".join(f"{key} ({d}D)" for d, key in sorted(mapping.embeddings.items())) or "none"
    facts["latent space"] = mapping.latent or "none"
    facts["obs columns"] = _some(list(mapping.obs_keys))
    if mapping.fixes:
        facts["fixes"] = "; ".join(fix.sentence for fix in mapping.fixes)
    return facts


def _holds(view: View, matrix: str) -> str:
    try:
        return view.dataset.scale(matrix).word
    except CellucidError:  # preflight says why
        return "damaged"


def _some(names: list[str]) -> str:
    return listed(names, _MOST) if names else "none"


def as_text(title: str, facts: MappingABC[str, str]) -> str:
    """Return a title and facts below it, one a line."""
    width = max(map(len, facts), default=0) + 2
    return "\n".join([title, *(f"  {f'{name}:':{width}}{value}" for name, value in facts.items())])


def as_html(title: str, facts: MappingABC[str, str]) -> str:
    """Return a title and a table of facts; every word is escaped."""
    rows = "".join(
        f'<tr><th style="text-align:left">{escape(name)}</th><td style="text-align:left">{escape(value)}</td></tr>'
        for name, value in facts.items()
    )
    return f"<div><b>{escape(title)}</b><table>{rows}</table></div>"
