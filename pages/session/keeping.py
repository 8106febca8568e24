"""What is kept of a session: its workspace, which is brought in line with the session after every run of the page.

`Keeper` turns what the session is working on into plain JSON and writes it; `recalling` reads it back.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st

from cellucid_core.cache import home_folder
from cellucid_core.cell_pages import PageSet, pages_to_json
from cellucid_core.dataset import Dataset, Mapping, Turn, View
from cellucid_core.errors import CellucidError
from cellucid_core.serving import Carried
from cellucid_core.serving.workspaces import (
    Gone,
    KeptDataset,
    KeptPage,
    KeptPages,
    KeptWorkspace,
    choices_to_json,
    create_workspace,
    dataset_to_json,
    export_to_json,
    gene_file_to_json,
    is_plain,
    mark_opened,
    note_workspace,
    part_name,
    read_workspace,
    save_workspace,
    stamp_of,
    workspace_from_json,
    workspace_to_json,
    write_part,
)
from pages.session.kept_widgets import fits
from pages.session.owner import lasting_owner
from pages.session.state import OpenGeneSets, widget_key, workspace

#: Session state: the folder of the session's collection of exports.
COLLECTION = "collection"
_KEY = "keeper"
_ABSENT = object()
_TURNS: tuple[Turn, ...] = ("", "all", "matrix")


@dataclass
class Keeper:
    """What the session knows of the files of its workspace.

    Attributes
    ----------
    name, token, seed
        The workspace's name, the secret of its link, and what the secret is made from; empty until something was kept.
    title
        The name that the user gave it, or empty.
    record
        The workspace as it was last read or written, plain JSON.
    synced
        The same as this session saw it then: whatever differs from it now was changed by this session.
    stamp
        The revision of `record`.
    by_link
        Whether the workspace was opened by its link and is not on this owner's list.
    pending
        Content hash of the dataset that is still to be opened again.
    automatic
        Whether the server opened the dataset by itself (``CELLUCID_OPEN``) and the user has done nothing yet.
    said
        Sentences for the user.
    brought
        What came along when the user signed in, while they may still hand it back.
    trouble
        Why the last change could not be kept.
    over
        Whether the workspace was deleted, so that nothing is kept any more.
    tried
        The last record from which changes of other tabs were taken over, as far as possible.
    first
        Name → first value of the widgets of a dataset that was opened automatically.
    unwritten
        File name → function that returns the text of a file that is still to be written.
    """

    name: str = ""
    token: str = ""
    seed: str = ""
    title: str = ""
    record: dict[str, Any] = field(default_factory=dict)
    synced: dict[str, Any] = field(default_factory=dict)
    stamp: int | None = None
    by_link: bool = False
    pending: str = ""
    automatic: bool = False
    said: list[str] = field(default_factory=list)
    brought: Carried | None = None
    trouble: CellucidError | None = None
    over: bool = False
    tried: dict[str, Any] = field(default_factory=dict)
    first: dict[str, Any] = field(default_factory=dict)
    unwritten: dict[str, Callable[[], str]] = field(default_factory=dict)
    _known: dict[Any, tuple[object, Any]] = field(default_factory=dict)

    @property
    def kept(self) -> KeptWorkspace | None:
        """The workspace as it was last read or written, or None before that."""
        if not self.record:
            return None
        kept: KeptWorkspace = self._once("record", self.record, lambda: workspace_from_json(self.record))
        return kept

    def keep(self, take_over: Callable[[KeptDataset], object] | None = None) -> None:
        """Write what changed since the last time; cheap if nothing changed. Errors go into `trouble`.

        Parameters
        ----------
        take_over
            Takes over what other tabs changed on the open dataset; given only before widgets are drawn.
        """
        if self.over or self.pending:
            return
        try:
            self._sync(take_over)
            self.trouble = None
        except Gone as gone:
            self.end()
            self.trouble = gone
        except CellucidError as error:
            self.trouble = error
        except (OSError, ValueError) as error:
            why = f" ({error.strerror})" if isinstance(error, OSError) and error.strerror else ""
            self.trouble = CellucidError(
                f"Your work could not be kept{why}.",
                "You can go on here, but reloading the page would lose your latest changes.",
            )

    def end(self) -> None:
        """Stop keeping, and close the dataset: the workspace was deleted."""
        self.over, self.token = True, ""
        workspace().close()

    def take_collection(self) -> None:
        """Use the workspace's collection of exports, if the session has none of its own."""
        name = self.record.get("collection") if self.record else ""
        if name and COLLECTION not in st.session_state:
            folder = home_folder("collections") / name
            if folder.is_dir():
                st.session_state[COLLECTION] = str(folder)

    def pages(self, dataset: Dataset) -> dict[str, KeptPages]:
        """Return the user's pages of a dataset as they are kept, by how its matrix is turned."""
        found: dict[str, KeptPages] = {}
        for turn in _TURNS:
            pages = workspace().page_sets.get(f"{dataset.content_hash} {turn}")
            if pages is not None and pages.made_so_far:
                make = partial(self._page_set, dataset, pages, turn)
                found[turn] = self._once(("pages", dataset.content_hash, turn), pages, make)
        return found

    def gene_file(self, file: OpenGeneSets | None) -> str:
        """Return the name of the file in which the open gene sets are kept, empty if none are open."""
        if file is None:
            self._known.pop("gene file", None)
            return ""

        def make() -> str:
            text = gene_file_to_json(file.name, file.sets)
            name = part_name("genes", text.encode())
            self.unwritten[name] = lambda: text
            return name

        name: str = self._once("gene file", file, make)
        return name

    def _sync(self, take_over: Callable[[KeptDataset], object] | None) -> None:
        # Between writing and noting, the session's state is not asked for: there a click ends the run.
        mine, dataset = self._snapshot(), workspace().dataset
        base = self.synced
        if not self.name:
            if not self._worth_keeping(mine):
                return
            whose = lasting_owner()
            self.name, self.token = create_workspace(mine)
            self.seed = mine["seed"]
            if whose is not None:
                note_workspace(whose, self.name)
            base = {}
        elif mine == self.synced:
            mark_opened(self.name)
            stamp = stamp_of(self.name)
            if stamp != self.stamp:
                self.record, self.stamp = workspace_to_json(read_workspace(self.name)), stamp
            elif take_over is None or self.tried is self.record or not self._differs(mine):
                return
            self._settle(mine, dataset, take_over)
            return
        if stamp_of(self.name) is None and base:
            read_workspace(self.name)  # raises the error that it is gone
        for file, text in self.unwritten.items():
            write_part(self.name, file, text)
        self.record, self.stamp = save_workspace(self.name, base, mine)
        self.unwritten.clear()
        self._settle(mine, dataset, take_over)

    def _differs(self, mine: dict[str, Any]) -> bool:
        """Tell whether the kept open dataset differs from this session's: another tab changed it."""
        key = mine["current"]
        return bool(self.record["datasets"].get(key) != mine["datasets"].get(key))

    def _settle(
        self, mine: dict[str, Any], dataset: Dataset | None, take_over: Callable[[KeptDataset], object] | None
    ) -> None:
        """Take over what other tabs changed, then note what the workspace and this session have in common."""
        self.title = self.record["name"]
        key = mine["current"]
        if take_over is not None:
            is_open = dataset is not None and key == dataset.content_hash and key in self.record["datasets"]
            if is_open and self.tried is not self.record and self._differs(mine):
                self.tried = self.record  # a change that cannot be taken over is not tried again in every run
                take_over(workspace_from_json(self.record).datasets[key])
                mine = self._snapshot()
            self.take_collection()
        entry = {key: mine["datasets"][key]} if key in mine["datasets"] else {}
        self.synced = {
            **self.record,
            "current": key,
            "collection": mine["collection"],
            "datasets": {**self.record["datasets"], **entry},
        }

    def _worth_keeping(self, mine: dict[str, Any]) -> bool:
        """Tell whether the user did something: not every visitor or bot gets a workspace."""
        work = workspace()
        if work.dataset is None or work.source is None:
            return False
        if not self.automatic:
            return True
        entry = mine["datasets"][work.dataset.content_hash]
        widgets = entry["widgets"]
        for name, value in widgets.items():
            self.first.setdefault(name, value)
        changed = any(self.first[name] != value for name, value in widgets.items())
        made = any(entry[what] for what in ("choices", "fixes", "replaced", "pages", "gene_file", "export"))
        self.automatic = not (changed or made or mine["collection"] or self.title)
        return not self.automatic

    def _snapshot(self) -> dict[str, Any]:
        """Return the whole workspace as this session has it: the open dataset as it is now, all else as last known."""
        work = workspace()
        before = self.synced or workspace_to_json(KeptWorkspace("", created=time.time()))
        folder = st.session_state.get(COLLECTION)
        mine = {
            **before,
            "seed": self.seed or before["seed"],
            "name": self.title,
            "collection": Path(folder).name if folder and Path(folder).is_dir() else before["collection"],
        }
        if work.dataset is None or work.source is None:
            return mine
        key, known = work.dataset.content_hash, before["datasets"]
        entry = self._entry(work.dataset, known[key]["widgets"] if key in known else {})
        # A file whose content changed replaces its earlier entry.
        others = {other: one for other, one in known.items() if other == key or one["source"] != entry["source"]}
        return {**mine, "current": key, "datasets": {**others, key: entry}}

    def _entry(self, dataset: Dataset, widgets_before: dict[str, Any]) -> dict[str, Any]:
        """Return what is kept of the open dataset."""
        work, source = workspace(), workspace().source
        assert source is not None
        widgets = dict(widgets_before)
        for name in work.kept_names:
            value = st.session_state.get(widget_key(name), _ABSENT)
            if fits(name, value) and is_plain(value):
                widgets[name] = list(value) if isinstance(value, list) else value
        export, mapping = work.export, work.mapping
        exported = None
        if export is not None:
            exported = self._once("export", export, lambda: {**export_to_json(export), "mapping": mapping.digest()})
        kept = KeptDataset(
            source=source.with_hashes(dataset),
            title=dataset.name,
            cells=dataset.n_cells,
            opened=work.opened,
            choices=self._once("choices", work.choices, lambda: choices_to_json(work.choices, work.usual)),
            fixes=work.fixes,
            replaced=dict(work.replaced),
            widgets=widgets,
            pages=self.pages(dataset),
            gene_file=self.gene_file(work.gene_sets),
            export=exported,
        )
        return dataset_to_json(kept)

    def _page_set(self, dataset: Dataset, pages: PageSet, turn: Turn) -> KeptPages:
        view = View(dataset, Mapping(embeddings={}, turn=turn))  # cell ids as in the file, before fixes
        content = dataset.content_hash
        kept = {}
        for page in pages:
            name = partial(part_name, "pages", content.encode(), turn.encode(), page.rows.tobytes())
            file = self._once(("cells", content, turn, page.id), page.rows, name)
            # The file holds only the cells: name and colour may change, and stand in the workspace's record.
            self.unwritten[file] = partial(pages_to_json, view, [replace(page, name="", color=None, made="")])
            kept[f"{page.id}-{file[6:14]}"] = KeptPage(page.id, page.name, page.color, page.made, file)
        return KeptPages(kept, pages.made_so_far)

    def _once(self, name: Any, thing: object, make: Callable[[], Any]) -> Any:
        """Return `make()`, kept under a name while `thing` is the same object; such objects never change."""
        known = self._known.get(name)
        if known is None or known[0] is not thing:
            self._known[name] = known = (thing, make())
        return known[1]


def keeper() -> Keeper:
    """Return the session's keeper."""
    if _KEY not in st.session_state:
        st.session_state[_KEY] = Keeper()
    found: Keeper = st.session_state[_KEY]
    return found
