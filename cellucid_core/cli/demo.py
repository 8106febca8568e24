"""``demo``: write the demo dataset."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from cellucid_core.cli.arguments import DONE, add_command, show
from cellucid_core.errors import InputError


def add(commands: Any) -> None:
    """Add the command to the parser."""
    demo = add_command(commands, "demo", run, "write the demo dataset")
    demo.add_argument("--out", required=True, metavar="FILE.h5ad", help="the file to write")


def run(options: argparse.Namespace) -> tuple[int, dict[str, Any]]:
    """Write the demo; return the exit status and the JSON object.

    Raises
    ------
    InputError
        If the name does not end in ``.h5ad``, or the file cannot be written.
    """
    from cellucid_core.reading import write_demo

    target = Path(options.out)
    if target.suffix != ".h5ad":
        raise InputError(f"{target.name} does not end in .h5ad.", "Name the file demo.h5ad, for example.")
    if not target.parent.is_dir():
        raise InputError(f"There is no folder {target.parent}.", "Make it first, or name another file.")
    write_demo(target)
    show(str(target), options)
    return DONE, {"path": str(target)}
