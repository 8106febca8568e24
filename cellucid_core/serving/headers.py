"""Headers that tell browsers what our answers may be used for.

Source: OWASP Secure Headers Project. The pages are Streamlit's, which needs its own scripts and styles, so they get
only headers that cannot break them.
"""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cellucid_core.serving.metrics import Watch, route_name

#: For every answer: browsers guess no types, tell other sites no address of ours, and show us in no frame of theirs.
EVERYWHERE = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",  # a workspace's address is its key
    "X-Frame-Options": "SAMEORIGIN",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
#: Added for our own routes, which send data and never pages.
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
        Put into the scope of every request, for `metrics.metrics`.
    """

    def __init__(self, app: ASGIApp, watch: Watch) -> None:
        self.app = app
        self.watch = watch

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and add headers to its answer."""
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
