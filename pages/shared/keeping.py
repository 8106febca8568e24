"""What the session is working on, to and from the files of its workspace (`cellucid_core.serving.workspaces`)."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import streamlit as st

from cellucid_core.cell_pages import PageSet, SavedPage, pages_to_json
from cellucid_core.dataset import Mapping, View
from cellucid_core.dataset.home import home_folder
from cellucid_core.dataset.turned import Turn
from cellucid_core.errors import CellucidError
from cellucid_core.names import unique
from cellucid_core.serving.workspaces import (
    Damaged,
    Gone,
    KeptDataset,
    KeptExport,
    KeptPage,
    KeptPages,
    KeptSource,
    KeptWorkspace,
    choices_from_json,
    choices_to_json,
    create_workspace,
    dataset_to_json,
    export_from_json,
    export_to_json,
    gene_file_from_json,
    gene_file_to_json,
    is_plain,
    mark_opened,
    note_workspace,
    page_files_to_pages,
    part_name,
    read_part,
    read_workspace,
    save_workspace,
    stamp_of,
    workspace_from_json,
    workspace_to_json,
    write_part,
)
from pages.shared.kept_widgets import fits
from pages.shared.owner import owner
from pages.shared.workspace import OpenGeneSets, Workspace, widget_key, workspace

_KEY = "keeper"
_COLLECTION = "collection"
_TURNS: tuple[Turn, ...] = ("", "all", "matrix")
_PAGE_ID = re.compile(r"p([0-9]{1,9})")
Progress = Callable[[str, float], None]


@dataclass
class Keeper:
    """What the session knows of the files of its workspace.

    Attributes
    ----------
    name, token, seed
        Of the workspace, empty until something was kept.
    title
        As the user calls it, or empty.
    record
        The workspace as it was last read or written, plain JSON.
    synced
        The same as this session saw it then: what differs from it now, this session changed.
    stamp
        Of the file then.
    by_link
        Whether its link opened it, for somebody who does not have it otherwise.
    pending
        Content hash of the dataset that is still to be opened again.
    automatic
        Whether nothing was done yet but that the server opened the demo.
    said
        Sentences for the user.
    trouble
        Why the last change could not be kept.
    over
        Whether nothing is kept any more, as the workspace was deleted.
    """

    name: str = ""
    token: str = ""
    seed: str = ""
    title: str = ""
    record: dict[str, Any] = field(default_factory=dict)
    synced: dict[str, Any] = field(default_factory=dict)
    stamp: tuple[int, int, int] | None = None
    by_link: bool = False
    pending: str = ""
    automatic: bool = False
    said: list[str] = field(default_factory=list)
    trouble: CellucidError | None = None
    over: bool = False
    _first: dict[str, Any] = field(default_factory=dict)
    _known: dict[Any, tuple[object, Any]] = field(default_factory=dict)
    _unwritten: dict[str, Callable[[], str]] = field(default_factory=dict)

    @property
    def kept(self) -> KeptWorkspace | None:
        """The workspace as it was last read or written, None if nothing was."""
        return workspace_from_json(self.record) if self.record else None

    def once(self, name: Any, thing: object, make: Callable[[], Any]) -> Any:
        """Return what was made of a thing, again only when it is another thing; things themselves never change."""
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


def lasting_owner() -> str | None:
    """Return whom workspaces of this session belong to, None where nobody comes back: a browser without a cookie."""
    found = owner()
    return None if found.startswith("session-") else found


def keep(*, adopt: bool = False) -> None:
    """Write what changed since the last time; cheap where nothing did.

    Parameters
    ----------
    adopt
        Whether what others changed meanwhile is taken over: only before widgets are drawn.
    """
    me = keeper()
    if me.over or me.pending:
        return
    try:
        _sync(me, adopt)
        me.trouble = None
    except Gone as gone:
        end(me)
        me.trouble = gone
    except CellucidError as error:
        me.trouble = error
    except (OSError, ValueError) as error:
        why = f" ({error.strerror})" if isinstance(error, OSError) and error.strerror else ""
        me.trouble = CellucidError(f"Your work could not be kept{why}.", "It goes on here, until the page is reloaded.")


def end(me: Keeper) -> None:
    """Keep and show nothing any more: the workspace was deleted, and what was open with it."""
    me.over, me.token = True, ""
    workspace().close()


def _sync(me: Keeper, adopt: bool) -> None:
    mine = _snapshot(me)
    if not me.name:
        if not _worth_keeping(me, mine):
            return
        me.name, me.token = create_workspace(mine)
        me.seed = mine["seed"]
        if (whose := lasting_owner()) is not None:
            note_workspace(whose, me.name)
        base: dict[str, Any] = {}
    elif mine == me.synced:
        mark_opened(me.name)
        stamp = stamp_of(me.name)
        if stamp == me.stamp and not (adopt and _others(me, mine)):
            return
        if stamp != me.stamp:
            me.record, me.stamp = workspace_to_json(read_workspace(me.name)[0]), stamp
        _settle(me, mine, adopt)
        return
    else:
        base = me.synced
    if stamp_of(me.name) is None and base:
        read_workspace(me.name)  # says that it is gone
    for file, text in me._unwritten.items():
        write_part(me.name, file, text)
    me.record, me.stamp = save_workspace(me.name, base, mine)
    me._unwritten.clear()
    _settle(me, mine, adopt)


def _others(me: Keeper, mine: dict[str, Any]) -> bool:
    """Tell whether the open dataset is otherwise in the files than here: another tab changed it."""
    key = mine["current"]
    return bool(me.record["datasets"].get(key) != mine["datasets"].get(key))


def _settle(me: Keeper, mine: dict[str, Any], adopt: bool) -> None:
    """Note what is known on both sides, after taking over what others changed."""
    me.title = me.record["name"]
    key = mine["current"]
    work = workspace()
    if adopt and work.dataset is not None and key == work.dataset.content_hash and _others(me, mine):
        _take_over(workspace_from_json(me.record).datasets[key], live=True)
        mine = _snapshot(me)
    if adopt:
        take_collection(me)
    entry = {key: mine["datasets"][key]} if key in mine["datasets"] else {}
    me.synced = {
        **me.record,
        "current": key,
        "collection": mine["collection"],
        "datasets": {**me.record["datasets"], **entry},
    }


def _worth_keeping(me: Keeper, mine: dict[str, Any]) -> bool:
    """Tell whether somebody did something here: a workspace is not made for every visitor and bot."""
    work = workspace()
    if work.dataset is None or work.source is None:
        return False
    if not me.automatic:
        return True
    entry = mine["datasets"][work.dataset.content_hash]
    widgets = entry["widgets"]
    for name, value in widgets.items():
        me._first.setdefault(name, value)
    changed = any(me._first[name] != value for name, value in widgets.items())
    made = any(entry[what] for what in ("choices", "fixes", "replaced", "pages", "gene_file", "export"))
    me.automatic = not (changed or made or mine["collection"] or me.title)
    return not me.automatic


# ---- the session → plain JSON --------------------------------------------------------------------------------------


def _snapshot(me: Keeper) -> dict[str, Any]:
    work = workspace()
    before = me.synced or workspace_to_json(KeptWorkspace("", created=time.time()))
    folder = st.session_state.get(_COLLECTION)
    mine = {
        **before,
        "seed": me.seed or before["seed"],
        "name": me.title,
        "collection": Path(folder).name if folder and Path(folder).is_dir() else before["collection"],
    }
    if work.dataset is None or work.source is None:
        return mine
    key = work.dataset.content_hash
    entry = dataset_to_json(_entry(me, work, before["datasets"].get(key)))
    return {**mine, "current": key, "datasets": {**before["datasets"], key: entry}}


def _entry(me: Keeper, work: Workspace, before: dict[str, Any] | None) -> KeptDataset:
    dataset, source = work.dataset, work.source
    assert dataset is not None
    assert source is not None
    values = {name: st.session_state.get(widget_key(name)) for name in sorted(work.kept_names)}
    widgets = dict(before["widgets"]) if before else {}
    for name, value in values.items():
        if widget_key(name) in st.session_state and fits(name, value) and is_plain(value):
            widgets[name] = list(value) if isinstance(value, list) else value
    export = work.export
    return KeptDataset(
        source=KeptSource(source.path, source.name, source.modality, source.cell_metadata),
        title=dataset.name,
        cells=dataset.n_cells,
        opened=work.opened,
        choices=me.once("choices", work.choices, lambda: choices_to_json(work.choices, work.usual)),
        fixes=work.fixes,
        replaced=dict(work.replaced),
        widgets=widgets,
        pages=_pages(me, work),
        gene_file=_gene_file(me, work.gene_sets),
        export=None if export is None else me.once("export", export, lambda: _export(work, export)),
    )


def _pages(me: Keeper, work: Workspace) -> dict[str, KeptPages]:
    assert work.dataset is not None
    found: dict[str, KeptPages] = {}
    for turn in _TURNS:
        pages = work.page_sets.get(f"{work.dataset.content_hash} {turn}")
        if pages is not None and pages.made_so_far:
            make = partial(_page_set, me, pages, turn)
            found[turn] = me.once(("pages", work.dataset.content_hash, turn), pages, make)
    return found


def _page_set(me: Keeper, pages: PageSet, turn: Turn) -> KeptPages:
    dataset = workspace().dataset
    assert dataset is not None
    view = View(dataset, Mapping(embeddings={}, turn=turn))  # with the file's own ids, whatever fixes made of them
    kept = {}
    for page in pages:
        place = ("cells", dataset.content_hash, turn, page.id)
        file = me.once(place, page.rows, partial(_cells_file, dataset.content_hash, turn, page.rows))
        me._unwritten[file] = partial(_cells_text, view, page)
        kept[f"{page.id}-{file[6:14]}"] = KeptPage(page.id, page.name, page.color, page.made, file)
    return KeptPages(kept, pages.made_so_far)


def _cells_file(content: str, turn: Turn, rows: np.ndarray) -> str:
    return part_name("pages", content.encode(), turn.encode(), rows.tobytes())


def _cells_text(view: View, page: SavedPage) -> str:
    """Return the file of a page's cells; what it is called stands in ``workspace.json``, where it may change."""
    return pages_to_json(view, [replace(page, name="", color=None, made="")])


