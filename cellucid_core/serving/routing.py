"""The list of routes that the dashboard serves beside its pages."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from cellucid_core.serving.downloads import PREFIX, download


async def health(request: Request) -> Response:
    """Answer that the process is alive."""
    return JSONResponse({"status": "ok"})


def routes() -> list[BaseRoute]:
    """Return the routes for ``st.App(routes=…)``."""
    return [
        Route(f"/{PREFIX}/{{token}}", download, methods=["GET", "HEAD"]),
        Route("/healthz", health, methods=["GET"]),
    ]
