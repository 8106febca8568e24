"""``app``: open the dashboard in a browser, from any folder."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cellucid_core.cli.arguments import DONE, add_command
from cellucid_core.errors import InputError

_DEMO = "demo"


def add(commands: Any) -> None:
    """Add the command to the parser."""
    app = add_command(commands, "app", run, "open the dashboard in a browser")
    app.add_argument("dataset", nargs="?", metavar="DATASET", help="the dataset to open: a path, or demo")
    app.add_argument("--port", type=int, metavar="N", help="8501 by default, or the next free one")
    app.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="H",
        help="address to listen on; by default only this machine can reach it",
    )
    app.add_argument("--headless", action="store_true", help="do not open a browser")


def run(options: argparse.Namespace) -> tuple[int, dict[str, Any]]:
    """Serve the dashboard until it is interrupted; return the exit status and the JSON object.

    Raises
    ------
    InputError
        If the dataset is not there, or the pages are not installed.
    """
    folder = dashboard_folder()
    environment = dict(os.environ)
    if options.dataset is not None:
        environment.update(_opening(options.dataset))
    command = [sys.executable, "-m", "streamlit", "run", "app.py", f"--server.address={options.host}"]
    if options.port is not None:
        command.append(f"--server.port={options.port}")
    if options.headless:
        command.append("--server.headless=true")
    status = subprocess.run(command, cwd=folder, env=environment, check=False).returncode
    return (DONE if status in (0, 130, -2) else status), {"folder": str(folder)}


def dashboard_folder() -> Path:
    """Return the folder with ``app.py``, ``pages`` and the theme: the checkout, or where the wheel put them.

    Raises
    ------
    InputError
        If there is no such folder.
    """
    checkout = Path(__file__).parents[2]
    for folder in (checkout, *_installed()):
        if (folder / "app.py").is_file() and (folder / "pages" / "home.py").is_file():
            return folder
    raise InputError("The dashboard's pages are not installed.", "Install it with: pip install cellucid-dashboard")


def _installed() -> Iterator[Path]:
    """Yield the folders where the wheel may have put the dashboard, first those in pip's record of installed files."""
    from importlib import metadata

    try:
        files = metadata.files("cellucid-dashboard") or []
    except metadata.PackageNotFoundError:
        files = []
    yield from (Path(str(file.locate())).resolve().parent for file in files if file.match("share/*/app.py"))
    for root in (Path(sysconfig.get_path("data")), Path(__file__).parents[2]):  # the second after pip install --target
        yield root / "share" / "cellucid-dashboard"


def _opening(dataset: str) -> dict[str, str]:
    """Return the environment variables that make new sessions open a dataset."""
    if dataset == _DEMO:
        return {"CELLUCID_OPEN": _DEMO}
    path = Path(dataset).expanduser().resolve()
    if not path.exists():
        raise InputError(f"There is no file {dataset}.", "Check the path.")
    return {"CELLUCID_OPEN": str(path)}
