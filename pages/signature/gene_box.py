"""The signature's genes, pasted or from gene sets: what is found, missing or repeated, and proposals."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import streamlit as st

from cellucid_core.dataset import View
from cellucid_core.errors import CellucidError
from cellucid_core.genes import (
    GeneMatch,
    GeneSet,
    GeneSets,
    ReadySet,
    parse_genes,
    read_gene_sets,
    ready_set,
    ready_sets,
)
from cellucid_core.names import listed
from cellucid_core.signature import match_in_view
from pages.session.state import OpenGeneSets, counted, kept, literal, show_error, widget_key, workspace
from pages.widgets.remembered import remembered

DEMO_GENES = "CD3D, CD3E, CD8A, CD8B, NKG7, GZMK, CCL5"
MOST_CHIPS, MOST_PROPOSALS = 60, 12
GENES, CHOSEN = "genes", "signature"
#: The ready set that is offered while no gene is given.
SAMPLE = "T cell"
_COMMIT_ON_PASTE = """<script>
if (!window.cellucidPaste) {
  window.cellucidPaste = true;
  document.addEventListener("paste", (event) => {
    const box = event.target;
    if (!(box instanceof HTMLTextAreaElement) || box.ariaLabel !== "Signature genes") return;
    setTimeout(() => box.dispatchEvent(
      new KeyboardEvent("keydown", {key: "Enter", code: "Enter", ctrlKey: true, bubbles: true})), 0);
  });
}
</script>"""


def gene_box(view: View, *, signed: bool, repeats: Literal["once", "count"]) -> str | GeneSet:
    """Draw the box and return the genes: the pasted text, or one of the open gene sets.

    Parameters
    ----------
    signed
        Whether a ``+`` or ``-`` behind a gene is its sign.
    repeats
        Whether a repeated gene counts once, or as often as it is listed.
    """
    file = workspace().gene_sets
    if file is None:
        _take_pasted_next()
        arguments = kept(GENES)
        if arguments["key"] not in st.session_state:  # no default beside a value that is set already
            arguments["value"] = DEMO_GENES if view.dataset.id == "pbmc68k_reduced" else ""
        genes: str | GeneSet = st.text_area(
            "Signature genes",
            **arguments,
            height=100,
            placeholder="CD3D, CD3E, CD8A",
            help="Paste a list in any form: commas, spaces, lines, bullets. Missing names get proposals.",
        )
    else:
        genes = _choose_signature(file)
    _file_box(genes)
    if (genes if isinstance(genes, str) else " ".join(genes.genes)).strip():
        match = match_in_view(view, genes, signed=signed, repeats=repeats)
        _fates(match, genes)
    elif file is None:
        _sample_button(view)
    return genes


def _sample_button(view: View) -> None:
    """Draw a button that fills the box with genes to begin with, as the open dataset names them."""
    key = (view.dataset.content_hash, view.mapping.digest())
    genes = remembered("sample signature", key, lambda: genes_of_set(view, SAMPLE))
    if genes:
        st.button(
            f"Try {SAMPLE}s",
            icon=":material/play_arrow:",
            help=f"Fills the box with {counted(len(genes), 'gene')} of this dataset: {literal(listed(genes, 8))}",
            on_click=_take_text,
            args=(as_text(genes),),
        )


def genes_of_set(view: View, name: str) -> list[str]:
    """Return the genes of a ready set that a dataset has, by the dataset's names (mouse orthologs, or other ids)."""
    genes = ready_set(name).genes
    match = match_in_view(view, genes)
    own = set(match.found)
    first = {gene: proposals[0].gene for gene, proposals in match.proposals.items()}
    return list(dict.fromkeys(first.get(gene, gene) for gene in genes.genes if gene in own or gene in first))


def _take_text(text: str) -> None:
    st.session_state["gene_text_next"] = text


def commit_on_paste() -> None:
    """Make the browser commit a pasted list at once; Streamlit commits a text area only when it loses the focus."""
    st.html(_COMMIT_ON_PASTE, unsafe_allow_javascript=True)


