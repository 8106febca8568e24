"""The owner of a session: what a person makes belongs to them, not to one tab."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from functools import wraps

import streamlit as st

from cellucid_core.serving import browser_of, browser_owner, fingerprint
from pages.session.sign_in import admit, user

_BEGAN = "began_with"


def owner() -> str:
    """Return the owner of everything that is made in this session.

    It is the signed-in user (``user-…``), else this browser (``browser-…``), or this session if the browser keeps no
    cookie (``session-…``).
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
    """Return the owner of this session's workspaces, or None if the browser keeps no cookie and so cannot come back."""
    found = owner()
    return None if found.startswith("session-") else found


def is_same_owner() -> bool:
    """Tell whether the session still has the owner that it began with.

    After a dropped connection, the browser returns to its session, with another cookie if somebody signed in or out
    meanwhile. What the session holds is not for them.
    """
    now = owner()
    began: str = st.session_state.setdefault(_BEGAN, now)
    return began == now


def who_may(act: Callable[..., object]) -> Callable[..., None]:
    """Decorate a widget's callback to do nothing if the session's owner changed or is no longer admitted.

    Callbacks run before the page checks (`sign_in.admit`) whether somebody signed out in another tab, so those that
    change files need a check of their own.
    """

    @wraps(act)
    def asked(*arguments: object) -> None:
        if is_same_owner() and admit().admitted:
            act(*arguments)

    return asked
