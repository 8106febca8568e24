"""``datasets``: list the exports of a folder in ``datasets.json``."""

from __future__ import annotations

import argparse
from typing import Any

from cellucid_core.cli.arguments import DONE, add_command, show
from cellucid_core.cli.terminal import say


def add(commands: Any) -> None:
    """Add the command to the parser."""
    datasets = add_command(commands, "datasets", run, "list the exports of a folder in datasets.json")
    datasets.add_argument("root", metavar="ROOT", help="the folder that holds the exports' folders")
    datasets.add_argument("--default", metavar="ID", help="the dataset that is opened first")


def run(options: argparse.Namespace) -> tuple[int, dict[str, Any]]:
    """Write ``datasets.json``; return the exit status and the JSON object."""
    from cellucid_core.export import write_datasets

    found = write_datasets(options.root, options.default)
    for note in found.notes:
        say(f"Note: {note}")
    show(f"{found.path}: {len(found.members):,} datasets", options)
    for member in found.members:
        first = " (opened first)" if member.id == found.default else ""
        show(f"{member.id!r}: {member.n_cells:,} cells, {member.n_genes:,} genes{first}", options)
    return DONE, {**found.to_json(), "path": str(found.path), "notes": list(found.notes)}
