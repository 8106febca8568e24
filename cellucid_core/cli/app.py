"""``app``: open the dashboard, from any folder."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from cellucid_core.errors import InputError

_DEMO = "demo"


def add(commands: Any) -> None:
    """Add the command to the parser."""
    about = "open the dashboard in a browser"
    app = commands.add_parser("app", help=about, description=about)
    app.set_defaults(run=run)
    app.add_argument("dataset", nargs="?", metavar="DATASET", help="what to open first: a file or folder, or demo")
    app.add_argument("--port", type=int, metavar="N", help="by default 8501, or the next that is free")
    app.add_argument("--address", default="localhost", metavar="HOST", help="by default only this machine can reach it")
    app.add_argument("--no-browser", action="store_true", help="do not open a browser")


def run(options: argparse.Namespace) -> tuple[int, dict[str, Any]]:
    """Run the dashboard until it is stopped; return its status."""
    if find_spec("streamlit") is None:
        raise InputError("The dashboard needs the package streamlit.", "Install it: pip install 'streamlit[auth]'.")
    if options.port is not None and not 0 < options.port < 2**16:
        raise InputError(f"There is no port {options.port}.", "Use a number from 1 to 65535.")
    command = [sys.executable, "-m", "streamlit", "run", str(app_file()), f"--server.address={options.address}"]
    if options.port is not None:
        command.append(f"--server.port={options.port}")
    if options.no_browser:
        command.append("--server.headless=true")
    environment = dict(os.environ)
    if options.dataset is not None:
        environment["CELLUCID_OPEN"] = _place(options.dataset)
    return subprocess.run(command, env=environment, check=False).returncode, {}


def app_file() -> Path:
    """Return the dashboard's start file: in the installed package, else at the top of the checkout.

    Raises
    ------
    InputError
        If there is neither.
    """
    package = Path(__file__).parents[1]
    for folder in (package / "dashboard", package.parent):
        if (folder / "app.py").is_file() and (folder / "pages" / "home.py").is_file():
            return folder / "app.py"
    raise InputError("The dashboard's pages are not installed.", "Install it again: pip install cellucid-dashboard.")


def _place(dataset: str) -> str:
    if dataset == _DEMO:
        return dataset
    path = Path(dataset)
    if not path.exists():
        raise InputError(f"There is no file or folder {dataset}.", "Check the path, or write demo.")
    return str(path.resolve())
