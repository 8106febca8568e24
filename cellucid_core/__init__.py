"""The core of the Cellucid dashboard: open single-cell data, check it, export it, score gene signatures.

``import cellucid_core as cc`` is the public API: ``cc.open``, ``cc.preflight``, ``cc.export``, ``cc.verify`` and
``cc.score``, documented in `api` and loaded on first use. Everything the pages show is computed in this package, and
the command line (``python -m cellucid_core``) runs the same code. Nothing in it imports Streamlit.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cellucid_core.api import CellucidError, GeneSet, Page, Preflight, Score, open, score, verify, write_demo

    __version__: str

_API = ("CellucidError", "GeneSet", "Page", "Preflight", "Score", "open", "score", "verify", "write_demo")
_PACKAGES = ("export", "preflight")

__all__ = [
    "CellucidError",
    "GeneSet",
    "Page",
    "Preflight",
    "Score",
    "__version__",
    "export",
    "open",
    "preflight",
    "score",
    "verify",
    "write_demo",
]


def __getattr__(name: str) -> Any:
    if name in _API:
        return getattr(import_module("cellucid_core.api"), name)
    if name in _PACKAGES:
        return import_module(f"cellucid_core.{name}")
    if name == "__version__":
        return _version()
    raise AttributeError(f"module 'cellucid_core' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _version() -> str:
    """Return the version in the checkout's pyproject.toml, or else that of the installed distribution."""
    import tomllib
    from importlib import metadata
    from pathlib import Path

    checkout = Path(__file__).parents[1] / "pyproject.toml"
    if checkout.is_file():
        return str(tomllib.loads(checkout.read_text(encoding="utf-8"))["project"]["version"])
    return metadata.version("cellucid-dashboard")
