"""The head of a page: its title, and beside it room for what concerns all of it."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator


def heading(title: str) -> tuple[DeltaGenerator, DeltaGenerator]:
    """Draw a page's title, and return the row that it stands in.

    Returns
    -------
    tuple
        What is drawn in the first stands at the right end of the row; the second is the room before that, which is
        there whether something stands in it or not, so that nothing moves where something comes and goes.
    """
    row = st.container(horizontal=True, vertical_alignment="center", gap="small", wrap=False)
    row.title(title, anchor=False, width="content")
    room = row.container(width="stretch")
    return row, room
