"""Check, export and score single-cell data: the core of the Cellucid dashboard, for notebooks and scripts.

::

    import cellucid_core as cc

    data = cc.open("demo")                     # a path, or an AnnData in memory
    report = cc.preflight(data)                # what is wrong with it, and how to fix it
    data = report.fix("all")
    cc.export(data, "demo.zip", genes="hvg:200")
    result = cc.score(data, ["CD3D", "CD3E"], groupby="bulk_labels")

Everything the pages show is computed in this package, and the command line (``python -m cellucid_core``) runs the same
code. Nothing here imports Streamlit, and nothing heavy is imported before it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cellucid_core.api import PreflightResult, ScoreResult, export, open, preflight, score, verify, write_demo
    from cellucid_core.dataset import View
    from cellucid_core.errors import CellucidError, InputError, WorkRefused

    __version__: str

__all__ = [
    "CellucidError",
    "InputError",
    "PreflightResult",
    "ScoreResult",
    "View",
    "WorkRefused",
    "__version__",
    "export",
    "open",
    "preflight",
    "score",
    "verify",
    "write_demo",
]

_PLACES = {
    "CellucidError": "cellucid_core.errors",
    "InputError": "cellucid_core.errors",
    "WorkRefused": "cellucid_core.errors",
    "View": "cellucid_core.dataset",
    # These two are packages, too, and can be called: see `callable_package`.
    "export": "",
    "preflight": "",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    if name == "__version__":
        from cellucid_core.version import version

        value: Any = version()
    elif place := _PLACES.get(name, "cellucid_core.api"):
        value = getattr(import_module(place), name)
    else:
        value = import_module(f"{__name__}.{name}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, whether they have been used or not."""
    return sorted({*globals(), *__all__} - {"TYPE_CHECKING", "Any", "annotations"})
