"""A cookie that tells one browser from another, so that a download link works only where it was made.

The dashboard's page sets it when it is first loaded; the websocket over which Streamlit talks, and the download, send
it along. It is no login: it holds nothing but a random number, scripts cannot read it, and it ends when it was not sent
for ``CELLUCID_TIME_TO_LIVE``, with the workspaces that it leads to.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable, Mapping

from anyio import to_thread
from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cellucid_core.configuration import read_configuration

COOKIE = "cellucid_browser"
#: Streamlit's cookie of who is signed in.
USER_COOKIE = b"_streamlit_user="
#: Browsers keep no cookie longer (RFC 6265bis, 5.5).
_MOST_SECONDS = 400 * 86400
_VALUE = re.compile(r"[A-Za-z0-9_-]{43}")


class BrowserCookie:
    """ASGI middleware that gives a browser its cookie with the first page and more time with every other.

    Who signs in or out gets another one.

    Only documents set it: what a page loads at once with many requests would else bring several. Another, because
    the next person at this browser must not go on where the last one was, nor somebody who knew the cookie before.

    Parameters
    ----------
    app
        What answers the requests.
    base_path
        Streamlit's ``server.baseUrlPath``; the cookie is sent nowhere else.
    forget
        Called with a cookie that is taken away.
    """

    def __init__(self, app: ASGIApp, base_path: str = "", forget: Callable[[str | None], None] | None = None) -> None:
        self._app = app
        self._path = "/" + base_path.strip("/")
        self._forget = forget

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, with a cookie where the browser has none."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        browser = browser_of(HTTPConnection(scope).cookies)
        is_document = _is_document(scope)
        secure = "https" in (scope.get("scheme"), HTTPConnection(scope).headers.get("x-forwarded-proto"))

        async def with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start":
                changed = _changes_user(message)
                if changed and self._forget is not None:
                    await to_thread.run_sync(self._forget, browser)
                if is_document or changed:
                    value = secrets.token_urlsafe(32) if browser is None or changed else browser
                    cookie = f"{COOKIE}={value}; Path={self._path}; Max-Age={_lifetime()}; HttpOnly; SameSite=Lax"
                    MutableHeaders(scope=message).append("set-cookie", cookie)
                if secure:  # Streamlit's cookies, too: one of them says who is signed in
                    message["headers"] = [_secured(name, value) for name, value in message["headers"]]
            await send(message)

        await self._app(scope, receive, with_cookie)


def _lifetime() -> int:
    return min(read_configuration().time_to_live, _MOST_SECONDS)


def _is_document(scope: Scope) -> bool:
    headers = HTTPConnection(scope).headers
    wanted = headers.get("sec-fetch-dest", "document")  # older browsers do not say
    return scope["method"] == "GET" and wanted in ("document", "iframe") and "text/html" in headers.get("accept", "")


def _secured(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    cookie = name == b"set-cookie" and not value.lower().endswith(b"; secure")
    return name, value + b"; Secure" if cookie else value


def _changes_user(message: Message) -> bool:
    """Tell whether an answer of Streamlit signs somebody in or out."""
    return any(name == b"set-cookie" and value.startswith(USER_COOKIE) for name, value in message["headers"])


def browser_of(cookies: Mapping[str, str]) -> str | None:
    """Return the value of our cookie among a request's, None if there is none that we made."""
    value = cookies.get(COOKIE, "")
    return value if _VALUE.fullmatch(value) else None


def fingerprint(value: str) -> str:
    """Return what a record keeps of a cookie: its hash, from which nobody can make the cookie."""
    return hashlib.sha256(value.encode()).hexdigest()
