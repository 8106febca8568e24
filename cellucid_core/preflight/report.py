"""Preflight's report as JSON: what the command line prints, and what the page offers for download."""

from __future__ import annotations

from typing import Any

from cellucid_core.dataset import View
from cellucid_core.preflight.finding import PreflightReport


def report_json(view: View, report: PreflightReport) -> dict[str, Any]:
    """Return the report as plain data.

    Parameters
    ----------
    view
        What was checked.
    report
        What was found.

    Returns
    -------
    dict
        ``status``, ``light``, ``findings``, ``dataset`` {id, name, n_cells, n_genes, content_hash, fixes [{rule,
        sentence, code}]} and ``chosen``: which array, matrix and columns were looked at.
    """
    mapping = view.mapping
    return {
        "status": report.status,
        "light": report.light,
        "findings": [finding.to_json() for finding in report.findings],
        "dataset": {
            "id": view.dataset.id,
            "name": view.dataset.name,
            "n_cells": view.n_cells,
            "n_genes": view.n_genes,
            "content_hash": view.dataset.content_hash,
            "fixes": [{"rule": fix.rule, "sentence": fix.sentence, "code": fix.code} for fix in mapping.fixes],
        },
        "chosen": {
            "embeddings": {f"{dimension}d": key for dimension, key in sorted(mapping.embeddings.items())},
            "latent": mapping.latent,
            "matrix": mapping.matrix,
            "gene_id": mapping.gene_id,
            "connectivities": mapping.connectivities,
            "vectors": list(mapping.vectors),
            "obs_keys": list(mapping.obs_keys),
        },
    }