def _choose_signature(file: OpenGeneSets) -> GeneSet:
    signatures = {one.name: one for one in file.sets.signatures}
    name = st.selectbox(
        "Signature",
        list(signatures),
        **kept(CHOSEN),
        help=f"The signatures of {literal(file.name)}. All of them together are under Several signatures.",
    )
    return signatures[name]


def _file_box(genes: str | GeneSet) -> None:
    """Draw the ways to other genes: a file, ready sets, back to pasting; show notes on how the genes were read."""
    file = workspace().gene_sets
    with st.container(horizontal=True, gap="small"):
        with st.popover("From a file", icon=":material/upload_file:", type="tertiary"):
            st.caption(
                "Gene sets (GMT, GMX, GRP, JSON, CELLxGENE), or a table: one column per set, or columns for set, gene "
                "and weight."
            )
            upload = st.file_uploader(
                "Signatures",
                type=["gmt", "gmx", "grp", "json", "csv", "tsv", "txt", "xlsx"],
                key=widget_key("gene_file"),
                max_upload_size=50,
            )
        with st.popover("Ready sets", icon=":material/auto_awesome:", type="tertiary"):
            _ready_box()
        if file is not None:
            st.button("Paste genes instead", icon=":material/edit:", type="tertiary", on_click=_close_file)
            if isinstance(genes, GeneSet) and genes.halves:
                st.button(
                    "Split into up and down",
                    icon=":material/call_split:",
                    type="tertiary",
                    help=f"Score {literal(genes.halves[0])} and {literal(genes.halves[1])} as two sets.",
                    on_click=_take_apart,
                    args=(file, genes),
                )
    if upload is not None and st.session_state.get("gene_file_read") != upload.file_id:
        st.session_state["gene_file_read"] = upload.file_id
        try:
            use_gene_sets(upload.name, read_gene_sets(upload.getvalue(), upload.name))
        except CellucidError as error:
            show_error(error)
        else:
            st.rerun()
    notes = st.session_state.pop("gene_text_notes", []) if file is None else file.sets.notes
    for note in notes:
        st.caption(f":material/info: {literal(note)}")


def _ready_box() -> None:
    """Draw the choice of a ready set, or of a whole collection of them."""
    collections: dict[str, list[ReadySet]] = {}
    for one in ready_sets():
        collections.setdefault(one.collection, []).append(one)
    collection = st.selectbox("Collection", list(collections), key="ready_collection")
    sets = collections[collection]
    number = st.selectbox(
        "Set",
        range(len(sets)),
        format_func=lambda number: sets[number].name.removeprefix("HALLMARK_").replace("_", " "),
        key=f"ready_set {collection}",
    )
    one = sets[number]
    licence = f" · {one.licence}" if one.licence else ""
    st.caption(literal(f"{len(one.genes.genes):,} genes, {one.species or 'as in the file'} · {one.source}{licence}"))
    st.button("Use this set", type="primary", on_click=use_gene_sets, args=(one.name, GeneSets([one.genes], [])))
    st.button(
        f"Use all {len(sets):,} sets",
        on_click=use_gene_sets,
        args=(collection, GeneSets([each.genes for each in sets], [])),
        help="All are scored under Several signatures.",
    )


def use_gene_sets(name: str, sets: GeneSets) -> None:
    """Open gene sets; a single set without weights goes into the box as text, where it can be edited."""
    only = sets.signatures[0]
    if len(sets.signatures) == 1 and only.weights is None:
        workspace().gene_sets = None
        st.session_state["gene_text_next"] = as_text(only.genes)
        st.session_state["gene_text_notes"] = sets.notes
    else:
        workspace().gene_sets = OpenGeneSets(name, sets)


def _take_pasted_next() -> None:
    """Fill the box before it is drawn, as a widget's value cannot be set afterwards."""
    text = st.session_state.pop("gene_text_next", None)
    if text is not None:
        st.session_state[widget_key(GENES)] = text


