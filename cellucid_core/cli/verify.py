"""``verify``: read an export back, alone or against its source."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from cellucid_core.cli.arguments import (
    DONE,
    REFUSED,
    Parser,
    add_command,
    mapping_arguments,
    open_view,
    sample_arguments,
    show,
)
from cellucid_core.cli.terminal import say
from cellucid_core.errors import InputError


def add(commands: Any) -> None:
    """Add the command to the parser."""
    verify = add_command(commands, "verify", run, "check an export")
    verify.add_argument("export", metavar="EXPORT", help="zip or folder, .h5ad or .zarr.zip")
    verify.add_argument("--against", nargs="+", metavar="DATASET", help="compare every value with this dataset")
    sample_arguments(verify)
    mapping_arguments(verify)


def run(options: argparse.Namespace) -> tuple[int, dict[str, Any]]:
    """Check the export; return the exit status, 1 if it is not sound, and the JSON object.

    Raises
    ------
    InputError
        If an option says how to read a dataset, and none is given.
    """
    from cellucid_core.export import verify

    if not options.against and (given := _of_datasets(options)):
        raise InputError(f"{given[0]} is about a dataset to compare with.", "Add --against DATASET, or leave it out.")
    view = open_view(options.against, options) if options.against else None
    report = verify(Path(options.export), view)
    show(f"{options.export}: {'sound' if report.ok else 'not sound'}, {report.checked_files:,} files checked", options)
    for problem in report.problems:
        say(f"Problem: {problem}")
    result = {
        "ok": report.ok,
        "problems": list(report.problems),
        "checked_files": report.checked_files,
        "max_error_steps": report.max_error_steps,
    }
    return (DONE if report.ok else REFUSED), result


def _of_datasets(options: argparse.Namespace) -> list[str]:
    """Return the given options that say how a dataset is read."""
    parser = Parser()
    sample_arguments(parser)
    mapping_arguments(parser)
    usual = vars(parser.parse_args([]))
    return [f"--{name.replace('_', '-')}" for name, value in usual.items() if getattr(options, name) != value]
