"""The jobs themselves: open a dataset again from its path, which is quick, and do one thing with it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cellucid_core.dataset import Dataset, Mapping, View, default_mapping, open_dataset
from cellucid_core.errors import InputError
from cellucid_core.export import ChosenGenes, ExportSettings, add_to_root, write, zip_root
from cellucid_core.library import BuildSettings, build_signature
from cellucid_core.preflight import preflight
from cellucid_core.serving.heirs import add_heirs_entry
from cellucid_core.serving.jobs.progress import Report

if TYPE_CHECKING:
    from cellucid_core.export import Progress


@dataclass(frozen=True)
class DatasetSource:
    """How a dataset is opened; see `cellucid_core.dataset.open_dataset`.

    Attributes
    ----------
    path
        A file or folder of the server, or ``demo``.
    name, modality, cell_metadata
        As `open_dataset`.
    content_hash
        What it held when it was opened before, or empty.
    """

    path: str
    name: str | None = None
    modality: str | None = None
    cell_metadata: str | None = None
    content_hash: str = ""

    def open(self) -> Dataset:
        """Open it.

        Raises
        ------
        InputError
            If it cannot be opened, or holds something else than before.
        """
        found = open_dataset(self.path, self.name, modality=self.modality, cell_metadata=self.cell_metadata)
        if self.content_hash and found.content_hash != self.content_hash:
            raise InputError("The file was changed since it was opened.", "Open it again.")
        return found


def open_job(*, folder: Path, report: Report, source: DatasetSource, mapping: Mapping | None = None) -> None:
    """Open a dataset, arrange its matrix by gene, and look at all of it once; the caller finds that done.

    Parameters
    ----------
    mapping
        What is taken as what; by default `default_mapping`.

    Raises
    ------
    InputError
        If it cannot be opened.
    """
    report("Reading the tables", 0, 1)
    dataset = source.open()
    chosen = default_mapping(dataset) if mapping is None else mapping
    preflight(View(dataset, chosen, lambda share: report("Arranging the matrix by gene", share, 1)))


def export_job(
    *,
    folder: Path,
    report: Report,
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

    def progress(step: Progress) -> None:
        report(step.what, step.done, step.total)

    report("Starting", 0, 1)
    view = View(source.open(), mapping)
    try:
        return write(view, settings, folder / file_name, progress=progress, genes=genes).to_json()
    except OSError as error:
        raise InputError(
            f"The export could not be written ({error.strerror or error}), and nothing of it was left behind.",
            "Free some space on the server's disk, or choose fewer genes, and try again.",
        ) from error


def build_job(
    *,
    folder: Path,
    report: Report,
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
        Where the data come from, for the record.
    owner
        Whose entry it is; who signs in meanwhile gets it.

    Returns
    -------
    dict
        ``entry``: its id; ``dataset``: what it is called.

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


def gather_job(*, folder: Path, report: Report, export: str, root: str, replace: bool) -> None:
    """Read an export through and put a copy of it into a collection.

    Raises
    ------
    CellucidError
        As `cellucid_core.export.add_to_root`.
    """
    report("Reading the export through and copying it", 0, 1)
    add_to_root(export, root, replace=replace)


def zip_job(*, folder: Path, report: Report, root: str) -> dict[str, Any]:
    """Write a collection of exports as one zip into the job's folder.

    Returns
    -------
    dict
        ``path``.

    Raises
    ------
    CellucidError
        As `cellucid_core.export.zip_root`.
    """
    path = zip_root(root, folder / "exports.zip", progress=lambda done, total: report("Packing", done, total))
    return {"path": os.fspath(path)}