def _gene_file(me: Keeper, file: OpenGeneSets | None) -> str:
    if file is None:
        return ""

    def make() -> str:
        text = gene_file_to_json(file.name, file.sets)
        name = part_name("genes", text.encode())
        me._unwritten[name] = lambda: text
        return name

    name: str = me.once("gene file", file, make)
    return name


def _export(work: Workspace, done: Any) -> dict[str, Any]:
    kept = KeptExport(done.dataset_id, done.result, done.settings, done.again, done.left_out)
    return {**export_to_json(kept), "mapping": work.mapping.digest()}


# ---- plain JSON → the session --------------------------------------------------------------------------------------


def recall(asked: str = "", progress: Progress | None = None) -> None:
    """Give the dataset that was just opened what was chosen and made there before.

    Parameters
    ----------
    asked
        Content hash that it should have, where it was opened by that; another content gets only what fits it.
    progress
        Called while fixes are computed again.
    """
    me, work = keeper(), workspace()
    kept = me.kept
    if kept is None or work.dataset is None:
        return
    key = work.dataset.content_hash
    if key in kept.datasets:
        _take_over(kept.datasets[key], progress=progress)
    elif asked in kept.datasets:
        me.said.append(
            f"{work.dataset.name} has changed since you opened it last. Your choices were kept as far as they fit; "
            "fixes were not applied again, as the findings may be others now."
        )
        _take_over(kept.datasets[asked], other=True)


