"""``demo``: write the demo dataset."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from cellucid_core.cli.arguments import DONE, add_command, check_target, show
from cellucid_core.errors import InputError


def add(commands: Any) -> None:
    """Add the command to the parser."""
    demo = add_command(commands, "demo", run, "write the demo dataset")
    demo.add_argument("--out", required=True, metavar="FILE.h5ad", help="the file to write")
    demo.add_argument("--force", action="store_true", help="replace the file if it is there")


def run(options: argparse.Namespace) -> tuple[int, dict[str, Any]]:
    """Write the demo; return the exit status and the JSON object.

    Raises
    ------
    InputError
        If the name does not end in ``.h5ad``, or the file cannot be written, or is there and ``--force`` is not given.
    """
    from cellucid_core.reading import write_demo

    target = Path(options.out)
    if target.suffix != ".h5ad":
        raise InputError(f"{target.name} does not end in .h5ad.", "Name the file demo.h5ad, for example.")
    check_target(options.out, [], force=options.force)
    write_demo(target)
    show(str(target), options)
    return DONE, {"path": str(target)}
