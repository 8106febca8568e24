"""``cc.preflight``: what is wrong with a dataset, and how to fix it."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cellucid_core.api.opening import as_view
from cellucid_core.atomic import complete_or_absent
from cellucid_core.dataset import View
from cellucid_core.errors import InputError
from cellucid_core.preflight import Finding, Light, Report, apply_fixes, report_html, report_json
from cellucid_core.preflight import preflight as check

if TYPE_CHECKING:
    from cellucid_core.api.opening import Source

_LIGHTS: dict[Light, str] = {"red": "not ready to export", "amber": "ready, with warnings", "green": "ready"}
_COLORS = {"error": "#b3261e", "warning": "#8a5a00", "info": "#1f5f99"}


class PreflightResult:
    """What preflight says of a dataset. It prints as text, and is a table in a notebook.

    Parameters
    ----------
    dataset
        What was checked.
    report
        What was found.
    """

    def __init__(self, dataset: View, report: Report) -> None:
        self.dataset = dataset
        self.report = report

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings, most severe first."""
        return self.report.findings

    @property
    def light(self) -> Light:
        """Red if anything blocks an export, amber if anything is doubtful, else green."""
        return self.report.light

    @property
    def status(self) -> Literal["ready", "blocked"]:
        """Whether an export is possible."""
        return self.report.status

    def fix(self, *rules: str) -> View:
        """Return the dataset with fixes; the file, or the AnnData, stays as it is.

        Parameters
        ----------
        rules
            ``"all"`` for every safe fix, or for each fix the id of its rule: ``"gene-ids-duplicate"`` for the rule's
            own fix, ``"embedding-missing=first-columns"`` for one of its alternatives, ``"RULE=overrule"`` to declare
            a guess wrong.

        Raises
        ------
        InputError
            If a rule does not exist, has no such fix, or its fix cannot be computed.
        """
        if not rules:
            raise InputError("Fix what?", 'Name rules, or write .fix("all") for every safe fix.')
        view = self.dataset
        return View(view.dataset, apply_fixes(view.dataset, view.mapping, rules))

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain data, as the command line's ``--json`` prints it."""
        return report_json(self.dataset, self.report)

    def to_html(self, path: str | Path) -> None:
        """Write the report as one HTML page to read or print."""
        with complete_or_absent(Path(path)) as draft:
            draft.write_text(report_html(self.dataset, self.report), encoding="utf-8")

    @property
    def _title(self) -> str:
        view = self.dataset
        return f"{view.dataset.name}: {view.n_cells:,} cells, {view.n_genes:,} genes: {_LIGHTS[self.light]}"

    def _lines(self) -> Iterator[str]:
        yield self._title
        for finding in self.findings:
            yield f"  {finding.severity:8} {finding.rule}: {finding.title}"
            if finding.fix:
                yield f'           .fix("{finding.rule}"): {finding.fix}'
            for name, does in finding.alternatives:
                yield f'           .fix("{finding.rule}={name}"): {does}'

    def __repr__(self) -> str:
        return "\n".join(self._lines())

    def _repr_html_(self) -> str:
        left = 'style="text-align:left;vertical-align:top"'
        rows = "".join(
            f'<tr><td {left}><b style="color:{_COLORS[finding.severity]}">{finding.severity}</b></td>'
            f"<td {left}><code>{escape(finding.rule)}</code></td>"
            f'<td {left}><span title="{escape(finding.detail)}">{escape(finding.title)}</span></td>'
            f"<td {left}>{_fixes_html(finding)}</td></tr>"
            for finding in self.findings
        )
        head = "".join(f"<th {left}>{name}</th>" for name in ("", "rule", "what", "fix"))
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>" if rows else ""
        return f"<div><b>{escape(self._title)}</b>{table}</div>"


def _fixes_html(finding: Finding) -> str:
    fixes = [(finding.rule, finding.fix)] if finding.fix else []
    fixes += [(f"{finding.rule}={name}", does) for name, does in finding.alternatives]
    return "<br>".join(f"<code>.fix({escape(repr(asked))})</code> {escape(does)}" for asked, does in fixes)


def preflight(dataset: Source) -> PreflightResult:
    """Say everything that is wrong with a dataset, by 40 rules.

    Parameters
    ----------
    dataset
        What `open` returned, a path, or an AnnData.

    Raises
    ------
    InputError
        If it cannot be opened, or is so damaged that nothing can be told.

    Examples
    --------
    >>> preflight("demo").status
    'ready'
    """
    view = as_view(dataset)
    return PreflightResult(view, check(view))
