"""Gene Signature: paste genes, compare pages, take the scores home."""

from __future__ import annotations

from typing import cast

import numpy as np
import streamlit as st

from cellucid_core import charts
from cellucid_core.cell_pages import Page, choose_pages, pages_from_column
from cellucid_core.csv_safety import NOTE
from cellucid_core.dataset import View
from cellucid_core.errors import CellucidError, InputError
from cellucid_core.signature import (
    GeneMatch,
    Method,
    Normalization,
    SignatureRun,
    csv_chunks,
    match_in_view,
    run_signature,
    tests_table,
)
from pages.shared.empty import need_dataset
from pages.shared.style import SPLIT
from pages.shared.workspace import kept, literal, show_error, widget_key, workspace

METHODS: dict[Method, str] = {
    "mean": "Mean",
    "sum": "Sum",
    "median": "Median",
    "score_genes": "Against control genes",
    "ucell": "UCell rank score",
}
NORMALIZATIONS: dict[Normalization, str] = {"none": "As stored", "zscore": "Z-score", "minmax": "0 to 1"}
CHARTS = {"Violin": charts.violin, "Box": charts.box, "Histogram": charts.histogram}
CAPTIONS = {
    "Violin": charts.VIOLIN_CAPTION,
    "Box": charts.BOX_CAPTION,
    "Histogram": charts.HISTOGRAM_CAPTION,
}
ALL = "All categories"
MOST_PAGES_AT_FIRST = 12
DEMO_GENES = "CD3D, CD3E, CD8A, CD8B, NKG7, GZMK, CCL5"
MOST_CHIPS = 60


def page_columns(view: View) -> list[str]:
    """Return the columns that make pages, those with few groups first asked for."""
    columns = []
    for key in map(str, view.dataset.obs.columns):
        try:
            if len(pages_from_column(view, key)) > 0:
                columns.append(key)
        except InputError:
            continue
    return columns


def chips(match: GeneMatch) -> None:
    """Show every gene's fate, with counts."""
    groups = [("green", match.found), ("red", match.missing)]
    text = []
    for colour, genes in groups:
        text += [f":{colour}-badge[{literal(gene)}]" for gene in genes[:MOST_CHIPS]]
        if len(genes) > MOST_CHIPS:
            text.append(f":gray[and {len(genes) - MOST_CHIPS:,} more]")
    st.markdown(" ".join(text))
    st.caption(f"{len(match.found):,} found · {len(match.missing):,} missing · {len(match.repeated):,} repeated")
    if match.repeated:
        st.caption(f"Listed more than once: {literal(', '.join(match.repeated[:20]))}")


def accept(text: str) -> None:
    st.session_state[widget_key("genes")] = text


def proposals(match: GeneMatch, genes: str) -> None:
    """Offer what missing genes could be; nothing is replaced without a click."""
    if not match.proposals:
        return
    pairs = ", ".join(f"{gene} → {new}" for gene, new in list(match.proposals.items())[:5])
    st.caption(f"Could be: {literal(pairs)}")
    replaced = [match.proposals.get(gene, gene) for gene in [*match.found, *match.missing]]
    quoted = [f'"{gene}"' if any(c in gene for c in ",;\t") else gene for gene in replaced]
    st.button("Use the proposals", on_click=accept, args=(", ".join(quoted),), icon=":material/spellcheck:")


def choose_inputs(view: View) -> dict[str, object]:
    """Draw the narrow column and return what was chosen."""
    is_demo = view.dataset.id == "pbmc68k_reduced"
    genes = st.text_area(
        "Signature genes",
        value=DEMO_GENES if is_demo else "",
        **kept("genes"),
        height=110,
        placeholder="CD3D, CD3E, CD8A",
        help="Commas, semicolons, tabs and line ends all separate genes. Names must be written as in the dataset.",
    )
    signed = st.session_state.get(widget_key("method")) == "ucell"
    if genes.strip():
        match = match_in_view(view, genes, signed=signed)
        chips(match)
        proposals(match, genes)
    columns = page_columns(view)
    key = st.selectbox(
        "Compare pages from",
        columns,
        **kept("group_by"),
        help="A column of the cell table. Each of its categories is a page: a named group of cells.",
        placeholder="No column groups the cells",
    )
    names: list[str] = []
    rest: str | None = None
    if key is not None:
        sizes = {page.name: page.n for page in pages_from_column(view, key)}
        names = st.multiselect(
            "Pages",
            list(sizes),
            default=list(sizes)[:MOST_PAGES_AT_FIRST],
            format_func=lambda name: f"{name} · {sizes[name]:,}",
            help="The groups of cells to compare, with their numbers of cells.",
            wrap=True,
            **kept(f"pages {key}"),
        )
        options = [ALL, *(f"Rest of {name}" for name in sizes)]
        choice = st.selectbox(
            "Against",
            options,
            **kept(f"rest {key}"),
            format_func=lambda option: "Each other" if option == ALL else option,
            help="Compare the chosen pages with each other, or one page with all other cells.",
        )
        rest = None if choice == ALL else choice.removeprefix("Rest of ")
    score, scale = st.columns(2)
    method = score.selectbox("Score", list(METHODS), format_func=METHODS.__getitem__, **kept("method"))
    how = scale.selectbox(
        "Scale", list(NORMALIZATIONS), format_func=NORMALIZATIONS.__getitem__, **kept("normalization")
    )
    sample = st.selectbox(
        "Donor or sample",
        [None, *(column for column in columns if column != key)],
        format_func=lambda column: "Not chosen" if column is None else column,
        **kept("sample"),
        help="Cells of one donor are not replicates. With a donor column, donors are compared first.",
    )
    repeats = st.toggle(
        "Count repeated genes", help="A gene that is listed twice counts twice, as in Cellucid.", **kept("repeats")
    )
    pages = None
    if key is not None and rest is not None:
        pages = choose_pages(view, key, None, rest)
    elif key is not None and names:
        pages = choose_pages(view, key, names)
    return {
        "genes": genes,
        "pages": pages,
        "method": method,
        "normalize": how,
        "sample_key": sample,
        "repeats": "count" if repeats else "once",
    }


