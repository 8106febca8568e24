"""The start of a session: find its workspace (that of the link, else the owner's latest) and open its dataset again.

The link is the page's address with ``?workspace=TOKEN``. Streamlit removes the query when another page is shown, so it
is put back in every run. What was made before signing in comes along; a message says so, and it can be handed back.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from cellucid_core.cache import home_folder
from cellucid_core.configuration import format_duration, read_configuration
from cellucid_core.database import DatabaseRefused
from cellucid_core.dataset import DEMO, DatasetSource
from cellucid_core.errors import CellucidError, InputError
from cellucid_core.serving import Carried, arrive_signed_in, data_roots, hand_back, server_path
from cellucid_core.serving.workspaces import (
    KeptDataset,
    find_workspace,
    is_alive,
    latest_workspace,
    mark_opened,
    name_of,
    note_workspace,
    owners_workspaces,
    read_workspace,
    token_of,
    workspace_to_json,
)
from pages.opening.opening_panel import open_source, try_source
from pages.session.keeping import Keeper, keeper
from pages.session.owner import lasting_owner, who_may
from pages.session.recalling import take_over
from pages.session.sign_in import browser_here, user
from pages.session.state import counted, literal, show_error, workspace

PARAMETER = "workspace"
#: Nothing is escaped here: a token has only letters, digits, - and _.
_ADDRESS = """<script>(() => {{ // {step}: what stands there already would not run again
const address = new URL(window.location);
address.searchParams.set("{parameter}", "{token}");
window.history.replaceState(window.history.state, "", address);
}})()</script>"""
#: Session state: the token of the workspace to go to, or `NEW` for a new one.
GO, NEW = "workspace_go", "new"
_MOST_NAMED = 4


def arrive(place: DeltaGenerator) -> bool:
    """Find the session's workspace in its first run, take over what other tabs changed in later ones.

    Parameters
    ----------
    place
        The container of the invisible script that sets the page's address.

    Returns
    -------
    bool
        Whether the dataset of ``CELLUCID_OPEN`` was opened in this run.
    """
    me = keeper()
    if "started" not in st.session_state:
        st.session_state["started"] = True
        _enter(me)
        first = read_configuration().open
        # A file that the dashboard was started with is opened, whatever was open the last time, except after a reload,
        # which has the workspace in its address. The demo is opened only for people without a workspace.
        meant = PARAMETER not in st.query_params if first not in ("", DEMO) else bool(first) and not me.name
        if meant and workspace().dataset is None:
            me.pending = ""
            opened = try_source(DatasetSource(first, None if first == DEMO else Path(first).name.partition(".")[0]))
            me.automatic = opened and not me.name
            return opened
    if me.pending:
        reopen(me.pending)
    me.keep(partial(take_over, live=True))
    show_address(place)
    return False


def _enter(me: Keeper) -> None:
    wanted = _bring_along(me)
    asked = st.query_params.get(PARAMETER)
    whose = lasting_owner()
    if asked:
        name = find_workspace(asked)
    elif wanted:
        name = wanted if is_alive(wanted) else None
    else:
        name = latest_workspace(whose) if whose else None
    if (asked or wanted or NEW) != NEW and name is None:
        me.said.append(
            "This link leads to no workspace: it is incomplete, the workspace was deleted, or nobody opened it for "
            f"{_lifetime()}. You start with a new one."
        )
        st.query_params.pop(PARAMETER, None)
    if name is None:
        return
    try:
        kept = read_workspace(name)
    except CellucidError as error:
        me.said.append(f"{error}")
        if asked:
            del st.query_params[PARAMETER]
        return
    mark_opened(name)
    me.name, me.seed, me.title, me.stamp = name, kept.seed, kept.name, kept.revision
    token = asked or token_of(kept.seed)
    me.token = token if name_of(token) == name else ""  # if the server's key was lost, there is no link any more
    me.record = me.synced = workspace_to_json(kept)
    if whose is not None:
        # A workspace that was opened by a link is not added to the owner's list.
        me.by_link = name not in owners_workspaces(whose)
        if not me.by_link:
            with suppress(DatabaseRefused):  # a full disk; the workspace is on the list already
                note_workspace(whose, name)
    me.take_collection()
    me.pending = kept.current if kept.current in kept.datasets else ""


def _bring_along(me: Keeper) -> str:
    """Take over what was made before signing in, if the user chose so.

    Returns
    -------
    str
        Name of the workspace that was open before signing in, ``new``, or empty.
    """
    whose = user()
    if whose is None:
        return ""
    try:
        wanted, carried = arrive_signed_in(browser_here(), whose)
    except (CellucidError, OSError):
        me.said.append(
            "Your work from before signing in could not be brought along, because the server's disk cannot be written "
            "to. It is kept; reload the page to try again."
        )
        return ""
    if carried is not None and carried.is_something:
        me.brought = carried
        me.said.append(_sentence(carried))
    return wanted


def _sentence(carried: Carried) -> str:
    entries = counted(len(carried.entries), "entry of the library", "entries of the library")
    if not carried.workspaces:
        return f"What you made before signing in is yours now{f': {entries}' if carried.entries else ''}."
    titles = []
    for name in carried.workspaces[:_MOST_NAMED]:
        with suppress(CellucidError):  # damaged, or deleted this moment
            titles.append(f"“{read_workspace(name).title}”")
    if len(carried.workspaces) > len(titles):
        titles.append(f"{len(carried.workspaces) - len(titles):,} more")
    too = f" So {'are' if len(carried.entries) > 1 else 'is'} {entries}." if carried.entries else ""
    return f"Your work from before signing in is now in your workspaces: {', '.join(titles)}.{too}"


def reopen(content: str) -> bool:
    """Open a dataset of the workspace again, with everything chosen there; tell whether it worked.

    Parameters
    ----------
    content
        The content hash under which the workspace keeps it. An error is noted as a sentence (`Keeper.said`).
    """
    me = keeper()
    kept = me.kept
    if kept is None or content not in kept.datasets:
        me.pending = ""
        return False
    one = kept.datasets[content]
    me.pending = content  # if a click ends this run, the next one goes on
    try:
        open_source(source_of(one), content)
    except CellucidError as error:
        me.said.append(f"{one.title} could not be opened again. {error}")
        me.pending = ""
        return False
    except Exception:  # if it stayed pending, it would end every run
        me.pending = ""
        raise
    me.pending = ""
    return True


def source_of(kept: KeptDataset) -> DatasetSource:
    """Return the source of a kept dataset: the demo, uploads, or files that the server offers.

    Raises
    ------
    InputError
        If one of its files is not there any more, or not offered any more.
    """
    source = kept.source
    for path in source.files:
        if path != read_configuration().open and not _is_upload(path):
            _require_offered(path, kept.title)
    if source.cell_metadata is not None and not _is_upload(source.cell_metadata):
        raise InputError(
            "Its table about the cells is not on this server any more.", "Open the file, and add it again."
        )
    return source


def _is_upload(path: str) -> bool:
    here = Path(path)
    return here.is_absolute() and here.resolve().parent == home_folder("uploads").resolve() and here.is_file()


def _require_offered(path: str, title: str) -> None:
    for root in data_roots():
        if isinstance(root, str):
            if path.startswith(f"{root}/"):
                server_path(root, path.removeprefix(f"{root}/"))
                return
        elif Path(path).is_relative_to(root):
            server_path(root, Path(path).relative_to(root).as_posix())
            return
    raise InputError(
        f"The file of {title} is not on this server any more.",
        f"Uploads that nobody opens for {_lifetime()} are deleted. Open the file again: what you made there is kept.",
    )


def _lifetime() -> str:
    return format_duration(read_configuration().time_to_live)


def show_address(place: DeltaGenerator) -> None:
    """Make the page's address the workspace's link, by a script in the container `place`."""
    me, given = keeper(), st.query_params.get(PARAMETER)
    if not me.token or given == me.token:
        return
    if given is not None:
        st.query_params[PARAMETER] = me.token
        return
    # Setting `st.query_params` here would add a step to the browser's history: "Back" would only remove the link.
    with place:
        step = st.session_state["address_step"] = st.session_state.get("address_step", 0) + 1
        script = _ADDRESS.format(step=step, parameter=PARAMETER, token=me.token)
        st.html(script, unsafe_allow_javascript=True)


def show_said() -> None:
    """Draw the notes for the user until they close them, and why work cannot be kept, as long as that is so."""
    me = keeper()
    if me.trouble is not None:
        show_error(me.trouble)
    if not me.said:
        return
    with st.container(border=True, horizontal=True, vertical_alignment="center", wrap=False, key="said"):
        st.markdown("  \n".join(f":material/info: {literal(text)}" for text in dict.fromkeys(me.said)), width="stretch")
        if me.brought is not None:
            st.button(
                "It is not mine",
                type="tertiary",
                help="Somebody else used this browser before you: it is there for them again once you sign out.",
                on_click=_disown,
                key="disown",
            )
        st.button("", icon=":material/close:", type="tertiary", help="I have read it", on_click=_read)


@who_may
def _disown() -> None:
    """Hand back what came along when the user signed in, and go to a new workspace."""
    me = keeper()
    if me.brought is not None:
        me.keep()
        me.said.clear()
        try:
            hand_back(me.brought)
        except (CellucidError, OSError):
            me.said.append(
                "It could not be handed back, as the server's disk cannot be written to. Try it again later."
            )
            return
        me.brought = None
        st.session_state[GO] = NEW


def _read() -> None:
    me = keeper()
    me.brought = None
    me.said.clear()


def link_address() -> str:
    """Return the full link to the workspace, empty if there is none."""
    me = keeper()
    if not me.token:
        return ""
    seen: Any = st.context.url or ""
    host = "/".join(str(seen).split("/")[:3])
    return f"{host}{address_of(me.token)}"


def address_of(token: str) -> str:
    """Return the path of a workspace's link, with Streamlit's ``server.baseUrlPath``; of the dashboard if no token."""
    base = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{base + '/' if base else ''}" + (f"?{PARAMETER}={token}" if token else "")
