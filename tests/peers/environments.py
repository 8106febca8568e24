"""Environments of the peers that exports are compared with (``pytest -m peer``): named by a variable, or made."""

from __future__ import annotations

import os
import subprocess
import venv
from functools import cache
from pathlib import Path

import platformdirs
from filelock import FileLock


@cache
def peer_python() -> str:
    """Return a python that has ``cellucid==0.0.9``: that of ``CELLUCID_PEER_PYTHON``, else one that is made."""
    return os.environ.get("CELLUCID_PEER_PYTHON") or _made("cellucid-0.0.9", "cellucid==0.0.9", "pandas<3")


@cache
def ready_peer_python() -> str:
    """Return a python that has ``cellucid==0.9.5``: that of ``CELLUCID_READY_PEER_PYTHON``, else one that is made."""
    return os.environ.get("CELLUCID_READY_PEER_PYTHON") or _made("cellucid-0.9.5", "cellucid==0.9.5")


@cache
def moto_python() -> str:
    """Return a python that has ``moto``, an S3 server: that of ``CELLUCID_MOTO_PYTHON``, else one that is made."""
    return os.environ.get("CELLUCID_MOTO_PYTHON") or _made("moto", "moto[server]>=5")


@cache
def scores_peer_python() -> str:
    """Return a python with decoupler and gseapy: that of ``CELLUCID_SCORES_PEER_PYTHON``, else one that is made."""
    return os.environ.get("CELLUCID_SCORES_PEER_PYTHON") or _made("scores", "decoupler>=2.1", "gseapy>=1.1", "scanpy")


def _made(name: str, *packages: str) -> str:
    """Make an environment in the user's cache, once for all runs; it takes the package index to be there."""
    folder = Path(platformdirs.user_cache_path("cellucid-dashboard-peers")) / name
    folder.parent.mkdir(parents=True, exist_ok=True)
    complete = folder / "complete"
    with FileLock(folder.with_suffix(".lock")):
        if not complete.exists():
            venv.create(folder, with_pip=True, clear=True)
            subprocess.run([folder / "bin" / "python", "-m", "pip", "install", "-q", *packages], check=True)
            complete.touch()
    return str(folder / "bin" / "python")