def show_result(view: View, run: SignatureRun) -> None:
    st.subheader(literal(run.headline), anchor=False)
    matrix = view.mapping.matrix or ""
    words = view.dataset.scale(matrix).words
    st.caption(
        f"{len(run.match.found):,} of {len(run.match.found) + len(run.match.missing):,} genes found · "
        f"scored on {literal(matrix)} ({words})"
    )
    chart = st.segmented_control(
        "Chart", list(CHARTS), default="Violin", **kept("chart"), label_visibility="collapsed", required=True
    )
    st.altair_chart(CHARTS[chart](run.pages, run.scores, run.title), width="stretch")
    st.caption(CAPTIONS[chart])
    for warning in run.warnings:
        st.warning(literal(warning), icon=":material/warning:")
    summary, tests, embedding, download = st.tabs(["Summary", "Tests", "Embedding", "Export"])
    with summary:
        table = run.summary
        if (table["n"] == table["n_valid"]).all():
            table = table.drop(columns="n_valid")
        numbers = st.column_config.NumberColumn(format="%.3g", width="small")
        st.dataframe(
            table,
            hide_index=True,
            width="stretch",
            column_config={
                "n": st.column_config.NumberColumn("cells", format="localized", width="small"),
                "n_valid": st.column_config.NumberColumn("with a score", format="localized", width="small"),
                **dict.fromkeys(("mean", "median", "q1", "q3", "min", "max"), numbers),
                "std": st.column_config.NumberColumn("SD", format="%.3g", width="small"),
            },
        )
    with tests:
        show_tests(run)
    with embedding:
        show_embedding(view, run)
    with download:
        st.markdown(
            "One row per page and cell: `cell_id` exactly as in the file, so that it joins back, `page`, `score`, "
            "`raw_score` before scaling, `genes_used`, and `cell_index`, the row in the file."
        )
        st.caption(NOTE)
        st.download_button(
            "Download the scores (CSV)",
            data=lambda: "".join(csv_chunks(run.table(view))).encode(),
            file_name="gene_signature_scores.csv",
            mime="text/csv",
            icon=":material/download:",
            type="primary",
            on_click="ignore",
        )


def show_tests(run: SignatureRun) -> None:
    if not run.tests:
        st.info("Choose at least two pages to compare them.", icon=":material/compare_arrows:")
        return
    table = tests_table(run.tests)
    if not table["note"].fillna("").any():
        table = table.drop(columns="note")
    st.dataframe(
        table,
        hide_index=True,
        width="stretch",
        column_config={name: st.column_config.NumberColumn(format="%.3g") for name in ("effect", "statistic")},
    )
    st.caption(
        "Effects come first: with many cells, p-values are tiny however small the difference is. "
        "Pairs are adjusted together (Benjamini–Hochberg)."
    )


def show_embedding(view: View, run: SignatureRun) -> None:
    dimension = 2 if 2 in view.dimensions else (view.dimensions[-1] if view.dimensions else None)
    if dimension is None:
        st.info("There is no embedding to draw on.", icon=":material/scatter_plot:")
        return
    xy = view.embedding(dimension)[:, :2]
    finite = np.isfinite(xy).all(axis=1)
    st.altair_chart(charts.embedding(xy[finite], run.raw[finite], run.title), width="stretch")


def cached_run(view: View, inputs: dict[str, object]) -> SignatureRun:
    """Compute only when something that matters changed; the chart's kind does not."""
    pages = cast("list[Page] | None", inputs["pages"])
    signature = (
        view.dataset.content_hash,
        view.mapping.digest(),
        *(value for name, value in inputs.items() if name != "pages"),
        tuple((page.name, page.n, page.cells.tobytes()) for page in pages or ()),
    )
    kept = st.session_state.get("signature_run")
    if kept is None or kept[0] != signature:
        progress = st.empty()

        def report(share: float) -> None:
            progress.progress(min(1.0, share), text=f"Ranking genes in every cell … {share:.0%}")

        run = run_signature(view, progress=report, **inputs)  # type: ignore[arg-type]
        progress.empty()
        st.session_state["signature_run"] = kept = (signature, run)
    result: SignatureRun = kept[1]
    return result


need_dataset("score gene signatures")
view = workspace().view
with st.container(key=SPLIT):
    left, right = st.columns([1, 2.4], gap="large")
with left:
    st.title("Gene Signature", anchor=False)
    inputs: dict[str, object] = {}
    try:
        if view.expression is None:
            raise InputError("This dataset has no expression matrix.", "Signatures need one; export works without.")
        inputs = choose_inputs(view)
    except CellucidError as error:
        show_error(error)
with right:
    if inputs and not str(inputs["genes"]).strip():
        st.info(
            "Paste a gene list on the left. Scores, chart and tests appear here as soon as you leave the box.",
            icon=":material/arrow_back:",
        )
    elif inputs:
        try:
            show_result(view, cached_run(view, inputs))
        except CellucidError as error:
            show_error(error)
