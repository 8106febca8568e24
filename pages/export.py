"""Export: choose what goes along, write it, download it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import streamlit as st

from cellucid_core.dataset import View, parse_genes
from cellucid_core.dataset.home import home_folder
from cellucid_core.errors import CellucidError
from cellucid_core.export import ExportPlan, ExportResult, ExportSettings, GeneChoice, plan, write
from cellucid_core.preflight import Scope, preflight
from cellucid_core.serving import download_address, offer_download
from pages.shared.empty import need_dataset
from pages.shared.style import CARDS, SPLIT
from pages.shared.workspace import kept, literal, show_error, workspace

BITS = {"8 bit": 8, "16 bit": 16, "Exact (float32)": None}
GENES: dict[Literal["all", "hvg", "list", "none"], str] = {
    "all": "All genes",
    "hvg": "Highly variable",
    "list": "A list",
    "none": "None",
}


@dataclass(frozen=True)
class Finished:
    """A finished export and the token it can be downloaded with."""

    result: ExportResult
    token: str
    settings: ExportSettings


def in_units(size: float) -> str:
    """Return a size for people: "1.2 MB"."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            return f"{size:,.0f} {unit}" if unit == "bytes" else f"{size:,.1f} {unit}"
        size /= 1000
    raise AssertionError


def choose_genes(view: View) -> GeneChoice:
    if view.mapping.matrix is None:
        st.caption("There is no expression matrix, so no genes are exported.")
        return GeneChoice("none")
    kind = st.segmented_control(
        "Genes", list(GENES), format_func=GENES.__getitem__, default="all", **kept("export_genes"), required=True
    )
    if kind == "hvg":
        most = max(1, view.n_genes)
        n = st.number_input(
            "How many", 1, most, min(2000, most), **kept("export_n"), help="The most variable genes, by scanpy."
        )
        return GeneChoice("hvg", n=int(n))
    if kind == "list":
        text = st.text_area("Gene list", **kept("export_list"), placeholder="CD3D, MS4A1, LYZ", height=90)
        ids = tuple(parse_genes(text))
        return GeneChoice("list", ids=ids) if ids else GeneChoice("none")
    return GeneChoice(kind)


def choose_settings(view: View) -> ExportSettings:
    with st.container(border=True):
        st.markdown("**What is it called**")
        left, right = st.columns(2)
        dataset_id = left.text_input(
            "Id",
            value=view.dataset.id,
            **kept("export_id"),
            help="Names the folder; letters, digits, dot, dash and underscore.",
        )
        name = right.text_input("Name", value=view.dataset.name, **kept("export_name"))
        description = st.text_area("Description", **kept("export_description"), height=68)
        with st.expander("Source"):
            source_name = st.text_input("Source", **kept("export_source"), placeholder="10x Genomics")
            source_url = st.text_input("Address", **kept("export_url"), placeholder="https://…")
            citation = st.text_input("Citation", **kept("export_citation"))
    with st.container(border=True):
        st.markdown("**What goes along**")
        genes = choose_genes(view)
        columns = [str(column) for column in view.dataset.obs.columns]
        st.multiselect(
            "Cell columns", columns, default=list(view.obs_keys), key="export_columns", on_change=set_columns
        )
        graph = vectors = False
        if view.mapping.connectivities is not None:
            graph = st.toggle(f"Neighbour graph ({view.mapping.connectivities})", True, **kept("export_graph"))
        if view.mapping.vectors:
            vectors = st.toggle(f"Vector fields ({', '.join(view.mapping.vectors)})", True, **kept("export_vectors"))
    with st.container(border=True):
        st.markdown("**Precision and format**")
        left, right = st.columns(2)
        bits = list(BITS)
        var_bits = left.selectbox("Genes as", bits, **kept("export_var_bits"), help="8 bit suits colouring.")
        obs_bits = right.selectbox("Numeric columns as", bits, index=1, **kept("export_obs_bits"))
        compression = st.slider(
            "Compression", 0, 9, 6, **kept("export_compression"), help="gzip effort; 0 writes plain files."
        )
    return ExportSettings(
        genes=genes,
        var_quantization=BITS[var_bits],
        obs_quantization=BITS[obs_bits],
        compression=compression,
        graph=graph,
        vectors=vectors,
        dataset_id=dataset_id.strip() or None,
        name=name.strip() or None,
        description=description.strip(),
        source_name=source_name.strip(),
        source_url=source_url.strip(),
        source_citation=citation.strip(),
    )


def set_columns() -> None:
    chosen = set(st.session_state["export_columns"])
    dataset = workspace().dataset
    assert dataset is not None
    try:
        workspace().choose(obs_keys=tuple(str(key) for key in dataset.obs.columns if key in chosen))
    except CellucidError as error:
        st.session_state["export_error"] = error


