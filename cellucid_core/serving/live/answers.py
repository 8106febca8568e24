"""Answers to the viewer's requests for a live dataset, as ``AnnDataServer`` of PyPI ``cellucid`` 0.9.5 gives them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from cellucid_core import __version__
from cellucid_core.cache import combined_hash, home_folder
from cellucid_core.serving.live.ranges import file_answer

if TYPE_CHECKING:
    from cellucid_core.dataset import View

#: Largest number of answers of one dataset that are being sent at the same time.
MOST_READS = 64
_ALLOW = {
    "Access-Control-Allow-Methods": "GET, HEAD, OPTIONS",
    "Access-Control-Allow-Headers": "Content-Type, Range",
    "Access-Control-Expose-Headers": "Accept-Ranges, Content-Encoding, Content-Length, Content-Range, ETag",
    "Access-Control-Max-Age": "600",
}
#: Path of a dataset → answers that are being sent.
_reading: Counter[str] = Counter()
#: Largest number of reads of one dataset in so many seconds; h5py makes some dozens of reads a second over the web.
MOST_PER_WINDOW, _WINDOW = 3000, 10.0
#: Path of a dataset → when its window of time began, and the reads since.
_windows: dict[str, tuple[float, int]] = {}


@dataclass(frozen=True)
class LiveDataset:
    """A dataset that the viewer reads from this server.

    Attributes
    ----------
    path
        A Cellucid-ready ``.h5ad``.
    id, name
        Id and name of the dataset.
    n_cells, n_genes
        Number of cells and genes of the view that the file was made from.
    """

    path: Path
    id: str
    name: str
    n_cells: int
    n_genes: int

    def health(self) -> dict[str, Any]:
        """Return the answer of ``_cellucid/health``."""
        return {
            "status": "ok",
            "type": "anndata",
            "version": __version__,
            "format": "h5ad",
            "n_cells": self.n_cells,
            "n_genes": self.n_genes,
        }

    def datasets(self) -> dict[str, Any]:
        """Return the answer of ``_cellucid/datasets``; defaults are empty, since the file itself holds them."""
        file = {
            "url": f"_cellucid/anndata/{self.id}.h5ad",
            "kind": "h5ad",
            "layout": "file",
            "size": self.path.stat().st_size,
        }
        return {"datasets": [{"id": self.id, "name": self.name, "anndata": {"file": file, "defaults": {}}}]}


def ready_file(view: View, settings: Any, progress: Any = None) -> LiveDataset:
    """Write and verify the file that the viewer reads, once for everybody who makes the same choices.

    Parameters
    ----------
    view
        The dataset as mapped; preflight has passed it.
    settings
        `ExportSettings`; its format becomes ``h5ad``.
    progress
        As `export.write` takes it.

    Raises
    ------
    InputError, WorkRefused
        As `export.write`.
    """
    from dataclasses import replace

    from cellucid_core.export import write

    settings = replace(settings, format="h5ad")
    choices = repr(replace(settings, threads=1))  # their number does not change the file
    key = combined_hash(view.dataset.content_hash, "live", view.mapping.digest(), choices, __version__)
    path = home_folder("live") / f"{key[:40]}.h5ad"
    if not path.exists():
        write(view, settings, path, progress=progress)
    return LiveDataset(
        path,
        settings.dataset_id or view.dataset.id,
        settings.name or view.dataset.name,
        view.n_cells,
        view.n_genes,
    )


async def answer(request: Request, dataset: LiveDataset, route: str, origins: Sequence[str]) -> Response:
    """Answer a request for a live dataset; 404 for an unknown route or a missing file, 429 for too many reads.

    Parameters
    ----------
    request
        GET, HEAD or OPTIONS. Cookies are ignored.
    dataset
        The dataset.
    route
        The part of the path after the address of the dataset.
    origins
        Origins of web pages that may read it, besides this server's own.
    """
    headers = cross_origin(request, origins)
    if request.method == "OPTIONS":
        if request.headers.get("Access-Control-Request-Private-Network") == "true":
            headers["Access-Control-Allow-Private-Network"] = "true"
        return Response(None, 204, headers)
    url = request.url
    documents: dict[str, Any] = {
        "_cellucid/health": dataset.health,
        "_cellucid/info": lambda: {**_info(dataset), "host": url.hostname, "port": url.port, "runtime": "server"},
        "_cellucid/datasets": dataset.datasets,
        "_cellucid/protocol": lambda: {"channel": None, "commands": [], "events": []},
    }
    try:
        if make := documents.get(route):
            return JSONResponse(make(), headers={**headers, "Cache-Control": "no-store"})
        if route != f"_cellucid/anndata/{dataset.id}.h5ad":
            return PlainTextResponse("There is nothing at this address.", 404, headers)
        key = str(dataset.path)
        if _reading[key] >= MOST_READS or _too_fast(key):
            sentence = "Too many reads of this dataset at a time. Try again in a moment."
            return PlainTextResponse(sentence, 429, {**headers, "Retry-After": "1"})
        counted = _Counted(key)
        found = await file_answer(request, dataset.path, headers, counted.end)
        if not found.body and found.status_code in (200, 206) and request.method == "GET":
            counted.begin()
    except OSError:
        return PlainTextResponse("This dataset is not here any more.", 404, headers)
    return found


def _too_fast(key: str) -> bool:
    """Count a read, and tell whether it exceeds `MOST_PER_WINDOW` in this window of time."""
    now = time.monotonic()
    began, reads = _windows.get(key, (now, 0))
    if now - began > _WINDOW:
        began, reads = now, 0
        for other in [one for one, (start, _) in _windows.items() if now - start > _WINDOW]:
            del _windows[other]
    _windows[key] = began, reads + 1
    return reads >= MOST_PER_WINDOW


class _Counted:
    """Counts one answer in `_reading` while it is being sent."""

    def __init__(self, key: str) -> None:
        self._key = key

    def begin(self) -> None:
        _reading[self._key] += 1

    def end(self) -> None:
        _reading[self._key] -= 1


def _info(dataset: LiveDataset) -> dict[str, Any]:
    return {key: value for key, value in dataset.health().items() if key != "status"}


def cross_origin(request: Request, origins: Sequence[str]) -> dict[str, str]:
    """Return the headers that say which web pages may read an answer."""
    origin = request.headers.get("Origin", "")
    headers = {**_ALLOW, "Vary": "Origin", "Cross-Origin-Resource-Policy": "cross-origin"}
    own = f"{request.url.scheme}://{request.url.netloc}"
    if origin and origin in (*origins, own):
        headers["Access-Control-Allow-Origin"] = origin
    return headers
