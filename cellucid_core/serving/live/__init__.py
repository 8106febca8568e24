"""Datasets that the Cellucid viewer reads from here, by ranges: the files, the answers, a server of its own."""

from __future__ import annotations

from cellucid_core.serving.live.answers import LiveDataset, answer, ready_file
from cellucid_core.serving.live.links import (
    LiveLink,
    links_of,
    live_address,
    make_link,
    pass_links,
    sweep_links,
    withdraw,
)
from cellucid_core.serving.live.server import live_app

__all__ = [
    "LiveDataset",
    "LiveLink",
    "answer",
    "links_of",
    "live_address",
    "live_app",
    "make_link",
    "pass_links",
    "ready_file",
    "sweep_links",
    "withdraw",
]