def _take_apart(file: OpenGeneSets, pair: GeneSet) -> None:
    workspace().gene_sets = OpenGeneSets(file.name, file.sets.apart(pair.name))
    st.session_state[widget_key(CHOSEN)] = pair.apart()[0].name


def _close_file() -> None:
    workspace().gene_sets = None


def as_text(genes: Any) -> str:
    """Return genes as text to paste, separated by commas; a name that contains a separator is quoted."""
    return ", ".join(f'"{gene}"' if any(c in gene for c in ",;\t\n") else gene for gene in genes)


def _fates(match: GeneMatch, genes: str | GeneSet) -> None:
    """Draw how many genes are found, missing and repeated, with chips for those that need attention."""
    found = set(match.found)
    replaced = [f"{old} → {new}" for old, new in workspace().replaced.items() if new in found]
    counts = f"{len(match.found):,} found · {len(match.missing):,} missing · {len(match.repeated):,} repeated"
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.caption(counts)
        if match.found:
            with st.popover("Found", icon=":material/check:", type="tertiary"):
                st.markdown(_badges("green", match.found))
    certain = [gene for gene in match.missing if not match.proposals.get(gene)]
    chips = [_badges("red", certain), _badges("orange", replaced), _badges("gray", match.repeated, " twice or more")]
    if any(chips):
        st.markdown(" ".join(filter(None, chips)))
    for note in match.notes:
        st.caption(f":material/info: {literal(note)}")
    _proposals(match, genes)


def _badges(colour: str, genes: list[str], after: str = "") -> str:
    text = [f":{colour}-badge[{literal(gene)}{after}]" for gene in genes[:MOST_CHIPS]]
    if len(genes) > MOST_CHIPS:
        text.append(f":gray[and {len(genes) - MOST_CHIPS:,} more]")
    return " ".join(text)


def _proposals(match: GeneMatch, genes: str | GeneSet) -> None:
    """Draw the proposals for missing genes, each with its reason; only a click replaces a gene."""
    if not match.proposals:
        return
    shown = list(match.proposals.items())
    with st.container(horizontal=True, gap="small"):
        for gene, candidates in shown[:MOST_PROPOSALS]:
            with st.popover(f":red[{literal(gene)}] could be …"):
                for at, one in enumerate(candidates):
                    st.button(
                        f"**{literal(one.gene)}**: {literal(one.reason)}",
                        key=f"take {gene} {at}",
                        on_click=_accept,
                        args=(genes, {gene: one.gene}),
                        type="tertiary",
                    )
    if len(shown) > MOST_PROPOSALS:
        st.caption(f"And {len(shown) - MOST_PROPOSALS:,} more missing genes with proposals.")
    if only := match.only_proposals:
        st.button(
            f"Accept all {len(only):,} with a single proposal" if len(only) > 1 else "Accept the single proposal",
            key="use_proposals",
            on_click=_accept,
            args=(genes, dict(only)),
            icon=":material/spellcheck:",
        )


def _accept(genes: str | GeneSet, proposals: dict[str, str]) -> None:
    """Replace missing genes by the accepted proposals."""
    work = workspace()
    work.replaced = {**work.replaced, **proposals}
    if isinstance(genes, str):
        st.session_state[widget_key(GENES)] = as_text(_replaced(parse_genes(genes), proposals))
    elif work.gene_sets is not None:
        fixed = replace(genes, genes=tuple(_replaced(genes.genes, proposals)))
        sets = work.gene_sets.sets
        changed = [fixed if one.name == genes.name else one for one in sets.signatures]
        work.gene_sets = replace(work.gene_sets, sets=replace(sets, signatures=changed))


def _replaced(genes: Any, proposals: dict[str, str]) -> list[str]:
    """Return the genes with proposals in place of missing ones; a sign behind a name stays."""
    fixed = []
    for gene in genes:
        name, sign = (gene[:-1], gene[-1]) if gene[:-1] in proposals and gene[-1] in "+-" else (gene, "")
        fixed.append(proposals.get(name, name) + sign)
    return fixed
