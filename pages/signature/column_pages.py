"""The pages of obs columns, made once per dataset and mapping for all sessions."""

from __future__ import annotations

import streamlit as st

from cellucid_core.cell_pages import Page, pages_from_column
from cellucid_core.dataset import View
from cellucid_core.errors import InputError

#: Prefix of the ids of the user's own pages among a widget's options; no category begins with it.
MINE = "\x1f"
#: Session state: options that are added to the chosen pages when the panel is next drawn.
CHOOSE_NEXT = "page_panel_choose_next"


def page_columns(view: View) -> list[str]:
    """Return the obs columns whose categories can be pages."""
    return _page_columns(view, view.dataset.content_hash, view.mapping.digest())


@st.cache_data(show_spinner=False, max_entries=32)
def _page_columns(_view: View, content: str, mapping: str) -> list[str]:
    columns = []
    for key in map(str, _view.dataset.obs.columns):
        try:
            if len(pages_from_column(_view, key)) > 0:
                columns.append(key)
        except InputError:
            continue
    return columns


def column_pages(view: View, key: str) -> list[Page]:
    """Return a column's pages, made once per dataset and mapping."""
    return _column_pages(view, view.dataset.content_hash, view.mapping.digest(), key)


@st.cache_resource(show_spinner=False, max_entries=32)
def _column_pages(_view: View, content: str, mapping: str, key: str) -> list[Page]:
    return pages_from_column(_view, key)
