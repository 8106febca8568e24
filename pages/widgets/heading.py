"""The head of a page: its title, and beside it room for what concerns the whole page."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator


def heading(title: str) -> tuple[DeltaGenerator, DeltaGenerator]:
    """Draw a page's title, and return two places beside it.

    Returns
    -------
    tuple
        The row, whose next elements are drawn at its right end, and the room between them and the title. That room
        keeps its width when it is empty, so that nothing moves.
    """
    row = st.container(horizontal=True, vertical_alignment="center", gap="small", wrap=False)
    row.title(title, anchor=False, width="content")
    room = row.container(width="stretch")
    return row, room
