"""Metrics for Prometheus and one log line per request; neither holds names, ids, contents or tokens.

Requests are named by their route, never by their path or query, because these hold tokens.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cellucid_core.cache import cellucid_home
from cellucid_core.configuration import read_configuration
from cellucid_core.database import DatabaseRefused
from cellucid_core.errors import CellucidError
from cellucid_core.serving.logs import LOGGER, log_error

#: Folders of the home whose sizes are measured, and seconds after which they are measured again.
_FOLDERS = ("uploads", "incoming", "stores", "rewritten", "unpacked", "exports", "live", "jobs")
_STALE = 60.0


class Watch:
    """The counters of one running server.

    Attributes
    ----------
    registry
        The collectors that ``/metrics`` shows.
    requests, seconds, received, sent, pages
        Counters of requests, their seconds and bytes, and the number of open pages.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        labels = ("route", "method", "status")
        self.requests = Counter("cellucid_requests", "Requests by route.", labels, registry=self.registry)
        self.seconds = Histogram(
            "cellucid_request_seconds", "Time until a request is answered.", ("route",), registry=self.registry
        )
        self.received = Counter("cellucid_received_bytes", "Bytes of requests.", ("route",), registry=self.registry)
        self.sent = Counter("cellucid_sent_bytes", "Bytes of answers.", ("route",), registry=self.registry)
        self.pages = Gauge("cellucid_open_pages", "Pages open in browsers (websockets).", registry=self.registry)
        self.registry.register(_Disk())
        self.registry.register(_Jobs())


class _Disk(Collector):
    """Sizes on the disk, measured when they are asked for."""

    def __init__(self) -> None:
        self._known: tuple[float, dict[str, int]] = (-1e9, {})

    def collect(self) -> Iterator[Metric]:
        try:
            home = cellucid_home()
        except CellucidError:
            return
        if time.monotonic() - self._known[0] > _STALE:
            self._known = (time.monotonic(), {name: folder_size(home / name) for name in _FOLDERS})
        sizes = GaugeMetricFamily("cellucid_disk_bytes", "Bytes below CELLUCID_HOME.", labels=["folder"])
        for name, size in self._known[1].items():
            sizes.add_metric([name], size)
        yield sizes
        yield GaugeMetricFamily(
            "cellucid_disk_free_bytes", "Free bytes of the disk of CELLUCID_HOME.", value=shutil.disk_usage(home).free
        )


class _Jobs(Collector):
    """Numbers of jobs that wait, run and have ended."""

    def collect(self) -> Iterator[Metric]:
        from cellucid_core.serving.jobs import workers  # only when metrics are asked for

        crew = workers()
        if crew is None:
            return
        now = GaugeMetricFamily("cellucid_jobs", "Jobs that wait and run.", labels=["state"])
        for state, count in crew.counts().items():
            now.add_metric([state], count)
        yield now
        ended = CounterMetricFamily("cellucid_jobs_ended", "Jobs that have ended.", labels=["kind", "state"])
        for (kind, state), count in list(crew.ended.items()):
            ended.add_metric([kind, state], count)
        yield ended
        seconds = CounterMetricFamily("cellucid_job_seconds", "Seconds that jobs took.", labels=["kind"])
        for kind, spent in list(crew.seconds.items()):
            seconds.add_metric([kind], spent)
        yield seconds


def folder_size(folder: Path) -> int:
    """Return the bytes of all files below a folder, 0 if there is no such folder."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(parent) / name).lstat().st_size
            except OSError:  # deleted meanwhile
                continue
    return total


class Watched:
    """ASGI middleware that counts and logs requests.

    Parameters
    ----------
    app
        The application to wrap.
    watch
        The counters.
    """

    def __init__(self, app: ASGIApp, watch: Watch) -> None:
        self.app = app
        self.watch = watch

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and count it."""
        if scope["type"] == "websocket":
            with self.watch.pages.track_inprogress():
                try:
                    await self.app(scope, receive, send)
                except Exception as error:
                    log_error(error, "page")
                    raise
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        status, received, sent, begun = 500, 0, 0, False

        async def counted_receive() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            return message

        async def counted_send(message: Message) -> None:
            nonlocal status, sent, begun
            if message["type"] == "http.response.start":
                status, begun = message["status"], True
            sent += len(message.get("body", b""))
            await send(message)

        try:
            await self.app(scope, counted_receive, counted_send)
        except DatabaseRefused as error:
            if begun:
                raise
            await JSONResponse({"what": error.what, "fix": error.fix}, 503)(scope, counted_receive, counted_send)
        except Exception as error:
            unforeseen = log_error(error, "request")
            if begun:  # an answer that has begun can only be cut off
                raise
            answer = JSONResponse({"what": unforeseen.what, "fix": unforeseen.fix}, 500)
            await answer(scope, counted_receive, counted_send)
        finally:
            self._note(scope, status, received, sent, time.perf_counter() - began)

    def _note(self, scope: Scope, status: int, received: int, sent: int, seconds: float) -> None:
        route = route_name(scope)
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self.watch.requests.labels(route, method, str(status)).inc()
        self.watch.seconds.labels(route).observe(seconds)
        self.watch.received.labels(route).inc(received)
        self.watch.sent.labels(route).inc(sent)
        level = logging.INFO if route != "page" or status >= 400 else logging.DEBUG
        LOGGER.log(
            level,
            "request",
            extra={
                "facts": {
                    "route": route,
                    "method": method,
                    "status": status,
                    "ms": round(seconds * 1000, 1),
                    "received": received,
                    "sent": sent,
                }
            },
        )


_METHODS = frozenset(["GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS"])


def route_name(scope: Scope) -> str:
    """Return the module and function of one of our own routes, such as ``uploads.grow``; ``page`` for Streamlit's."""
    # Starlette's Route leaves its endpoint in the scope; ours are functions of this package.
    endpoint: Any = scope.get("endpoint")
    if str(getattr(endpoint, "__module__", "")).startswith("cellucid_core."):
        return f"{endpoint.__module__.rpartition('.')[2]}.{endpoint.__name__}"
    return "page"


async def metrics(request: Request) -> Response:
    """GET: the counters in Prometheus' text format; ``CELLUCID_METRICS`` says who may see them."""
    allowed = read_configuration().metrics
    if allowed == "off":
        return PlainTextResponse("Not Found", 404)
    if allowed != "on":
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not secrets.compare_digest(given.encode(), allowed.encode()):
            return PlainTextResponse("Unauthorized", 401, headers={"WWW-Authenticate": "Bearer"})
    watch: Watch = request.scope["cellucid.watch"]
    from anyio import to_thread

    text = await to_thread.run_sync(generate_latest, watch.registry)
    return Response(text, media_type=None, headers={"Content-Type": CONTENT_TYPE_LATEST})
