"""What a page shows while no dataset is open."""

from __future__ import annotations

import streamlit as st

from pages.opening.opening_panel import demo_button, server_box, upload_box
from pages.session.state import workspace


def need_dataset(what: str) -> None:
    """If no dataset is open, offer to open one and stop the page.

    Parameters
    ----------
    what
        What the page does with a dataset, as the end of "Open a dataset to …".
    """
    if workspace().dataset is not None:
        return
    with st.container(border=True):
        st.markdown(f"**Open a dataset to {what}.**")
        upload, demo = st.columns([2, 1], vertical_alignment="center")
        with upload:
            opened = upload_box("empty_upload") or server_box("empty_server")
        with demo:
            opened = demo_button("empty_demo", primary=True) or opened
    if opened:
        st.rerun()
    st.stop()
