"""What the dashboard serves beside its pages, and what every request passes through."""

from __future__ import annotations

from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Route

from cellucid_core.serving import downloads, uploads
from cellucid_core.serving.browser import BrowserCookie
from cellucid_core.serving.headers import SecurityHeaders
from cellucid_core.serving.health import health, ready
from cellucid_core.serving.watching import Watch, Watched, metrics


def routes(base_path: str = "") -> list[BaseRoute]:
    """Return the routes for ``st.App(routes=…)``.

    Parameters
    ----------
    base_path
        Streamlit's ``server.baseUrlPath``: everything is served below it. Health and metrics also without it, for
        those who ask on the machine itself.
    """
    base = _base(base_path)
    upload = f"{base}/{uploads.PREFIX}"
    watched = [
        ("/healthz", health),
        ("/healthz/ready", ready),
        ("/metrics", metrics),
    ]
    return [
        Route(f"{base}/{downloads.PREFIX}/{{token}}", downloads.download, methods=["GET", "HEAD"]),
        Route(upload, uploads.begin, methods=["POST"]),
        Route(upload, uploads.abilities, methods=["OPTIONS"]),
        Route(f"{upload}/{{token}}", uploads.state, methods=["HEAD"]),
        Route(f"{upload}/{{token}}", uploads.grow, methods=["PATCH"]),
        Route(f"{upload}/{{token}}", uploads.cancel, methods=["DELETE"]),
        *(Route(f"{at}{path}", answer, methods=["GET"]) for at in dict.fromkeys(["", base]) for path, answer in watched),
    ]


def middleware(base_path: str = "") -> list[Middleware]:
    """Return what ``st.App(middleware=…)`` wraps itself in: counters and logs, headers, the browser's cookie."""
    watch = Watch()
    return [
        Middleware(Watched, watch=watch),
        Middleware(SecurityHeaders, watch=watch),
        Middleware(BrowserCookie, path=_base(base_path) or "/"),
    ]


def upload_address(base_path: str = "") -> str:
    """Return the address that uploads begin at, below Streamlit's ``server.baseUrlPath``."""
    return f"{_base(base_path)}/{uploads.PREFIX}"


def _base(base_path: str) -> str:
    trimmed = base_path.strip("/")
    return f"/{trimmed}" if trimmed else ""
