"""One open entry of the signature library: its levels, charts, genes, comparison and downloads."""

from __future__ import annotations

import streamlit as st

from cellucid_core import charts
from cellucid_core.cache import scratch_folder
from cellucid_core.errors import CellucidError
from cellucid_core.genes import GeneSet, GeneSets
from cellucid_core.library import (
    Entry,
    Level,
    Signature,
    centroid_correlation,
    compare_types,
    delete_entry,
    entry_file,
    read_signature,
    specific_genes,
    type_degs,
    write_signature,
)
from pages.library.label_columns import label_columns
from pages.session.figure import draw_chart
from pages.session.state import counted, literal, show_error, widget_key, workspace
from pages.signature.gene_box import use_gene_sets
from pages.widgets.remembered import remembered

_MOST_GENES = 200


@st.cache_resource(show_spinner=False, max_entries=16)
def _signature_of(path: str, name: str) -> Signature:
    """Read an entry once for all sessions; an entry never changes."""
    return read_signature(path, name)


def signature_of(entry: Entry) -> Signature:
    """Return the signature of an entry.

    Raises
    ------
    CellucidError
        If the entry was deleted meanwhile, or cannot be read.
    """
    return _signature_of(str(entry_file(entry.id)), f"{entry.id}.h5")


def entry_labels(entries: list[Entry]) -> dict[str, str]:
    """Return the label of each entry in a select box, by the entry's id.

    Labels are unique: a select box tells options apart by label alone, so that of two options with the same label only
    the first could be chosen.
    """
    words = [f"{entry.dataset} · added {entry.added_at[:16].replace('T', ' ')}" for entry in entries]
    return {
        entry.id: label if words.count(label) == 1 else f"{label} ({words[: place + 1].count(label)})"
        for place, (entry, label) in enumerate(zip(entries, words, strict=True))
    }


def entry_panel(entry: Entry, owner: str) -> None:
    """Draw an entry and what can be done with it; `owner` decides whether it can be deleted.

    Raises
    ------
    CellucidError
        If the entry was deleted meanwhile, or cannot be read.
    """
    signature = signature_of(entry)
    title, remove = st.columns([5, 1], vertical_alignment="center")
    title.subheader(literal(entry.dataset), anchor=False)
    if entry.owned_by(owner):
        with remove.popover("Delete", icon=":material/delete:", width="stretch"):
            st.markdown("The entry disappears for everybody. Files that were downloaded stay.")
            if st.button("Delete it", key=f"delete_{entry.id}", type="primary"):
                delete_entry(entry.id, owner)
                st.rerun()
    built = entry.record.get("matrix")
    facts = [f"created {entry.created_at[:10]}" if entry.created_at else "", f"from matrix {built}" if built else ""]
    facts += [entry.source, f"file hash {entry.record['content_hash'][:12]}" if "content_hash" in entry.record else ""]
    st.caption(literal(" · ".join(fact for fact in facts if fact)))
    said = [*entry.record.get("warnings", []), *entry.record.get("nesting", [])]
    if said:
        with st.expander(f":orange[:material/warning:] {counted(len(said), 'thing')} to know", expanded=False):
            for text in said:
                st.markdown(f"- {literal(text)}")
    level = signature.levels[0]
    if len(signature.levels) > 1:
        names = [one.name for one in signature.levels]
        chosen = st.segmented_control(
            "Level", names, default=names[-1], key=f"level_{entry.id}", required=True, format_func=literal
        )
        level = signature.level(chosen or names[-1])
    tree, similarity, search, genes, compare, download = st.tabs(
        ["Cell types", "Similarity", "Marker search", "Genes", "Compare", "Download"]
    )
    with tree:
        # Signature files of other programs do not say which type contains which, so one level is drawn at a time.
        levels = signature.levels if signature.parents else [level]
        draw_chart(charts.level_tree([(one.name, one.cells) for one in levels], signature.parents))
        st.caption(charts.TREE_CAPTION)
    with similarity:
        draw_chart(charts.correlation_heatmap(centroid_correlation(level)))
        over = f"the {len(level.degs):,} DEGs" if len(level.degs) > 1 else "all genes"
        st.caption(
            f"Pearson correlation of the cell types' means over {over}: types far below 1 are easy to tell apart."
        )
    with search:
        _search(level)
    with genes:
        _genes(level, entry.id)
    with compare:
        _compare(level, entry.id)
    with download:
        _downloads(signature, level, entry.id)


def _search(level: Level) -> None:
    if level.front is None:
        st.info("The file does not say how its markers were found.", icon=":material/scatter_plot:")
        return
    draw_chart(charts.pareto_front(level.front, level.chosen))
    st.caption(charts.FRONT_CAPTION)


