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
from cellucid_core.database import DatabaseRefused

COOKIE = "cellucid_browser"
#: Streamlit's cookie of who is signed in.
USER_COOKIE = b"_streamlit_user="
#: Browsers keep no cookie longer (RFC 6265bis, 5.5).
_MOST_SECONDS = 400 * 86400
#: Addresses of live datasets.
_LIVE = re.compile(r"/live/[A-Za-z0-9_-]{43}/")
_VALUE = re.compile(r"[A-Za-z0-9_-]{43}")


class BrowserCookie:
    """ASGI middleware that gives a browser its cookie with the first page and more time with every other.

    Who signs in or out gets another one.

    Only documents set it: what a page loads at once with many requests would else bring several. Another, because
    the next person at this browser must not go on where the last one was, nor somebody who knew the cookie before.
    One that was taken away does not come back, either with a request that was on its way or with a copy.

    Parameters
    ----------
    app
        What answers the requests.
    base_path
        Streamlit's ``server.baseUrlPath``; the cookie is sent nowhere else.
    changed
        Called with the cookie that is to be taken away, the one that would take its place, and whether somebody signed
        in; tells whether it does.
    is_over
        Tells whether a cookie was taken away.
    """

    def __init__(
        self,
        app: ASGIApp,
        base_path: str = "",
        changed: Callable[[str | None, str, bool], bool] = lambda old, new, signs_in: True,
        is_over: Callable[[str | None], bool] = lambda browser: False,
    ) -> None:
        self._app = app
        self._path = "/" + base_path.strip("/")
        self._changed, self._is_over = changed, is_over

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
                signs_in = _changes_user(message)
                if is_document or signs_in is not None:
                    value = await to_thread.run_sync(self._value, browser, signs_in)
                    if value is not None:
                        cookie = f"{COOKIE}={value}; Path={self._path}; Max-Age={_lifetime()}; HttpOnly; SameSite=Lax"
                        MutableHeaders(scope=message).append("set-cookie", cookie)
                if secure:  # Streamlit's cookies, too: one of them says who is signed in
                    message["headers"] = [_secured(name, value) for name, value in message["headers"]]
            await send(message)

        await self._app(scope, receive, with_cookie)

    def _value(self, browser: str | None, signs_in: bool | None) -> str | None:
        """Return the cookie that a browser gets, its own for longer or another one; None: it keeps what it has."""
        new = secrets.token_urlsafe(32)
        if signs_in is not None:
            # Where it takes none, another answer may just have given it another one.
            return new if self._changed(browser, new, signs_in) or browser is None else None
        try:
            return new if browser is None or self._is_over(browser) else browser
        except DatabaseRefused:  # the page says so
            return None


def _lifetime() -> int:
    return min(read_configuration().time_to_live, _MOST_SECONDS)


def _is_document(scope: Scope) -> bool:
    if _LIVE.search(scope["path"]):  # read by whoever has the link, and by no browser in particular
        return False
    headers = HTTPConnection(scope).headers
    wanted = headers.get("sec-fetch-dest", "document")  # older browsers do not say
    return scope["method"] == "GET" and wanted in ("document", "iframe") and "text/html" in headers.get("accept", "")


def _secured(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    cookie = name == b"set-cookie" and not value.lower().endswith(b"; secure")
    return name, value + b"; Secure" if cookie else value


def _changes_user(message: Message) -> bool | None:
    """Tell whether an answer of Streamlit signs somebody in (True) or out (False); None: neither."""
    values = [value for name, value in message["headers"] if name == b"set-cookie" and value.startswith(USER_COOKIE)]
    # Who signs in below a base path gets an empty one at the root, too.
    return any(not value.startswith(USER_COOKIE + b'""') for value in values) if values else None


def browser_of(cookies: Mapping[str, str]) -> str | None:
    """Return the value of our cookie among a request's, None if there is none that we made."""
    value = cookies.get(COOKIE, "")
    return value if _VALUE.fullmatch(value) else None


def fingerprint(value: str) -> str:
    """Return what a record keeps of a cookie: its hash, from which nobody can make the cookie."""
    return hashlib.sha256(value.encode()).hexdigest()
