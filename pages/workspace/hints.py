"""Hints for first-time visitors, one on each step's page, until they are closed for good.

Whoever has a workspace, or comes by a link, is not a first-time visitor. The browser remembers in a cookie that the
hints were closed. A browser that keeps no cookies would get them again and again, so it gets them only on request.
"""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from pages.session.keeping import keeper
from pages.session.owner import lasting_owner

COOKIE = "cellucid_hints"
#: Session state: whether hints are shown; whether the browser is to remember that they were closed.
_SHOWN, _CLOSED = "hints_shown", "hints_closed"
#: Browsers keep no cookie longer (RFC 6265bis, 5.5).
_REMEMBER = f'<script>document.cookie = "{COOKIE}=closed; path=/; samesite=lax; max-age={400 * 86400}"</script>'


@dataclass(frozen=True)
class Hint:
    """The hint of one step: its page, its title, and one or two sentences on what to do."""

    page: StreamlitPage
    title: str
    words: str


def draw_hint(page: StreamlitPage, hints: list[Hint]) -> None:
    """Draw the hint of a page above its content, if it has one and hints are shown.

    Parameters
    ----------
    page
        The page that is shown.
    hints
        One for each step, in order.
    """
    if st.session_state.get(_CLOSED):
        with st.sidebar:
            st.html(_REMEMBER, unsafe_allow_javascript=True)
    if not st.session_state.setdefault(_SHOWN, _is_first_visit()):
        return
    at = next((at for at, hint in enumerate(hints) if hint.page == page), None)
    if at is None:
        return
    with st.container(border=True, horizontal=True, vertical_alignment="center", key="hint"):
        st.markdown(f":gray-badge[{at + 1} of {len(hints)}] **{hints[at].title}.** {hints[at].words}", width="stretch")
        if at + 1 < len(hints):
            st.page_link(hints[at + 1].page, label=f"Next: {hints[at + 1].title.lower()}")
        st.button(
            "Close hints",
            icon=":material/close:",
            type="tertiary",
            help="They stay closed until you click “Show hints” on the left",
            key="close_hints",
            on_click=_close,
        )


def hints_button() -> None:
    """Draw the button that shows the hints again, at the foot of the sidebar."""
    if not st.session_state.get(_SHOWN):
        st.sidebar.button("Show hints", icon=":material/lightbulb:", type="tertiary", key="show_hints", on_click=_show)


def _is_first_visit() -> bool:
    known = keeper()
    return (
        not known.name and not known.said and lasting_owner() is not None and COOKIE not in st.context.cookies.to_dict()
    )


def _close() -> None:
    st.session_state[_SHOWN], st.session_state[_CLOSED] = False, True


def _show() -> None:
    st.session_state[_SHOWN] = True
