"""Settings that go together: for a quick look, for a colleague, for a publication."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cellucid_core.export.cautions import LARGE_CELLS, MANY_FILES
from cellucid_core.export.gene_choice import GeneChoice
from cellucid_core.export.settings import ExportSettings

if TYPE_CHECKING:
    from cellucid_core.dataset import View

#: Number of highly variable genes for a quick look, and for sharing a dataset that is too large for all genes.
QUICK_GENES, SHARED_GENES = 2_000, 5_000


@dataclass(frozen=True)
class Preset:
    """Settings for one purpose.

    Attributes
    ----------
    label
        Its name for people.
    purpose
        One line that says what it is for.
    changes
        Setting → its value; the other settings stay as they are.
    asks_source
        Whether the source and the citation should be filled in for that purpose.
    """

    label: str
    purpose: str
    changes: Mapping[str, Any]
    asks_source: bool = False

    def fits(self, settings: ExportSettings) -> bool:
        """Tell whether settings are as this preset would set them."""
        return all(getattr(settings, name) == value for name, value in self.changes.items())


def presets(view: View) -> dict[str, Preset]:
    """Return the presets for a dataset by name: ``quick``, ``share`` (the one to begin with) and ``publish``.

    They ask for a graph, vector fields and genes only if the view has them.
    """
    mapping, n_genes = view.mapping, view.n_genes
    graph, vectors = mapping.connectivities is not None, bool(mapping.vectors)
    every = GeneChoice("all") if n_genes else GeneChoice("none")

    def variable(n: int) -> GeneChoice:
        return GeneChoice("hvg", n=n) if n_genes > n else every

    large = n_genes > MANY_FILES or view.n_cells >= LARGE_CELLS
    shared = variable(SHARED_GENES) if large else every
    extras = [words for words, there in (("the graph", graph), ("vector fields", vectors)) if there]
    along = f", with {' and '.join(extras)}" if extras else ""
    return {
        "quick": Preset(
            "Quick look",
            f"For a quick check of the data: {_words(variable(QUICK_GENES))} at 8 bit{', no graph' if graph else ''}.",
            {
                "genes": variable(QUICK_GENES),
                "var_quantization": 8,
                "obs_quantization": 8,
                "compression": 6,
                "graph": False,
                "vectors": vectors,
            },
        ),
        "share": Preset(
            "Share",
            f"For a colleague to explore: {_words(shared)} at 8 bit, numeric columns at 16{along}.",
            {
                "genes": shared,
                "var_quantization": 8,
                "obs_quantization": 16,
                "compression": 6,
                "graph": graph,
                "vectors": vectors,
            },
        ),
        "publish": Preset(
            "Publish",
            f"For readers of a paper: {_words(every)} at 16 bit{along}; fill in the source and what to cite.",
            {
                "genes": every,
                "var_quantization": 16,
                "obs_quantization": 16,
                "compression": 6,
                "graph": graph,
                "vectors": vectors,
            },
            asks_source=True,
        ),
    }


def matching_preset(settings: ExportSettings, known: Mapping[str, Preset]) -> str | None:
    """Return the name of the preset that the settings fit, None if they fit none."""
    return next((name for name, preset in known.items() if preset.fits(settings)), None)


def _words(choice: GeneChoice) -> str:
    if choice.kind == "hvg":
        return f"{choice.n:,} highly variable genes"
    return "all genes" if choice.kind == "all" else "no genes"
