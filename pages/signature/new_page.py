"""The dialog that makes pages: drawn, from a range, from ids, from other pages, or from a file."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from html import escape

import numpy as np
import streamlit as st

from cellucid_core.cell_pages import (
    MAX_FILE,
    MadePages,
    Operation,
    Page,
    SavedPage,
    column_values,
    combine,
    drawing_coordinates,
    numeric_columns,
    page_from_drawing,
    page_from_range,
    pages_from_file,
    pages_from_ids,
    quantile_limits,
    read_areas,
    uniquely_named,
)
from cellucid_core.charts import board_height, drawing_board, histogram, specification
from cellucid_core.dataset import View
from cellucid_core.errors import CellucidError, InputError
from pages.session.state import literal, show_error, workspace
from pages.signature.column_pages import CHOOSE_NEXT, MINE, column_pages
from pages.widgets.style import SPLIT

WAYS = ("Draw", "Range", "Ids", "Combine", "File")
OPERATIONS: dict[Operation, str] = {
    "union": "In any of them",
    "intersection": "In all of them",
    "difference": "In the first, in no other",
}
BOARD = 480
MOST_COLORED = 60
MOST_IN_SIGHT = 14
EXPRESSION = "Expression of a gene"


def _close() -> None:
    st.session_state["new_page_open"] = False
    st.session_state.pop("new_page_memo", None)
    # A new chart has nothing drawn on it.
    st.session_state["board"] = st.session_state.get("board", 0) + 1


@st.dialog("New page", width=880, on_dismiss=_close)
def new_page_dialog(view: View, column: str | None) -> None:
    """Draw the dialog that makes pages; they are added to the user's own and chosen for comparison.

    Parameters
    ----------
    view
        The dataset as mapped.
    column
        The obs column that is compared now; its pages colour the picture to draw on, and can be combined.
    """
    way = st.segmented_control(
        "How", WAYS, default=WAYS[0], key="new_page_way", label_visibility="collapsed", required=True
    )
    try:
        {"Draw": _draw, "Range": _range, "Ids": _ids, "Combine": _combine, "File": _file}[way](view, column)
    except CellucidError as error:
        show_error(error)


def _offer(view: View, column: str | None, made: Callable[[], MadePages], key: object, name: str | None = None) -> None:
    """Draw the pages that the choices make, a box for a name, and the button that adds them.

    `made` is called again only if `key` changed. `name` is the default name, else the page's own.
    """
    key = (view.dataset.content_hash, view.mapping.digest(), key)
    memo = st.session_state.get("new_page_memo")
    if memo is None or memo[0] != key:
        try:
            memo = (key, made())
        except CellucidError as error:
            memo = (key, error)
        st.session_state["new_page_memo"] = memo
    if isinstance(memo[1], CellucidError):
        show_error(memo[1])
        return
    result: MadePages = memo[1]
    pages = result.pages
    if len(pages) == 1:
        name, n = name or pages[0].name, len(pages[0].rows)
        st.markdown(f"**{n:,}** {'cell' if n == 1 else 'cells'}")
        given = st.text_input("Name", key="new_page_name", placeholder=name, max_chars=200).strip()
        pages = [replace(pages[0], name=given or name)]
    else:
        st.markdown(f"**{len(pages):,}** pages")
        for page in pages[:MOST_IN_SIGHT]:
            st.markdown(f"{literal(page.name)} :gray[· {len(page.rows):,}]")
        if len(pages) > MOST_IN_SIGHT:
            st.caption(f"and {len(pages) - MOST_IN_SIGHT:,} more")
    for note in result.notes:
        st.info(literal(note), icon=":material/info:")
    words = "Make the page" if len(pages) == 1 else f"Add {len(pages):,} pages"
    if st.button(words, type="primary", icon=":material/add:", width="stretch"):
        add_pages(pages, _colors(view, column))
        _close()
        st.rerun()


def add_pages(pages: Iterable[SavedPage], taken: Iterable[str] = ()) -> None:
    """Add pages to the user's own, and choose them from the next run on; `taken` are colours not to give them."""
    work = workspace()
    before = work.pages
    work.pages = before.add(pages, taken)
    st.session_state[CHOOSE_NEXT] = [MINE + page.id for page in list(work.pages)[len(before) :]]


