"""``cc.export`` and ``cc.verify``: write a Cellucid dataset, and read one back."""

from __future__ import annotations

import difflib
import inspect
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cellucid_core.api.opening import as_view
from cellucid_core.errors import InputError, WorkRefused
from cellucid_core.export import (
    ExportResult,
    ExportSettings,
    GeneChoice,
    Progress,
    VerifyReport,
    parse_gene_choice,
    write,
)
from cellucid_core.export import verify as read_back
from cellucid_core.preflight import Scope, preflight

if TYPE_CHECKING:
    from cellucid_core.api.opening import Source
    from cellucid_core.dataset import View

_SETTINGS = {item.name: item for item in fields(ExportSettings) if item.name != "genes"}
#: What is no gene's id in a list: words that `parse_gene_choice` takes for a choice.
_CHOICE = re.compile(r"hvg:|markers:|@|(?:all|none)$", re.IGNORECASE)
#: Names that differ only in letter case are a warning, but must not become one file.
_SAME_FILE = ("key-collision", "key-case-collision")


def export(
    dataset: Source,
    out: str | os.PathLike[str],
    genes: str | Sequence[str] | GeneChoice = "all",
    *,
    force: bool = False,
    verify: bool = True,
    progress: Callable[[Progress], None] | None = None,
    **settings: Any,
) -> ExportResult:
    """Write a dataset for the Cellucid viewer, and read it back.

    Parameters
    ----------
    dataset
        What `open` or ``preflight(…).fix(…)`` returned, a path, or an AnnData.
    out
        A ``.zip`` file or a folder; a ``.h5ad`` or ``.zarr.zip`` file for a Cellucid-ready AnnData.
    genes
        ``"all"``, ``"none"``, ``"hvg:2000"``, ``"markers:cell_type:20"``, ``"@FILE"``, gene ids, or a list of any of
        these, which is their union.
    force
        Replace what is there.
    verify
        Compare everything with its source before the export appears under its name.
    progress
        Called after every step with how far it is.
    settings
        Any field of `cellucid_core.export.ExportSettings`: ``var_quantization``, ``obs_quantization``, ``compression``,
        ``dataset_id``, ``name``, ``graph``, ``vectors``, ``threads``, … Without ``format`` the name of the file tells.

    Returns
    -------
    ExportResult
        Where it is, how large, what to know about it.

    Raises
    ------
    InputError
        If the target cannot be written, or exists and `force` is not set; if a setting or a gene does not exist.
    WorkRefused
        If preflight finds what blocks an export; its ``details`` hold the findings.
    """
    for name in settings:
        if name not in _SETTINGS:
            near = difflib.get_close_matches(name, _SETTINGS, n=1)
            mend = f"Did you mean {near[0]}?" if near else f"There are {', '.join(_SETTINGS)}."
            raise InputError(f"There is no export setting {name!r}.", mend)
    if "format" not in settings:
        settings["format"] = _format_of(os.fspath(out))
    made = ExportSettings(genes=gene_choice(genes), **settings)
    view = as_view(dataset)
    require_ready(view, export_scope(made), made, 'cc.preflight(dataset).fix("{}")', ", ")
    return write(view, made, Path(out), progress=progress, verify=verify, force=force)


def _signature() -> inspect.Signature:
    """Return the signature of `export` with every setting, for help and completion."""
    given = inspect.signature(export)
    parameters = [p for p in given.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
    for item in _SETTINGS.values():
        default = inspect.Parameter.empty if item.default is MISSING else item.default
        if item.default_factory is not MISSING:
            default = item.default_factory()
        parameters.append(
            inspect.Parameter(item.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=item.type)
        )
    return given.replace(parameters=parameters)


export.__signature__ = _signature()  # type: ignore[attr-defined]


def _format_of(out: str) -> str:
    return next((name for name in ("h5ad", "zarr.zip") if out.lower().endswith(f".{name}")), "compact")


def gene_choice(genes: str | Sequence[str] | GeneChoice) -> GeneChoice:
    """Return the choice of genes in any of the forms that `export` takes.

    Raises
    ------
    InputError
        If it is none of these.
    """
    if isinstance(genes, GeneChoice):
        return genes
    if isinstance(genes, str):
        return parse_gene_choice(genes)
    parts: list[GeneChoice] = []
    ids: list[str] = []

    def end_of_ids() -> None:
        if ids:
            parts.append(GeneChoice("list", ids=tuple(dict.fromkeys(ids))))
            ids.clear()

    for word in map(str, genes):
        if _CHOICE.match(word.strip()):
            end_of_ids()
            parts.append(parse_gene_choice(word))
        else:
            ids.append(word)
    end_of_ids()
    if not parts:
        raise InputError("The list of genes is empty.", 'Name at least one gene, or write genes="none".')
    return GeneChoice.of(parts)


def export_scope(settings: ExportSettings) -> Scope:
    """Return what preflight has to know of an export that is about to be written."""
    genes = settings.genes
    return Scope(
        categorical_dtype=settings.categorical_dtype,
        genes=genes.named,
        n_genes=genes.at_most if genes.named is None else None,
        var_bits=settings.var_quantization,
        compression=settings.compression,
    )


def require_ready(view: View, scope: Scope, settings: ExportSettings, fix: str, between: str = " ") -> None:
    """Refuse what preflight says must not be exported.

    Parameters
    ----------
    view, scope
        What is about to be exported.
    settings
        How.
    fix
        How to apply a fix, in the words of who asks, with ``{}`` for the rule.
    between
        What stands between several of them.

    Raises
    ------
    WorkRefused
        With all reasons, and what fixes them.
    """
    report = preflight(view, scope)
    blocking = [finding for finding in report.findings if finding.severity == "error" or finding.rule == _SAME_FILE[1]]
    if settings.format != "compact":  # gene names are no files there, and its writer looks at the columns itself
        blocking = [finding for finding in blocking if finding.rule not in _SAME_FILE]
    if not blocking:
        return
    reasons = " ".join(f"[{finding.rule}] {finding.title}." for finding in blocking)
    fixable = [fix.format(finding.rule) for finding in blocking if finding.fix]
    raise WorkRefused(
        f"Preflight blocks the export: {reasons}",
        f"Apply {between.join(fixable)}, or mend the file."
        if fixable
        else "Mend the file; preflight says what is wrong.",
        details={"status": "blocked", "findings": [finding.to_json() for finding in report.findings]},
    )


def verify(export: str | os.PathLike[str], against: Source | None = None) -> VerifyReport:
    """Read an export back.

    Parameters
    ----------
    export
        A zip, a folder, a ``.h5ad`` or a ``.zarr.zip``.
    against
        The dataset that it was made from: then every value is compared. With the fixes that were applied, where there
        were any.

    Returns
    -------
    VerifyReport
        ``ok``, and what is wrong in ``problems``.

    Raises
    ------
    InputError
        If there is no export.
    """
    return read_back(Path(export), None if against is None else as_view(against))
