"""Read a workspace, as `keeping` wrote it, back into the session."""

from __future__ import annotations

import re
from typing import cast

import numpy as np
import streamlit as st

from cellucid_core.cell_pages import PageSet, SavedPage
from cellucid_core.dataset import Mapping, Turn, View
from cellucid_core.errors import CellucidError
from cellucid_core.names import unique
from cellucid_core.serving.workspaces import (
    Damaged,
    KeptDataset,
    KeptPages,
    choices_from_json,
    export_from_json,
    gene_file_from_json,
    page_files_to_pages,
    read_part,
)
from pages.session.changes import resume_elsewhere, show_choices
from pages.session.keeping import Keeper, keeper
from pages.session.kept_widgets import fits
from pages.session.server_file import Finished
from pages.session.state import OpenGeneSets, Workspace, widget_key, workspace

_PAGE_ID = re.compile(r"p([0-9]{1,9})")


def recall(asked: str = "") -> None:
    """Give the dataset that was just opened the choices, fixes, pages and so on that the workspace keeps of it.

    Parameters
    ----------
    asked
        Content hash of the kept dataset that was reopened. If the file has another content now, only what fits it is
        taken over.
    """
    me, work = keeper(), workspace()
    kept = me.kept
    if kept is None or work.dataset is None:
        return
    key = work.dataset.content_hash
    if key in kept.datasets:
        take_over(kept.datasets[key])
    elif asked in kept.datasets:
        me.said.append(
            f"{work.dataset.name} has changed since you opened it last. Your choices were kept as far as they fit; "
            "fixes were not applied again, as the findings may be different now."
        )
        take_over(kept.datasets[asked], other=True)


def take_over(kept: KeptDataset, *, live: bool = False, other: bool = False) -> None:
    """Take over into the session what was kept of its dataset.

    Parameters
    ----------
    kept
        What was kept.
    live
        Whether another tab changed it while this session was open: then it replaces what the session has. Otherwise the
        dataset was just opened, and what the session has already wins.
    other
        Whether the file had another content then: fixes and exports are not taken over.
    """
    me, work = keeper(), workspace()
    _take_choices(me, work, kept, () if other else kept.fixes)
    _take_genes(me, work, kept, live)
    _take_pages(me, work, kept, live)
    if not other:
        _take_export(work, kept)
    for name, value in kept.widgets.items():
        key = widget_key(name)
        if fits(name, value) and (live or key not in st.session_state) and st.session_state.get(key) != value:
            st.session_state[key] = value
        work.kept_names.add(name)


def _take_choices(me: Keeper, work: Workspace, kept: KeptDataset, fixes: tuple[str, ...]) -> None:
    dataset = work.dataset
    assert dataset is not None
    choices, lost = choices_from_json(kept.choices, dataset, work.usual)
    if lost:
        me.said.append(f"{dataset.name} no longer has what was chosen: {', '.join(lost[:5])}.")
    if fixes == work.fixes and choices.digest() == work.choices.digest():
        return
    try:
        resume_elsewhere(work, choices, fixes)
    except CellucidError:
        work.resume(choices, ())
        done: tuple[str, ...] = ()
        for fix in fixes:  # at least one fails: keep the others
            try:
                work.resume(choices, (*done, fix))
                done = (*done, fix)
            except CellucidError as error:
                me.said.append(f"The fix {fix} could not be applied again. {error}")
    show_choices(work)


def _take_genes(me: Keeper, work: Workspace, kept: KeptDataset, live: bool) -> None:
    assert work.dataset is not None
    key = work.dataset.content_hash
    if live or key not in work.replaced_genes:
        work.replaced = dict(kept.replaced)
    if (not live and key in work.gene_files) or kept.gene_file == me.gene_file(work.gene_sets):
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
        known = me.pages(work.dataset).get(turn)
        if known == pages or (known is not None and not live):
            continue
        try:
            work.page_sets[place] = _read_pages(me, work, pages, turn)
        except (CellucidError, Damaged) as error:
            why = f" {error}" if isinstance(error, CellucidError) else ""
            me.said.append(f"Your pages of {work.dataset.name} could not be read again.{why}")


def _read_pages(me: Keeper, work: Workspace, kept: KeptPages, turn: str) -> PageSet:
    """Return the kept pages, their cells found by cell id.

    Page ids and names are made unique, as two tabs may have made pages at the same time.
    """
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
        known = here.get(page_id)  # keep the same array where possible: then it is not written again
        cells = known.rows if known is not None and np.array_equal(known.rows, rows[name]) else rows[name]
        found.append(SavedPage(name, cells, page.color, page.made, page_id))
    return PageSet(tuple(found), count)


def _take_export(work: Workspace, kept: KeptDataset) -> None:
    if kept.export is None or work.export is not None:
        return
    export = export_from_json(kept.export)
    if export is not None and kept.export.get("mapping") == work.mapping.digest():
        work.export = Finished.offered(export)
