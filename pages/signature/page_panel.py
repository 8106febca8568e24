"""The choice of the pages to compare: those of a column, and those that the user made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import streamlit as st

from cellucid_core.cell_pages import Page, pages_to_json, uniquely_named, with_rest
from cellucid_core.dataset import View
from pages.session.state import kept, literal, widget_key, workspace
from pages.signature.column_pages import CHOOSE_NEXT, MINE, column_pages, page_columns
from pages.signature.new_page import new_page_dialog
from pages.widgets.style import CHIPS, OWN_PAGES

ALL = "All categories"
MOST_PAGES_AT_FIRST = 12
_ROWS_SHOWN = 6
_REST = "Rest of "


@dataclass(frozen=True)
class PageChoice:
    """What was chosen in the panel.

    Attributes
    ----------
    pages
        The pages to compare, in order, with unique names and with colours; None if none is chosen.
    column
        The chosen obs column, if any.
    columns
        All obs columns that group cells.
    """

    pages: list[Page] | None
    column: str | None
    columns: list[str]


def page_panel(view: View) -> PageChoice:
    """Draw the panel and return what was chosen."""
    columns = page_columns(view)
    of, against = st.columns(2, gap="small", vertical_alignment="bottom")
    column = of.selectbox(
        "Compare pages from",
        columns,
        **kept("group_by"),
        help="A column of the cell table. Each of its categories is a page: a named group of cells.",
        placeholder="No column groups the cells",
    )
    of_column = [] if column is None else column_pages(view, column)
    own = [(MINE + page.id, page.in_view(view)) for page in workspace().pages]
    compared = [(key, page) for key, page in own if page.n]  # fixes may have left out every cell of a page
    options = [*(page.name for page in of_column), *(key for key, _ in compared)]
    pages = dict(zip(options, uniquely_named([*of_column, *(page for _, page in compared)]), strict=True))
    chosen = _choose(column, pages)
    choice = against.selectbox(
        "Against",
        [ALL, *(_REST + option for option in options)],
        **kept(f"rest {column}"),
        format_func=lambda option: "Each other" if option == ALL else _REST + pages[option.removeprefix(_REST)].name,
        help="Compare the chosen pages with each other, or one page with all other cells.",
    )
    _own_pages(view, column, dict(own))
    if choice == ALL:
        return PageChoice([pages[option] for option in chosen] or None, column, columns)
    return PageChoice(with_rest(pages[choice.removeprefix(_REST)], [], view.n_cells), column, columns)


def _choose(column: str | None, pages: dict[str, Page]) -> list[str]:
    """Draw the box of pages, each with its colour and number of cells."""
    name = f"pages {column}"
    key = widget_key(name)
    at_first = [option for option in pages if not option.startswith(MINE)][:MOST_PAGES_AT_FIRST]
    if key in st.session_state:
        # A page that was deleted, or a category that a fix took away, is not an option any more.
        st.session_state[key] = [option for option in st.session_state[key] if option in pages]
    new = [option for option in st.session_state.pop(CHOOSE_NEXT, []) if option in pages]
    if new:
        before = st.session_state.get(key, at_first)
        st.session_state[key] = [*before, *(option for option in new if option not in before)]
    # No default beside a value that is set already.
    arguments: dict[str, Any] = kept(name) if key in st.session_state else {"default": at_first, **kept(name)}
    with st.container(key=CHIPS):
        chosen = st.multiselect(
            "Pages",
            list(pages),
            format_func=lambda option: f"{pages[option].name} ·\u00a0{pages[option].n:,}",
            help="The groups of cells to compare, with their numbers of cells.",
            placeholder="Choose pages",
            wrap=True,
            **arguments,
        )
    _color_chips([pages[option].color or "" for option in chosen])
    return list(chosen)


def _color_chips(colors: list[str]) -> None:
    """Give every chip its page's colour, by position, so that names from data stay out of the style sheet."""
    rules = "".join(
        f'.st-key-{CHIPS} [data-tag-index="{place}"] {{ --page: {color}; }}' for place, color in enumerate(colors)
    )
    st.html(f"<style>{rules}</style>")


def _own_pages(view: View, column: str | None, own: dict[str, Page]) -> None:
    """Draw the list of the user's pages, and the buttons to make and save some."""
    made = workspace().pages
    if len(made):
        st.markdown("**My pages**")
        height: Any = "content" if len(made) <= _ROWS_SHOWN else 46 * _ROWS_SHOWN
        with st.container(key=OWN_PAGES, height=height, gap="xsmall"):
            for page in made:
                _row(page.id, own[MINE + page.id], page.made)
        if gone := [page.name for page in own.values() if not page.n]:
            st.caption(
                f":material/info: All cells of {literal(', '.join(gone))} are left out by your choices on the Upload & "
                f"Preflight page: {'it is' if len(gone) == 1 else 'they are'} not compared."
            )
    with st.container(horizontal=True, gap="small"):
        if st.button(
            "New page", icon=":material/add:", width="stretch", help="Draw it, or choose its cells in another way."
        ):
            st.session_state["new_page_open"] = True
        if len(made):
            st.download_button(
                "Save",
                data=lambda: pages_to_json(view, made),
                file_name=f"{view.dataset.id}-pages.json",
                mime="application/json",
                icon=":material/download:",
                on_click="ignore",
                help="All my pages with the ids of their cells, to load them again here or on another dataset.",
            )
    if st.session_state.get("new_page_open"):
        new_page_dialog(view, column)


def _row(page_id: str, page: Page, made: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small", wrap=False, key=f"own_{page_id}"):
        st.color_picker(
            f"Colour of {literal(page.name)}",
            value=(page.color or "#808080").lower(),
            key=widget_key(f"color {page_id} {page.color}"),
            label_visibility="collapsed",
            on_change=_recolor,
            args=(page_id, widget_key(f"color {page_id} {page.color}")),
        )
        st.markdown(f"{literal(page.name)} :gray[· {page.n:,}]", width="stretch")
        with st.popover(
            "", icon=":material/more_horiz:", type="tertiary", help="Rename or delete", key=f"of_{page_id}"
        ):
            st.text_input(
                "Name",
                value=page.name,
                key=widget_key(f"name {page_id} {page.name}"),
                max_chars=200,
                on_change=_rename,
                args=(page_id, widget_key(f"name {page_id} {page.name}")),
            )
            if made:
                st.caption(literal(made))
            st.button(
                "Delete",
                key=f"delete_{page_id}",
                icon=":material/delete:",
                on_click=_delete,
                args=(page_id,),
                width="stretch",
            )


def _recolor(page_id: str, key: str) -> None:
    workspace().pages = workspace().pages.recolor(page_id, st.session_state[key])


def _rename(page_id: str, key: str) -> None:
    workspace().pages = workspace().pages.rename(page_id, st.session_state[key])


def _delete(page_id: str) -> None:
    workspace().pages = workspace().pages.delete(page_id)
