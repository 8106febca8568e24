"""The left side of the Export page: names, what is exported, precision and format."""

from __future__ import annotations

from typing import Any

import streamlit as st

from cellucid_core.dataset import View
from cellucid_core.errors import CellucidError
from cellucid_core.export import (
    ExportSettings,
    Format,
    GeneChoice,
    Preset,
    controls,
    matching_preset,
    named_choices,
    presets,
)
from cellucid_core.genes import MAX_BYTES, gene_file_genes, parse_genes
from pages.session.state import kept, literal, show_error, widget_key, workspace

CONTROLS = controls()
PARTS = {"all": "All", "hvg": "Highly variable", "markers": "Markers", "list": "A list"}
FORMATS: dict[Format, str] = {
    "compact": "Many small files in a zip. For Cellucid viewers up to 0.9.4, and for hosting as plain files.",
    "h5ad": "One file. For today's Cellucid web app (0.9.5 and later), scanpy and others.",
    "zarr.zip": "One file that is read piece by piece. For today's Cellucid web app (0.9.5 and later).",
}
#: Settings that only the compact format has.
PRECISION = (
    "var_quantization",
    "obs_quantization",
    "compression",
    "categorical_dtype",
    "centroid_min_points",
    "centroid_quantile",
    "threads",
)
OWN = "custom"
#: Name of a widget of the page → what it chooses, in words.
CHOICES = {
    **{f"export_{name}": f"“{control.label}”" for name, control in CONTROLS.items()},
    "export_centroids": "“Centroids”",
    "export_genes": "the exported genes",
    "export_n": "the number of highly variable genes",
    "export_markers_n": "the number of genes per category",
    "export_markers_column": "the column of the markers",
    "export_list": "the gene list",
}


def _start(name: str, value: Any) -> dict[str, Any]:
    """Return the arguments of a widget with this first value, which is kept per dataset and can be set by a preset."""
    key = f"export_{name}"
    st.session_state.setdefault(widget_key(key), value)
    return kept(key)


def _ask(where: Any, name: str, begin: Any, *, label: str = "", **more: Any) -> Any:
    """Draw the widget that suits a setting's kind of value, and return the widget's value.

    Parameters
    ----------
    where
        ``st``, or a column.
    begin
        The first value.
    label
        Replaces the setting's own label.
    """
    control = CONTROLS[name]
    arguments = {**_start(name, control.said(begin)), "help": control.help, **more}
    label = label or control.label
    if control.words is not None:
        return where.selectbox(label, list(control.words), **arguments)
    if isinstance(begin, bool):
        return where.toggle(label, **arguments)
    if isinstance(begin, str):
        return where.text_input(label, placeholder=control.placeholder, **arguments)
    draw = where.slider if control.most == 9 else where.number_input
    return draw(label, control.least, control.most, **arguments)


def _within(name: str, most: int) -> None:
    """Lower a number of genes to `most`: it may have been chosen for a matrix with more genes."""
    if (_value(name) or 0) > most:
        _set(name, most)


def _value(name: str) -> Any:
    return st.session_state.get(widget_key(f"export_{name}"))


def _set(name: str, value: Any) -> None:
    st.session_state[widget_key(f"export_{name}")] = value


def choose_settings(view: View) -> ExportSettings | None:
    """Draw the settings and return them; if they make no sense, show why above them and return None."""
    known = presets(view)
    top = st.container()
    with st.container(border=True):
        _identity(view, known)
    with st.container(border=True):
        _what(view, known["share"])
    _start("format", "compact")
    file_format: Format = _value("format")
    with st.container(border=True):
        _precision(known["share"], file_format)
    with st.container(border=True):
        _format()
    settings, wrong = None, None
    try:
        settings = _settings(view, file_format)
    except CellucidError as error:
        wrong = error
    with top:
        _preset_choice(settings, known)
        if wrong is not None:
            show_error(wrong)
    return settings


def _preset_choice(settings: ExportSettings | None, known: dict[str, Preset]) -> None:
    """Draw the presets, and mark the one that matches the settings, else "Custom"."""
    matching = None if settings is None else matching_preset(settings, known)
    _set("preset", matching or OWN)
    names = [*known, OWN]
    st.segmented_control(
        "Preset",
        names,
        format_func=lambda name: known[name].label if name in known else "Custom",
        key=widget_key("export_preset"),
        on_change=_take_preset,
        args=(known,),
        required=True,
        label_visibility="collapsed",
        width="stretch",
    )
    st.caption(known[matching].purpose if matching else "Your own choice of settings.")


