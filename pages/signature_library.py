"""Signature Library: list, build, read and use the team's signatures, and check bulk samples against them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import streamlit as st

from cellucid_core.cache import scratch_folder
from cellucid_core.dataset import LINEAR, View
from cellucid_core.errors import CellucidError
from cellucid_core.library import (
    BuildSettings,
    Entry,
    add_entry,
    example_entry,
    list_entries,
    read_signature,
)
from cellucid_core.ranking import FLAVORS
from cellucid_core.serving.jobs import build_job, submit
from pages.library.bulk_panel import bulk_panel
from pages.library.entry import entry_labels, entry_panel
from pages.library.label_columns import label_columns
from pages.library.ready_panel import ready_panel
from pages.opening.opening_panel import demo_button
from pages.session.jobs import follow, is_news, latest, my_job, told
from pages.session.owner import owner
from pages.session.state import counted, dataset_source, kept, literal, show_error, workspace
from pages.session.undo import Undoable, begin_undo, undo_button
from pages.widgets.heading import heading

UNDOABLE = Undoable(
    widgets={
        "library_levels": "the levels",
        "library_source": "the source",
        "library_normalize": "the normalization",
        "library_hvg": "the number of variable genes",
        "library_degs": "the number of DEGs",
        "library_generations": "the generations",
        "library_seed": "the seed",
        "library_flavor": "the method for variable genes",
    }
)
_OPEN, _NEXT, _JOB = "library_entry", "library_entry_next", "library_job"


def show_added(entry: str, dataset: str) -> None:
    """Say that an entry was added, and open it in the next run; its select box has been drawn already in this one."""
    st.session_state[_NEXT] = entry
    st.session_state["library_said"] = f"{dataset} was added to the library."
    st.rerun()


def table_of(found: list[Entry]) -> pd.DataFrame:
    """Return a table with a row for each level of each entry."""
    rows = [
        {
            "Dataset": entry.dataset,
            "Level": level["level"],
            "Cell types": len(level["cell_types"]),
            "Key cell types": ", ".join(entry.key_types(i)),
            "Genes": level["genes"],
            "DEGs": level["degs"],
            "Source": entry.source,
            "Date": (entry.created_at or entry.added_at)[:10],
            "Size (MB)": entry.size / 1e6,
        }
        for entry in found
        for i, level in enumerate(entry.levels)
    ]
    return pd.DataFrame(rows)


def list_panel(found: list[Entry]) -> None:
    """Draw the table of entries, and the chosen one opened."""
    # A container of its own: when the message goes, what is below keeps its place, and tabs stay open.
    with st.container():
        if said := st.session_state.pop("library_said", None):
            st.success(literal(said), icon=":material/check_circle:")
    if not found:
        st.info(
            "There is no signature yet. Below is an example, built from the demo. Use the tabs above to build one from "
            "the open dataset, or to read a file.",
            icon=":material/library_books:",
        )
        found = [example_entry()]
    whole = st.column_config.NumberColumn(format="localized", width="small")
    st.dataframe(
        table_of(found),
        hide_index=True,
        width="stretch",
        column_config={
            "Cell types": whole,
            "Genes": whole,
            "DEGs": whole,
            "Level": st.column_config.TextColumn(width="small"),
            "Key cell types": st.column_config.TextColumn(width="medium"),
            "Source": st.column_config.TextColumn(width="small"),
            "Date": st.column_config.TextColumn(width="small"),
            "Size (MB)": st.column_config.NumberColumn(format="%.1f", width="small"),
        },
    )
    names = {entry.id: entry for entry in found}
    asked = st.session_state.pop(_NEXT, st.session_state.get(_OPEN))
    st.session_state[_OPEN] = asked if asked in names else found[0].id
    chosen = st.selectbox(
        "Signature to open",
        list(names),
        key=_OPEN,
        format_func=entry_labels(found).__getitem__,
    )
    with st.container(border=True):
        try:
            entry_panel(names[chosen], owner())
        except CellucidError as error:
            show_error(error)


def follow_build() -> None:
    """Wait for the signature that is being built, showing progress, and open it.

    Raises
    ------
    CellucidError
        If it could not be built.
    """
    if _JOB not in st.session_state:  # a new session goes on with a job that was begun before
        begun = latest("build")
        st.session_state[_JOB] = None if begun is None else begun.id
    job = my_job(st.session_state[_JOB])
    if job is None or not is_news(job):
        return
    follow(job, "library")
    told(job)  # now, as `show_added` reruns the page
    if job.state != "cancelled":
        built = job.result()
        show_added(built["entry"], built["dataset"])
    st.info("Cancelled. Nothing was left behind.", icon=":material/close:")


def build_panel() -> None:
    """Draw the signature that is being built, else the form that begins one."""
    follow_build()
    if workspace().dataset is None:
        st.markdown("**Open a dataset to build a signature from its cell types.**")
        if demo_button("library_demo", primary=True):
            st.rerun()
        return
    view = workspace().view
    if view.expression is None:
        st.info("This dataset has no expression matrix, so there is nothing to average.", icon=":material/info:")
        return
    columns = label_columns(view)
    if not columns:
        st.info("No column groups the cells into cell types.", icon=":material/info:")
        return
    chosen = st.multiselect(
        "Levels, the broadest first",
        columns,
        default=columns[:1],
        **kept("library_levels"),
        help="Columns that name cell types, such as major, subtype, detailed. Their order is the order of the levels.",
    )
    settings = build_settings(view)
    source = st.text_input("Source", **kept("library_source"), placeholder="Where the data come from: a DOI, a link")
    if st.button("Build", type="primary", icon=":material/construction:", disabled=not chosen):
        st.session_state[_JOB] = submit(
            build_job,
            {
                "source": dataset_source(),
                "mapping": workspace().mapping,
                "columns": chosen,
                "settings": settings,
                "cited": source.strip(),
                "owner": owner(),
            },
            owner=owner(),
            kind="build",
            title=f"Signature of {view.dataset.name}",
        ).id
        follow_build()


def build_settings(view: View) -> BuildSettings:
    """Draw the settings of a build and return them."""
    normalize = True
    scale = view.dataset.scale(view.mapping.matrix or "")
    if scale.kind in LINEAR:
        st.warning(f"The matrix holds {literal(scale.words)}; signatures need log-normalized values.")
        normalize = st.toggle("Normalize to 10,000 per cell and log", value=True, **kept("library_normalize"))
    hvg, degs, generations, seed = st.columns(4)
    n_hvg = hvg.number_input(
        "Variable genes",
        2,
        max(2, view.n_genes),
        min(2000, max(2, view.n_genes)),
        **kept("library_hvg"),
        help="Markers are chosen from these.",
    )
    n_degs = degs.number_input(
        "DEGs",
        2,
        max(2, view.n_genes),
        None,
        placeholder="automatic",
        **kept("library_degs"),
        help="Marker genes that AutoGeneS picks. Automatic: a fifth of the variable genes, at most 400.",
    )
    n_generations = generations.number_input(
        "Generations", 1, 100_000, 5000, **kept("library_generations"), help="How long AutoGeneS searches."
    )
    start = seed.number_input("Seed", 0, 2**32 - 1, 0, **kept("library_seed"), help="Same seed, same markers.")
    flavor = st.segmented_control(
        "Find variable genes by",
        list(FLAVORS),
        default=FLAVORS[0],
        **kept("library_flavor"),
        required=True,
        help="The flavours of scanpy.pp.highly_variable_genes.",
    )
    return BuildSettings(
        n_hvg=int(n_hvg),
        n_degs=None if n_degs is None else int(n_degs),
        generations=int(n_generations),
        seed=int(start),
        flavor=flavor or FLAVORS[0],
        normalize=normalize,
    )


def read_panel() -> None:
    """Draw the box that takes a signature file, and what the file holds.

    Raises
    ------
    CellucidError
        If the file is not a signature.
    """
    upload = st.file_uploader(
        "A signature file",
        key="library_upload",
        help="Pickle, Statescope table (.txt), HDF5, zarr or CSV in a zip. No code in a pickle is run.",
    )
    if upload is None:
        return
    with scratch_folder() as folder:
        path = folder / "signature"
        path.write_bytes(upload.getbuffer())
        signature = read_signature(path, upload.name)
    for level in signature.levels:
        st.markdown(
            f"**{literal(level.name)}**: {counted(len(level.cell_types), 'cell type')}, "
            f"{counted(len(level.mean), 'gene')}, {counted(len(level.degs), 'DEG')}"
        )
        st.caption(literal(", ".join(level.cell_types)))
    for note in signature.notes:
        st.info(literal(note), icon=":material/info:")
    if st.button("Add it to the library", type="primary", icon=":material/library_add:"):
        show_added(add_entry(signature, owner()).id, signature.dataset)


head, _ = heading("Signature Library")
st.caption("The expression of each gene in each cell type, level by level, for deconvolution and scoring.")
found = list_entries()
if workspace().dataset is not None:
    begin_undo("library", UNDOABLE)
signatures, build, read, bulk = st.tabs(
    ["Signatures", "Build from the open dataset", "Read a file", "Check a bulk matrix"]
)
draws: list[tuple[Any, Callable[[], None]]] = [
    (signatures, lambda: list_panel(found)),
    (signatures, ready_panel),
    (read, read_panel),
    (bulk, lambda: bulk_panel(found)),
    (build, build_panel),  # last: it waits for what is being built
]
for tab, draw in draws:
    with tab:
        try:
            draw()
        except CellucidError as error:
            show_error(error)
if workspace().dataset is not None:
    with head:
        undo_button("library", UNDOABLE)
