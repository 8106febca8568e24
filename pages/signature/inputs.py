"""The left column of the page: genes, pages, and how to score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import streamlit as st

from cellucid_core.cell_pages import Page
from cellucid_core.dataset import View
from cellucid_core.genes import GeneSet, understand_genes
from cellucid_core.signature import (
    ABOUT,
    DEFAULT_OPTIONS,
    METHODS,
    Adjustment,
    Method,
    MethodOptions,
    Normalization,
    can_split,
    sample_columns,
)
from pages.session.state import kept, widget_key
from pages.signature.gene_box import gene_box
from pages.signature.page_panel import PageChoice, page_panel

NORMALIZATIONS: dict[Normalization, str] = {"none": "As stored", "zscore": "Z-score", "minmax": "0 to 1"}
#: The option of no column. Not None: a box with a None would also offer to clear the choice.
_NONE = "\x1f"
_ABOUT = "\n".join(f"- **{about.label}**: {about.sentence}" for about in ABOUT.values())
#: Name of a widget of the column, or the beginning of its name → what it chooses, in words.
CHOICES = {
    "genes": "the gene list",
    "signature": "the chosen signature",
    "group_by": "the column of the pages",
    "pages ": "the chosen pages",
    "rest ": "the comparison",
    "method": "the score",
    "normalization": "the scale",
    "sample ": "the donor or sample",
    "repeats": "the counting of repeated genes",
    "p_adjust": "the adjustment of p-values",
    "seed": "the seed",
    "max_rank": "the largest rank that counts",
    "top_share": "the top share of genes",
    "ctrl_size": "the control genes per bin",
    "n_bins": "the bins of mean expression",
    "gene_pool": "the genes that controls are drawn from",
}
ADJUSTMENTS: dict[Adjustment, str] = {"bh": "Benjamini–Hochberg", "holm": "Holm"}


@dataclass(frozen=True)
class Inputs:
    """The inputs of a run, named as the arguments of `cellucid_core.signature.run_signature`."""

    genes: str | GeneSet
    pages: list[Page] | None
    method: Method
    normalize: Normalization
    sample_key: str | None
    split_key: str | None
    repeats: Literal["once", "count"]
    p_adjust: Adjustment
    seed: int
    options: MethodOptions

    @property
    def empty(self) -> bool:
        """Whether no gene was given."""
        return not (self.genes.strip() if isinstance(self.genes, str) else self.genes.genes)


def choose_inputs(view: View) -> Inputs:
    """Draw the left column and return what was chosen.

    Raises
    ------
    CellucidError
        If the genes, or an option of the method, make no sense.
    """
    repeats: Literal["once", "count"] = "count" if st.session_state.get(widget_key("repeats")) else "once"
    genes = gene_box(view, signed=st.session_state.get(widget_key("method")) == "ucell", repeats=repeats)
    choice = page_panel(view)
    score, scale = st.columns(2)
    method = score.selectbox(
        "Score", METHODS, format_func=lambda method: ABOUT[method].label, **kept("method"), help=_ABOUT
    )
    how = scale.selectbox(
        "Scale", list(NORMALIZATIONS), format_func=NORMALIZATIONS.__getitem__, **kept("normalization")
    )
    sample = _sample_column(view, choice)
    split = _split_column(view, choice, sample)
    with st.expander("More", icon=":material/tune:"):
        st.caption(ABOUT[method].sentence)
        options = _method_options(view, method)
        st.toggle(
            "Count repeated genes",
            help="A gene that is listed twice counts twice, as in Cellucid.",
            **kept("repeats"),
        )
        adjust = st.selectbox(
            "Adjust p-values of pairs by",
            list(ADJUSTMENTS),
            format_func=ADJUSTMENTS.__getitem__,
            **kept("p_adjust"),
        )
        seed = st.number_input(
            "Seed",
            0,
            2**32 - 1,
            0,
            **kept("seed"),
            help="Used for the control genes, the order of equal values in AUCell, the check against chance, and which "
            "cells are shown as points.",
        )
    return Inputs(genes, choice.pages, method, how, sample, split, repeats, adjust, int(seed), options)


def _method_options(view: View, method: Method) -> MethodOptions:
    """Draw the options of a method, if it has some, and return them."""
    usual = DEFAULT_OPTIONS
    if method == "ucell":
        rank = st.number_input(
            "Largest rank that counts",
            1,
            max(usual.max_rank, view.n_genes),
            usual.max_rank,
            **kept("max_rank"),
            help="At most the number of genes detected in a cell; use one value for all samples that you compare.",
        )
        return MethodOptions(max_rank=int(rank))
    if method == "aucell":
        share = st.number_input(
            "Top share of genes",
            0.001,
            1.0,
            usual.top_share,
            step=0.01,
            format="%.3f",
            **kept("top_share"),
            help="Of the genes that are detected in any cell.",
        )
        return MethodOptions(top_share=float(share))
    if method == "score_genes":
        left, right = st.columns(2)
        size = left.number_input("Control genes per bin", 1, 10_000, usual.ctrl_size, **kept("ctrl_size"))
        bins = right.number_input("Bins of mean expression", 2, 1_000, usual.n_bins, **kept("n_bins"))
        pool = st.text_area(
            "Draw control genes from",
            placeholder="all genes",
            height=68,
            **kept("gene_pool"),
            help="Genes, as pasted; scanpy's gene_pool. Empty: all genes.",
        )
        known = set(view.gene_ids) if pool.strip() else set()
        genes = tuple(understand_genes(pool, known.__contains__)[0]) if known else ()
        return MethodOptions(ctrl_size=int(size), n_bins=int(bins), gene_pool=genes)
    return usual


def _sample_column(view: View, choice: PageChoice) -> str | None:
    """Draw the choice of a donor column; one with a name like that is the default, as cells are not replicates."""
    likely = [column for column in sample_columns(view) if column in choice.columns and column != choice.column]
    others = [column for column in choice.columns if column != choice.column and column not in likely]
    sample = st.selectbox(
        "Donor or sample",
        [*likely, _NONE, *others],
        format_func=lambda column: "Not chosen" if column == _NONE else column,
        **kept(f"sample {choice.column}"),
        help="Cells of one donor are not replicates. With a donor column, donors are compared first.",
    )
    return None if sample == _NONE else sample


def _split_column(view: View, choice: PageChoice, sample: str | None) -> str | None:
    """Draw the choice of a second column, whose values are compared within each page."""
    columns = [column for column in choice.columns if column not in (choice.column, sample) and can_split(view, column)]
    split = st.selectbox(
        "Split by",
        [_NONE, *columns],
        format_func=lambda column: "Not split" if column == _NONE else column,
        **kept(f"split {choice.column}"),
        help="A second column, such as the condition: its values are drawn and compared within each page.",
    )
    return None if split == _NONE else split
