"""Which browser sends a request, and whether the request comes from one of our own pages.

Every browser gets a random cookie with its first page. Pages read it with the websocket's other cookies, so what a
browser uploaded can be told from what another one uploaded, without a login. Scripts cannot read it (HttpOnly) and
other sites cannot make it sent with what changes something (SameSite=Lax; Strict would give a
browser that follows a link in a mail a second identity).
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "cellucid_browser"
#: Seconds a browser is known: a year, renewed by nothing.
_LIFETIME = 365 * 86400
_VALUE = re.compile(r"[A-Za-z0-9_-]{43}")


def browser_of(cookies: Mapping[str, str]) -> str | None:
    """Return what identifies a browser on this server: the hash of its cookie, or None if it has none.

    Parameters
    ----------
    cookies
        Of the request, or of the page's session (``st.context.cookies``).
    """
    value = cookies.get(COOKIE, "")
    return hashlib.sha256(value.encode()).hexdigest() if _VALUE.fullmatch(value) else None


def is_own_request(headers: Mapping[str, str]) -> bool:
    """Tell whether a request that changes something comes from a page of this server, or from no browser at all.

    Browsers say so themselves: ``Sec-Fetch-Site`` where the page is served by HTTPS or on this machine, ``Origin``
    with everything that changes something (Fetch Metadata; Fetch, "Origin header").
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = headers.get("origin")
    if origin is None:
        return True
    try:
        return bool(urlsplit(origin).netloc) and urlsplit(origin).netloc.lower() == headers.get("host", "").lower()
    except ValueError:
        return False


class BrowserCookie:
    """ASGI middleware that gives every browser its cookie with its first page.

    Parameters
    ----------
    app
        The application to wrap.
    path
        Path of the application on its host, ``/`` or below a proxy.
    """

    def __init__(self, app: ASGIApp, path: str = "/") -> None:
        self.app = app
        self.path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, adding the cookie to the answer where there is none."""
        if scope["type"] != "http" or not _wants_cookie(scope):
            await self.app(scope, receive, send)
            return
        secure = "; Secure" if scope.get("scheme") == "https" else ""
        cookie = f"{COOKIE}={secrets.token_urlsafe(32)}; Path={self.path}; Max-Age={_LIFETIME}; HttpOnly"

        async def with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).append("set-cookie", f"{cookie}; SameSite=Lax{secure}")
            await send(message)

        await self.app(scope, receive, with_cookie)


def _wants_cookie(scope: Scope) -> bool:
    """Only a page's own document: answers to what it loads beside could overtake one another with other cookies."""
    if scope["method"] != "GET" or browser_of(HTTPConnection(scope).cookies):
        return False
    headers = Headers(scope=scope)
    return headers.get("sec-fetch-dest", "document") == "document" and "text/html" in headers.get("accept", "")
