"""The genes that a choice means in a dataset: their positions, which are missing, what the user should know."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cellucid_core.errors import InputError
from cellucid_core.export.compact import categories_of
from cellucid_core.export.gene_choice import GeneChoice
from cellucid_core.export.settings import ExportSettings
from cellucid_core.ranking import kept_markers, kept_variability, most_variable

if TYPE_CHECKING:
    from cellucid_core.dataset import View

#: Called with what is being done, the genes done and the number of all genes; may raise to cancel.
ChoiceProgress = Callable[[str, int, int], None]
#: Markers of each category that are ranked at least, so that asking for a few more later costs nothing.
_RANKED = 100


@dataclass(frozen=True)
class ChosenGenes:
    """The genes that a choice means in a dataset.

    Attributes
    ----------
    positions
        Their positions in the view, in the order of the export, int64 (n_chosen,).
    ids
        Their ids.
    missing
        Ids that were asked for and are not in the dataset.
    warnings
        What the user should know, one sentence each; `missing_sentence` is among them.
    """

    positions: np.ndarray
    ids: tuple[str, ...]
    missing: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def missing_sentence(self) -> str:
        """The sentence that says which genes are missing; empty if none is."""
        return _missing_sentence(self.missing) if self.missing else ""


class GeneChooser:
    """Finds genes in one view, and remembers what takes long: how variable genes are, and the markers of a column.

    Parameters
    ----------
    view
        The dataset.
    threads
        Number of genes that are worked on at a time.
    """

    def __init__(self, view: View, threads: int = 1) -> None:
        self._view = view
        self._threads = threads
        self._variability: tuple[np.ndarray, list[str]] | None = None
        self._markers: dict[str, tuple[int, list[np.ndarray], list[str]]] = {}

    def choose(
        self, choice: GeneChoice, report: ChoiceProgress | None = None, *, ready_only: bool = False
    ) -> ChosenGenes:
        """Find the genes that a choice means.

        Parameters
        ----------
        report
            Called with what is being done, the genes done and the number of all genes; it may raise to cancel.
        ready_only
            Whether to raise `NotComputed` instead of reading a large matrix now.

        Raises
        ------
        InputError
            If genes are asked for and there is no expression, if none of the named genes is in the dataset, or if
            markers are asked for of a column that does not exist or has no categories.
        WorkRefused
            If no gene varies, if the matrix does not suit a search for variable genes, or if no category has enough
            cells to be compared with the rest.
        NotComputed
            If `ready_only` is set and what takes long was not computed before.
        """
        view = self._view
        if choice.kind == "none" or (choice.kind == "all" and view.expression is None):
            return ChosenGenes(np.zeros(0, np.int64), ())
        if view.expression is None:
            raise InputError("The dataset has no expression matrix, so no genes can be chosen.", "Set genes to all.")
        found: list[np.ndarray] = []
        missing: list[str] = []
        warnings: list[str] = []
        for part in choice.each:
            positions, unknown, words = self._part(part, report, ready_only)
            found.append(positions)
            missing += unknown
            warnings += words
        positions = np.concatenate(found)
        _, first = np.unique(positions, return_index=True)
        positions = positions[np.sort(first)]
        if missing and not len(positions):
            raise InputError(
                f"The gene {missing[0]!r} is not in the dataset."
                if len(missing) == 1
                else f"None of the {len(missing):,} genes is in the dataset ({some(missing)}).",
                f"Use ids of this dataset, such as {', '.join(map(str, view.gene_ids[:3]))}.",
            )
        absent = tuple(dict.fromkeys(missing))
        told = ([_missing_sentence(absent)] if absent else []) + warnings
        return ChosenGenes(positions, tuple(view.gene_ids[positions]), absent, tuple(dict.fromkeys(told)))

    def _part(
        self, part: GeneChoice, report: ChoiceProgress | None, ready_only: bool
    ) -> tuple[np.ndarray, list[str], list[str]]:
        if part.kind == "all":
            return np.arange(self._view.n_genes, dtype=np.int64), [], []
        if part.kind == "hvg":
            if self._variability is None:
                told = _saying(report, "Finding highly variable genes")
                self._variability = kept_variability(self._view, self._threads, report=told, ready_only=ready_only)
            positions, few = most_variable(self._variability[0], part.n)
            return positions, [], [*self._variability[1], *few]
        if part.kind == "markers":
            ranked, warnings = self._ranked(part, report, ready_only)
            return np.concatenate([genes[: part.n] for genes in ranked]), [], warnings
        return self._listed(part.ids)

    def _listed(self, given: tuple[str, ...]) -> tuple[np.ndarray, list[str], list[str]]:
        place: dict[str, int] = {}
        for position, gene in enumerate(self._view.gene_ids):
            place.setdefault(gene, position)
        asked = dict.fromkeys(given)
        missing = [gene for gene in asked if gene not in place]
        warnings = []
        if len(asked) < len(given):
            warnings.append(
                f"Genes that are repeated in the list are written once ({len(given) - len(asked):,} left out)."
            )
        positions = [place[gene] for gene in asked if gene in place]
        return np.array(positions, np.int64), missing, warnings

    def _ranked(
        self, part: GeneChoice, report: ChoiceProgress | None, ready_only: bool
    ) -> tuple[list[np.ndarray], list[str]]:
        known = self._markers.get(part.column)
        if known is None or known[0] < part.n:
            if self._view.kind(part.column) != "categorical":
                raise InputError(
                    f"The column {part.column} holds numbers, so it has no categories with markers.",
                    "Choose a column of groups, such as cell types.",
                )
            codes, labels = categories_of(self._view.obs(part.column))
            depth = max(part.n, _RANKED)
            told = _saying(report, f"Ranking marker genes of {part.column}")
            ranked = kept_markers(
                self._view, codes, len(labels), depth, self._threads, report=told, ready_only=ready_only
            )
            self._markers[part.column] = known = (depth, *ranked)
        return known[1], known[2]


def choose_genes(view: View, settings: ExportSettings, report: ChoiceProgress | None = None) -> ChosenGenes:
    """Find the genes that the settings choose; see `GeneChooser.choose`."""
    return GeneChooser(view, settings.threads).choose(settings.genes, report)


def _missing_sentence(missing: Sequence[str]) -> str:
    are = "genes are" if len(missing) > 1 else "gene is"
    return f"{len(missing):,} {are} not in the dataset: {some(missing)}."


def _saying(report: ChoiceProgress | None, what: str) -> Callable[[int, int], None] | None:
    return None if report is None else lambda done, total: report(what, done, total)


def some(names: Sequence[str]) -> str:
    """Return the first five names, separated by commas, and ``…`` if there are more."""
    return ", ".join(names[:5]) + (" …" if len(names) > 5 else "")
