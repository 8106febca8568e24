"""Whose session this is: what a person makes belongs to them, not to one tab."""

from __future__ import annotations

import secrets

import streamlit as st

from cellucid_core.serving import browser_of, fingerprint
from pages.shared.sign_in import user


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
        return f"browser-{fingerprint(browser)}"
    if "owner" not in st.session_state:
        st.session_state["owner"] = f"session-{secrets.token_hex(32)}"
    token: str = st.session_state["owner"]
    return token