def _genes(level: Level, name: str) -> None:
    which, how = st.columns(2)
    kind = which.selectbox("Cell type", level.cell_types, key=f"type_{name}_{level.name}")
    ways = ["Its most specific genes", *(["Its DEGs"] if level.degs else [])]
    way = how.selectbox("Genes", ways, index=len(ways) - 1, key=f"way_{name}_{level.name}")
    if len(level.cell_types) < 2:
        st.info("This level has only one cell type; specific genes need others to compare with.")
        return
    genes = type_degs(level, kind) if way == "Its DEGs" else specific_genes(level, kind)
    if not genes:
        st.info("No DEG has its highest mean in this cell type. Try its most specific genes.", icon=":material/info:")
        return
    st.code(", ".join(genes[:_MOST_GENES]), language=None, wrap_lines=True)
    more = f", the first {_MOST_GENES}" if len(genes) > _MOST_GENES else ""
    st.caption(
        f"{counted(len(genes), 'gene')}, the most specific first{more}. "
        "DEGs belong to the type where their mean is highest."
    )
    if workspace().dataset is None:
        st.caption("Open a dataset to score its cells with these genes.")
        return
    with st.container(horizontal=True):
        one = st.button(
            "Score them on the open dataset",
            key=f"use_{name}",
            type="primary",
            icon=":material/query_stats:",
            on_click=_take_genes,
            args=(level, [kind], way),
        )
        every = st.button(
            "Score all cell types together",
            key=f"use_all_{name}",
            icon=":material/table_rows:",
            help="One signature per cell type, as a heatmap on the Gene Signature page.",
            on_click=_take_genes,
            args=(level, list(level.cell_types), way),
        )
    if one or every:
        st.switch_page("gene_signature.py")


def _take_genes(level: Level, kinds: list[str], way: str) -> None:
    choose = type_degs if way == "Its DEGs" else specific_genes
    named = [(kind, tuple(choose(level, kind)[:_MOST_GENES])) for kind in kinds]
    use_gene_sets(level.name, GeneSets([GeneSet(kind, genes) for kind, genes in named if genes], []))


def _compare(level: Level, name: str) -> None:
    work = workspace()
    if work.dataset is None:
        st.info("Open a dataset to compare its groups with these cell types.", icon=":material/compare_arrows:")
        return
    columns = label_columns(work.view)
    column = st.selectbox(
        "Groups of the open dataset",
        columns,
        key=widget_key(f"compare_{name}"),
        placeholder="No column groups the cells",
    )
    if column is None:
        return
    view = work.view
    made_of = (name, level.name, view.dataset.content_hash, view.mapping.digest(), column)
    # This reads every gene of the dataset, so it is done only on request, and once.
    asked = st.button("Compare", key=f"compare_go_{name}", icon=":material/compare_arrows:")
    if asked:
        st.session_state["compared"] = made_of
    if st.session_state.get("compared") != made_of:
        return
    try:
        with st.spinner("Comparing …"):
            result = remembered("comparison", made_of, lambda: compare_types(level, view, column))
    except CellucidError as error:
        show_error(error)
        return
    draw_chart(charts.correlation_heatmap(result.correlation, "cell type", "group"))
    st.caption(f"Pearson correlation of mean expression over the {counted(result.n_genes, 'gene')} that both have.")
    for warning in result.warnings:
        st.warning(literal(warning), icon=":material/warning:")


def _downloads(signature: Signature, level: Level, name: str) -> None:
    offers = [
        (
            ".pickle",
            "Pickle",
            "For Python: a dict with mean, variance and std per level, genes, HVGs, DEGs, cell types.",
        ),
        (".h5", "HDF5", "For Python and R: each level as an AnnData."),
        (".zip", "CSV", "For everything else: one table per file."),
        (".txt", "Statescope", f"One level, {level.name}: genes, markers, means and variances + 0.01."),
    ]
    for column, (suffix, label, words) in zip(st.columns(len(offers)), offers, strict=True):
        with column, st.container(border=True, height="stretch"):
            st.download_button(
                label,
                data=_Writing(signature, suffix, level.name),
                file_name=f"{name.rsplit('-', 1)[0]}{f'-{level.name}' if suffix == '.txt' else ''}{suffix}",
                key=f"download_{name}{suffix}",
                icon=":material/download:",
                on_click="ignore",
                width="stretch",
            )
            st.caption(literal(words))


class _Writing:
    """The content of a download: the file is written only when it is clicked."""

    def __init__(self, signature: Signature, suffix: str, level: str) -> None:
        self._signature, self._suffix, self._level = signature, suffix, level

    def __call__(self) -> bytes:
        with scratch_folder() as folder:
            target = folder / f"signature{self._suffix}"
            write_signature(self._signature, target, level=self._level if self._suffix == ".txt" else None)
            return target.read_bytes()
