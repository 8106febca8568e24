"""The list of routes that the dashboard serves beside its pages."""

from __future__ import annotations

from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from cellucid_core.serving.browser_cookie import BrowserCookie
from cellucid_core.serving.downloads import PREFIX, download


async def health(request: Request) -> Response:
    """Answer that the process is alive."""
    return JSONResponse({"status": "ok"})


def routes(base_path: str = "") -> list[BaseRoute]:
    """Return the routes for ``st.App(routes=…)``.

    Parameters
    ----------
    base_path
        Streamlit's ``server.baseUrlPath``, under which downloads are served, too; a proxy that strips it finds them
        without it. The health check is for machines beside the server and stays where it is.
    """
    base = base_path.strip("/")
    places = dict.fromkeys([f"/{base}" if base else "", ""])
    return [
        *(Route(f"{place}/{PREFIX}/{{token}}", download, methods=["GET", "HEAD"]) for place in places),
        Route("/healthz", health, methods=["GET"]),
    ]


def middleware(base_path: str = "") -> list[Middleware]:
    """Return the middleware for ``st.App(middleware=…)``."""
    return [Middleware(BrowserCookie, base_path=base_path)]
