"""Preflight's report as one HTML page, for screen and paper, that loads nothing from elsewhere."""

from __future__ import annotations

from cellucid_core.dataset import View
from cellucid_core.preflight import PreflightReport
from cellucid_core.reports.page import render

_HEADINGS = {"error": "Blocks the export", "warning": "Worth fixing", "info": "Notes"}
_LIGHTS = {"red": "Not ready to export", "amber": "Ready, with warnings", "green": "Ready"}


def preflight_html(view: View, report: PreflightReport) -> str:
    """Return preflight's report on a view as a self-contained HTML page; text from the data is escaped."""
    return render(
        "preflight.html.jinja",
        name=view.dataset.name,
        report=report,
        state=_state(report),
        facts=_facts(view),
        headings=_HEADINGS,
        fixes=view.mapping.fixes,
    )


def _state(report: PreflightReport) -> str:
    counts = [
        (len(report.of("error")), "error"),
        (len(report.of("warning")), "warning"),
        (len(report.of("info")), "note"),
    ]
    words = [f"{n} {word}{'' if n == 1 else 's'}" for n, word in counts if n]
    return f"{_LIGHTS[report.light]} ({', '.join(words)})" if words else _LIGHTS[report.light]


def _facts(view: View) -> dict[str, str]:
    mapping = view.mapping
    left_out = view.dataset.n_cells - view.n_cells
    embeddings = ", ".join(f"{key} ({dimension}D)" for dimension, key in sorted(mapping.embeddings.items()))
    return {
        "Cells": f"{view.n_cells:,}" + (f" ({left_out:,} left out)" if left_out else ""),
        "Genes": f"{view.n_genes:,}, named by {mapping.gene_id}" if mapping.matrix else "none",
        "Expression": mapping.matrix or "none",
        "Embeddings": embeddings or "none",
        "Latent space": mapping.latent or "none",
        "Cell columns": f"{len(mapping.obs_keys)} of {len(view.dataset.obs.columns)}",
        "Content hash": view.dataset.content_hash,
    }
