"""The box that uploads files of any size to the server's disk, in pieces that survive a dropped connection."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from cellucid_core.configuration import format_size, read_configuration
from cellucid_core.errors import InputError
from cellucid_core.serving import browser_of, take_upload, upload_address

_DONE = "upload_done"
_HERE = Path(__file__).parent
_box = st.components.v2.component(
    "cellucid_upload",
    html=(_HERE / "upload.html").read_text(encoding="utf-8"),
    css=(_HERE / "upload.css").read_text(encoding="utf-8"),
    js=(_HERE / "upload.js").read_text(encoding="utf-8"),
)


def uploaded_tokens(key: str, title: str = "Drop a file here, or several samples") -> str | None:
    """Draw the box; return the tokens of an upload once all its files have arrived, else None.

    Parameters
    ----------
    key
        The box's key.
    title
        What the empty box says.

    Returns
    -------
    str or None
        One token per file, separated by spaces. Pass them to `finish`, so that the boxes take another upload.

    Raises
    ------
    InputError
        In the run in which a file was refused, before or while it was sent.
    """
    limit = read_configuration().upload_limit
    state = st.session_state.get(key)
    seen = state.get("uploaded") if state else None
    result = _box(
        key=key,
        data={
            "address": upload_address(str(st.get_option("server.baseUrlPath") or "")),
            "title": title,
            "hint": f"Up to {format_size(limit)}. After a dropped connection, the upload goes on where it stopped.",
            "seen": seen,
            "done": st.session_state.get(_DONE),
        },
        on_uploaded_change=lambda: None,
        on_refused_change=lambda: None,
    )
    if isinstance(result.refused, dict):
        raise InputError(*(str(result.refused.get(part, ""))[:500] for part in ("what", "fix")))
    tokens: str | None = result.uploaded
    return tokens


def finish(tokens: str) -> None:
    """Note that an upload was dealt with, so that the boxes take another one in the next run."""
    st.session_state[_DONE] = tokens


def take(token: str) -> tuple[Path, str]:
    """Return the path of an uploaded file and the user's name for it, showing progress while it is checked.

    Raises
    ------
    InputError
        If the file is not there, not complete, or another owner's.
    """
    bar = st.progress(0.0, text="Checking the upload …")

    def report(share: float) -> None:
        bar.progress(min(1.0, share), text="Checking the upload …")

    try:
        return take_upload(token, browser_of(st.context.cookies.to_dict()), report)
    finally:
        bar.empty()
