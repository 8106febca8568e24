"""Routes beside the pages: streamed downloads, bound to a browser, and a health check. Starlette only, no Streamlit."""

from __future__ import annotations

from cellucid_core.serving.browser_cookie import COOKIE, browser_of
from cellucid_core.serving.downloads import download_address, offer_download
from cellucid_core.serving.routing import middleware, routes

__all__ = ["COOKIE", "browser_of", "download_address", "middleware", "offer_download", "routes"]
