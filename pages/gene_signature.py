"""Gene Signature: paste genes, compare pages, download the scores."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import replace
from functools import partial

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from cellucid_core import charts
from cellucid_core.dataset import View
from cellucid_core.errors import CellucidError, InputError
from cellucid_core.signature import SignatureRun, run_signature
from pages.opening.empty import need_dataset
from pages.session.figure import figure
from pages.session.state import show_error, workspace
from pages.session.undo import Undoable, begin_undo, undo_button
from pages.signature.embedding import show_embedding
from pages.signature.gene_box import commit_on_paste
from pages.signature.inputs import CHOICES, Inputs, choose_inputs
from pages.signature.result import show_chance, show_every_method, show_genes, show_run, show_tests
from pages.signature.several import show_several
from pages.signature.take_home import show_files
from pages.widgets.heading import heading
from pages.widgets.remembered import remembered
from pages.widgets.style import SPLIT

TABS = ["Tests", "Genes", "Embedding", "Every method", "Against chance", "Several signatures", "Export"]
UNDOABLE = Undoable(widgets=CHOICES, pages=True, genes=True)


def run_key(view: View, inputs: Inputs) -> Hashable:
    """Return a key that differs if the scores or tests differ: colours of pages and the split are not part of it."""
    pages = tuple((page.name, page.digest()) for page in inputs.pages or ())
    return (view.dataset.content_hash, view.mapping.digest(), replace(inputs, pages=None, split_key=None), pages)


def run_once(view: View, inputs: Inputs, key: Hashable, place: DeltaGenerator) -> SignatureRun:
    """Return the run of these inputs, computed only if `key` changed; newer inputs end an older computation.

    The progress is drawn in `place`, which is always there: so the rest of the page neither moves nor vanishes.
    """

    def make() -> SignatureRun:
        progress = place.empty()

        def report(share: float) -> None:
            progress.progress(min(1.0, share), text=f"Ranking genes in every cell … {share:.0%}")

        arguments = {name: getattr(inputs, name) for name in Inputs.__dataclass_fields__ if name != "split_key"}
        run = run_signature(view, progress=report, **arguments)
        progress.empty()
        return run

    run = remembered("signature run", key, make)
    # A new colour of a page needs no new numbers, another split no new scores.
    split = remembered("signature split", (key, inputs.split_key), lambda: run.split_by(view, inputs.split_key).split)
    return replace(run, pages=inputs.pages or run.pages, split=split)


def show(view: View, inputs: Inputs, place: DeltaGenerator) -> None:
    """Draw the right side; only the open tab is computed."""
    key = run_key(view, inputs)
    try:
        run = run_once(view, inputs, key, place)
    except CellucidError as error:
        show_error(error)
        if workspace().gene_sets is not None:  # other signatures of the file may have genes in the dataset
            show_several(view, inputs)
        return
    chart = show_run(view, run, key)
    draw: list[Callable[[], None]] = [
        partial(show_tests, view, run, key),
        partial(show_genes, view, run, key),
        partial(show_embedding, view, run, key),
        partial(show_every_method, view, run, key),
        partial(show_chance, view, run, key),
        partial(show_several, view, inputs),
        partial(show_files, view, run, key, chart),
    ]
    for tab, show_tab in zip(st.tabs(TABS, key="signature_tabs", on_change="rerun"), draw, strict=True):
        if tab.open:
            with tab:
                show_tab()


need_dataset("score gene signatures")
view = workspace().view
begin_undo("signature", UNDOABLE)
head, place = heading("Gene Signature")
with st.container(key=SPLIT):
    left, right = st.columns([1, 2], gap="large")
inputs: Inputs | None = None
with left, st.container(gap="xsmall"):  # genes, pages and method on one screen
    try:
        if view.expression is None:
            raise InputError(
                "This dataset has no expression matrix.", "Open a file that has one; exporting works without."
            )
        inputs = choose_inputs(view)
        commit_on_paste()
    except CellucidError as error:
        show_error(error)
with head:  # before the scores are computed, which may take long
    undo_button("signature", UNDOABLE)
with right:
    if inputs is not None and inputs.empty:
        st.info(
            "Paste a gene list on the left. Scores, chart and tests then appear here.",
            icon=":material/arrow_back:",
        )
        if inputs.pages:
            # This also makes the browser load the charting code before the first score is drawn.
            compared = inputs.pages
            figure(lambda room: charts.page_sizes(compared, room=room), charts.PAGE_SIZES_CAPTION, "pages")
    elif inputs is not None:
        try:
            show(view, inputs, place)
        except CellucidError as error:
            show_error(error)
