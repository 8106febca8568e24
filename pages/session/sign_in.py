"""Who uses the session: somebody who signed in, somebody who need not, or somebody who must sign in first."""

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
        Whether this server offers signing in.
    admitted
        Whether pages are shown.
    sign_in
        The signed-in user, or None.
    refused
        Why pages are not shown: the sign-in is not accepted, or somebody signed in or out in another tab; else None.
    claims
        What the provider says about whoever signed in, admitted or not; None if nobody did.
    is_over
        Whether somebody signed in or out in another tab meanwhile, so that this session is not theirs.
    """

    offered: bool = False
    admitted: bool = True
    sign_in: SignIn | None = None
    refused: CellucidError | None = None
    claims: Mapping[str, Any] | None = None
    is_over: bool = False


def _claims() -> Mapping[str, Any] | None:
    """Return what the provider says about the signed-in user, or None if nobody is signed in."""
    if read_configuration().sign_in == "off":
        return None
    claims = st.user.to_dict()
    return claims if claims.get("is_logged_in") is True else None


def user() -> str | None:
    """Return ``user-<SHA-256 of issuer and subject>`` of the signed-in user, or None if nobody is signed in."""
    claims = _claims()
    return None if claims is None else user_of(claims)


def admit() -> Visit:
    """Find out who uses the session, and note a signed-in user for the routes (uploads, downloads) of this server."""
    mode = read_configuration().sign_in
    if mode == "off":
        return Visit()
    claims, browser = _claims(), browser_here()
    if claims is None:
        if is_retired(browser):
            moved = WorkRefused(
                "Somebody signed in or out in another tab.",
                "Click “Go on” to continue as the current user of this browser.",
            )
            return Visit(offered=True, admitted=False, refused=moved, is_over=True)
        if _SEEN not in st.session_state:
            # Nobody signed in, so what was noted for the way back from the provider is not needed any more.
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
    """Return this browser's cookie, or None if it keeps none."""
    return browser_of(st.context.cookies.to_dict())
