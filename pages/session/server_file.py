"""Large files made on the server, such as exports, which this browser downloads by a link."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from cellucid_core.cache import home_folder
from cellucid_core.errors import CellucidError
from cellucid_core.serving.workspaces import KeptExport
from pages.session.state import show_error
from pages.widgets.download import download_link, offer

#: Format of an export → ending of its file.
SUFFIXES = {"compact": ".zip", "h5ad": ".h5ad", "zarr.zip": ".zarr.zip"}


@dataclass(frozen=True)
class Finished(KeptExport):
    """A finished export, and the token to download it (see `offer`)."""

    token: str | None

    @classmethod
    def offered(cls, kept: KeptExport) -> Finished:
        """Return an export with a new link for this browser; the file is kept for another day, links for half of it."""
        path = kept.result.path
        with suppress(OSError):
            os.utime(path)
        return cls(**vars(kept), token=offer(path, f"{kept.dataset_id}{SUFFIXES[kept.format]}"))


def offer_file(label: str, name: str, key: object, make: Callable[[Path], object], file_name: str) -> None:
    """Draw a button that makes a file, and then the link to it.

    Parameters
    ----------
    label
        The label of the button.
    name
        The button's key.
    key
        Key of the file's inputs; if it changed, the file has to be made again.
    make
        Writes the file to the path it is given.
    file_name
        The name that the browser gives the file.
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
