"""Who is there: somebody who signed in, somebody who need not, or nobody whom pages are for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from cellucid_core.configuration import read_configuration
from cellucid_core.database import DatabaseRefused
from cellucid_core.errors import CellucidError, WorkRefused
from cellucid_core.serving import SignIn, browser_of, drop_way, is_retired, note_sign_in, read_sign_in, user_of

_SEEN = "seen_unsigned"


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
    claims
        What the provider says of who signed in, whether they count or not; None if nobody did.
    is_over
        Whether somebody signed in or out in another tab since: what is open here is not for who sits here now.
    """

    offered: bool = False
    admitted: bool = True
    sign_in: SignIn | None = None
    refused: CellucidError | None = None
    claims: Mapping[str, Any] | None = None
    is_over: bool = False


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
    claims, browser = _claims(), browser_here()
    if claims is None:
        if is_retired(browser):
            moved = WorkRefused("Somebody signed in or out in another tab.", "Go on as it is in this browser now.")
            return Visit(offered=True, admitted=False, refused=moved, is_over=True)
        if _SEEN not in st.session_state:
            # Who comes unsigned has not come over the provider, or has come back without signing in.
            st.session_state[_SEEN] = True
            drop_way(browser)
        return Visit(offered=True, admitted=mode == "optional")
    try:
        sign_in = read_sign_in(claims)
    except CellucidError as error:
        return Visit(offered=True, admitted=False, refused=error, claims=claims)
    try:
        note_sign_in(sign_in, browser)
    except CellucidError as error:
        is_over = not isinstance(error, DatabaseRefused)
        return Visit(offered=True, admitted=False, refused=error, claims=claims, is_over=is_over)
    return Visit(offered=True, sign_in=sign_in, claims=claims)


def browser_here() -> str | None:
    """Return the cookie of the browser in front of this session, None if it keeps none."""
    return browser_of(st.context.cookies.to_dict())
