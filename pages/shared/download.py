"""Links to files on the server's disk; they work in the browser that made them, and only for a while."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import streamlit as st

from cellucid_core.serving import browser_of, download_address, offer_download


def offer(path: Path, file_name: str) -> str | None:
    """Return a token to download a file with, or None where the browser keeps no cookie to bind it to."""
    browser = browser_of(st.context.cookies.to_dict())
    return offer_download(path, file_name, browser) if browser else None


def download_link(token: str | None, label: str, *, kind: Literal["primary", "secondary"] = "primary") -> bool:
    """Draw the link, or say why there is none; tell whether there is."""
    if token is None:
        st.warning(
            "Your browser did not send this dashboard's cookie, to which downloads are bound. Allow cookies for this "
            "address, reload the page and make the file again.",
            icon=":material/cookie_off:",
        )
        return False
    address = download_address(token, str(st.get_option("server.baseUrlPath") or ""))
    st.link_button(label, address, icon=":material/download:", type=kind, width="stretch")
    return True
