"""The record of a run: everything that is needed to say what was computed, as strict JSON."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import metadata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cellucid_core.dataset import View
    from cellucid_core.signature.every_method import EveryMethod
    from cellucid_core.signature.run import SignatureRun
    from cellucid_core.signature.statistics import MixedPair

_PACKAGES = ("cellucid-dashboard", "numpy", "scipy", "pandas", "anndata", "h5py", "scanpy")


def run_record(
    view: View,
    run: SignatureRun,
    *,
    made: Mapping[str, str] | None = None,
    replaced: Mapping[str, str] | None = None,
    every_method: EveryMethod | None = None,
    mixed_model: Sequence[MixedPair] | None = None,
    figure: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the record of a run.

    Parameters
    ----------
    view
        The dataset as mapped.
    run
        What was computed.
    made
        Page name → how the page was made, in words.
    replaced
        Genes as first written → the proposals that were accepted for them, if that was before the run.
    every_method, mixed_model
        What the other methods say, and the fits, where they were computed.
    figure
        How the run's figures are drawn and saved: width, height, letters, pairs with a bracket and so on.

    Returns
    -------
    dict
        Ready for `json.dumps` with ``allow_nan=False``: ``date`` (UTC), ``dataset`` (id, name, file, samples, content
        hash, cells, genes, modality), ``mapping`` (matrix, what it holds, gene id, how it is turned, cells left out,
        genes kept, fixes), ``genes`` (found, missing, repeated, replaced, ambiguous, how they count, and weights or
        signs where there are some), ``method``, ``options``, ``normalization``, ``repeats``, ``seed``, ``p_adjust``,
        ``sample_column``, ``pages`` (with counts and how they were made), ``summary``, ``tests``, ``split`` (the second
        column, its values and their tests within each page), ``every_method`` (sentence, the page that each method puts
        highest, d by method and page, notes), ``mixed_model`` (one row per pair of pages), ``figure``, ``warnings``,
        ``headline``, ``versions``. What was not computed is None.
    """
    match, mapping, dataset = run.match, view.mapping, view.dataset
    result = run.to_json()
    genes: dict[str, Any] = {
        "found": match.found,
        "missing": match.missing,
        "repeated": match.repeated,
        "replaced": {**run.match.replaced, **(replaced or {})},
        "ambiguous": match.ambiguous,
        "counted": "as often as listed" if run.repeats == "count" else "once",
    }
    if match.weighted:
        genes["weights"] = [float(weight) for weight in match.weights]
    if (match.signs < 0).any():
        genes["signs"] = [int(sign) for sign in match.signs]
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "dataset": {
            "id": dataset.id,
            "name": dataset.name,
            "file": dataset.path.name if not dataset.parts else [path.name for path in dataset.paths],
            "samples": [part.name for part in dataset.parts],
            "content_hash": dataset.content_hash,
            "n_cells": view.n_cells,
            "n_genes": view.n_genes,
            "modality": dataset.modality,
        },
        "mapping": {
            "matrix": mapping.matrix,
            "matrix_holds": dataset.scale(mapping.matrix).words if mapping.matrix else None,
            "gene_id": mapping.gene_id,
            "turned": mapping.turn or None,
            "cells_left_out": len(mapping.cells_out),
            "genes_kept": None if mapping.genes_kept is None else len(mapping.genes_kept),
            "fixes": [
                {"rule": fix.rule, "choice": fix.choice or None, "what": fix.sentence, "overruled": fix.overruled}
                for fix in mapping.fixes
            ],
        },
        "genes": genes,
        "method": run.method,
        "options": dict(vars(run.options)),
        "normalization": run.normalization,
        "repeats": run.repeats,
        "seed": run.seed,
        "p_adjust": {"bh": "Benjamini-Hochberg", "holm": "Holm"}[run.p_adjust],
        "sample_column": run.sample_key,
        "pages": [
            {"name": page.name, "n": page.n, "color": page.color, "made": (made or {}).get(page.name)}
            for page in run.pages
        ],
        "summary": result["pages"],
        "tests": result["tests"],
        "split": None if run.split is None else run.split.to_json(run.pages),
        "every_method": None if every_method is None else _every_method(every_method),
        "mixed_model": None if mixed_model is None else [asdict(pair) for pair in mixed_model],
        "figure": None if figure is None else dict(figure),
        "warnings": run.warnings,
        "headline": run.headline,
        "versions": versions(),
    }


def _every_method(found: EveryMethod) -> dict[str, Any]:
    effects = found.table[["method", "page", "d"]].to_dict("records")
    return {
        "sentence": found.sentence,
        "highest": found.highest,
        "cohens_d": [row | {"d": row["d"] if math.isfinite(row["d"]) else None} for row in effects],
        "notes": found.notes,
    }


def record_json(record: Mapping[str, Any]) -> str:
    """Return a record as JSON text: strict (no NaN), UTF-8, indented."""
    return json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def versions() -> dict[str, str]:
    """Return the versions of Python and of those packages behind the numbers that are installed."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found
