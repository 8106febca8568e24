"""Open a dataset from the browser: upload, or the demo."""

from __future__ import annotations

import hashlib
from pathlib import Path

import streamlit as st

from cellucid_core.atomic import complete_or_absent
from cellucid_core.dataset import DEMO, Dataset, View, check_file_name, default_mapping, open_dataset
from cellucid_core.dataset.home import home_folder
from cellucid_core.errors import CellucidError
from cellucid_core.preflight import preflight
from pages.shared.workspace import show_error, workspace


@st.cache_resource(show_spinner=False, max_entries=32)
def _shared_dataset(source: str, name: str | None) -> Dataset:
    """Open a file once for all sessions; uploads are named by their content, so a path never changes its meaning."""
    return open_dataset(source, name)


def open_source(source: str, name: str | None = None) -> None:
    """Open a dataset, showing progress, and make it this session's.

    Raises
    ------
    CellucidError
        If it cannot be opened; the session keeps what it had.
    """
    progress = st.progress(0.0, text="Reading the tables …")
    try:
        dataset = _shared_dataset(source, name)
        mapping = default_mapping(dataset)

        def report(share: float) -> None:
            progress.progress(min(1.0, share), text=f"Arranging the matrix by gene … {share:.0%}")

        # Preflight reads the matrix, which builds its store on first use.
        preflight(View(dataset, mapping, report))
    finally:
        progress.empty()
    workspace().open(dataset)


def keep_upload(upload: object) -> Path:
    """Write an uploaded file to disk under the hash of its bytes and return its path."""
    data: memoryview = upload.getbuffer()  # type: ignore[attr-defined]
    suffix = Path(str(upload.name)).suffix.lower()  # type: ignore[attr-defined]
    folder = home_folder("uploads")
    target = folder / f"{hashlib.sha256(data).hexdigest()}{suffix}"
    if not target.exists():
        with complete_or_absent(target) as draft:
            draft.write_bytes(data)
    return target


def upload_box(key: str) -> bool:
    """Draw the upload box; tell whether a dataset was opened from it in this run."""
    upload = st.file_uploader(
        "AnnData file (.h5ad)",
        type=None,
        key=key,
        help="The file stays on this server and is never changed.",
        label_visibility="collapsed",
    )
    if upload is None:
        return False
    tried = st.session_state.get(f"{key}_tried")
    if tried is None or tried[0] != upload.file_id:
        error: CellucidError | None = None
        try:
            check_file_name(upload.name)
            open_source(str(keep_upload(upload)), Path(upload.name).stem)
        except CellucidError as refused:
            error = refused
        # Remembered, so that the message stays while the file stands in the box.
        st.session_state[f"{key}_tried"] = tried = (upload.file_id, error)
        if error is None:
            return True
    if tried[1] is not None:
        show_error(tried[1])
    return False


def demo_button(key: str, *, primary: bool = False) -> bool:
    """Draw the button that opens the demo; tell whether it was opened in this run."""
    clicked = st.button(
        "Open the demo",
        key=key,
        icon=":material/play_arrow:",
        type="primary" if primary else "secondary",
        width="stretch",
    )
    if not clicked:
        return False
    try:
        open_source(DEMO)
    except CellucidError as error:
        show_error(error)
        return False
    return True
