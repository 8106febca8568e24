"""The results of a run: the sentence, the chart, the numbers of each page, and the tabs below."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
import pandas as pd
import streamlit as st

from cellucid_core import charts
from cellucid_core.cell_pages import Page
from cellucid_core.dataset import View
from cellucid_core.errors import CellucidError
from cellucid_core.reports import ReportFigure
from cellucid_core.signature import (
    EveryMethod,
    SignatureRun,
    Split,
    against_chance,
    contributions,
    every_method,
    signature_quality,
)
from cellucid_core.signature.reporting import (
    MANY_PAGES,
    STARS,
    mixed_model_table,
    overall_sentence,
    pairs_table,
    split_csv,
    split_sentence,
    split_table,
    tests_table,
)
from cellucid_core.signature.statistics import library_size, mixed_model
from pages.session.figure import figure
from pages.session.state import counted, kept, literal, show_error
from pages.signature.inputs import ADJUSTMENTS
from pages.signature.scores_chart import draw_scores
from pages.signature.take_home import download
from pages.widgets.remembered import known, remembered

MEASURES = {"total": "Total expression of the cell", "detected": "Detected genes of the cell"}
_REST = "all other cells"
#: The option "All other cells". Not None: a box with a None would also offer to clear the choice.
_ALL_OTHERS = "\x1f"
_WARNINGS_SHOWN = 3
#: The most important columns of the table of tests.
_DECIDING = ("comparison", "effect", "effect type", "p-value", "units")


def show_run(view: View, run: SignatureRun, key: Hashable) -> ReportFigure:
    """Draw the sentence, the chart, the warnings, and the numbers of each page.

    Parameters
    ----------
    view, run
        The dataset, and what was computed on it.
    key
        The key of the run, see `pages.gene_signature.run_key`; here and below.

    Returns
    -------
    ReportFigure
        The chart, for a report.
    """
    st.subheader(literal(run.headline), anchor=False)
    matrix = view.mapping.matrix or ""
    st.caption(
        f"{len(run.match.found):,} of {counted(run.match.n_asked, 'gene')} found · "
        f"scored on {literal(matrix)}: {view.dataset.scale(matrix).words}"
    )
    if (found := known("signature every method", key)) is not None:  # once computed, it is part of the summary
        st.caption(f":material/rule: {literal(found.sentence)}")
    if run.split is not None:
        st.markdown(literal(split_sentence(run.split, run.pages)))
    shown, chart = draw_scores(run, key)
    if run.warnings:  # one box, the most serious first
        lines = [literal(one) for one in run.warnings[:_WARNINGS_SHOWN]]
        st.warning(lines[0] if len(lines) == 1 else "\n".join(f"- {one}" for one in lines), icon=":material/warning:")
    if more := run.warnings[_WARNINGS_SHOWN:]:
        with st.expander(f"{len(more)} more to keep in mind", icon=":material/warning:"):
            for warning in more:
                st.markdown(f"- {literal(warning)}")
    _show_summary(shown)
    return chart


def _show_summary(run: SignatureRun) -> None:
    table = run.summary.assign(page=[page.label for page in run.pages])
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


def show_tests(view: View, run: SignatureRun, key: Hashable) -> None:
    """Draw the tables of tests between pages, and between the values within each page if pages are split."""
    if run.split is not None:
        _show_split(run, run.split)
    if not run.tests:
        st.info("Choose at least two pages to compare them.", icon=":material/compare_arrows:")
        return
    if sentence := overall_sentence(run.tests):
        st.markdown(literal(sentence))
    if len(run.pages) > MANY_PAGES:
        _show_pairs(run)
    _show_table(tests_table(run.tests, run.pages), _DECIDING)
    st.caption(
        "Effects come first: with many cells, p-values are tiny however small the difference is. "
        f"Pairs are adjusted together ({ADJUSTMENTS[run.p_adjust]})."
    )
    if run.sample_key is not None:
        _show_mixed_model(view, run, run.sample_key, key)


def _show_table(table: pd.DataFrame, first: tuple[str, ...]) -> None:
    """Draw a table of tests with the columns `first` in front, so that they are seen without scrolling."""
    table = table[[*first, *(name for name in table.columns if name not in first)]]
    if not table["note"].fillna("").any():
        table = table.drop(columns="note")
    st.dataframe(
        table,
        hide_index=True,
        width="stretch",
        column_config={name: st.column_config.NumberColumn(format="%.3g") for name in ("effect", "statistic")},
    )


def _show_split(run: SignatureRun, split: Split) -> None:
    """Draw the tests of the second column's values within each page."""
    st.markdown(f"**{literal(split.key)} within each page**")
    _show_table(split_table(split, run.pages), ("page", *_DECIDING))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            f"All pages are adjusted together ({ADJUSTMENTS[run.p_adjust]}), t-tests and rank tests apart. "
            + (
                ""
                if run.sample_key
                else "Cells of one donor are not replicates: choose a donor column if there is one."
            ),
            width="stretch",
        )
        download(
            "Within pages (CSV)",
            lambda: split_csv(split, run.pages).encode(),
            "gene_signature_within_pages.csv",
            "text/csv",
        )
    if run.tests:
        st.markdown("**The pages themselves**")


