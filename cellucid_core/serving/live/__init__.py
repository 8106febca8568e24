"""Live datasets, which the Cellucid viewer reads from this server by ranges: files, links, answers, an own server."""

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
