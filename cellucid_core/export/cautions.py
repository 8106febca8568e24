"""What will be slow or hard to use in the viewer, or for whoever hosts the export, and what to change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cellucid_core.export.settings import ExportSettings
from cellucid_core.names import listed

if TYPE_CHECKING:
    from cellucid_core.dataset import View

#: Every gene is a file. From about here unpacking, uploading and hosting them takes longer than anything else; network
#: file systems and git hosts are slow with tens of thousands of files in a folder.
MANY_FILES = 20_000
#: GitHub Pages serves sites of up to 1 GB, and visitors wait until their browser has what they look at.
LARGE_BYTES = 10**9
#: Cellucid's documentation calls datasets of this many cells large and advises against exporting all their genes.
LARGE_CELLS, MOST_GENES_OF_LARGE = 200_000, 5_000
#: Bytes below which uncompressed files and wide numbers do no harm.
SMALL_BYTES = 100 * 10**6
#: Codes of a column with more categories take two bytes, and no legend shows them.
MANY_CATEGORIES = 254
#: Share of categories among the cells, and number of cells, from which on a column is one of names.
OWN_CATEGORY, OWN_CATEGORY_CELLS = 0.9, 50
#: Each column is a line in the viewer's list of fields, and all of them are read when it starts.
MANY_COLUMNS = 100


@dataclass(frozen=True)
class Caution:
    """One thing that will be slow or hard to use, and what to change; one sentence each."""

    what: str
    change: str

    def __str__(self) -> str:
        return f"{self.what} {self.change}"


def cautions(
    view: View,
    settings: ExportSettings,
    *,
    n_genes: int,
    n_categories: Mapping[str, int],
    files: int,
    estimated_bytes: int,
    gene_bytes: int,
    raw_bytes: int,
) -> tuple[Caution, ...]:
    """Return what will be slow or hard to use in the viewer.

    Parameters
    ----------
    view
        What is exported.
    settings
        How it is exported.
    n_genes, files
        Number of genes and of files that are written.
    n_categories
        Column of categories → its number of categories.
    estimated_bytes, gene_bytes
        Bytes as written, of everything and of the genes.
    raw_bytes
        Bytes before compression.
    """
    found = _about_genes(view, settings, n_genes, gene_bytes)
    if settings.format == "compact" and files > MANY_FILES:
        found.append(
            Caution(
                f"{files:,} files: unpacking, uploading and hosting so many takes long, and some hosts refuse.",
                "Take fewer genes, such as the 2,000 most variable and the markers.",
            )
        )
    if estimated_bytes > LARGE_BYTES:
        found.append(
            Caution(
                f"About {estimated_bytes / 1e9:.1f} GB: more than free hosts such as GitHub Pages (1 GB) take.",
                "Take fewer genes or 8 bits, or host it on a server of your own.",
            )
        )
    if settings.format == "compact" and not settings.compression and raw_bytes > SMALL_BYTES:
        found.append(
            Caution(
                f"{raw_bytes / 1e6:,.0f} MB without compression: every gene is downloaded whole.",
                "Set the compression to 6; it costs little time.",
            )
        )
    return (*found, *_about_columns(view, n_categories))


def _about_genes(view: View, settings: ExportSettings, n_genes: int, gene_bytes: int) -> list[Caution]:
    found = []
    if not n_genes:
        change = "Choose genes." if view.n_genes else "Open a file with expression values, if you have one."
        found.append(Caution("No gene is exported: the viewer has no gene search and no colouring by genes.", change))
    if view.n_cells >= LARGE_CELLS and n_genes > MOST_GENES_OF_LARGE and n_genes <= MANY_FILES:
        found.append(
            Caution(
                f"{n_genes:,} genes of {view.n_cells:,} cells: large datasets rarely need so many.",
                "Take the highly variable ones and the markers, unless you have a reason.",
            )
        )
    if settings.format == "compact" and settings.var_quantization != 8 and gene_bytes > SMALL_BYTES:
        wide = "Exact values take" if settings.var_quantization is None else "16 bit takes"
        found.append(
            Caution(
                f"{wide} {gene_bytes / 1e6:,.0f} MB for genes; colours look the same as with 8 bit.",
                "Use 8 bit, unless subtle differences are to be read off.",
            )
        )
    return found


def _about_columns(view: View, n_categories: Mapping[str, int]) -> list[Caution]:
    own, many = [], []
    for key, count in n_categories.items():
        if view.n_cells >= OWN_CATEGORY_CELLS and count >= OWN_CATEGORY * view.n_cells:
            own.append(key)
        elif count > MANY_CATEGORIES:
            many.append(f"{key} ({count:,})")
    found = []
    if own:
        found.append(
            Caution(
                f"{listed(own)}: nearly every cell has a category of its own, which cannot be coloured or searched.",
                "Leave it out.",
            )
        )
    if many:
        found.append(
            Caution(
                f"{listed(many)}: with more than {MANY_CATEGORIES} categories a legend is unusable.",
                "Leave it out, or merge categories first.",
            )
        )
    if len(view.obs_keys) > MANY_COLUMNS:
        found.append(
            Caution(
                f"{len(view.obs_keys):,} cell columns make a long list to search.",
                "Leave out what nobody will look at.",
            )
        )
    if not view.obs_keys:
        found.append(Caution("No cell column is exported: nothing to colour or filter by.", "Choose cell columns."))
    return found
