"""The public API, thin over the core: what ``import cellucid_core as cc`` offers to notebooks and scripts.

Every function takes a dataset as a path, an AnnData in memory, or what `open` returned; nothing changes its input,
apart from `score` with ``key_added``, which writes one column of ``adata.obs`` as scanpy's functions do.
"""

from __future__ import annotations

from cellucid_core.api.checking import PreflightResult, preflight
from cellucid_core.api.exporting import export, export_scope, require_ready, verify
from cellucid_core.api.opening import open, write_demo
from cellucid_core.api.scoring import ScoreResult, score

__all__ = [
    "PreflightResult",
    "ScoreResult",
    "export",
    "export_scope",
    "open",
    "preflight",
    "require_ready",
    "score",
    "verify",
    "write_demo",
]
