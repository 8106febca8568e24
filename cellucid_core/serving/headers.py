"""Headers that tell browsers what our answers may be used for.

Sources: OWASP Secure Headers Project; the pages themselves are Streamlit's, which needs scripts and styles of its own,
so they get only what cannot break them.
"""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cellucid_core.serving.metrics import Watch, route_name

#: For everything: no guessing of types, no address of ours to other sites, no framing by other sites.
EVERYWHERE = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",  # a workspace's address is its key
    "X-Frame-Options": "SAMEORIGIN",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
#: For our own routes besides, which are data and never pages.
OWN = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}


class SecurityHeaders:
    """ASGI middleware that adds the headers where an answer does not set them itself.

    Parameters
    ----------
    app
        The application to wrap.
    watch
        Handed on to `metrics.metrics` with every request.
    """

    def __init__(self, app: ASGIApp, watch: Watch) -> None:
        self.app = app
        self.watch = watch

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and add to its answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        scope["cellucid.watch"] = self.watch

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in (EVERYWHERE if route_name(scope) == "page" else {**EVERYWHERE, **OWN}).items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, with_headers)
