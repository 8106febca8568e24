"""The findings of preflight with the buttons that fix them, and the applied fixes."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from cellucid_core.dataset import AppliedFix
from cellucid_core.errors import CellucidError
from cellucid_core.preflight import Finding, report_json
from cellucid_core.reports import preflight_html
from pages.session.changes import ERROR, SAID, pending_change
from pages.session.state import literal, show_error, workspace

_ICONS = {"error": ":red[:material/block:]", "warning": ":orange[:material/warning:]", "info": ":blue[:material/info:]"}

#: Preflight's light → badge colour, icon, words.
LIGHTS = {
    "green": ("green", ":material/check_circle:", "ready"),
    "amber": ("orange", ":material/warning:", "ready, with warnings"),
    "red": ("red", ":material/block:", "export blocked"),
}


def light_badge() -> str:
    """Return preflight's light as Markdown, with the number of errors, or else of warnings."""
    report = workspace().report
    colour, icon, words = LIGHTS[report.light]
    count = len(report.of("error")) or len(report.of("warning"))
    return f":{colour}-badge[{icon} {words}{f' ({count})' if count else ''}]"


def findings_panel() -> DeltaGenerator:
    """Draw the findings by severity, the applied fixes, and the report's downloads.

    Returns
    -------
    streamlit.delta_generator.DeltaGenerator
        The place for the progress of a change that is being computed.
    """
    work, busy = workspace(), pending_change() is not None
    report = work.report
    st.subheader("Findings", anchor=False)
    light, everything = st.columns([2, 1], vertical_alignment="center")
    light.markdown(light_badge())
    fixable = [finding for finding in (*report.of("error"), *report.of("warning")) if finding.fix]
    if len(fixable) > 1 and everything.button(
        "Fix all",
        key="fix_all",
        type="primary",
        icon=":material/build:",
        width="stretch",
        disabled=busy,
        help="Applies every fix that removes nothing you may need; each can be undone.",
    ):
        _fix(work.fix_all)
    if error := st.session_state.pop(ERROR, None):
        show_error(error)
    if said := st.session_state.pop(SAID, None):
        st.info(said, icon=":material/close:")
    place = st.container()
    if not report.of("error") and not report.of("warning"):
        st.markdown("Nothing is wrong with this dataset. It can be exported as it is.")
    for number, finding in enumerate(report.findings):
        _finding(finding, expanded=number == 0 and finding.severity == "error", busy=busy)
    if work.mapping.fixes:
        st.subheader("Applied fixes", anchor=False)
    for fix in work.mapping.fixes:
        _applied(fix, busy)
    with st.popover("Download the report", icon=":material/download:"):
        name = work.view.dataset.id
        for label, suffix, mime, make in (
            ("To read and print (HTML)", "html", "text/html", lambda: preflight_html(work.view, report)),
            ("For programs (JSON)", "json", "application/json", lambda: json.dumps(report_json(work.view, report))),
        ):
            st.download_button(
                label, make, f"{name}-preflight.{suffix}", mime, key=f"report_{suffix}", on_click="ignore"
            )
    return place


def _finding(finding: Finding, *, expanded: bool, busy: bool) -> None:
    with st.container(key=f"finding_{finding.rule}"):
        text, button = st.columns([4, 1], vertical_alignment="top")
        if finding.fix is not None and button.button(
            "Fix", key=f"fix_{finding.rule}", help=literal(finding.fix), width="stretch", disabled=busy
        ):
            _fix(partial(workspace().fix, finding.rule))
        with text.expander(f"{_ICONS[finding.severity]} {literal(finding.title)}", expanded=expanded):
            st.markdown(literal(finding.detail))
            if finding.examples:
                st.markdown("**For example:** " + ", ".join(literal(name) for name in finding.examples))
            if finding.fix is not None:
                st.markdown(f"**Fix:** {literal(finding.fix)}")
            for name, does in finding.alternatives:
                asked = f"{finding.rule}={name}"
                if st.button(does, key=f"fix_{asked}", icon=":material/alt_route:", disabled=busy):
                    _fix(partial(workspace().fix, asked))
            if finding.overrulable and st.button(
                "This is intended",
                key=f"overrule_{finding.rule}",
                icon=":material/thumb_up:",
                disabled=busy,
                help="The finding rests on a guess. Your decision is recorded like a fix and can be undone.",
            ):
                _fix(partial(workspace().fix, f"{finding.rule}=overrule"))
            st.caption(f"Rule: {literal(finding.rule)}")


def _applied(fix: AppliedFix, busy: bool) -> None:
    text, button = st.columns([4, 1], vertical_alignment="top")
    if button.button("Undo", key=f"undo_{fix.asked}", width="stretch", disabled=busy):
        _fix(lambda progress: workspace().undo(fix.asked))
    with text.expander(f":green[:material/check:] {literal(fix.sentence)}"):
        if fix.code:
            st.caption("The same in your own pipeline:")
            st.code(fix.code, language="python")
        st.caption(f"Rule: {literal(fix.rule)}")


def _fix(work: Callable[[Callable[[str, float], None]], None]) -> None:
    """Apply or undo fixes, showing progress; slow ones are left to a worker (`pages.session.changes`)."""
    bar = st.empty()

    def progress(what: str, share: float) -> None:
        bar.progress(min(1.0, share), text=f"{what} …")

    try:
        work(progress)
    except CellucidError as error:
        st.session_state[ERROR] = error
    st.rerun()