def _next_name() -> str:
    return f"Page {workspace().pages.made_so_far + 1}"


def _column_pages(view: View, column: str | None) -> list[Page]:
    try:
        return [] if column is None else column_pages(view, column)
    except InputError:
        return []


def _colors(view: View, column: str | None) -> list[str]:
    return [page.color for page in _column_pages(view, column) if page.color]


def _draw(view: View, column: str | None) -> None:
    if view.dimensions == (1,):
        _draw_on_a_line(view, column)
        return
    xy, where = drawing_coordinates(view)
    with st.container(key=f"{SPLIT}_board"):
        left, right = st.columns([1.7, 1], gap="medium")
    with left:
        board = _board(view, view.dataset.content_hash, view.mapping.digest(), column)
        event = st.echarts_chart(
            board,
            width=BOARD,
            height=board_height(BOARD),
            key=f"board_{st.session_state.get('board', 0)}",
            on_select="rerun",
        )
    areas = event.selection.areas
    with right:
        if not areas:
            st.markdown(
                "Choose the lasso or the box above the picture and draw around cells. "
                "With the third icon you can draw several areas; the fourth clears them."
            )
            if len(xy) > 20_000:
                st.caption("The picture shows a grid, but your drawing is tested against every single cell.")
        else:
            _offer(
                view,
                column,
                lambda: MadePages([page_from_drawing(view, xy, read_areas(areas), name="Drawn", where=where)], []),
                ("draw", str(areas)),
                _next_name(),
            )
        _legend(_board_pages(view, column))


def _draw_on_a_line(view: View, column: str | None) -> None:
    """Draw the cells along a 1D embedding, where a range takes the place of a lasso."""
    where = view.mapping.embeddings[1]
    st.markdown("The embedding has one dimension: choose a range of it.")
    st.vega_lite_chart(_line(view, view.dataset.content_hash, view.mapping.digest(), column), width="stretch")
    _limits(view, column, where, np.asarray(view.embedding(1)[:, 0], dtype=np.float64))


@st.cache_resource(show_spinner=False, max_entries=8)
def _line(_view: View, content: str, mapping: str, column: str | None) -> dict[str, object]:
    along = np.asarray(_view.embedding(1)[:, 0], dtype=np.float64)
    pages = _board_pages(_view, column)[:MOST_IN_SIGHT] or [Page("All cells", np.arange(_view.n_cells))]
    return specification(histogram(pages, [along[page.cells] for page in pages], _view.mapping.embeddings[1]))


def _board_pages(view: View, column: str | None) -> list[Page]:
    pages = _column_pages(view, column)
    return pages if len(pages) <= MOST_COLORED else []


@st.cache_resource(show_spinner=False, max_entries=8)
def _board(_view: View, content: str, mapping: str, column: str | None) -> dict[str, object]:
    xy, where = drawing_coordinates(_view)
    return drawing_board(xy, _board_pages(_view, column), axes=where, size=BOARD)


def _legend(pages: list[Page]) -> None:
    """Draw a legend of the pages that colour the picture; their names are escaped."""
    rows = "".join(
        f'<div style="display: flex; gap: 0.5rem; font-size: 0.85rem; line-height: 1.5; overflow-wrap: anywhere">'
        f'<span style="color: {page.color}">●</span><span>{escape(page.name)}</span></div>'
        for page in pages
    )
    if rows:
        with st.container(height="content" if len(pages) <= MOST_IN_SIGHT else 24 * MOST_IN_SIGHT, border=False):
            st.html(rows)


