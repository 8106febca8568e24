"""``completion``: print a script that makes bash or zsh complete commands, options and files."""

from __future__ import annotations

import argparse
from typing import Any

from cellucid_core.cli.arguments import DONE, Parser
from cellucid_core.errors import InputError

_FILES = ("DATASET", "EXPORT", "FILE", "PATH")


def add(commands: Any, parser: Parser) -> None:
    """Add the command to the parser of all commands."""
    about = "print a script that makes a shell complete commands, options and files"
    completion = commands.add_parser("completion", help=about, description=about)
    completion.add_argument("shell", choices=["bash", "zsh"], help="the shell that runs the script")
    completion.set_defaults(run=run, cluster=None, parser=parser)


def run(options: argparse.Namespace) -> tuple[int, None]:
    """Print the script; return the exit status, and no JSON object.

    Raises
    ------
    InputError
        If shtab is not installed.
    """
    try:
        import shtab
    except ImportError as error:
        raise InputError("The package shtab is not installed.", "Install it with: pip install shtab") from error
    options.parser.prog = "cellucid-dashboard"  # shells complete a command by its name, and `python -m …` has none
    _complete_files(options.parser, shtab.FILE, shtab.DIRECTORY)
    print(shtab.complete(options.parser, options.shell))
    return DONE, None


def _complete_files(parser: argparse.ArgumentParser, files: Any, folders: Any) -> None:
    """Mark every argument that names a file or a folder, so that the shell completes it as such."""
    if isinstance(parser, Parser):
        parser.finish()
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                _complete_files(command, files, folders)
        elif action.metavar == "ROOT":
            action.complete = folders  # type: ignore[attr-defined]
        elif isinstance(action.metavar, str) and any(word in action.metavar for word in _FILES):
            action.complete = files  # type: ignore[attr-defined]
