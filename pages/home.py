"""Main script: the navigation, the sidebar, and the start page."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from cellucid_core.errors import CellucidError
from cellucid_core.serving import log_error
from pages.opening.opening_panel import arrange_matrix, demo_button, server_box, upload_box
from pages.session.changes import settle
from pages.session.keeping import keeper
from pages.session.owner import is_same_owner
from pages.session.sign_in import admit
from pages.session.state import literal, show_error, workspace
from pages.widgets.style import apply_style
from pages.workspace.hints import Hint, draw_hint, hints_button
from pages.workspace.login import draw_account, draw_door, start_over
from pages.workspace.session_start import arrive, reopen, show_address, show_said
from pages.workspace.sidebar import ago, draw_dataset_card, draw_workspace_card, recent_datasets


def home() -> None:
    """Draw the start page: ways to open data, what to do with the open dataset, recent datasets."""
    st.title("Check, export and score single-cell data")
    st.markdown(
        "Open your file, see at once what is wrong with it and fix it with a click. "
        "Then export it for the Cellucid viewer, or score gene signatures with honest statistics."
    )
    upload, demo = st.columns(2, gap="medium")
    with upload, st.container(border=True, height="stretch"):
        st.subheader("Your data", anchor=False)
        st.caption("AnnData, zarr, 10x, loom, MuData, CSV, or a Cellucid export. Your file is never changed.")
        if upload_box("home_upload") or server_box("home_server"):
            st.switch_page(PREFLIGHT)
    with demo, st.container(border=True, height="stretch"):
        st.subheader("The demo", anchor=False)
        st.caption(
            "700 human blood cells (PBMC 68k, reduced) with cell types, an expression matrix, and a 2D and a 3D UMAP."
        )
        if demo_button("home_demo", primary=workspace().dataset is None):
            st.switch_page(PREFLIGHT)
    if workspace().dataset is not None:
        _open_dataset()
    _recent_datasets()


def _open_dataset() -> None:
    dataset = workspace().dataset
    assert dataset is not None
    st.subheader(f"{literal(dataset.name)} is open", anchor=False)
    actions = [
        (PREFLIGHT, "Check", "See what is in it and what preflight found, and fix it.", ":material/fact_check:"),
        (EXPORT, "Export", "Write a Cellucid dataset: a zip that the viewer opens.", ":material/archive:"),
        (SIGNATURE, "Score", "Paste genes, compare groups of cells, download the scores.", ":material/query_stats:"),
    ]
    for column, (target, label, words, icon) in zip(st.columns(3), actions, strict=True):
        with column, st.container(border=True, height="stretch"):
            st.page_link(target, label=f"**{label}**", icon=icon)
            st.caption(words)


def _recent_datasets() -> None:
    recent = recent_datasets()
    if not recent:
        return
    st.subheader("Recent datasets", anchor=False)
    for start in range(0, min(len(recent), 6), 3):
        for column, (content, one) in zip(st.columns(3), recent[start : start + 3], strict=False):
            with column, st.container(border=True, height="stretch"):
                label = f"**{literal(one.title or 'Dataset')}**"
                if st.button(label, key=f"home_{content[:12]}", icon=":material/history:", type="tertiary"):
                    if reopen(content):
                        st.switch_page(PREFLIGHT)
                    st.rerun()
                fixes = f" · {len(one.fixes)} fix{'es' if len(one.fixes) > 1 else ''}" if one.fixes else ""
                st.caption(f"{one.cells:,} cells{fixes} · opened {ago(one.opened)}")


# Our own file: Streamlit would fetch an icon that is given by name from another host.
ICON = str(Path(__file__).parent / "widgets" / "icon.png")
st.set_page_config(page_title="Cellucid Dashboard", page_icon=ICON, layout="wide")
HOME = st.Page(home, title="Start", icon=":material/home:", default=True)
PREFLIGHT = st.Page("upload_preflight.py", title="Upload & Preflight", icon=":material/fact_check:")
EXPORT = st.Page("export.py", title="Export", icon=":material/archive:")
SIGNATURE = st.Page("gene_signature.py", title="Gene Signature", icon=":material/query_stats:")
LIBRARY = st.Page("signature_library.py", title="Signature Library", icon=":material/library_books:")
HINTS = [
    Hint(HOME, "Open data", "Drop your file below, or open the demo to look around."),
    Hint(PREFLIGHT, "Fix", "Preflight lists what is wrong, with buttons that fix it; every fix can be undone."),
    Hint(EXPORT, "Export", "The settings are right for most data: click “Export”, then download the zip."),
    Hint(SIGNATURE, "Score", "Paste genes: every cell gets a score, and groups of cells are compared."),
]

visit = admit()
page = st.navigation(
    {"Dataset": [HOME, PREFLIGHT], "Work": [EXPORT, SIGNATURE, LIBRARY]},
    position="sidebar" if visit.admitted else "hidden",
)
# One container for all that comes and goes above the page: then what is below keeps its place, and stays open.
with st.container():
    apply_style()
    if not is_same_owner():
        start_over()
    if not visit.admitted:
        draw_door(visit)
        st.stop()
    address = st.sidebar.container()
    if arrive(address) and page == HOME:  # whoever asked for another page stays there
        st.switch_page(PREFLIGHT)
    settle()
    arrange_matrix()
    draw_dataset_card()
    draw_workspace_card()
    draw_account(visit)
    show_said()
    draw_hint(page, HINTS)
hints_button()
try:
    try:
        page.run()
    except CellucidError as error:  # pages catch theirs; should one escape, it is shown all the same
        show_error(error)
    except Exception as error:  # a bug of ours
        show_error(log_error(error, "page"))
    keeper().keep()
    show_address(address)
finally:
    keeper().keep()  # also if a click or a rerun ended this run
