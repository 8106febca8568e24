"""A cookie that tells one browser from another, so that a download link works only where it was made.

The dashboard's page sets it when it is first loaded; the websocket over which Streamlit talks, and the download, send
it along. It is no login: it holds nothing but a random number, scripts cannot read it, and it ends when it was not sent
for ``CELLUCID_TIME_TO_LIVE``, with the workspaces that it leads to.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cellucid_core.configuration import read_configuration

COOKIE = "cellucid_browser"
#: Browsers keep no cookie longer (RFC 6265bis, 5.5).
_MOST_SECONDS = 400 * 86400
_VALUE = re.compile(r"[A-Za-z0-9_-]{43}")


class BrowserCookie:
    """ASGI middleware that gives every browser its cookie with the first page, and more time with every other.

    Only documents set it: what a page loads at once with many requests would else bring several.

    Parameters
    ----------
    app
        What answers the requests.
    base_path
        Streamlit's ``server.baseUrlPath``; the cookie is sent nowhere else.
    """

    def __init__(self, app: ASGIApp, base_path: str = "") -> None:
        self._app = app
        self._path = "/" + base_path.strip("/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, with a cookie where the browser has none."""
        if scope["type"] != "http" or not _is_document(scope):
            await self._app(scope, receive, send)
            return
        value = browser_of(HTTPConnection(scope).cookies) or secrets.token_urlsafe(32)
        secure = "https" in (scope.get("scheme"), HTTPConnection(scope).headers.get("x-forwarded-proto"))
        cookie = f"{COOKIE}={value}; Path={self._path}; Max-Age={_lifetime()}; HttpOnly; SameSite=Lax"

        async def with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).append("set-cookie", cookie + ("; Secure" if secure else ""))
            await send(message)

        await self._app(scope, receive, with_cookie)


def _lifetime() -> int:
    return min(read_configuration().time_to_live, _MOST_SECONDS)


def _is_document(scope: Scope) -> bool:
    headers = HTTPConnection(scope).headers
    wanted = headers.get("sec-fetch-dest", "document")  # older browsers do not say
    return scope["method"] == "GET" and wanted in ("document", "iframe") and "text/html" in headers.get("accept", "")


def browser_of(cookies: Mapping[str, str]) -> str | None:
    """Return the value of our cookie among a request's, None if there is none that we made."""
    value = cookies.get(COOKIE, "")
    return value if _VALUE.fullmatch(value) else None


def fingerprint(value: str) -> str:
    """Return what a record keeps of a cookie: its hash, from which nobody can make the cookie."""
    return hashlib.sha256(value.encode()).hexdigest()
