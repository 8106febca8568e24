"""``preflight``: say what is wrong with a dataset."""

from __future__ import annotations

import argparse
from typing import Any

from cellucid_core.atomic import write_file
from cellucid_core.cli.arguments import DONE, REFUSED, add_command, check_target, dataset_arguments, open_view, show


def add(commands: Any) -> None:
    """Add the command to the parser."""
    check = add_command(commands, "preflight", run, "say what is wrong with a dataset")
    dataset_arguments(check)
    check.add_argument("--html", metavar="FILE", help="also write the report as one HTML page")


def run(options: argparse.Namespace) -> tuple[int, dict[str, Any]]:
    """Print the findings; return the exit status, 1 if an export is blocked, and the JSON object."""
    from cellucid_core.preflight import preflight, report_json
    from cellucid_core.reports import preflight_html

    if options.html is not None:
        check_target(options.html, options.dataset)
    view = open_view(options.dataset, options)
    report = preflight(view)
    show(f"{view.dataset.name}: {view.n_cells:,} cells, {view.n_genes:,} genes: {report.status}", options)
    for finding in report.findings:
        show(f"{finding.severity:8} {finding.rule}: {finding.title}. {finding.detail}", options)
        if finding.fix:
            show(f"         fix: {finding.fix} (--fix {finding.rule})", options)
        for name, does in finding.alternatives:
            show(f"         or:  {does} (--fix {finding.rule}={name})", options)
    result = report_json(view, report)
    if options.html is not None:
        write_file(options.html, preflight_html(view, report))
        result["path"] = options.html
    return (REFUSED if report.status == "blocked" else DONE), result