def _range(view: View, column: str | None) -> None:
    options = [*numeric_columns(view), *([EXPRESSION] if view.mapping.matrix else [])]
    if not options:
        raise InputError("No column of the cell table holds numbers.", "Make the page in another way.")
    what = st.selectbox("Values", options, key="new_page_values")
    values = None
    if what == EXPRESSION and EXPRESSION not in view.dataset.obs.columns:
        gene = st.text_input("Gene", key="new_page_gene", placeholder="CD3D").strip()
        if not gene:
            return
        place = np.flatnonzero(view.gene_ids == gene)
        if len(place) == 0 or view.expression is None:
            raise InputError(f"The gene {gene!r} is not in the dataset.", "Use the dataset's name for it.")
        what, values = gene, view.expression.gene(int(place[0])).astype(np.float64)
    _limits(view, column, what, column_values(view, what) if values is None else values)


def _limits(view: View, column: str | None, what: str, numbers: np.ndarray) -> None:
    """Draw the choice of limits of `numbers`, (n_cells,) float64, and offer the page of the cells between them."""
    unit = st.segmented_control(
        "Limits as", ["Values", "Quantiles"], default="Values", key="new_page_unit", required=True
    )
    low_box, high_box = st.columns(2)
    if unit == "Quantiles":
        low_share = low_box.number_input("From the quantile (%)", 0.0, 100.0, 75.0, key="new_page_q0")
        high_share = high_box.number_input("To the quantile (%)", 0.0, 100.0, 100.0, key="new_page_q1")
        low, high = quantile_limits(numbers, low_share / 100, high_share / 100)
        st.caption(f"From {low:.6g} to {high:.6g}, both included.")
    else:
        start, end = quantile_limits(numbers, 0.5, 1)  # first the upper half, as all cells would make no useful page
        low = low_box.number_input("From", value=start, format="%.6g", key=f"new_page_low {what}")
        high = high_box.number_input("To", value=end, format="%.6g", key=f"new_page_high {what}")
        st.caption("Both limits are included.")
    _offer(
        view,
        column,
        lambda: MadePages([page_from_range(view, what, low, high, values=numbers)], []),
        ("range", what, low, high),
        f"{what} {low:.4g}–{high:.4g}",
    )


def _ids(view: View, column: str | None) -> None:
    text = st.text_area(
        "Cell ids",
        key="new_page_ids",
        height=200,
        placeholder="\n".join(map(str, view.cell_ids[:3])),
        help="As in obs_names, between commas, semicolons, spaces or line ends; or a table with a column cell_id.",
    )
    if text.strip():
        _offer(
            view,
            column,
            lambda: pages_from_ids(view, text),
            ("ids", text),
            _next_name(),
        )


def _combine(view: View, column: str | None) -> None:
    own = [(page.id, page.in_view(view)) for page in workspace().pages]
    all_pages = uniquely_named([*_column_pages(view, column), *(page for _, page in own if page.n)])
    by_name = {page.name: page for page in all_pages}
    names = st.multiselect(
        "Pages",
        list(by_name),
        format_func=lambda name: f"{name} · {by_name[name].n:,}",
        key="new_page_parts",
        wrap=True,
        help="Two or more; their order counts for the difference.",
    )
    operation = st.segmented_control(
        "Take the cells",
        list(OPERATIONS),
        format_func=OPERATIONS.__getitem__,
        default="union",
        required=True,
        key="new_page_operation",
    )
    parts = [by_name[name] for name in names]
    if len(parts) < 2:
        st.caption("Choose two pages or more.")
        return
    word = {"union": " or ", "intersection": " and ", "difference": " without "}[operation]
    _offer(
        view,
        column,
        lambda: MadePages([combine(view, operation, parts)], []),
        ("combine", operation, tuple((part.name, part.digest()) for part in parts)),
        word.join(names)[:120],
    )


def _file(view: View, column: str | None) -> None:
    upload = st.file_uploader(
        "Pages saved here (JSON), a Cellucid session, or a list or table of cell ids",
        key=f"new_page_file_{st.session_state.get('board', 0)}",
    )
    if upload is None:
        return
    if upload.size > MAX_FILE:
        raise InputError(f"The file is larger than {MAX_FILE // 2**20} MiB.", "Split it.")
    _offer(
        view,
        column,
        lambda: pages_from_file(view, upload.getvalue(), upload.name),
        ("file", upload.file_id),
    )