def planned(view: View, settings: ExportSettings) -> ExportPlan:
    """Return the plan, made again only when something changed."""
    key = (view.dataset.content_hash, view.mapping.digest(), settings)
    kept = st.session_state.get("export_plan")
    if kept is None or kept[0] != key:
        with st.spinner("Planning …"):
            st.session_state["export_plan"] = kept = (key, plan(view, settings))
    result: ExportPlan = kept[1]
    return result


def show_plan(plan: ExportPlan) -> None:
    with st.container(key=CARDS):
        files, size, seconds = st.columns(3)
    files.metric("Files", f"{plan.files:,}", border=True)
    size.metric("Size", f"≈ {in_units(plan.estimated_zip_bytes)}", border=True)
    seconds.metric("Time", f"≈ {max(1, round(plan.estimated_seconds)):,} s", border=True)
    if plan.genes.missing:
        names = ", ".join(plan.genes.missing[:10])
        st.warning(
            f"{len(plan.genes.missing):,} listed genes are not in the dataset and are left out: {literal(names)}",
            icon=":material/warning:",
        )
    for warning in plan.warnings:
        st.warning(literal(warning), icon=":material/warning:")


def run_export(view: View, settings: ExportSettings) -> None:
    """Write the zip; a click on Cancel, or closing the page, ends it and leaves nothing behind."""
    folder = home_folder("exports")
    _delete_old(folder)
    target = folder / f"{settings.dataset_id or view.dataset.id}-{time.time_ns()}.zip"
    bar = st.progress(0.0, text="Starting …")
    st.button("Cancel", key="export_cancel", icon=":material/close:")
    started = time.monotonic()

    def report(progress: object) -> None:
        done, total = progress.done, progress.total  # type: ignore[attr-defined]
        spent = time.monotonic() - started
        left = f" · {spent / done * (total - done):,.0f} s left" if done and spent > 2 else ""
        bar.progress(min(1.0, done / max(1, total)), text=f"{progress.what} {done:,} of {total:,}{left}")  # type: ignore[attr-defined]

    result = write(view, settings, target, progress=report)
    name = f"{settings.dataset_id or view.dataset.id}.zip"
    workspace().export = Finished(result, offer_download(result.path, name), settings)


def _delete_old(folder: Path, seconds: float = 24 * 3600) -> None:
    """Delete exports that nobody can download any more."""
    for old in folder.glob("*.zip"):
        if time.time() - old.stat().st_mtime > seconds:
            old.unlink(missing_ok=True)


def show_finished(done: Finished) -> None:
    result = done.result
    with st.container(border=True):
        st.markdown(
            f":green[:material/check_circle:] **{in_units(result.bytes)}** in **{result.files:,} files**, "
            f"written in **{result.seconds:.1f} s**"
        )
        if result.verified:
            st.caption(
                f"Every array was read back and compared with its source; "
                f"the largest error is {result.max_error_steps:.2f} quantization steps."
            )
        address = download_address(done.token, str(st.get_option("server.baseUrlPath") or ""))
        st.link_button(
            f"Download {in_units(result.bytes)}", address, icon=":material/download:", type="primary", width="stretch"
        )
        st.caption("Unpack it into the folder that the Cellucid viewer reads. The link works for 12 hours.")
        for fix in result.fixes:
            st.markdown(f":material/build: {literal(fix)}")
        for warning in result.warnings:
            st.warning(literal(warning), icon=":material/warning:")


st.title("Export for Cellucid", anchor=False)
need_dataset("export it for the Cellucid viewer")
work = workspace()
view = work.view
with st.container(key=SPLIT):
    left, right = st.columns([1.3, 1], gap="large")
with left:
    if error := st.session_state.pop("export_error", None):
        show_error(error)
    settings: ExportSettings | None = None
    try:
        settings = choose_settings(view)
    except CellucidError as error:
        show_error(error)
with right:
    if settings is not None:
        try:
            named = frozenset(settings.genes.ids) if settings.genes.kind == "list" else None
            scope = Scope(
                settings.categorical_dtype,
                named,
                n_genes=settings.genes.n if settings.genes.kind == "hvg" else None,
                var_bits=settings.var_quantization,
                compression=settings.compression,
            )
            report = preflight(view, scope)
            if report.status == "blocked":
                st.error("**The export is blocked.** Mend these on the Upload & Preflight page first:")
                for finding in report.of("error"):
                    st.markdown(f":red[:material/block:] **{literal(finding.title)}**  \n{literal(finding.detail)}")
                st.page_link("upload_preflight.py", label="Go to Upload & Preflight", icon=":material/fact_check:")
            else:
                show_plan(planned(view, settings))
                if st.button("Export", type="primary", icon=":material/archive:", width="stretch"):
                    run_export(view, settings)
                    st.rerun()
                if work.export is not None:
                    show_finished(work.export)
        except CellucidError as error:
            show_error(error)
