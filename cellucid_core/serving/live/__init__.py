"""Datasets that the Cellucid viewer reads from here, by ranges: the files, the answers, a server of its own."""

from __future__ import annotations

from cellucid_core.serving.live.answers import LiveDataset, answer, ready_file
from cellucid_core.serving.live.server import live_app

__all__ = ["LiveDataset", "answer", "live_app", "ready_file"]
