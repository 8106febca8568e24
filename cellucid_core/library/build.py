"""Build a signature from the open dataset: labels, statistics, variable genes, markers, level by level."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cellucid_core import __version__
from cellucid_core.errors import InputError, WorkRefused
from cellucid_core.library.levels import Labels, nesting, read_labels
from cellucid_core.library.marker_genes import find_markers
from cellucid_core.library.model import Level, Signature
from cellucid_core.library.statistics import type_statistics
from cellucid_core.ranking import FLAVORS, Flavor

if TYPE_CHECKING:
    from cellucid_core.dataset import View

#: Total per cell that values are normalized to: the usual ``target_sum`` of `scanpy.pp.normalize_total`.
TARGET = 1e4
_N_HVG, _N_DEGS = 2000, 400
_SHARE_OF_DEGS = 5
_FEW_CELLS = 10
BuildProgress = Callable[[str, float], None]


@dataclass(frozen=True)
class BuildSettings:
    """How a signature is built.

    Attributes
    ----------
    n_hvg, flavor
        How many highly variable genes, and by which method of `scanpy.pp.highly_variable_genes`. None: 2,000, or as
        many as vary.
    n_degs
        How many of them AutoGeneS picks. None: a fifth of them, at most 400, at least one for each cell type.
    generations, seed
        Of the genetic search (`find_markers`).
    weights
        Weights of correlation and of distance, by which a set is picked from the Pareto front.
    normalize
        Whether values that are not logged are normalized to 10,000 per cell and logged. Otherwise they are used as they
        are, with a warning.

    Raises
    ------
    InputError
        If a number is out of range, or there is no such flavour.
    """

    n_hvg: int | None = None
    flavor: Flavor = "seurat"
    n_degs: int | None = None
    generations: int = 5000
    seed: int = 0
    weights: tuple[float, float] = (-1.0, 1.0)
    normalize: bool = True

    def __post_init__(self) -> None:
        for name, value, least in (
            ("number of variable genes", self.n_hvg, 2),
            ("number of marker genes", self.n_degs, 2),
            ("number of generations", self.generations, 1),
            ("seed", self.seed, 0),
        ):
            if value is not None and not least <= value < 2**32:
                raise InputError(f"The {name} cannot be {value}.", f"Use a whole number from {least} on.")
        if self.flavor not in FLAVORS:
            raise InputError(f"There is no flavour {self.flavor!r}.", f"Use {' or '.join(FLAVORS)}.")


def build_signature(
    view: View,
    columns: Sequence[str],
    settings: BuildSettings | None = None,
    *,
    source: str = "",
    progress: BuildProgress | None = None,
) -> Signature:
    """Build a signature from a dataset.

    Parameters
    ----------
    view
        The dataset as mapped.
    columns
        obs columns, one per level, from the broadest to the most detailed.
    settings
        How to build it.
    source
        Where the data come from, for the record.
    progress
        Called with what is being done and the share that is done, 0 … 1; an exception that it raises ends the work.

    Returns
    -------
    Signature
        Warnings are in its ``record["warnings"]``, sentences on types that do not nest in ``record["nesting"]``.

    Raises
    ------
    InputError
        If a column does not group cells, or there are too few genes for what is asked.
    WorkRefused
        If there is no matrix, its values are neither logs nor can be logged, gene names are missing or repeat, or
        nothing varies.
    """
    from cellucid_core.dataset import log_rule_of
    from cellucid_core.ranking import refuse_without_logs

    settings = settings or BuildSettings()
    report = progress or (lambda what, share: None)
    if not columns or len(set(columns)) < len(columns):
        raise InputError("Name one column for each level, each once.", "For example major,subtype.")
    expression = view.expression
    if expression is None:
        raise WorkRefused("This dataset has no expression matrix.", "Signatures are means of expression.")
    genes = _gene_names(view)
    labels = [read_labels(view, column) for column in columns]
    warnings = _label_warnings(labels)
    refuse_without_logs(log_rule_of(view))
    factor, scale_warnings = scaling(view, settings.normalize)
    warnings += scale_warnings
    _check_finite(view, warnings)
    statistics = type_statistics(
        expression,
        [(one.codes, len(one.types)) for one in labels],
        factor,
        lambda done, total: report("Means and variances", 0.3 * done / total),
    )
    levels: list[Level] = []
    variable: dict[bytes, np.ndarray] = {}
    for i, (one, (mean, variance)) in enumerate(zip(labels, statistics, strict=True)):
        begin, width = 0.3 + 0.7 * i / len(labels), 0.7 / len(labels)
        report(f"Highly variable genes of {one.column}", begin)
        key = (one.codes >= 0).tobytes()
        if key not in variable:
            variable[key] = _variable_genes(view, one, factor, settings, warnings)
        levels.append(_level(one, genes, mean, variance, variable[key], settings, report, begin, width))
    parents, problems = nesting(labels)
    return Signature(
        dataset=view.dataset.name,
        source=source,
        created_at=now(),
        levels=levels,
        parents=parents,
        record={
            "dataset_id": view.dataset.id,
            "content_hash": view.dataset.content_hash,
            "matrix": view.mapping.matrix,
            "columns": list(columns),
            "cells": view.n_cells,
            "settings": asdict(settings),
            "normalized_here": factor is not None,
            "fixes": [fix.sentence for fix in view.mapping.fixes],
            "warnings": list(dict.fromkeys(warnings)),
            "nesting": problems,
            "versions": _versions(),
        },
    )


def _level(
    labels: Labels,
    genes: list[str],
    mean: np.ndarray,
    variance: np.ndarray,
    hvgs: np.ndarray,
    settings: BuildSettings,
    report: BuildProgress,
    begin: float,
    width: float,
) -> Level:
    n_degs = settings.n_degs
    if n_degs is None:
        n_degs = min(len(hvgs), max(len(labels.types), min(_N_DEGS, len(hvgs) // _SHARE_OF_DEGS)))
    what = f"Marker genes of {labels.column}"
    found = find_markers(
        mean[hvgs].T,
        n_degs,
        generations=settings.generations,
        seed=settings.seed,
        weights=settings.weights,
        progress=lambda done, total: report(f"{what}: generation {done:,} of {total:,}", begin + width * done / total),
    )
    index, types = pd.Index(genes, dtype=object, name="gene"), pd.Index(labels.types, dtype=object)
    means, variances, deviations = (
        pd.DataFrame(values, index=index, columns=types) for values in (mean, variance, np.sqrt(variance))
    )
    return Level(
        labels.column,
        means,
        variances,
        deviations,
        hvgs=[genes[i] for i in hvgs],
        degs=[genes[i] for i in hvgs[found.genes]],
        cells=dict(zip(labels.types, labels.counts.tolist(), strict=True)),
        front=found.front,
        chosen=found.chosen,
        unlabelled=labels.unlabelled,
    )


def _gene_names(view: View) -> list[str]:
    names = [str(gene) for gene in view.gene_ids]
    if not names:
        raise WorkRefused("This dataset has no genes.", "Choose another matrix.")
    if "" in names:
        raise WorkRefused("Some genes have no name.", "Fix them on Upload & Preflight, or choose other gene names.")
    if len(set(names)) < len(names):
        raise WorkRefused(
            f"{len(names) - len(set(names)):,} gene names occur more than once.",
            "Fix them on Upload & Preflight (--fix gene-ids-duplicate), or choose other gene names.",
        )
    return names


def _label_warnings(labels: Sequence[Labels]) -> list[str]:
    warnings = []
    for one in labels:
        if len(one.types) < 2:
            raise InputError(
                f"The column {one.column!r} has {len(one.types):,} cell types; markers tell at least two apart.",
                "Choose another column.",
            )
        if one.unlabelled:
            warnings.append(f"{one.unlabelled:,} cells have no label in {one.column} and were left out.")
        for name, count in zip(one.types, one.counts.tolist(), strict=True):
            if count == 1:
                warnings.append(f"{name} ({one.column}) has a single cell: its means are that cell's, its variances 0.")
            elif count < _FEW_CELLS:
                warnings.append(f"{name} ({one.column}) has only {count} cells: its means are uncertain.")
    return warnings


def scaling(view: View, normalize: bool) -> tuple[np.ndarray | None, list[str]]:
    """Return what each cell's values are multiplied by before log1p, (n_cells,), and sentences on the scale.

    The factor is None where the values are used as they are: logs, other values, or any without `normalize`.
    """
    from cellucid_core.dataset import LINEAR

    assert view.expression is not None
    matrix = str(view.mapping.matrix)
    scale = view.dataset.scale(matrix)
    if scale.kind in LINEAR:
        said = f"The matrix {matrix} holds {scale.words}, not logs"
        if not normalize:
            return None, [f"{said}: means and variances are of those values. Statescope expects logs."]
        total = view.expression.cell_total
        with np.errstate(divide="ignore"):
            factor = np.where(total > 0, TARGET / total, 0.0)
        return factor, [f"{said}: they were brought to {TARGET:,.0f} per cell and logged (log1p)."]
    if scale.kind == "log" and scale.of_counts:
        return None, [
            f"The matrix {matrix} holds {scale.words}: depth differs between cells. Normalize before logging."
        ]
    if scale.kind == "log" and scale.base in ("2", "10"):
        return None, [f"The matrix {matrix} holds logs to the base {scale.base}; Statescope expects natural ones."]
    if scale.kind not in ("log", "empty"):
        return None, [
            f"The matrix {matrix} holds {scale.words}, not log-normalized values: choose a log-normalized matrix "
            "instead."
        ]
    return None, []


def _check_finite(view: View, warnings: list[str]) -> None:
    assert view.expression is not None
    bad = int(view.expression.stats.n_not_finite.sum())
    if bad:
        warnings.append(f"{bad:,} values are missing or infinite and were left out of means and variances.")


def _variable_genes(
    view: View, labels: Labels, factor: np.ndarray | None, settings: BuildSettings, warnings: list[str]
) -> np.ndarray:
    from cellucid_core.dataset import LogRule, log_rule_of
    from cellucid_core.dataset import View as ViewOf
    from cellucid_core.ranking import most_variable, variability

    labelled = labels.codes >= 0
    if not labelled.all():
        # Means and variances are over the labelled cells, so dispersions must be too.
        out = np.union1d(view.mapping.cells_out, view.cell_index[~labelled])
        view = ViewOf(view.dataset, replace(view.mapping, cells_out=out))
    expression = view.expression
    assert expression is not None
    rule = log_rule_of(view)
    if factor is not None:  # normalized as for the means
        rule = LogRule(rule.scale, factor[labelled])
    score, done = variability(expression, os.cpu_count() or 1, rule=rule, flavor=settings.flavor)
    positions, few = most_variable(score, settings.n_hvg or _N_HVG, settings.flavor)
    if rule.factor is not None and factor is None:  # otherwise `scaling` has said it of all values
        warnings += done
    if settings.n_hvg is not None:
        warnings += few
    return positions


def now() -> str:
    """Return the time as ISO 8601 in UTC; ``SOURCE_DATE_EPOCH`` fixes it."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "").strip()
    moment = datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC)
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def _versions() -> dict[str, str]:
    versions = {"cellucid-dashboard": __version__, "python": platform.python_version()}
    for package in ("numpy", "pandas", "anndata", "scanpy", "moocore"):
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions
