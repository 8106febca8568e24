"""Upload & Preflight: what the dataset holds, what is wrong with it, and which of its arrays and columns are used."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from cellucid_core import charts
from cellucid_core.cell_pages import group_colors
from cellucid_core.dataset import ColumnKind, View, embedding_candidates
from cellucid_core.errors import CellucidError
from cellucid_core.preflight import column_table
from pages.opening.empty import need_dataset
from pages.opening.findings import findings_panel
from pages.opening.opening_panel import server_box, upload_box
from pages.opening.reopening import parts_box
from pages.session.changes import ERROR, follow_change, pending_change
from pages.session.figure import draw_chart
from pages.session.state import kept, literal, show_error, widget_key, workspace
from pages.session.undo import Undoable, begin_undo, undo_button
from pages.widgets.heading import heading
from pages.widgets.rotating_cloud import draw_cloud
from pages.widgets.style import CARDS, SPLIT

NONE = "none"
KIND_WORDS: dict[str, ColumnKind] = {"groups": "categorical", "numbers": "continuous"}
UNDOABLE = Undoable(
    choices={
        "embeddings": "the embeddings",
        "latent": "the latent space",
        "matrix": "the expression matrix",
        "gene_id": "the source of the gene names",
        "connectivities": "the neighbour graph",
        "obs_keys": "the cell columns",
        "kinds": "the kinds of the columns",
    },
    fixes=True,
)


def cards(view: View) -> None:
    """Draw the row of numbers: cells, genes, columns, embeddings, scale of the expression."""
    dataset, mapping = view.dataset, view.mapping
    left_out = dataset.n_cells - view.n_cells
    with st.container(key=CARDS):
        row = st.columns(5)
    out = f"{left_out:,} left out" if left_out else None
    row[0].metric(
        "Cells", f"{view.n_cells:,}", out, delta_color="off", delta_arrow="off", border=True, height="stretch"
    )
    row[1].metric("Genes", f"{view.n_genes:,}", border=True, height="stretch")
    row[2].metric("Cell columns", f"{len(view.obs_keys)} of {len(dataset.obs.columns)}", border=True, height="stretch")
    row[3].metric("Embeddings", ", ".join(f"{d}D" for d in view.dimensions) or "none", border=True)
    scale = dataset.scale(mapping.matrix).word if mapping.matrix else "none"
    row[4].metric("Expression", scale, border=True, height="stretch")


def embedding_panel(view: View) -> None:
    """Draw the cells as they will be exported, coloured by a chosen column."""
    st.subheader("Embedding", anchor=False)
    good = [d for d in view.dimensions if view.obsm(view.mapping.embeddings[d]).shape[1:] == (d,)]
    if not good or not view.n_cells:
        st.info("There is no embedding to draw yet. The findings say how to get one.", icon=":material/scatter_plot:")
        return
    colour, dimension = st.columns([3, 2])
    keys = list(view.dataset.obs.columns)
    natural = [key for key in keys if view.kind(key) == "categorical"] or keys
    key = colour.selectbox(
        "Colour by",
        keys,
        index=keys.index(natural[0]) if natural else None,
        placeholder="The cell table has no columns",
        **kept("preflight_colour"),
        help="Any column of the cell table.",
    )
    chosen = dimension.segmented_control(
        "Dimensions",
        good,
        format_func=lambda d: f"{d}D",
        default=2 if 2 in good else good[-1],
        **kept("preflight_dimension"),
        required=True,
    )
    name = view.mapping.embeddings[chosen]
    if key is None:
        values, colors = pd.Series(["cell"] * view.n_cells), None
    else:
        values = view.obs(key)
        colors = group_colors(view, key) if view.kind(key) == "categorical" else None
    grouped, title = colors is not None or key is None, key or "cells"
    coordinates = view.embedding(chosen)
    if chosen == 3:
        draw_cloud(charts.point_cloud(coordinates, values, colors=colors, categorical=grouped), title)
        return
    axes = (f"{name} 1", f"{name} 2")
    draw_chart(charts.embedding(coordinates, values, title, colors=colors, categorical=grouped, axes=axes))
    st.caption(f"{charts.EMBEDDING_CAPTION}{f'; {charts.LEGEND_CAPTION}' if colors is not None else ''}.")


def set_embedding(dimension: int) -> None:
    """Take over the embedding that was chosen for a dimension (1, 2 or 3)."""
    key = st.session_state[widget_key(f"map_embedding_{dimension}")]
    embeddings = {d: k for d, k in workspace().choices.embeddings.items() if d != dimension}
    if key != NONE:
        embeddings[dimension] = key
    change(embeddings=dict(sorted(embeddings.items())))


def set_choice(name: str) -> None:
    """Take over what was chosen for a field of the mapping."""
    value = st.session_state[widget_key(f"map_{name}")]
    change(**{name: None if value == NONE else value})


def change(**changes: object) -> None:
    """Change fields of the mapping; an error is shown by the findings panel."""
    try:
        workspace().choose(**changes)
    except CellucidError as error:
        st.session_state[ERROR] = error


def mapping_panel(view: View) -> None:
    """Draw the choices of embeddings, latent space, matrix, gene names and neighbour graph."""
    st.subheader("What is used for what", anchor=False)
    st.caption("The defaults are right for most files. You can change everything here; your file stays as it is.")
    dataset, mapping, busy = view.dataset, workspace().choices, pending_change() is not None
    with st.container(key=f"{CARDS}_mapping"):
        embeddings, others = st.columns(3), st.columns(4)
    for column, dimension in zip(embeddings, (1, 2, 3), strict=True):
        current = mapping.embeddings.get(dimension, NONE)
        candidates = embedding_candidates(dataset, dimension)
        options = list(dict.fromkeys([NONE, *candidates, *([current] if current != NONE else [])]))
        column.selectbox(
            f"{dimension}D embedding",
            options,
            index=options.index(current),
            key=widget_key(f"map_embedding_{dimension}"),
            on_change=set_embedding,
            args=(dimension,),
            disabled=busy,
            help="Where the viewer places the cells: an obsm array with that many columns.",
        )
    _choice(
        others[0],
        "latent",
        "Latent space",
        [NONE, *dataset.obsm],
        mapping.latent,
        "A space in which distances between cells are meaningful (such as a PCA); used to mark outliers.",
    )
    _choice(
        others[1],
        "matrix",
        "Expression matrix",
        [*dataset.matrices] or [NONE],
        mapping.matrix,
        "The values of genes and signatures are read from it. Log-normalized values are best.",
    )
    names = ["index", *map(str, dataset.variables[mapping.matrix].columns)] if mapping.matrix else ["index"]
    _choice(
        others[2], "gene_id", "Gene names from", names, mapping.gene_id, "The index, or a column of the gene table."
    )
    _choice(
        others[3],
        "connectivities",
        "Neighbour graph",
        [NONE, *dataset.graphs],
        mapping.connectivities,
        "Which cells are neighbours (obsp); exported when chosen.",
    )
    if mapping.matrix:
        try:
            examples = ", ".join(view.gene_ids[:6])
            st.caption(f"Gene names in this dataset: {literal(examples)} …")
        except CellucidError as error:
            show_error(error)


def _choice(place: object, name: str, label: str, options: list[str], current: str | None, help_text: str) -> None:
    value = NONE if current is None else current
    options = options if value in options else [*options, value]
    place.selectbox(  # type: ignore[attr-defined]
        label,
        options,
        index=options.index(value),
        key=widget_key(f"map_{name}"),
        on_change=set_choice,
        args=(name,),
        disabled=pending_change() is not None,
        help=help_text,
    )


def set_columns(keys: tuple[str, ...]) -> None:
    """Take over what was edited in the table of columns, whose rows are `keys`."""
    edits = st.session_state["obs_table"]["edited_rows"]
    choices = workspace().choices
    included = [key for row, key in enumerate(keys) if edits.get(row, {}).get("Include", key in choices.obs_keys)]
    changed = {keys[row]: KIND_WORDS[edit["Kind"]] for row, edit in edits.items() if "Kind" in edit}
    # The edits go into the mapping, from which the table is drawn again.
    del st.session_state["obs_table"]
    change(obs_keys=tuple(included), kinds={**choices.kinds, **changed})


def obs_panel(view: View) -> None:
    """Draw the table of cell columns, in which they are included and their kind is set."""
    st.subheader("Cell columns", anchor=False)
    if view.dataset.obs.shape[1] == 0:
        st.caption("The cell table has no columns, so cells can be neither coloured nor grouped.")
        return
    st.caption("What is known about each cell. Untick a column to leave it out of the export.")
    table = column_table(view)
    keys = tuple(table["column"])
    words = {kind: word for word, kind in KIND_WORDS.items()}
    table["kind"] = table["kind"].map(words)
    table.insert(0, "include", [key in view.obs_keys for key in keys])
    table.columns = pd.Index(["Include", "Column", "Kind", "Values", "Distribution", "Missing"])
    st.data_editor(
        table,
        key="obs_table",
        on_change=set_columns,
        args=(keys,),
        disabled=pending_change() is not None or ["Column", "Values", "Distribution", "Missing"],
        hide_index=True,
        width="stretch",
        column_config={
            "Include": st.column_config.CheckboxColumn(width="small"),
            "Kind": st.column_config.SelectboxColumn(
                options=list(KIND_WORDS),
                required=True,
                width="small",
                help="Groups get a legend, numbers a colour scale.",
            ),
            "Values": st.column_config.TextColumn(width="large"),
            "Distribution": st.column_config.BarChartColumn(
                width="small", y_min=0, help="Cells per bin, or per category, largest first."
            ),
            "Missing": st.column_config.NumberColumn(format="percent", width="small"),
        },
    )


head, _ = heading("Upload & Preflight")
need_dataset("see what is in it, and what is wrong with it")
view = workspace().view
begin_undo("preflight", UNDOABLE)
cards(view)
for note in view.dataset.notes:
    st.info(literal(note), icon=":material/info:")
with st.container(key=SPLIT):
    left, right = st.columns([1, 1], gap="large")
with left:
    place = findings_panel()
with right:
    embedding_panel(view)
obs_panel(view)
mapping_panel(view)
with st.expander("Samples, more cell annotations, or another file", icon=":material/upload:"):
    if parts_box(workspace().source, view.dataset):
        st.rerun()
    st.markdown("**Open another file**")
    if upload_box("other_upload") or server_box("other_server"):
        st.rerun()
with head:
    undo_button("preflight", UNDOABLE)
with place:  # last, as it waits: the rest of the page is drawn and can be used meanwhile
    follow_change()
