"""Links to files on the server's disk; they work only in the browser that made them, for 12 hours."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import streamlit as st

from cellucid_core.database import DatabaseRefused
from cellucid_core.serving import browser_of, download_address, offer_download


def offer(path: Path, file_name: str) -> str | None:
    """Return a token to download a file with.

    It is None if the browser keeps no cookie to bind it to, and empty if the server could not store it (a full disk).
    """
    browser = browser_of(st.context.cookies.to_dict())
    try:
        return offer_download(path, file_name, browser) if browser else None
    except DatabaseRefused:  # a full disk
        return ""


def download_link(token: str | None, label: str, *, kind: Literal["primary", "secondary"] = "primary") -> bool:
    """Draw the link of a token (see `offer`), or why there is none; tell whether there is one."""
    if token is None:
        st.warning(
            "Your browser did not send this dashboard's cookie, to which downloads are bound. Allow cookies for this "
            "address, reload the page and make the file again.",
            icon=":material/cookie_off:",
        )
        return False
    if not token:
        st.warning(
            "There is no room for a link on the server's disk. Free some, then reload.", icon=":material/link_off:"
        )
        return False
    address = download_address(token, str(st.get_option("server.baseUrlPath") or ""))
    st.link_button(label, address, icon=":material/download:", type=kind, width="stretch")
    return True
