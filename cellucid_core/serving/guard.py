"""Guard every request: refuse those from other sites, and give no data to people who have to sign in first.

The page and its scripts are public, because people sign in there; they hold no data. What a session shows, which goes
over the websocket, is up to the page; the routes that carry data are guarded here.
"""

from __future__ import annotations

import re

from anyio import to_thread
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from cellucid_core.configuration import read_configuration
from cellucid_core.serving.browser_cookie import browser_of
from cellucid_core.serving.same_site import is_own_request
from cellucid_core.serving.sign_in import signed_in_user

#: Streamlit's scripts, styles and fonts.
_PUBLIC = "/static/"
#: Our routes, Streamlit's files of sessions, and Streamlit's inner routes except those that a page needs to load.
_GUARDED = re.compile(
    r"/(cellucid|media|app/static)(/|$)"
    r"|/_stcore/(?!(health|host-config|allowed-message-origins|bidi-components/.*|stream)$)"
)
#: Streamlit's routes to which only our own page sends a browser. The way back from the provider is not among them: it
#: comes from another site, and Authlib checks its state parameter.
_AUTH = re.compile(r"/auth/(login|logout)/?$")


class Guard:
    """ASGI middleware that refuses requests of other sites and, if signing in is required, of people who have not.

    Parameters
    ----------
    app
        The application that answers all other requests.
    base_path
        Streamlit's ``server.baseUrlPath``.
    """

    def __init__(self, app: ASGIApp, base_path: str = "") -> None:
        self._app = app
        self._base = f"/{base_path.strip('/')}" if base_path.strip("/") else ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "websocket":
            if is_own_request(HTTPConnection(scope).headers):
                await self._app(scope, receive, send)
            else:  # closed before it is accepted, which servers answer with 403
                await send({"type": "websocket.close", "code": 1008, "reason": "another site"})
            return
        refused = await self._refuse(scope) if scope["type"] == "http" else None
        await (refused or self._app)(scope, receive, send)

    async def _refuse(self, scope: Scope) -> Response | None:
        connection = HTTPConnection(scope)
        path = str(scope["path"])
        if path.startswith(f"{self._base}/"):
            path = path[len(self._base) :]
        if _AUTH.search(path) and not _from_here(connection):
            return _sentence(scope, "Another site sent you here.", "Open the dashboard itself to sign in or out.")
        # Searched anywhere in the path, so that a prefix that a proxy added does not get around the guard.
        if path.startswith(_PUBLIC) or not _GUARDED.search(path) or read_configuration().sign_in != "required":
            return None
        if await to_thread.run_sync(signed_in_user, browser_of(connection.cookies)) is not None:
            return None
        return _sentence(scope, "You are not signed in.", "Open the dashboard, sign in, and try again there.")


def _from_here(connection: HTTPConnection) -> bool:
    """Tell whether our own page or the user opened an address; browsers that do not say so are believed."""
    return connection.headers.get("sec-fetch-site", "none") in ("same-origin", "none")


def _sentence(scope: Scope, what: str, fix: str) -> Response:
    headers = {"Cache-Control": "no-store"}
    if scope["method"] in ("GET", "HEAD"):
        return PlainTextResponse(f"{what} {fix}", 403, headers)
    return JSONResponse({"what": what, "fix": fix}, 403, headers)
