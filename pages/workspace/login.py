"""Signing in and out, and the only thing shown to people who have to sign in first."""

from __future__ import annotations

import json
from contextlib import suppress
from html import escape
from urllib.parse import urlsplit

import streamlit as st

from cellucid_core.database import DatabaseRefused
from cellucid_core.serving import browser_owner, drop_way, end_sign_in, find_way, fingerprint, note_way, user_of
from cellucid_core.serving.workspaces import is_token, name_of, owners_workspaces
from pages.session.keeping import keeper
from pages.session.owner import is_same_owner
from pages.session.sign_in import Visit, admit, browser_here
from pages.session.state import literal
from pages.workspace.session_start import NEW, PARAMETER, address_of

_TAKE_ALONG, _GO_ON, _LEAVING = "take_along", "go_on", "leaving"


def draw_door(visit: Visit) -> None:
    """Draw the page of somebody who is not admitted: why, and the ways to sign in or go on."""
    if st.session_state.get(_GO_ON):
        start_over()
    if visit.is_over:  # so that a reload does not lead the next person to this workspace
        st.query_params.pop(PARAMETER, None)
    st.space("large")
    with st.container(horizontal_alignment="center"), st.container(border=True, width=480, key="door"):
        st.title("Cellucid Dashboard", anchor=False)
        if visit.refused is not None:
            claims = visit.claims or {}
            _draw_person(*(str(claims.get(part) or "")[:200] for part in ("name", "email")))
            st.warning(literal(visit.refused.what), icon=":material/lock:")
            st.markdown(literal(visit.refused.fix))
            if visit.claims is None:
                _go_on_button()
                return
            sign_in, leave = st.columns(2)
            with sign_in:
                _sign_in_button("Sign in again", primary=True)
            with leave:
                _sign_out_button()
            return
        st.markdown("Check, export and score single-cell data.")
        st.caption("Sign in to go on. Your datasets, results and library entries are then yours in every browser.")
        _take_along_box()
        _sign_in_button("Sign in", primary=True)


def draw_account(visit: Visit) -> None:
    """Draw, at the foot of the sidebar, who is signed in, or the offer to sign in."""
    if not visit.offered:
        return
    with st.sidebar, st.container(border=True, key="account"):
        if visit.sign_in is None:
            so_far = "" if _left_here() else " from then on"
            st.caption(f"Sign in, and what you make{so_far} is yours in every browser.")
            _take_along_box()
            _sign_in_button("Sign in")
            return
        _draw_person(visit.sign_in.name, visit.sign_in.email)
        _sign_out_button()


def start_over() -> None:
    """Load the dashboard again without the workspace's link, and end this run: this session is not for the new user.

    After signing out, Streamlit sends the browser to the provider, which a reload here would interrupt; so a button to
    go on is drawn instead, in case the browser does not get there.
    """
    if st.session_state.get(_LEAVING) and not st.session_state.get(_GO_ON):
        st.markdown("You are signed out.")
        _go_on_button()
        st.stop()
    target = json.dumps(address_of(""))
    st.html(f"<script>window.location.assign({target})</script>", unsafe_allow_javascript=True)
    st.stop()


def _draw_person(name: str, email: str) -> None:
    # Not Markdown, which would turn e-mail addresses into links.
    lines = [escape(line) for line in (name, email) if line] or ["Signed in"]
    st.html(
        f'<div style="overflow-wrap: anywhere; line-height: 1.4"><strong>{lines[0]}</strong>'
        + "".join(f'<div style="opacity: 0.75">{line}</div>' for line in lines[1:])
        + "</div>"
    )


def _take_along_box() -> None:
    """Draw the choice whether this browser's work becomes the user's, as somebody else may have made it."""
    n = len(_left_here())
    if n and _other_address() is None:
        what = f"the {n:,} workspaces" if n > 1 else "the workspace"
        st.checkbox(
            f"Bring along {what} of this browser",
            value=True,
            key=_TAKE_ALONG,
            help="What was made here without signing in becomes yours. Untick this if somebody else made it: "
            "then it is here again after you sign out.",
        )


def _left_here() -> list[str]:
    """Return the names of the workspaces that were made in this browser without signing in."""
    browser = browser_here()
    return [] if browser is None else owners_workspaces(browser_owner(fingerprint(browser)))


def _sign_in_button(label: str, *, primary: bool = False) -> None:
    elsewhere = _other_address()
    if elsewhere is not None:
        st.caption("Signing in works only at the address that the provider knows.")
        st.link_button("Open the dashboard there", elsewhere, icon=":material/open_in_new:", width="stretch")
        return
    st.button(
        label,
        on_click=_sign_in,
        icon=":material/login:",
        type="primary" if primary else "secondary",
        width="stretch",
        key="sign_in",
    )


def _sign_out_button() -> None:
    st.button("Sign out", on_click=_sign_out, icon=":material/logout:", width="stretch", key="sign_out")


def _go_on_button() -> None:
    st.button("Go on", on_click=_go_on, icon=":material/refresh:", type="primary", width="stretch", key="go_on_now")


def _go_on() -> None:
    st.session_state[_GO_ON] = True


def _sign_in() -> None:
    visit, browser = admit(), browser_here()
    if not is_same_owner() or (visit.is_over and visit.claims is None):
        return  # somebody signed in or out in another tab
    with suppress(DatabaseRefused):  # a full disk must not keep anybody from signing in
        if visit.is_over:
            drop_way(browser)
        elif visit.claims is None:
            carry, wanted = bool(st.session_state.get(_TAKE_ALONG, True)), _wanted()
            note_way(browser, wanted if carry or wanted not in _left_here() else "", carry=carry)
        elif (before := find_way(browser)) is not None:  # signed in as somebody who is not admitted: keep the note
            note_way(browser, _wanted() or before.workspace, carry=before.carry, user=before.user)
        else:  # the note has expired
            note_way(browser, _wanted(), carry=False, user=user_of(visit.claims) or "")
    st.login()


def _wanted() -> str:
    """Return the name of the workspace that is open here or that the address names, ``new``, or an empty text."""
    me, asked = keeper(), st.query_params.get(PARAMETER)
    if me.over:
        return ""
    if me.name or not asked or asked == NEW:
        return me.name or asked or ""
    return name_of(asked) if is_token(asked) else name_of("")  # no workspace has this name, so the start will say so


def _sign_out() -> None:
    # Streamlit signs out by redirecting the browser, which may never follow; this counts at once, and in every tab.
    end_sign_in(browser_here())
    st.session_state[_LEAVING] = True
    st.logout()


def _other_address() -> str | None:
    """Return the address at which the dashboard has to be opened to sign in, or None if it is open there.

    Streamlit accepts its cookie only at the origin of ``redirect_uri``; at any other, signing in would never succeed.
    """
    port = str(st.get_option("server.port"))
    home = str(st.secrets["auth"]["redirect_uri"]).replace("{port}", port).removesuffix("oauth2callback")
    shown, known = urlsplit(st.context.url or home), urlsplit(home)
    if (shown.scheme, shown.netloc) == (known.scheme, known.netloc):
        return None
    asked = st.query_params.get(PARAMETER)
    return f"{home}?{PARAMETER}={asked}" if is_token(asked) else home