def _take_over(kept: KeptDataset, *, live: bool = False, other: bool = False, progress: Progress | None = None) -> None:
    """Make the session what was kept of its dataset.

    Parameters
    ----------
    kept
        What was kept.
    live
        The session goes on: another tab changed it. Else the dataset was just opened, and what the session has wins.
    other
        It was kept of another content: neither fixes nor exports are taken over.
    progress
        Called while fixes are computed again.
    """
    me, work = keeper(), workspace()
    _take_choices(me, work, kept, () if other else kept.fixes, progress)
    _take_genes(me, work, kept, live)
    _take_pages(me, work, kept, live)
    if not other:
        _take_export(work, kept)
    for name, value in kept.widgets.items():
        key = widget_key(name)
        if fits(name, value) and (live or key not in st.session_state) and st.session_state.get(key) != value:
            st.session_state[key] = value
        work.kept_names.add(name)


def _take_choices(
    me: Keeper, work: Workspace, kept: KeptDataset, fixes: tuple[str, ...], progress: Progress | None
) -> None:
    dataset = work.dataset
    assert dataset is not None
    choices, lost = choices_from_json(kept.choices, dataset, work.usual)
    if lost:
        me.said.append(f"{dataset.name} does not have any more what was chosen: {', '.join(lost[:5])}.")
    if fixes == work.fixes and choices.digest() == work.choices.digest():
        return
    try:
        work.resume(choices, fixes, progress)
    except CellucidError:
        done: tuple[str, ...] = ()
        for fix in fixes:  # one of them fails: the others are kept
            try:
                work.resume(choices, (*done, fix), progress)
                done = (*done, fix)
            except CellucidError as error:
                me.said.append(f"The fix {fix} could not be applied again. {error}")
    for dimension in (1, 2, 3):
        _show(f"map_embedding_{dimension}", work.choices.embeddings.get(dimension))
    for name in ("latent", "matrix", "gene_id", "connectivities"):
        _show(f"map_{name}", getattr(work.choices, name))