def _show_pairs(run: SignatureRun) -> None:
    """Draw the effect of each pair of pages as a coloured table, with stars for its adjusted p-value."""
    table = pairs_table(run.tests, run.pages)
    effects = table.effects
    most = float(np.nanmax(np.abs(effects.to_numpy()), initial=0.0)) or 1.0

    def coloured(column: pd.Series) -> list[str]:
        return [
            ""
            if np.isnan(effect)
            else f"background-color: rgba({'217,72,15' if effect > 0 else '51,102,204'},{0.6 * abs(effect) / most:.2f})"
            for effect in effects[column.name]
        ]

    st.dataframe(table.words().style.apply(coloured), width="stretch")
    stars = ", ".join(f"{limit} {'*' * (n + 1)}" for n, limit in enumerate(STARS))
    st.caption(f"Cohen's d, row minus column, by {table.unit}; stars: adjusted p below {stars}.")


def _show_mixed_model(view: View, run: SignatureRun, samples: str, key: Hashable) -> None:
    """Draw the linear mixed model, fitted on request (reviewers ask for it)."""
    with st.expander("Linear mixed model", icon=":material/stacked_line_chart:"):
        st.caption(
            f"Page fixed, {literal(samples)} a random intercept, restricted maximum likelihood over all "
            "cells. It assumes that a page's effect is the same in every sample; where it differs between them, trust "
            "the tests by sample above."
        )
        if not st.toggle("Fit the model", **kept("mixed_model")):
            return
        fits = remembered(
            "signature mixed model",
            key,
            lambda: mixed_model(run.spoken, run.scores, view.obs(samples), p_adjust=run.p_adjust),
        )
        st.dataframe(
            mixed_model_table(fits),
            hide_index=True,
            width="stretch",
            column_config=dict.fromkeys(
                ("difference", "t", "SD between samples", "SD between cells"),
                st.column_config.NumberColumn(format="%.3g"),
            ),
        )


def show_genes(view: View, run: SignatureRun, key: Hashable) -> None:
    """Draw each gene's numbers, which genes carry a difference, and the relation to library size."""
    quality = remembered("signature quality", key, lambda: signature_quality(view, run.match, run.spoken))
    figure(lambda room: charts.dot_plot(quality.by_page, room=room), charts.DOTS_CAPTION, "signature_genes")
    st.dataframe(
        quality.genes.assign(share=quality.genes["share"] * 100),
        hide_index=True,
        width="stretch",
        column_config={
            "weight": None
            if not (run.match.weighted or run.match.signed)
            else st.column_config.NumberColumn(format="%.3g"),
            "mean": st.column_config.NumberColumn(format="%.3g"),
            "share": st.column_config.NumberColumn("cells above 0", format="%.1f %%"),
            "correlation": st.column_config.NumberColumn(
                "r with the others", format="%.2f", help="Pearson's r with the mean of the other genes, over the cells."
            ),
        },
    )
    page, other = _pair(run, "genes")
    words = other.name if other else _REST
    st.markdown(f"**Which genes carry the difference between {literal(page.name)} and {literal(words)}**")
    try:
        table = remembered(
            "signature contributions", (key, page.name, words), lambda: contributions(view, run.match, page, other)
        )
        figure(
            lambda room: charts.contribution_bars(table, page.name, words, room=room),
            charts.CONTRIBUTION_CAPTION,
            "signature_contributions",
        )
        with st.expander("As a table"):
            st.dataframe(table, hide_index=True, width="stretch")
    except CellucidError as error:
        show_error(error)
    st.markdown("**How the score depends on library size**")
    size = remembered("signature library size", key, lambda: library_size(view, run.raw, run.spoken))
    measure = st.segmented_control(
        "Library size",
        list(MEASURES),
        format_func=MEASURES.__getitem__,
        default="total",
        **kept("library_measure"),
        label_visibility="collapsed",
        required=True,
    )
    figure(
        lambda _: charts.library_trend(size.trend, measure, MEASURES[measure], run.title),
        charts.TREND_CAPTION,
        "signature_size",
    )
    looked = "" if size.n_used == size.n_cells else f", over {size.n_used:,} of {size.n_cells:,} cells"
    st.caption(f"Spearman's correlation: {size.total:.2f} with total, {size.detected:.2f} with detected genes{looked}.")