def _take_preset(known: dict[str, Preset]) -> None:
    preset = known.get(_value("preset"))
    if preset is None:
        return
    for name, value in preset.changes.items():
        if name == "genes":
            _set("genes", [] if value.kind == "none" else [value.kind])
            if value.kind == "hvg":
                _set("n", value.n)
        else:
            _set(name, CONTROLS[name].said(value))


def _identity(view: View, known: dict[str, Preset]) -> None:
    st.markdown("**Name and source**")
    left, right = st.columns(2)
    _ask(left, "dataset_id", view.dataset.id)
    _ask(right, "name", view.dataset.name)
    st.text_area(CONTROLS["description"].label, **_start("description", ""), height=68)
    preset = known.get(_value("preset"))
    asked = preset is not None and preset.asks_source
    if asked and not (_value("source_name") or _value("source_citation")):
        st.info("Readers will want to know where the data come from and what to cite.", icon=":material/menu_book:")
    with st.expander("Source and citation", expanded=asked):
        left, right = st.columns(2)
        _ask(left, "source_name", "")
        _ask(right, "source_url", "")
        _ask(st, "source_citation", "")


def _what(view: View, usual: Preset) -> None:
    st.markdown("**What is exported**")
    _genes(view, usual)
    columns = [str(column) for column in view.dataset.obs.columns]
    st.session_state["export_columns"] = [key for key in workspace().choices.obs_keys if key in columns]
    st.multiselect("Cell columns", columns, key="export_columns", on_change=_set_columns)
    graph, vectors = view.mapping.connectivities, view.mapping.vectors
    if graph is not None:
        _ask(st, "graph", usual.changes["graph"], label=f"{CONTROLS['graph'].label} ({literal(graph)})")
    if vectors:
        label = f"{CONTROLS['vectors'].label} ({literal(', '.join(vectors))})"
        _ask(st, "vectors", usual.changes["vectors"], label=label)


