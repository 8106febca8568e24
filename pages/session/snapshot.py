"""What the session is working on, as the plain JSON of its workspace."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from cellucid_core.cell_pages import PageSet, SavedPage, pages_to_json
from cellucid_core.dataset import Mapping, Turn, View
from cellucid_core.serving.workspaces import (
    KeptDataset,
    KeptExport,
    KeptPage,
    KeptPages,
    KeptSource,
    KeptWorkspace,
    choices_to_json,
    dataset_to_json,
    export_to_json,
    gene_file_to_json,
    is_plain,
    part_name,
    workspace_to_json,
)
from pages.session.keeper import Keeper
from pages.session.kept_widgets import fits
from pages.session.state import OpenGeneSets, Workspace, widget_key, workspace

COLLECTION = "collection"
_ABSENT = object()
_TURNS: tuple[Turn, ...] = ("", "all", "matrix")


def snapshot(me: Keeper) -> dict[str, Any]:
    """Return the whole workspace as this session has it: the open dataset again, all else as it is known."""
    work = workspace()
    before = me.synced or workspace_to_json(KeptWorkspace("", created=time.time()))
    folder = st.session_state.get(COLLECTION)
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
    # The same file with another content takes the place of what it was.
    others = {
        other: one for other, one in before["datasets"].items() if other == key or one["source"] != entry["source"]
    }
    return {**mine, "current": key, "datasets": {**others, key: entry}}


def _entry(me: Keeper, work: Workspace, before: dict[str, Any] | None) -> KeptDataset:
    dataset, source = work.dataset, work.source
    assert dataset is not None
    assert source is not None
    widgets = dict(before["widgets"]) if before else {}
    ending = widget_key("")
    for name in work.kept_names:
        value = st.session_state.get(name + ending, _ABSENT)
        if fits(name, value) and is_plain(value):
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
        pages=pages_of(me, work),
        gene_file=gene_file_of(me, work.gene_sets),
        export=None if export is None else me.once("export", export, lambda: _export(work, export)),
    )


def pages_of(me: Keeper, work: Workspace) -> dict[str, KeptPages]:
    """Return the pages of the open dataset as they are kept."""
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
        me.unwritten[file] = partial(_cells_text, view, page)
        kept[f"{page.id}-{file[6:14]}"] = KeptPage(page.id, page.name, page.color, page.made, file)
    return KeptPages(kept, pages.made_so_far)


def _cells_file(content: str, turn: Turn, rows: np.ndarray) -> str:
    return part_name("pages", content.encode(), turn.encode(), rows.tobytes())


def _cells_text(view: View, page: SavedPage) -> str:
    """Return the file of a page's cells; what it is called stands in ``workspace.json``, where it may change."""
    return pages_to_json(view, [replace(page, name="", color=None, made="")])


def gene_file_of(me: Keeper, file: OpenGeneSets | None) -> str:
    """Return the name of the file in which the open signatures are kept."""
    if file is None:
        me.forget("gene file")
        return ""

    def make() -> str:
        text = gene_file_to_json(file.name, file.sets)
        name = part_name("genes", text.encode())
        me.unwritten[name] = lambda: text
        return name

    name: str = me.once("gene file", file, make)
    return name


def _export(work: Workspace, done: Any) -> dict[str, Any]:
    kept = KeptExport(done.dataset_id, done.result, done.format, done.settings_mark, done.again, done.left_out)
    return {**export_to_json(kept), "mapping": work.mapping.digest()}