def _show(name: str, value: str | None) -> None:
    """Make a widget of the mapping that was drawn before show what is chosen."""
    key = widget_key(name)
    if key in st.session_state:
        st.session_state[key] = "none" if value is None else value


def _take_genes(me: Keeper, work: Workspace, kept: KeptDataset, live: bool) -> None:
    assert work.dataset is not None
    key = work.dataset.content_hash
    if live or key not in work.replaced_genes:
        work.replaced = dict(kept.replaced)
    if (not live and key in work.gene_files) or kept.gene_file == _gene_file(me, work.gene_sets):
        return
    work.gene_sets = None
    if kept.gene_file:
        try:
            work.gene_sets = OpenGeneSets(*gene_file_from_json(read_part(me.name, kept.gene_file)))
        except Damaged:
            me.said.append("The file of signatures that was open is gone; open it again.")


def _take_pages(me: Keeper, work: Workspace, kept: KeptDataset, live: bool) -> None:
    assert work.dataset is not None
    for turn, pages in kept.pages.items():
        place = f"{work.dataset.content_hash} {turn}"
        known = _pages(me, work).get(turn)
        if known == pages or (known is not None and not live):
            continue
        try:
            work.page_sets[place] = _read_pages(me, work, pages, turn)
        except (CellucidError, Damaged) as error:
            why = f" {error}" if isinstance(error, CellucidError) else ""
            me.said.append(f"Your pages of {work.dataset.name} could not be read again.{why}")


def _read_pages(me: Keeper, work: Workspace, kept: KeptPages, turn: str) -> PageSet:
    """Return pages whose cells are found by their ids; ids and names are unique, whatever two tabs made at once."""
    assert work.dataset is not None
    if not kept.pages:
        return PageSet((), kept.made_so_far)
    here = {page.id: page for page in work.page_sets.get(f"{work.dataset.content_hash} {turn}", PageSet())}
    view = View(work.dataset, Mapping(embeddings={}, turn=cast(Turn, turn)))
    names = unique([page.name for page in kept.pages.values()])
    texts = {name: read_part(me.name, page.file) for name, page in zip(names, kept.pages.values(), strict=True)}
    made = page_files_to_pages(view, texts)
    me.said += made.notes
    rows = {page.name: page.rows for page in made.pages}
    count = max([kept.made_so_far, *(int(m[1]) for page in kept.pages.values() if (m := _PAGE_ID.fullmatch(page.id)))])
    found: list[SavedPage] = []
    taken: set[str] = set()
    for name, page in zip(names, kept.pages.values(), strict=True):
        if name not in rows:
            continue
        page_id = page.id
        if page_id in taken or not _PAGE_ID.fullmatch(page_id):
            count += 1
            page_id = f"p{count}"
        taken.add(page_id)
        cells = here[page_id].rows if page_id in here and (here[page_id].rows == rows[name]).all() else rows[name]
        found.append(SavedPage(name, cells, page.color, page.made, page_id))
    return PageSet(tuple(found), count)


def _take_export(work: Workspace, kept: KeptDataset) -> None:
    from pages.shared.export_result import finished_again

    if kept.export is None or work.export is not None:
        return
    export = export_from_json(kept.export)
    if export is not None and kept.export.get("mapping") == work.mapping.digest():
        work.export = finished_again(export)


def take_collection(me: Keeper) -> None:
    """Go on with the collection of exports, if the session has none of its own."""
    name = me.record.get("collection") if me.record else ""
    if name and _COLLECTION not in st.session_state:
        folder = home_folder("collections") / name
        if folder.is_dir():
            st.session_state[_COLLECTION] = str(folder)
