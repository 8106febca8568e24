"""The sidebar of every page: the open dataset, and the workspace with its datasets, its link and the user's others."""

from __future__ import annotations

import json
import time

import streamlit as st

from cellucid_core.errors import CellucidError
from cellucid_core.serving.workspaces import (
    KeptDataset,
    delete_workspace,
    owners_workspaces,
    read_workspace,
    token_of,
)
from pages.opening.findings import light_badge
from pages.opening.opening_panel import forget
from pages.session.changes import pending_change
from pages.session.keeping import keeper
from pages.session.owner import lasting_owner, owner, who_may
from pages.session.state import counted, literal, show_error, workspace
from pages.widgets.style import ACTIONS, WORKSPACE
from pages.workspace.session_start import GO, NEW, address_of, link_address, reopen

#: Most other datasets that the sidebar names, and most other workspaces that are listed.
_MOST_RECENT, _MOST_OTHERS = 3, 12


def draw_dataset_card() -> None:
    """Draw the card of the open dataset, with preflight's light."""
    work = workspace()
    with st.sidebar, st.container(border=True):
        if work.dataset is None:
            st.caption("No dataset is open. Upload one or open the demo on the start page.")
            return
        st.markdown(f"**{literal(work.dataset.name)}**")
        try:
            st.markdown(light_badge())
            view = work.view
            dimensions = ", ".join(f"{d}D" for d in view.dimensions) or "none"
            st.caption(f"{counted(view.n_cells, 'cell')} · {counted(view.n_genes, 'gene')}  \nEmbedding: {dimensions}")
        except CellucidError as error:
            show_error(error)
        if pending_change() is not None:
            st.caption(":material/hourglass_top: A change is being computed")
        if work.fixes:
            st.caption(f"{len(work.fixes)} fix{'es' if len(work.fixes) > 1 else ''} applied")


def draw_workspace_card() -> None:
    """Draw the card of the workspace, or the list of workspaces if the session has none yet."""
    me = keeper()
    kept = me.kept
    with st.sidebar:
        if me.over:
            st.warning("This workspace was deleted. Nothing is kept here any more.", icon=":material/delete:")
            st.button("New workspace", icon=":material/add:", width="stretch", on_click=_go, args=(NEW,))
        elif kept is not None:
            with st.container(border=True, gap="small", key=WORKSPACE):
                _name()
                if me.by_link:
                    st.caption(
                        ":material/link: Opened by its link. Others who have the link can see and change it, too."
                    )
                _others()
                _actions()
        elif _mine():
            with st.popover("My workspaces", icon=":material/folder_open:", width="stretch", key="my_workspaces"):
                _list()
    if (token := st.session_state.pop(GO, None)) is not None:
        _load(token)


def recent_datasets() -> list[tuple[str, KeptDataset]]:
    """Return the workspace's datasets that are not open now as (content hash, dataset), the last opened first."""
    kept, dataset = keeper().kept, workspace().dataset
    current = dataset.content_hash if dataset is not None else ""
    return [] if kept is None else [one for one in kept.recent if one[0] != current]


def ago(seconds: float) -> str:
    """Return how long ago a time (seconds since 1970) was: "just now", "3 hours ago"."""
    passed = max(0.0, time.time() - seconds)
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        n = int(passed // length)
        if n:
            return f"{n:,} {unit}{'s' if n > 1 else ''} ago"
    return "just now"


def _name() -> None:
    kept = keeper().kept
    assert kept is not None
    dataset = workspace().dataset
    said_above = dataset is not None and kept.title == dataset.name  # in the card of the dataset
    st.markdown(":small[:gray[Workspace]]" + ("" if said_above else f"  \n**{literal(kept.title)}**"))


def _rename_box() -> None:
    kept = keeper().kept
    assert kept is not None
    st.text_input(
        "Name of the workspace",
        value=keeper().title,
        placeholder=kept.title,
        max_chars=120,
        key="workspace_name",
        on_change=_rename,
    )


def _rename() -> None:
    keeper().title = " ".join(str(st.session_state["workspace_name"]).split())


def _others() -> None:
    """Draw the other datasets of the workspace; a click opens one with everything chosen there."""
    recent = recent_datasets()
    for content, one in recent[:_MOST_RECENT]:
        if st.button(
            literal(one.title or "Dataset"),
            key=f"recent_{content[:12]}",
            icon=":material/history:",
            type="tertiary",
            help=f"Open it again, as you left it {ago(one.opened)}",
        ):
            reopen(content)
            st.rerun()


def _actions() -> None:
    """Draw a row of icon buttons for what can be done with the workspace."""
    with st.container(horizontal=True, gap="small", wrap=False, key=ACTIONS):
        draws = [
            ("edit", "Rename", "workspace_rename", _rename_box),
            ("link", "Link to come back", "workspace_link", _link),
            ("folder_open", "My workspaces", "my_workspaces", _list),
            ("delete", "Delete this workspace", "workspace_delete", _delete_box),
        ]
        for icon, words, key, draw in draws:
            with st.popover("", icon=f":material/{icon}:", type="tertiary", help=words, key=key):
                draw()
        st.button(
            "",
            icon=":material/add:",
            type="tertiary",
            help="New workspace",
            key="workspace_new",
            on_click=_go,
            args=(NEW,),
        )


def _delete_box() -> None:
    st.markdown(
        "**Delete this workspace?** Its choices, pages and exports are deleted at once, and its uploads unless another "
        "workspace has them."
    )
    st.button(
        "Delete it",
        type="primary",
        icon=":material/delete:",
        width="stretch",
        key="workspace_delete_now",
        on_click=_delete,
    )


def _link() -> None:
    address = link_address()
    if not address:
        st.markdown(
            "This workspace has no link any more, as the server's key was lost. It still opens in this browser."
        )
        return
    st.markdown("**Link to come back**, in any browser:")
    st.code(address, language=None, wrap_lines=True)
    st.caption("Whoever has this link can see, change and delete this workspace. Share it as you would a password.")


def _mine() -> list[str]:
    whose = lasting_owner()
    return owners_workspaces(whose) if whose is not None else []


def _list() -> None:
    st.markdown("**My workspaces**")
    others = [name for name in _mine() if name != keeper().name]
    if not others:
        st.caption("This is the only one. New ones are listed here, too.")
    for name in others[:_MOST_OTHERS]:
        try:
            kept = read_workspace(name)
        except CellucidError:  # damaged, or deleted this moment
            continue
        opened = ago(kept.recent[0][1].opened) if kept.recent else "empty"
        st.button(
            f"{literal(kept.title)} :gray[· {opened}]",
            key=f"workspace_{name[:16]}",
            icon=":material/workspaces:",
            type="tertiary",
            on_click=_go,
            args=(token_of(kept.seed),),
        )
    if len(others) > _MOST_OTHERS:
        st.caption(f"and {len(others) - _MOST_OTHERS:,} older ones, which open by their links")


@who_may
def _go(token: str) -> None:
    keeper().keep()
    st.session_state[GO] = token


@who_may
def _delete() -> None:
    me = keeper()
    for one in me.kept.datasets.values() if me.kept else ():
        forget(one.source)
    delete_workspace(me.name, owner())
    me.end()
    st.session_state[GO] = NEW


def _load(token: str) -> None:
    """Load the page of a workspace in a new session, as the values of widgets stay with a session."""
    target = json.dumps(address_of(token))
    st.html(f"<script>window.location.assign({target})</script>", unsafe_allow_javascript=True)
    st.stop()
