"""What somebody made before signing in comes along, is said, and can be handed back by who does not know it."""

from __future__ import annotations

from contextlib import suppress

import streamlit as st

from cellucid_core.errors import CellucidError
from cellucid_core.serving import Carried, arrive_signed_in, hand_back
from cellucid_core.serving.workspaces import read_workspace
from pages.session.keeper import Keeper, keeper
from pages.session.keeping import keep
from pages.session.owner import who_may
from pages.session.sign_in import browser_here, user
from pages.session.state import counted

#: Where the session goes next: the token of a workspace, or a new one.
GO, NEW = "workspace_go", "new"
_MOST_NAMED = 4


def bring_along(me: Keeper) -> str:
    """Take over what was made before signing in, if it was asked for.

    Returns
    -------
    str
        Name of the workspace that the person came from, ``new``, or empty.
    """
    whose = user()
    if whose is None:
        return ""
    try:
        wanted, carried = arrive_signed_in(browser_here(), whose)
    except (CellucidError, OSError):
        me.said.append(
            "Your work of before signing in could not be brought along, as the server's disk cannot be written to. "
            "It is kept; reload the page to try again."
        )
        return ""
    if carried is not None and carried.is_something:
        me.brought = carried
        me.said.append(_sentence(carried))
    return wanted


@who_may
def disown() -> None:
    """Hand back what came along, and leave it."""
    me = keeper()
    if me.brought is not None:
        keep()
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


def _sentence(carried: Carried) -> str:
    entries = counted(len(carried.entries), "entry of the library", "entries of the library")
    if not carried.workspaces:
        return f"What you made before signing in is yours now{f': {entries}' if carried.entries else ''}."
    titles = []
    for name in carried.workspaces[:_MOST_NAMED]:
        with suppress(CellucidError):  # damaged, or deleted this moment
            titles.append(f"“{read_workspace(name)[0].title}”")
    if len(carried.workspaces) > len(titles):
        titles.append(f"{len(carried.workspaces) - len(titles):,} more")
    too = f" So {'are' if len(carried.entries) > 1 else 'is'} {entries}." if carried.entries else ""
    return f"Your work of before signing in is now in your workspaces: {', '.join(titles)}.{too}"
