"""What an export will write, how large it will be and how long it will take, before anything is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from cellucid_core.errors import WorkRefused
from cellucid_core.export.cautions import Caution, cautions
from cellucid_core.export.chosen_genes import ChoiceProgress, ChosenGenes, GeneChooser, some
from cellucid_core.export.compact import numbers_of
from cellucid_core.export.estimate import Artefact, Estimator, seconds_in_all
from cellucid_core.export.gene_choice import GeneChoice
from cellucid_core.export.settings import ExportSettings
from cellucid_core.names import case_collisions, collisions, is_reserved, safe_key
from cellucid_core.prepared import MAX_QUANT

if TYPE_CHECKING:
    from cellucid_core.dataset import View

#: Longest file name of the common file systems, less the longest ending (``.outliers.u16.gz``).
_LONGEST_KEY = 255 - 16
#: Bytes of a file's two headers in a zip, without its name, which each of them holds.
_ZIP_ENTRY = 76
#: Characters around a gene's id in the name of its file: ``/var/….values.u8.gz``.
_NAME_BYTES = 18


@dataclass(frozen=True)
class ExportPlan:
    """What will be written.

    Attributes
    ----------
    dataset_id
        Name of the folder in the zip.
    artefacts
        Kinds of files, in the order in which they are written.
    genes
        The genes.
    files, raw_bytes, estimated_bytes
        Sums over the artefacts.
    estimated_seconds
        Seconds, reading back included.
    warnings
        What the user should know, one sentence each.
    cautions
        What will be slow or hard to use in the viewer, and what to change.
    refusals
        Why `write` would refuse a prepared export, one sentence each. If there are any, there are no artefacts.
    """

    dataset_id: str
    artefacts: tuple[Artefact, ...]
    genes: ChosenGenes
    estimated_seconds: float
    warnings: tuple[str, ...]
    cautions: tuple[Caution, ...]
    refusals: tuple[str, ...]

    @property
    def files(self) -> int:
        """Number of files that will be written."""
        return sum(artefact.files for artefact in self.artefacts)

    @property
    def raw_bytes(self) -> int:
        """Bytes of all files before compression."""
        return sum(artefact.raw_bytes for artefact in self.artefacts)

    @property
    def estimated_bytes(self) -> int:
        """Estimated bytes of all files as written."""
        return sum(artefact.estimated_bytes for artefact in self.artefacts)

    @property
    def estimated_zip_bytes(self) -> int:
        """Estimated size of the zip in bytes."""
        n_genes = len(self.genes.ids)
        names = self.files * (len(self.dataset_id) + _NAME_BYTES) + sum(map(len, self.genes.ids[:1000])) * (
            n_genes / max(1, min(n_genes, 1000))
        )
        return round(self.estimated_bytes + self.files * _ZIP_ENTRY + 2 * names + 22)


class Planner:
    """Plans exports of one view, and remembers what does not depend on the setting that changed."""

    def __init__(self, view: View) -> None:
        self.view = view
        self._chooser: GeneChooser | None = None
        self._chosen: dict[GeneChoice, ChosenGenes] = {}
        self._estimator = Estimator(view)

    def genes(
        self, settings: ExportSettings, report: ChoiceProgress | None = None, *, ready_only: bool = False
    ) -> ChosenGenes:
        """Return the genes that the settings choose; parameters and errors are those of `GeneChooser.choose`."""
        if self._chooser is None:
            self._chooser = GeneChooser(self.view, settings.threads)
        if settings.genes not in self._chosen:
            self._chosen = {
                settings.genes: self._chooser.choose(settings.genes, report, ready_only=ready_only)
            }  # only the last choice is kept
        return self._chosen[settings.genes]

    def plan(
        self, settings: ExportSettings, report: ChoiceProgress | None = None, *, ready_only: bool = False
    ) -> ExportPlan:
        """Plan an export.

        Parameters
        ----------
        settings
            How it will be written.
        report, ready_only
            As `GeneChooser.choose` takes them.

        Raises
        ------
        InputError, WorkRefused, NotComputed
            As `GeneChooser.choose`; also if a chosen array or column cannot be written.
        """
        view, estimator = self.view, self._estimator
        genes = self.genes(settings, report, ready_only=ready_only)
        # Only in a prepared export is every name a file.
        why = tuple(refusals(view, genes, settings)) if settings.format == "compact" else ()
        artefacts: list[Artefact] = []
        if settings.format != "compact":
            from cellucid_core.export.cellucid_ready import plan_ready  # it hands back artefacts of this package

            made, seconds = plan_ready(view, settings, genes)
            artefacts = list(made)
        elif not why:
            artefacts = [
                *estimator.coordinates(settings),
                *estimator.columns(settings),
                *estimator.genes(settings, genes),
                *estimator.graph(settings),
                Artefact("identity", 1, 1200 + 60 * len(view.obs_keys), 1200 + 60 * len(view.obs_keys)),
            ]
        found = ExportPlan(
            settings.dataset_id or view.dataset.id,
            tuple(item for item in artefacts if item.files or item.raw_bytes),
            genes,
            seconds_in_all(artefacts, settings.threads) if settings.format == "compact" else seconds,
            (*genes.warnings, *(name_warnings(view, genes.ids) if settings.format == "compact" else ())),
            (),
            why,
        )
        known = cautions(
            view,
            settings,
            n_genes=len(genes.ids),
            n_categories=estimator.n_categories(),
            files=found.files,
            estimated_bytes=found.estimated_zip_bytes,
            gene_bytes=sum(item.estimated_bytes for item in artefacts if item.name == "genes"),
            raw_bytes=found.raw_bytes,
        )
        return replace(found, cautions=known)


def plan(view: View, settings: ExportSettings) -> ExportPlan:
    """Plan one export; see `Planner.plan`."""
    return Planner(view).plan(settings)


def refusals(view: View, genes: ChosenGenes, settings: ExportSettings) -> list[str]:
    """Return why a prepared export cannot be written, one sentence each.

    Two keys must not share a file, not even on systems that ignore letter case; a key must fit into a file name; and
    values must fit into the type that they are written as.
    """
    found = [] if view.dimensions else ["There is no embedding."]
    return found + _name_refusals(view, genes.ids) + _value_refusals(view, genes, settings)


def _value_refusals(view: View, genes: ChosenGenes, settings: ExportSettings) -> list[str]:
    """Name the genes and columns with values beyond float32, or that span more than the decoding formula can hold."""
    found = []
    if view.expression is not None and len(genes.ids):
        stats = view.expression.stats
        low, high = stats.minimum[genes.positions], stats.maximum[genes.positions]
        too_large = np.flatnonzero(_is_too_large(low, high, settings.var_quantization))
        found += _too_large("genes", [genes.ids[place] for place in too_large], settings.var_quantization)
    keys = [key for key in view.obs_keys if view.kind(key) == "continuous"]
    columns = []
    for key in keys:
        try:
            values = numbers_of(view.obs(key))
        except WorkRefused:  # preflight says so
            continue
        finite = values[np.isfinite(values)]
        if len(finite) and _is_too_large(finite.min(), finite.max(), settings.obs_quantization):
            columns.append(view.exported_name(key))
    return found + _too_large("columns", columns, settings.obs_quantization)


def _is_too_large(low: np.ndarray | float, high: np.ndarray | float, bits: int | None) -> np.ndarray:
    with np.errstate(over="ignore", invalid="ignore"):
        if bits is None:
            most = np.finfo(np.float32).max
            return np.asarray((np.abs(low) > most) | (np.abs(high) > most))
        return np.asarray(np.isinf((high - low) * float(MAX_QUANT[16])))  # as `quantize.limits`


def _too_large(what: str, names: list[str], bits: int | None) -> list[str]:
    if not names:
        return []
    why = "hold values beyond float32" if bits is None else "span more than a number can hold"
    fix = "write them with 8 or 16 bit" if bits is None else "write them on a log scale"
    return [f"The {what} {some(names)} {why}: leave them out, or {fix}."]


def _name_refusals(view: View, genes: Sequence[str]) -> list[str]:
    found = []
    columns = [view.exported_name(key) for key in view.obs_keys]
    for what, keys in (("columns", columns), ("genes", genes)):
        same = list(collisions(keys).values())
        case = list(case_collisions(keys).values())
        for groups, why in ((same, "would be written to the same file"), (case, "differ only in letter case")):
            if groups:
                named = "; ".join(" and ".join(map(repr, group[:4])) for group in groups[:5])
                more = f" and {len(groups) - 5:,} more" if len(groups) > 5 else ""
                found.append(f"The {what} {named}{more} {why}.")
        long = [key for key in keys if len(safe_key(key)) > _LONGEST_KEY]
        if long:
            found.append(f"The names of {len(long):,} {what} are too long for a file ({long[0][:40]}…).")
    if any(not gene for gene in genes):
        found.append("There are genes without an id.")
    return found


def name_warnings(view: View, genes: Sequence[str]) -> list[str]:
    """Return a warning about names that Windows reserves, if there are any."""
    columns = [view.exported_name(key) for key in view.obs_keys]
    reserved = [key for key in (*columns, *genes) if is_reserved(key)]
    return [f"Windows cannot store files named {some(reserved)}."] if reserved else []
