"""A cookie that tells one browser from another, so that a download link works only in the browser where it was made.

The dashboard's page sets it when it is first loaded; the browser sends it with Streamlit's websocket and with
downloads. It is not a login: it holds only a random number, and scripts cannot read it. It expires if it was not sent
for ``CELLUCID_TIME_TO_LIVE``, like the workspaces that belong to it.
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
#: Beginning of Streamlit's cookie that says who is signed in.
USER_COOKIE = b"_streamlit_user="
#: Longest time in seconds that browsers keep a cookie (RFC 6265bis, 5.5).
_MOST_SECONDS = 400 * 86400
#: Addresses of live datasets.
_LIVE = re.compile(r"/live/[A-Za-z0-9_-]{43}/")
_VALUE = re.compile(r"[A-Za-z0-9_-]{43}")


class BrowserCookie:
    """ASGI middleware that gives a browser its cookie with the first page, and renews it with every other page.

    Only documents set the cookie: a page loads other files with many requests at once, and each would set another one.
    Whoever signs in or out gets another cookie, so that neither the next person at this browser nor somebody who knows
    the old cookie can use what belongs to the new one. A replaced cookie that is sent again is not accepted.

    Parameters
    ----------
    app
        The application that answers the requests.
    base_path
        Streamlit's ``server.baseUrlPath``, the only path that browsers send the cookie to.
    changed
        Called with the old cookie, the new one, and whether somebody signed in; returns whether the new one is set.
    is_over
        Tells whether a cookie was replaced by another.
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
        """Pass a request on, and set the cookie with the answer if that is needed."""
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
                if secure:  # also for Streamlit's cookies, one of which says who is signed in
                    message["headers"] = [_secured(name, value) for name, value in message["headers"]]
            await send(message)

        await self._app(scope, receive, with_cookie)

    def _value(self, browser: str | None, signs_in: bool | None) -> str | None:
        """Return the cookie to set, the browser's own or a new one; None to set none."""
        new = secrets.token_urlsafe(32)
        if signs_in is not None:
            # Without a change none is set: another answer may just have set a new one.
            return new if self._changed(browser, new, signs_in) or browser is None else None
        try:
            return new if browser is None or self._is_over(browser) else browser
        except DatabaseRefused:  # the page tells the user
            return None


def _lifetime() -> int:
    return min(read_configuration().time_to_live, _MOST_SECONDS)


def _is_document(scope: Scope) -> bool:
    if _LIVE.search(scope["path"]):  # read through a link, without a cookie
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
    # Signing in below a base path also sets an empty cookie at the root.
    return any(not value.startswith(USER_COOKIE + b'""') for value in values) if values else None


def browser_of(cookies: Mapping[str, str]) -> str | None:
    """Return the value of this module's cookie among those of a request; None if it is missing or malformed."""
    value = cookies.get(COOKIE, "")
    return value if _VALUE.fullmatch(value) else None


def fingerprint(value: str) -> str:
    """Return the SHA-256 of a cookie in hexadecimal, which records keep; nobody can make the cookie from it."""
    return hashlib.sha256(value.encode()).hexdigest()
