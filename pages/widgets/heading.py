"""The head of a page: its title, and beside it room for what concerns all of it."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator


def heading(title: str) -> DeltaGenerator:
    """Draw a page's title, and return the row that it stands in: what is drawn there later stands at its right."""
    row = st.container(horizontal=True, vertical_alignment="center", gap="small", wrap=False)
    row.title(title, anchor=False, width="stretch")
    return row
