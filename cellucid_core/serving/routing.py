"""The routes that the dashboard serves beside its pages, and the middleware that every request passes through."""

from __future__ import annotations

from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Route

from cellucid_core.serving import downloads, uploads
from cellucid_core.serving.browser_cookie import BrowserCookie
from cellucid_core.serving.guard import Guard
from cellucid_core.serving.headers import SecurityHeaders
from cellucid_core.serving.health import health, ready
from cellucid_core.serving.live import links
from cellucid_core.serving.metrics import Watch, Watched, metrics
from cellucid_core.serving.sign_in import is_retired
from cellucid_core.serving.way_in import change_browser


def routes(base_path: str = "") -> list[BaseRoute]:
    """Return the routes for ``st.App(routes=…)``.

    Parameters
    ----------
    base_path
        Streamlit's ``server.baseUrlPath``. Everything is served below it, and also without it, for a proxy that strips
        it and for requests on the machine itself.
    """
    found: list[BaseRoute] = []
    for base in dict.fromkeys([_base(base_path), ""]):
        upload = f"{base}/{uploads.PREFIX}"
        found += [
            # Without cookie and sign-in: whoever has the link may read.
            Route(f"{base}/{links.PREFIX}/{{token}}/{{route:path}}", links.live, methods=["GET", "HEAD", "OPTIONS"]),
            Route(f"{base}/{downloads.PREFIX}/{{token}}", downloads.download, methods=["GET", "HEAD"]),
            Route(upload, uploads.begin, methods=["POST"]),
            Route(upload, uploads.abilities, methods=["OPTIONS"]),
            Route(f"{upload}/{{token}}", uploads.state, methods=["HEAD"]),
            Route(f"{upload}/{{token}}", uploads.grow, methods=["PATCH"]),
            Route(f"{upload}/{{token}}", uploads.cancel, methods=["DELETE"]),
            Route(f"{base}/healthz", health, methods=["GET"]),
            Route(f"{base}/healthz/ready", ready, methods=["GET"]),
            Route(f"{base}/metrics", metrics, methods=["GET"]),
        ]
    return found


def middleware(base_path: str = "") -> list[Middleware]:
    """Return the middleware for ``st.App(middleware=…)``: counters and logs, headers, the guard, the cookie."""
    watch = Watch()
    return [
        Middleware(Watched, watch=watch),
        Middleware(SecurityHeaders, watch=watch),
        Middleware(Guard, base_path=base_path),
        Middleware(BrowserCookie, base_path=base_path, changed=change_browser, is_over=is_retired),
    ]


def upload_address(base_path: str = "") -> str:
    """Return the address where uploads begin, below Streamlit's ``server.baseUrlPath``."""
    return f"{_base(base_path)}/{uploads.PREFIX}"


def _base(base_path: str) -> str:
    trimmed = base_path.strip("/")
    return f"/{trimmed}" if trimmed else ""
