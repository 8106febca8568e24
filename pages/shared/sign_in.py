"""Signing in and out, and what is shown to who has not: nothing but the way in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any
from urllib.parse import urlsplit

import streamlit as st

from cellucid_core.configuration import read_configuration
from cellucid_core.errors import CellucidError
from cellucid_core.serving import SignIn, browser_of, end_sign_in, note_sign_in, read_sign_in, user_of
from pages.shared.workspace import literal


@dataclass(frozen=True)
class Visit:
    """Whether this session may see the dashboard.

    Attributes
    ----------
    offered
        Whether one can sign in here at all.
    admitted
        Whether pages are shown.
    sign_in
        Who is signed in, None if nobody is.
    refused
        Why somebody who did sign in does not count as signed in, None if they do.
    """

    offered: bool = False
    admitted: bool = True
    sign_in: SignIn | None = None
    refused: CellucidError | None = None


def _claims() -> Mapping[str, Any] | None:
    """Return what the provider says of who is signed in, None if nobody is or nobody can be."""
    if read_configuration().sign_in == "off":
        return None
    claims = st.user.to_dict()
    return claims if claims.get("is_logged_in") is True else None


def user() -> str | None:
    """Return ``user-<SHA-256 of issuer and subject>`` of who is signed in; None if nobody is."""
    claims = _claims()
    return None if claims is None else user_of(claims)


def admit() -> Visit:
    """Find out who is there, and let the routes of this server know of those who are signed in."""
    mode = read_configuration().sign_in
    if mode == "off":
        return Visit()
    claims = _claims()
    if claims is None:
        return Visit(offered=True, admitted=mode == "optional")
    try:
        sign_in = read_sign_in(claims)
        note_sign_in(sign_in, browser_of(st.context.cookies.to_dict()))
    except CellucidError as error:
        return Visit(offered=True, admitted=False, refused=error)
    return Visit(offered=True, sign_in=sign_in)


def draw_door(visit: Visit) -> None:
    """Draw what somebody sees who is not admitted."""
    st.space("large")
    with st.container(horizontal_alignment="center"), st.container(border=True, width=480, key="door"):
        st.title("Cellucid Dashboard", anchor=False)
        if visit.refused is not None:
            claims = _claims() or {}
            _draw_person(*(str(claims.get(part) or "")[:200] for part in ("name", "email")))
            st.warning(literal(visit.refused.what), icon=":material/lock:")
            st.markdown(literal(visit.refused.mend))
            sign_in, leave = st.columns(2)
            with sign_in:
                _sign_in_button("Sign in again", primary=True)
            with leave:
                _sign_out_button()
            return
        st.markdown("Check, export and score single-cell data.")
        st.caption("Sign in to go on. Your datasets, results and library entries are then yours in every browser.")
        _sign_in_button("Sign in", primary=True)


def draw_account(visit: Visit) -> None:
    """Draw at the foot of the sidebar who is signed in, or the offer to sign in."""
    if not visit.offered:
        return
    with st.sidebar, st.container(border=True, key="account"):
        if visit.sign_in is None:
            st.caption("Sign in, and what you make from then on is yours in every browser.")
            _sign_in_button("Sign in")
            return
        _draw_person(visit.sign_in.name, visit.sign_in.email)
        _sign_out_button()


def _draw_person(name: str, email: str) -> None:
    # No Markdown, which would make a link of every address.
    lines = [escape(line) for line in (name, email) if line] or ["Signed in"]
    st.html(
        f'<div style="overflow-wrap: anywhere; line-height: 1.4"><strong>{lines[0]}</strong>'
        + "".join(f'<div style="opacity: 0.75">{line}</div>' for line in lines[1:])
        + "</div>"
    )


def _sign_in_button(label: str, *, primary: bool = False) -> None:
    elsewhere = _other_address()
    if elsewhere is not None:
        st.caption("Signing in works only at the address that the provider knows.")
        st.link_button("Open the dashboard there", elsewhere, icon=":material/open_in_new:", width="stretch")
        return
    st.button(
        label,
        on_click=st.login,
        icon=":material/login:",
        type="primary" if primary else "secondary",
        width="stretch",
        key="sign_in",
    )


def _sign_out_button() -> None:
    st.button("Sign out", on_click=_sign_out, icon=":material/logout:", width="stretch", key="sign_out")


def _sign_out() -> None:
    # Streamlit's way out goes over the browser, which may never follow it; this counts at once, and in every tab.
    end_sign_in(browser_of(st.context.cookies.to_dict()))
    st.logout()


def _other_address() -> str | None:
    """Return where the dashboard has to be opened to sign in, None if it is open there.

    Streamlit believes its cookie only at the origin of ``redirect_uri``: at another, one would sign in for ever.
    """
    port = str(st.get_option("server.port"))
    home = str(st.secrets["auth"]["redirect_uri"]).replace("{port}", port).removesuffix("oauth2callback")
    shown, known = urlsplit(st.context.url or home), urlsplit(home)
    return home if (shown.scheme, shown.netloc) != (known.scheme, known.netloc) else None
