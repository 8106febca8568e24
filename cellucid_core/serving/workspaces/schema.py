"""What is kept of a workspace, version 1, as types; `workspace_json` writes and reads them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from cellucid_core.dataset import DatasetSource


@dataclass(frozen=True)
class KeptPage:
    """A page; its cells are in `file`, by their ids."""

    id: str
    name: str
    color: str | None
    made: str
    file: str


@dataclass(frozen=True)
class KeptPages:
    """The pages of a dataset as it is turned one way: key → page, in order, and how many were ever made.

    A key is the page's id and the beginning of its file's hash: pages that two tabs made at once have the same id.
    """

    pages: dict[str, KeptPage] = field(default_factory=dict)
    made_so_far: int = 0


@dataclass(frozen=True)
class KeptDataset:
    """A dataset of a workspace, and what was chosen and made there.

    Attributes
    ----------
    source
        What it was opened from.
    title, cells
        Its name and number of cells, for lists.
    opened
        When it was opened last, seconds since 1970.
    choices
        The user's choices where they differ from the defaults (`choices`).
    fixes
        What was asked for, in order.
    replaced
        Genes as first written → what was accepted for them.
    widgets
        Name → value of the widgets that keep theirs.
    pages
        How the file is turned → its pages.
    gene_file
        File of the signatures that are open, or empty.
    export
        The last finished export (`results`), or None.
    """

    source: DatasetSource
    title: str = ""
    cells: int = 0
    opened: float = 0.0
    choices: dict[str, Any] = field(default_factory=dict)
    fixes: tuple[str, ...] = ()
    replaced: dict[str, str] = field(default_factory=dict)
    widgets: dict[str, Any] = field(default_factory=dict)
    pages: dict[str, KeptPages] = field(default_factory=dict)
    gene_file: str = ""
    export: dict[str, Any] | None = None

    @property
    def files(self) -> frozenset[str]:
        """The files beside ``workspace.json`` that it names."""
        named = {page.file for kept in self.pages.values() for page in kept.pages.values()}
        return frozenset(named | ({self.gene_file} if self.gene_file else set()))


@dataclass(frozen=True)
class KeptWorkspace:
    """A workspace.

    Attributes
    ----------
    seed
        What its token is made of (`tokens`).
    revision
        Grows with every writing.
    name
        As the user calls it; empty: as its dataset is called.
    created
        Seconds since 1970.
    current
        Content hash of the dataset that was open last, or empty.
    collection
        Name of the folder of gathered exports, or empty.
    datasets
        Content hash → dataset.
    """

    seed: str
    revision: int = 0
    name: str = ""
    created: float = 0.0
    current: str = ""
    collection: str = ""
    datasets: dict[str, KeptDataset] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """What it is called: the user's name for it, or its first dataset's."""
        return self.name or next((one.title for one in self.datasets.values()), "") or "Workspace"

    @property
    def recent(self) -> list[tuple[str, KeptDataset]]:
        """The datasets with their content hashes, the one opened last first."""
        return sorted(self.datasets.items(), key=lambda item: -item[1].opened)
