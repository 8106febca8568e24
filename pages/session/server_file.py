"""Large files made on the server and streamed from its disk, under a link of this browser."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import streamlit as st

from cellucid_core.cache import home_folder
from cellucid_core.errors import CellucidError
from pages.session.state import show_error
from pages.widgets.download import download_link, offer


def offer_file(label: str, name: str, key: object, make: Callable[[Path], object], file_name: str) -> None:
    """Draw a button that makes a file, and then the link to it.

    Parameters
    ----------
    label
        Of the button.
    name
        Of the widget.
    key
        What the file is made of; another key needs another file.
    make
        Writes the file to the path it is given.
    file_name
        The name the browser gives it.
    """
    slot = f"{name} file"
    known = st.session_state.get(slot)
    if known is None or known[0] != key:
        if not st.button(label, key=name, icon=":material/file_save:"):
            return
        target = home_folder("exports") / f"{time.time_ns()}-{Path(file_name).name}"
        try:
            with st.spinner("Writing …"):
                make(target)
        except CellucidError as error:
            show_error(error)
            return
        st.session_state[slot] = known = (key, offer(target, file_name))
    download_link(known[1], f"Download {file_name}")
