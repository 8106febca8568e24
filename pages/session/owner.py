"""Whose session this is: what a person makes belongs to them, not to one tab."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from functools import wraps

import streamlit as st

from cellucid_core.serving import browser_of, browser_owner, fingerprint
from pages.session.sign_in import admit, user

_BEGAN = "began_with"


def owner() -> str:
    """Return whom what is made here belongs to.

    The user who is signed in (``user-…``); else this browser (``browser-…``), or this session where the browser keeps
    no cookie (``session-…``).
    """
    signed_in = user()
    if signed_in is not None:
        return signed_in
    browser = browser_of(st.context.cookies.to_dict())
    if browser is not None:
        return browser_owner(fingerprint(browser))
    if "owner" not in st.session_state:
        st.session_state["owner"] = f"session-{secrets.token_hex(32)}"
    token: str = st.session_state["owner"]
    return token


def lasting_owner() -> str | None:
    """Return whom workspaces of this session belong to, None where nobody comes back: a browser without a cookie."""
    found = owner()
    return None if found.startswith("session-") else found


def is_same_owner() -> bool:
    """Tell whether the session belongs to whom it began with.

    A connection that dropped takes its session up again, and may come back with another cookie: somebody signed in or
    out at this browser meanwhile. What the session holds is not for them.
    """
    now = owner()
    began: str = st.session_state.setdefault(_BEGAN, now)
    return began == now


def who_may(act: Callable[..., object]) -> Callable[..., None]:
    """Return what a widget's callback does, as long as the session's owner is still the one who may.

    Callbacks run before the page finds out (`sign_in.admit`) that somebody signed out in another tab; those that
    change files have to ask themselves.
    """

    @wraps(act)
    def asked(*arguments: object) -> None:
        if is_same_owner() and admit().admitted:
            act(*arguments)

    return asked
