"""A small style sheet for what Streamlit's theme cannot set."""

from __future__ import annotations

import streamlit as st

#: Beginnings of the keys of containers whose columns wrap where they would be too narrow side by side.
SPLIT, CARDS = "split", "cards"

#: The box of chosen pages; the panel sets the colour of each.
CHIPS = "page_chips"
#: The list of the user's pages.
OWN_PAGES = "own_pages"
#: The workspace's card, and its row of icon buttons.
WORKSPACE, ACTIONS = "workspace_card", "workspace_actions"
#: Charts side by side, which keep their own width.
PAIR = "side_by_side"
_CHIP = f".st-key-{CHIPS} [data-tag]"


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
[data-testid="stApp"] [data-testid="stCaptionContainer"] {{ opacity: 0.78; }}
.st-key-{PAIR} [data-testid="stVegaLiteChart"] {{ max-width: 100%; overflow: auto hidden; }}
.stMultiSelect [data-rac] {{ max-height: none; }}
.st-key-{CHIPS} [data-rac] {{ max-height: 20.5rem; overflow-y: auto; }}
{_CHIP} {{
  background: color-mix(in srgb, var(--page, gray) 16%, transparent); color: inherit; height: auto; max-width: 100%;
  border-left: 0.35rem solid var(--page, gray); font-size: 0.85rem; padding-block: 0.15rem;
}}
{_CHIP} > span {{ white-space: normal; overflow-wrap: anywhere; max-width: none; line-height: 1.25; }}
{_CHIP} > button {{ color: inherit; }}
.st-key-{OWN_PAGES} .stColorPicker, .st-key-{OWN_PAGES} .stColorPicker > div {{ min-height: 0; height: 1.5rem; }}
.st-key-{OWN_PAGES} [data-testid="stColorPickerBlock"] {{ width: 1.5rem; height: 1.5rem; }}
button[data-rac][data-variant][data-selected] {{ color: inherit; }}
.st-key-{ACTIONS} [data-testid="stPopover"] button > div > *:nth-child(n + 2) {{ display: none; }}
</style>
"""


def apply_style() -> None:
    """Add the style sheet to the page."""
    st.html(_CSS)
