"""The work of each kind of job: most open a dataset again from its path, which is quick, and do one thing with it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cellucid_core.dataset import DatasetSource, Mapping, View, default_mapping
from cellucid_core.export import ChosenGenes, ExportSettings, add_to_root, choose_genes, write, zip_root
from cellucid_core.library import BuildSettings, build_signature
from cellucid_core.preflight import Scope, apply_fixes, fix_all, preflight
from cellucid_core.serving.jobs.progress import JobReporter
from cellucid_core.serving.sign_in import add_heirs_entry

if TYPE_CHECKING:
    from cellucid_core.export import ExportProgress


def uses_of(arguments: dict[str, Any]) -> list[str]:
    """Return the content hashes of datasets and the real paths of files that a job's arguments name."""
    source = arguments.get("source")
    paths, hashes = [arguments.get("export"), arguments.get("root")], []
    if isinstance(source, DatasetSource):
        paths += source.paths
        hashes = [one for one in (source.content_hash, *(part.content_hash for part in source.parts)) if one]
    return hashes + [os.path.realpath(path) for path in paths if path]


def open_job(*, folder: Path, report: JobReporter, source: DatasetSource, mapping: Mapping | None = None) -> None:
    """Open a dataset, build its gene-major store and run preflight, so that the caller finds their results on disk.

    Parameters
    ----------
    mapping
        The user's choices; by default `default_mapping`.

    Raises
    ------
    InputError
        If it cannot be opened.
    """
    report("Reading the tables", 0, 1)
    dataset = source.open()
    chosen = default_mapping(dataset) if mapping is None else mapping
    preflight(View(dataset, chosen, lambda share: report("Arranging the matrix by gene", share, 1)))


def fix_job(
    *,
    folder: Path,
    report: JobReporter,
    source: DatasetSource,
    choices: Mapping,
    fixes: Sequence[str],
    everything: bool = False,
) -> dict[str, Any]:
    """Apply fixes, so that what takes long is kept on disk; the caller applies them again, which is quick.

    Parameters
    ----------
    choices
        The mapping as the user chose it.
    fixes
        As `cellucid_core.preflight.apply_fixes` takes them.
    everything
        Whether all safe fixes are applied after these.

    Returns
    -------
    dict
        ``fixes``: those that the caller has to apply.

    Raises
    ------
    InputError
        As `cellucid_core.preflight.apply_fixes`.
    """
    report("Starting", 0, 1)
    scope = Scope(progress=lambda what, share: report(what, share, 1))
    dataset = source.open()
    mapping = apply_fixes(dataset, choices, fixes, scope)
    if everything:
        fixes = [fix.asked for fix in fix_all(dataset, mapping, scope).fixes]
        apply_fixes(dataset, choices, fixes, scope)  # in their new order, on which results can depend
    return {"fixes": list(fixes)}


def genes_job(
    *, folder: Path, report: JobReporter, source: DatasetSource, mapping: Mapping, settings: ExportSettings
) -> None:
    """Find the genes of an export, so that their ranking is kept on disk for the caller.

    Raises
    ------
    CellucidError
        As `cellucid_core.export.choose_genes`.
    """
    report("Starting", 0, 1)
    choose_genes(View(source.open(), mapping), settings, report)


def export_job(
    *,
    folder: Path,
    report: JobReporter,
    source: DatasetSource,
    mapping: Mapping,
    settings: ExportSettings,
    genes: ChosenGenes | None,
    file_name: str,
) -> dict[str, Any]:
    """Write an export into the job's folder.

    Returns
    -------
    dict
        `cellucid_core.export.ExportResult.to_json`.

    Raises
    ------
    CellucidError
        As `cellucid_core.export.write`.
    """

    def progress(step: ExportProgress) -> None:
        report(step.what, step.done, step.total)

    report("Starting", 0, 1)
    view = View(source.open(), mapping)
    return write(view, settings, folder / file_name, progress=progress, genes=genes).to_json()


def live_job(
    *, folder: Path, report: JobReporter, source: DatasetSource, mapping: Mapping, settings: ExportSettings
) -> dict[str, Any]:
    """Write the file of a live dataset, unless somebody made the same choices before.

    Returns
    -------
    dict
        The fields of `cellucid_core.serving.live.LiveDataset`, the path as text.

    Raises
    ------
    CellucidError
        As `cellucid_core.export.write`.
    """
    from cellucid_core.serving.live import ready_file

    report("Starting", 0, 1)
    view = View(source.open(), mapping)
    made = ready_file(view, settings, lambda step: report(step.what, step.done, step.total))
    return {**vars(made), "path": str(made.path)}


def build_job(
    *,
    folder: Path,
    report: JobReporter,
    source: DatasetSource,
    mapping: Mapping,
    columns: Sequence[str],
    settings: BuildSettings,
    cited: str,
    owner: str,
) -> dict[str, Any]:
    """Build a signature and add it to the library.

    Parameters
    ----------
    cited
        Source of the data, for the record.
    owner
        Owner of the entry; if they sign in meanwhile, the user gets it.

    Returns
    -------
    dict
        ``entry``: its id; ``dataset``: name of the dataset.

    Raises
    ------
    CellucidError
        As `cellucid_core.library.build_signature`.
    """
    report("Starting", 0, 1)
    view = View(source.open(), mapping)
    signature = build_signature(
        view, columns, settings, source=cited, progress=lambda what, share: report(what, share, 1)
    )
    return {"entry": add_heirs_entry(signature, owner).id, "dataset": signature.dataset}


def gather_job(*, folder: Path, report: JobReporter, export: str, root: str, replace: bool) -> None:
    """Verify an export and put a copy of it into a collection.

    Raises
    ------
    CellucidError
        As `cellucid_core.export.add_to_root`.
    """
    report("Reading the export through and copying it", 0, 1)
    add_to_root(export, root, replace=replace)


def zip_job(*, folder: Path, report: JobReporter, root: str) -> dict[str, Any]:
    """Write a collection of exports as one zip into the job's folder.

    Returns
    -------
    dict
        ``path`` of the zip.

    Raises
    ------
    CellucidError
        As `cellucid_core.export.zip_root`.
    """
    path = zip_root(root, folder / "exports.zip", progress=lambda done, total: report("Packing", done, total))
    return {"path": os.fspath(path)}
