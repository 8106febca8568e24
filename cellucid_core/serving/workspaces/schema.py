"""Types of what is kept of a workspace (version 1); `workspace_json` turns them into JSON and back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from cellucid_core.dataset import DatasetSource


@dataclass(frozen=True)
class KeptPage:
    """A page (a named group of cells); the ids of its cells are in the file `file` (`parts`)."""

    id: str
    name: str
    color: str | None
    made: str
    file: str


@dataclass(frozen=True)
class KeptPages:
    """The pages of a dataset that is turned in one way: key → page, in order, and how many were ever made.

    A key is the page's id and the beginning of its file's hash, since pages that two tabs make at once get the same id.
    """

    pages: dict[str, KeptPage] = field(default_factory=dict)
    made_so_far: int = 0


@dataclass(frozen=True)
class KeptDataset:
    """A dataset of a workspace, and what was chosen and made with it.

    Attributes
    ----------
    source
        What it is opened from.
    title, cells
        Its name and number of cells, for lists.
    opened
        When it was last opened, in seconds since 1970.
    choices
        The user's choices that differ from the defaults (`choices.choices_to_json`).
    fixes
        The fixes that were asked for, in order.
    replaced
        Gene as the user wrote it → the proposal that the user accepted for it.
    widgets
        Name of a widget → its value, for widgets whose values are kept.
    pages
        How the file is turned (`Mapping.turn`) → its pages.
    gene_file
        File with the signatures that are open (`parts`), or empty.
    export
        The last finished export (`results.export_to_json`), or None.
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
        """Names of the files in the workspace's folder that it uses."""
        named = {page.file for kept in self.pages.values() for page in kept.pages.values()}
        return frozenset(named | ({self.gene_file} if self.gene_file else set()))


@dataclass(frozen=True)
class KeptWorkspace:
    """A workspace.

    Attributes
    ----------
    seed
        Random text from which its token is made (`tokens.token_of`).
    revision
        Grows with every save.
    name
        The user's name for it; empty: it is called as its first dataset.
    created
        Seconds since 1970.
    current
        Content hash of the dataset that was open last, or empty.
    collection
        Name of the folder of its collection of exports, or empty.
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
        """Its name in lists: the user's name for it, or its first dataset's."""
        return self.name or next((one.title for one in self.datasets.values()), "") or "Workspace"

    @property
    def recent(self) -> list[tuple[str, KeptDataset]]:
        """(Content hash, dataset) of each dataset, the one opened last first."""
        return sorted(self.datasets.items(), key=lambda item: -item[1].opened)
