"""The little that Streamlit's theme cannot say."""

from __future__ import annotations

import streamlit as st

#: Containers whose keys begin so hold columns that wrap where they would be too narrow side by side.
SPLIT, CARDS = "split", "cards"


def _wrap(key: str, width: str) -> str:
    row = '[data-testid="stHorizontalBlock"]'
    column = f'{row} > [data-testid="stColumn"]'
    return (
        f'[class*="st-key-{key}"] > [data-testid="stLayoutWrapper"] > {column}, [class*="st-key-{key}"] > {column}'
        f" {{ min-width: min(100%, {width}); }}"
    )


_CSS = f"""
<style>
{_wrap(SPLIT, "15rem")}
{_wrap(CARDS, "9.5rem")}
.stMultiSelect [data-rac] {{ max-height: none; }}
</style>
"""


def apply_style() -> None:
    """Add the style sheet to the page."""
    st.html(_CSS)
