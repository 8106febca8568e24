"""The chart of the scores: its kind, cells as points, brackets over chosen pairs, a second column."""

from __future__ import annotations

import json
from collections.abc import Hashable
from functools import partial
from typing import Any

import streamlit as st

from cellucid_core import charts
from cellucid_core.reports import ReportFigure
from cellucid_core.signature import PageOrder, SignatureRun, TestResult
from cellucid_core.signature.reporting import brackets_caption, deciding_pairs
from pages.session.figure import figure
from pages.session.state import kept, widget_key

CHARTS = {
    "Violin": (charts.violin, charts.VIOLIN_CAPTION),
    "Box": (charts.box, charts.BOX_CAPTION),
    "Histogram": (charts.histogram, charts.HISTOGRAM_CAPTION),
    "Cumulative": (charts.cumulative, charts.CUMULATIVE_CAPTION),
}
SPLIT_CHARTS = {"Violin": charts.split_violin, "Box": charts.split_box}
PER_SAMPLE = "Per sample"
ORDERS: dict[PageOrder, str] = {
    "chosen": "Pages as chosen",
    "highest": "Highest mean first",
    "lowest": "Lowest mean first",
}
#: Most brackets; more would leave no room for the chart below them.
MOST_BRACKETS = 12


def draw_scores(run: SignatureRun, key: Hashable) -> tuple[SignatureRun, ReportFigure]:
    """Draw the chart with the controls beside it.

    Parameters
    ----------
    run
        What was computed.
    key
        The key of the run, see `pages.gene_signature.run_key`.

    Returns
    -------
    tuple
        The run with its pages in the order that is shown, and the chart for a report.
    """
    split = run.split
    kinds = [*([PER_SAMPLE] if run.owned is not None else []), *(CHARTS if split is None else SPLIT_CHARTS)]
    if st.session_state.get(widget_key("chart")) not in kinds:  # the sample column is gone, or pages are split now
        st.session_state.pop(widget_key("chart"), None)
    with st.container(horizontal=True, vertical_alignment="center"):
        kind = st.segmented_control(
            "Chart", kinds, default=kinds[0], **kept("chart"), label_visibility="collapsed", required=True
        )
        seed = None
        if kind in SPLIT_CHARTS and st.toggle(
            "Cells as points", **kept("points"), help="Up to 2,000 cells of each page, drawn with the seed of the run."
        ):
            seed = run.seed
    with st.container(horizontal=True):
        if len(run.pages) > 1:
            order = st.selectbox(
                "Order of pages",
                list(ORDERS),
                format_func=ORDERS.__getitem__,
                label_visibility="collapsed",
                width=190,
                **kept("page_order"),
            )
            run = run.in_order(order)
            split = run.split
        pairs = _chosen_pairs(run) if kind in (*SPLIT_CHARTS, PER_SAMPLE) else []
    brackets = [bracket for bracket, _ in pairs]
    drawn = run.scores if split is None else [scores for some in split.scores for scores in some]
    halves = split is not None and len(split.values) == 2 and kind == "Violin"
    if kind == PER_SAMPLE:
        marks = charts.PER_SAMPLE_CAPTION if split is None else charts.SPLIT_PER_SAMPLE_CAPTION
    else:
        marks = CHARTS[kind][1]
    caption = [
        marks,
        charts.SPLIT_CAPTION if halves else "",
        "" if seed is None else charts.points_caption(drawn),
        brackets_caption([test for _, test in pairs]),
    ]
    looks = tuple((page.name, page.color) for page in run.pages)
    made_of = (key, split.key if split else None, kind, looks, seed, tuple(brackets))
    draw = partial(_chart, run, kind, seed, brackets)
    shown = ReportFigure(run.headline, " · ".join(filter(None, caption)), draw)
    figure(
        draw,
        shown.caption,
        f"signature_{kind.lower().replace(' ', '_')}",
        made_of=made_of,
        alt=run.headline,
    )
    return run, shown


def _chart(run: SignatureRun, kind: str, seed: int | None, brackets: list[charts.Bracket], room: charts.Room) -> Any:
    """Build the chart; `seed` is None where cells are not drawn as points."""
    split = run.split
    points: dict[str, Any] = {} if seed is None else {"points": seed}
    over: dict[str, Any] = {"brackets": brackets} if brackets else {}
    if kind == PER_SAMPLE:
        if split is not None and split.owned is not None:
            return charts.split_per_sample(
                run.spoken, split.values, split.owned, run.title, split.key, **over, room=room
            )
        assert run.owned is not None
        return charts.per_sample(run.spoken, run.owned, run.title, **over, room=room)
    if split is not None:
        build = SPLIT_CHARTS[kind]
        return build(run.spoken, split.values, split.scores, run.title, split.key, **points, **over, room=room)
    return CHARTS[kind][0](run.spoken, run.scores, run.title, **points, **over, room=room)


def chart_choices() -> dict[str, Any]:
    """Return the choices of the scores' chart for a record; None for what was never chosen."""
    names = ("chart", "points", "page_order", "brackets", "brackets_within")
    return {name: st.session_state.get(widget_key(name)) for name in names}


def _chosen_pairs(run: SignatureRun) -> list[tuple[charts.Bracket, TestResult]]:
    """Draw the choice of pairs that get a bracket, and return those with their tests."""
    options = _pairs_within(run) if run.split is not None else _pairs_of_pages(run)
    if not options:
        return []
    name = "brackets" if run.split is None else "brackets_within"
    if (chosen := st.session_state.get(widget_key(name))) is not None:  # drop pairs that are no longer compared
        st.session_state[widget_key(name)] = [option for option in chosen if option in options]
    chosen = st.multiselect(
        "Show p-values of",
        list(options),
        format_func=lambda option: options[option][0],
        placeholder="Choose pairs to draw brackets over",
        label_visibility="collapsed",
        max_selections=MOST_BRACKETS,
        wrap=True,
        **kept(name),
    )
    return [options[option][1:] for option in chosen]


_Option = tuple[str, charts.Bracket, TestResult]


def _bracket(test: TestResult, start: float, end: float) -> charts.Bracket:
    # The caption says that p-values are adjusted, which leaves room for neighbouring brackets.
    return charts.Bracket(start, end, test.p_text.removeprefix("adjusted "))


def _pairs_of_pages(run: SignatureRun) -> dict[str, _Option]:
    """Return the pairs of pages that can get a bracket, by a JSON text that a workspace can keep."""
    place = {page.name: at for at, page in enumerate(run.pages)}
    label = {page.name: page.label for page in run.pages}
    return {
        json.dumps(test.pages, ensure_ascii=False): (
            " − ".join(label[name] for name in test.pages),
            _bracket(test, *(place[name] for name in test.pages)),
            test,
        )
        for test in deciding_pairs(run.tests)
    }


def _pairs_within(run: SignatureRun) -> dict[str, _Option]:
    """Return the pairs of values within each page, likewise."""
    assert run.split is not None
    values = {value.name: at for at, value in enumerate(run.split.values)}
    offsets = charts.split_places(len(values))
    return {
        json.dumps([page.name, *test.pages], ensure_ascii=False): (
            f"{page.label}: {' − '.join(test.pages)}",
            _bracket(test, *(at + offsets[values[name]] for name in test.pages)),
            test,
        )
        for at, (page, tests) in enumerate(zip(run.pages, run.split.tests, strict=True))
        for test in deciding_pairs(tests)
    }
