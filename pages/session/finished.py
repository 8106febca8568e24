"""A finished export of the session, and its link."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cellucid_core.export import Again, ExportResult
from cellucid_core.serving.workspaces import KeptExport
from pages.widgets.download import offer

SUFFIXES = {"compact": ".zip", "h5ad": ".h5ad", "zarr.zip": ".zarr.zip"}


@dataclass(frozen=True)
class Finished:
    """A finished export, the token it can be downloaded with (None without a cookie), and how to do it again.

    ``settings_mark`` stands for the settings and the mapping that it was written with.
    """

    dataset_id: str
    result: ExportResult
    token: str | None
    format: str
    settings_mark: str
    again: Again
    left_out: tuple[str, ...]


def finished_again(kept: KeptExport) -> Finished:
    """Return an export that a workspace kept, with a new link for this browser."""
    token = offered(kept.result.path, f"{kept.dataset_id}{SUFFIXES[kept.format]}")
    return Finished(kept.dataset_id, kept.result, token, kept.format, kept.settings_mark, kept.again, kept.left_out)


def offered(path: Path, file_name: str) -> str | None:
    """Return a link's token for an export, whose day starts again: links last half of it."""
    with suppress(OSError):
        os.utime(path)
    return offer(path, file_name)