def _genes(view: View, usual: Preset) -> None:
    if view.mapping.matrix is None:
        st.caption("There is no expression matrix, so no genes are exported.")
        return
    begin: GeneChoice = usual.changes["genes"]
    st.pills(
        "Genes",
        list(PARTS),
        selection_mode="multi",
        format_func=PARTS.__getitem__,
        **_start("genes", [begin.kind] if begin.kind in PARTS else []),
        on_change=_one_or_several,
        help="Choose several for their union: each gene once, in the order of these choices.",
    )
    chosen = _value("genes") or []
    most = max(1, view.n_genes)
    _within("n", most)
    _within("markers_n", most)
    if "hvg" in chosen:
        st.number_input(
            "Number of highly variable genes",
            1,
            most,
            **_start("n", begin.n or (2000 if most > 2000 else max(1, most // 2))),
            help="The most variable genes, as scanpy finds them; in the dataset's order.",
        )
    if "markers" in chosen:
        _markers(view, most)
    if "list" in chosen:
        _gene_list()
    if not chosen:
        st.caption("Nothing is chosen, so no genes are exported.")
    elif len(chosen) > 1:
        st.caption("Each gene is written once, in this order: " + ", then ".join(PARTS[p].lower() for p in chosen))


def _one_or_several() -> None:
    """Let the last click win between "All" and the other parts, which exclude each other; keep the parts in order."""
    chosen, before = list(_value("genes") or []), st.session_state.get("export_genes_before", [])
    if "all" in chosen and len(chosen) > 1:
        chosen = ["all"] if "all" not in before else [part for part in chosen if part != "all"]
    _set("genes", [part for part in PARTS if part in chosen])


def _markers(view: View, most: int) -> None:
    columns = [str(key) for key in view.dataset.obs.columns if view.kind(key) == "categorical"]
    if not columns:
        st.caption("The cell table has no column of groups to take markers from.")
        return
    if _value("markers_column") not in columns:
        _set("markers_column", columns[0])
    left, right = st.columns([2, 1])
    left.selectbox(
        "Markers of each category of",
        columns,
        **_start("markers_column", columns[0]),
        help="Genes that are higher in a category than in all other cells, by scanpy's t-test.",
    )
    right.number_input("Genes per category", 1, most, **_start("markers_n", min(20, most)))


def _gene_list() -> None:
    st.text_area("Gene list", **_start("list", ""), placeholder="CD3D, MS4A1, LYZ", height=90)
    st.file_uploader(
        "Add genes from a file",
        type=["txt", "csv", "tsv", "gmt"],
        key=widget_key("export_list_file"),
        max_upload_size=MAX_BYTES // 2**20,
        on_change=_add_file,
        help="One gene per line, the gene column of a table, or a GMT file.",
    )
    if error := st.session_state.pop("export_list_error", None):
        show_error(error)


def _add_file() -> None:
    upload = st.session_state[widget_key("export_list_file")]
    if upload is None:
        return
    try:
        genes = gene_file_genes(upload.getvalue(), upload.name)
    except CellucidError as error:
        st.session_state["export_list_error"] = error
        return
    words = GeneChoice("list", ids=tuple(genes)).to_words()[0] if genes else ""
    _set("list", "\n".join(text for text in (str(_value("list") or "").strip(), words) if text))


def _set_columns() -> None:
    chosen = set(st.session_state["export_columns"])
    dataset = workspace().dataset
    assert dataset is not None
    try:
        workspace().choose(obs_keys=tuple(str(key) for key in dataset.obs.columns if key in chosen))
    except CellucidError as error:
        st.session_state["export_error"] = error


def _format() -> None:
    st.markdown("**Format**")
    st.segmented_control(
        CONTROLS["format"].label,
        list(FORMATS),
        format_func=CONTROLS["format"].said,
        **_start("format", "compact"),
        required=True,
        label_visibility="collapsed",
    )
    st.caption(FORMATS[_value("format")])


def _precision(usual: Preset, file_format: Format) -> None:
    st.markdown("**Precision and size**")
    if file_format != "compact":
        st.caption("An AnnData keeps all values as float32; there is nothing to choose.")
        return
    left, right = st.columns(2)
    _ask(left, "var_quantization", usual.changes["var_quantization"])
    _ask(right, "obs_quantization", usual.changes["obs_quantization"])
    _ask(st, "compression", usual.changes["compression"])
    with st.expander("Advanced"):
        left, right = st.columns(2)
        own = ExportSettings()
        _ask(left, "categorical_dtype", own.categorical_dtype)
        _ask(right, "threads", own.threads)
        _ask(left, "centroid_min_points", own.centroid_min_points)
        centroids = right.toggle("Centroids", **_start("centroids", True), help="The place of each category's label.")
        _ask(right, "centroid_quantile", own.centroid_quantile, step=0.05, disabled=not centroids)


def _settings(view: View, file_format: Format) -> ExportSettings:
    drawn = [name for name in CONTROLS if name != "format" and (file_format == "compact" or name not in PRECISION)]
    chosen = {name: CONTROLS[name].meant(_value(name)) for name in drawn}
    for name in ("dataset_id", "name"):
        chosen[name] = str(chosen[name]).strip() or None
    for name in ("description", "source_name", "source_url", "source_citation"):
        chosen[name] = str(chosen[name]).strip()
    chosen["graph"] = view.mapping.connectivities is not None and bool(chosen["graph"])
    chosen["vectors"] = bool(view.mapping.vectors) and bool(chosen["vectors"])
    if "centroid_quantile" in chosen and not _value("centroids"):
        chosen["centroid_quantile"] = None
    launch: tuple[str, ...] = ()
    if file_format != "compact":
        launch = named_choices(view.dataset, workspace().choices)
    return ExportSettings(genes=_gene_choice(view), format=file_format, launch=launch, **chosen)


def _gene_choice(view: View) -> GeneChoice:
    if view.mapping.matrix is None:
        return GeneChoice("none")
    parts = []
    chosen = _value("genes") or []
    st.session_state["export_genes_before"] = list(chosen)
    if "all" in chosen:
        parts.append(GeneChoice("all"))
    if "hvg" in chosen:
        parts.append(GeneChoice("hvg", n=int(_value("n"))))
    if "markers" in chosen and _value("markers_column"):
        parts.append(GeneChoice("markers", n=int(_value("markers_n")), column=_value("markers_column")))
    if "list" in chosen and (genes := parse_genes(str(_value("list") or ""))):
        parts.append(GeneChoice("list", ids=tuple(genes)))
    return GeneChoice.of(parts)