def _pair(run: SignatureRun, name: str) -> tuple[Page, Page | None]:
    """Draw the choice of two pages; by default the two that are compared, or the highest and all other cells (None)."""
    pages = {page.name: page for page in run.spoken}
    names = list(pages)
    means = run.summary["mean"].to_numpy(dtype=float)
    highest = int(np.nanargmax(means)) if np.isfinite(means).any() else 0
    left, right = st.columns(2)
    key = "|".join(names)
    two = len(names) == 2
    first = left.selectbox("Page", names, index=0 if two else highest, key=f"{name} page {key}")
    second = right.selectbox(
        "Against",
        [_ALL_OTHERS, *(other for other in names if other != first)],
        index=1 if two else 0,
        format_func=lambda other: "All other cells" if other == _ALL_OTHERS else other,
        key=f"{name} against {first} {key}",
    )
    return pages[first], pages.get(second)


def show_every_method(view: View, run: SignatureRun, key: Hashable) -> None:
    """Draw what all methods say about the same genes and pages, computed on request."""
    st.markdown("Does the conclusion depend on the method? The same genes, scored by every method.")
    if len(run.pages) < 2:
        st.info("Choose at least two pages to compare them.", icon=":material/compare_arrows:")
        return
    if known("signature every method", key) is None and not st.button(
        "Score by every method", icon=":material/rule:", type="primary"
    ):
        return
    bar = st.empty()

    def report(share: float) -> None:
        bar.progress(share, text=f"Scoring by every method … {share:.0%}")

    found: EveryMethod = remembered(
        "signature every method",
        key,
        lambda: every_method(
            view, run.match, run.spoken, method=run.method, seed=run.seed, options=run.options, progress=report
        ),
    )
    bar.empty()
    st.markdown(f"**{literal(found.sentence)}**")
    st.caption("Cohen's d of each page against the other compared cells; the highest of each method is marked.")
    st.dataframe(
        found.effects(run.spoken).style.highlight_max(axis=1, color="#4C6FFF55").format("{:.2f}"), width="stretch"
    )
    st.caption("How alike the scores are (Spearman's correlation over the cells).")
    st.dataframe(found.correlation.style.format("{:.2f}"), width="stretch")
    for note in found.notes:
        st.caption(f":material/info: {literal(note)}")


def show_chance(view: View, run: SignatureRun, key: Hashable) -> None:
    """Draw where the signature's effect lies among those of random gene sets, computed on request."""
    st.markdown(
        "Would other genes do as well? The separation of two pages (Cohen's d of the mean score) next to that of "
        "random gene sets of the same size and similar expression."
    )
    page, other = _pair(run, "chance")
    n_sets = st.select_slider("Random gene sets", [100, 200, 500, 1000, 2000], 500, **kept("chance_sets"))
    slot = (key, page.name, other and other.name, n_sets)
    if known("signature chance", slot) is None:
        if not st.button("Compare with chance", icon=":material/casino:", type="primary"):
            return
        bar = st.progress(0.0, text="Drawing random gene sets …")

        def report(share: float) -> None:
            bar.progress(min(1.0, share), text=f"Scoring random gene sets … {share:.0%}")

        try:
            remembered(
                "signature chance",
                slot,
                lambda: against_chance(
                    view,
                    run.match,
                    page,
                    other,
                    n_sets=n_sets,
                    seed=run.seed,
                    progress=report,
                ),
            )
        except CellucidError as error:
            show_error(error)
            return
        finally:
            bar.empty()
    found = known("signature chance", slot)
    random = found.random[np.isfinite(found.random)]
    beyond = found.n_reached / max(len(random), 1)
    st.markdown(
        f"**d = {found.d:.2f}** between {literal(found.pages[0])} and {literal(found.pages[1])}; "
        f"{beyond:.1%} of {len(random):,} random sets of {counted(found.n_genes, 'gene')} separate them at least as "
        f"much (empirical p = {found.p_value:.3g})."
    )
    figure(
        lambda _: charts.chance_histogram(found.d, found.random, found.p_value),
        charts.CHANCE_CAPTION,
        "signature_chance",
    )
    for note in found.notes:
        st.caption(literal(note))
